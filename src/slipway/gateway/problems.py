"""What an error becomes over HTTP: a body for people and programs, and the headers its status calls for."""

from __future__ import annotations

import msgspec

from slipway.base.errors import MethodError, SlipwayError

Headers = list[tuple[str, str]]

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))


def method_error(allow: str, got: str) -> MethodError:
    """A wrong method."""
    return MethodError(
        expected=allow,
        got=got if got in _METHODS else "another method",
        where="the request line",
        next_step=f"send {allow}",
    )


def error_body(error: SlipwayError) -> bytes:
    """The JSON of an error: the line for people, its four parts for programs."""
    return msgspec.json.encode(
        {
            "error": {
                "code": error.code,
                "message": error.message,
                "expected": error.expected,
                "got": error.got,
                "where": error.where,
                "next_step": error.next_step,
            }
        }
    )


def error_headers(error: SlipwayError) -> Headers:
    """Headers that the status calls for."""
    headers = [("content-type", "application/json")]
    if isinstance(error, MethodError):
        headers.append(("allow", error.expected))
    if error.http_status == 503:
        headers.append(("retry-after", "1"))
    return headers
