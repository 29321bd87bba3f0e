"""The RSGI application of one worker: a table of routes, replaced whole when the plan changes."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Mapping
from time import perf_counter
from typing import Protocol

from slipway.base.errors import NotFoundError, SlipwayError
from slipway.gateway.context import Meter, Reply, Request, RequestIds
from slipway.gateway.http import CLIENT_GONE, Exchange, Scope
from slipway.gateway.intake import BodyReader
from slipway.gateway.problems import error_body, error_headers, method_error

_log = logging.getLogger("slipway.gateway")

#: Counted, and sent to nobody: the client left before its request was complete.
_CLIENT_GONE = 499
_PREFIX = "/v1/endpoints/"
_JSON = ("content-type", "application/json")
_INTERNAL = (
    b'{"error":{"code":"internal","message":"the gateway failed on this request; its log names the place"}}'
)


class Route(Protocol):
    """One path: the method that it takes, and what it answers."""

    @property
    def method(self) -> str:
        """The only method, ``GET`` standing for ``HEAD`` too."""
        ...

    @property
    def meter(self) -> Meter:
        """Counts its answers."""
        ...

    def answer(self, request: Request) -> Awaitable[Reply]:
        """Answer, or raise a SlipwayError."""
        ...


class Gateway:
    """Dispatches requests. Everything here runs on the event loop; ``adopt`` may be called from any thread.

    Args:
        bodies: reads request bodies.
        lost: counts answers to paths that do not exist.
    """

    def __init__(self, bodies: BodyReader, lost: Meter) -> None:
        self.under_way = 0
        self._bodies = bodies
        self._fixed: dict[str, Route] = {}
        self._routes: dict[str, Route] = {}
        self._lost = lost
        self._ids = RequestIds()
        self._closing = False

    def pin(self, routes: Mapping[str, Route]) -> None:
        """Set the routes that no plan changes."""
        self._fixed = dict(routes)
        self.adopt({})

    def adopt(self, routes: Mapping[str, Route]) -> None:
        """Answer by these routes from the next request on."""
        self._routes = {**self._fixed, **routes}

    def close(self) -> None:
        """Ask clients to leave: answers now close their connections."""
        self._closing = True

    async def drained(self, seconds: float) -> None:
        """Wait until no request is under way, at most ``seconds``."""
        deadline = perf_counter() + seconds
        while self.under_way and perf_counter() < deadline:
            await asyncio.sleep(0.005)

    async def __call__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        began = perf_counter()
        self.under_way += 1
        headers = scope.headers
        request_id = self._ids.of(headers)
        route = self._routes.get(scope.path)
        held = 0
        try:
            if route is None:
                raise self._no_route(scope.path)
            method = scope.method
            if method != route.method and not (method == "HEAD" and route.method == "GET"):
                raise method_error(route.method, method)
            body = b""
            if method == "POST":
                body = await self._bodies.read(headers, exchange)
                held = len(body)
            reply = await route.answer(Request(request_id, body))
            status, content = reply.status, reply.body
            head = [("content-type", reply.content_type), ("x-request-id", request_id)]
            if reply.headers is not None:
                head += reply.headers
        except SlipwayError as error:
            status, content = error.http_status, error_body(error)
            head = [*error_headers(error), ("x-request-id", request_id)]
        except CLIENT_GONE:
            status, content, head = _CLIENT_GONE, b"", []
        except Exception as error:  # noqa: BLE001  (the last line of defence: one request fails, not the worker)
            _log_place(error)
            status, content = 500, _INTERNAL
            head = [_JSON, ("x-request-id", request_id)]
        finally:
            self.under_way -= 1
            self._bodies.release(held)
        if self._closing:
            head.append(("connection", "close"))
        # Counted first: who reads the metrics after an answer finds it there.
        (self._lost if route is None else route.meter).observe(status, perf_counter() - began)
        exchange.response_bytes(status, head, content)

    def _no_route(self, path: str) -> NotFoundError:
        if not path.startswith(_PREFIX):
            return NotFoundError(
                expected="a path of the gateway",
                got="another",
                where="the request line",
                next_step=f"POST {_PREFIX}NAME/predict or {_PREFIX}NAME/outcomes",
            )
        name = path.removeprefix(_PREFIX).partition("/")[0]
        if f"{_PREFIX}{name}/predict" in self._routes:
            return NotFoundError(
                expected="predict or outcomes",
                got="another action",
                where="the request line",
                next_step=f"POST {_PREFIX}{name}/predict",
            )
        return NotFoundError(
            expected="an endpoint that is deployed",
            got="another name",
            where="the request line",
            next_step="list endpoints with `slipway status`",
        )


def _log_place(error: Exception) -> None:
    """Log where an unexpected error happened and its type; its text may quote a row."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    _log.error("internal error %s at %s", type(error).__name__, places)
