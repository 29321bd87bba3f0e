"""The HTTP faces of errors: statuses that only a server knows, and the JSON an error becomes."""

from __future__ import annotations

import msgspec

from slipway.base.errors import DataError, FaultError, SlipwayError, UsageError

Headers = list[tuple[str, str]]


class MalformedError(UsageError):
    """The body is not JSON."""

    code = "malformed"


class MethodError(UsageError):
    """The path exists, but not for this method; ``allow`` is what it takes."""

    http_status = 405
    code = "method_not_allowed"
    allow = "POST"


class SlowError(UsageError):
    """The body did not arrive in time."""

    http_status = 408
    code = "timeout"


class TooLargeError(UsageError):
    """The body has more bytes or rows than the gateway takes in one request."""

    http_status = 413
    code = "too_large"


class MediaTypeError(UsageError):
    """The body is declared as something other than JSON."""

    http_status = 415
    code = "media_type"


class RowError(DataError):
    """The request's rows, or outcomes, are not what the endpoint takes."""

    code = "invalid_rows"


class BusyError(FaultError):
    """The worker holds as much unanswered work as it may."""

    code = "busy"


class NotReadyError(FaultError):
    """The worker has nothing to answer with, or cannot log."""

    code = "not_ready"


def method_error(allow: str, got: str) -> MethodError:
    """A wrong method, with the right one for the ``Allow`` header."""
    known = got if got in _METHODS else "another method"
    error = MethodError(expected=allow, got=known, where="the request line", next_step=f"send {allow}")
    error.allow = allow
    return error


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
        headers.append(("allow", error.allow))
    if error.http_status == 503:
        headers.append(("retry-after", "1"))
    return headers


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
