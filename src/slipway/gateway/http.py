"""The HTTP seam: what the gateway sees of a request, and Granian run on a socket it inherited.

Granian's own process manager binds a socket per worker and gives up when a worker dies twice within
5.5 s; here the supervisor owns one listening socket that outlives every worker (see ``server``), so the
single-worker core of Granian is driven directly. This is the only module that knows how.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from granian._futures import _future_watcher_wrapper, _new_cbscheduler  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType]  (no public single-worker entry)
from granian._granian import RSGIProtocolClosed, RSGIProtocolError, RSGIWorker, SocketHolder
from granian._signals import set_loop_signals  # pyright: ignore[reportUnknownVariableType]
from granian.http import HTTP1Settings

BACKLOG = 1024
#: What reading a body raises when the client has gone, or has sent what is no HTTP.
CLIENT_GONE: tuple[type[Exception], ...] = (RSGIProtocolClosed, RSGIProtocolError)
#: Requests that Granian keeps in Python at once; further connections wait in the kernel.
_CONCURRENCY = 1024


class RequestHeaders(Protocol):
    """Request headers; names in lower case."""

    def get(self, key: str, default: Any = None) -> Any:
        """The header's value, or the default."""
        ...


class Scope(Protocol):
    """The request line and headers."""

    @property
    def method(self) -> str:
        """Upper-case method."""
        ...

    @property
    def path(self) -> str:
        """Path without query, percent-decoded."""
        ...

    @property
    def headers(self) -> RequestHeaders:
        """The request headers."""
        ...


class Exchange(Protocol):
    """The body coming in and the answer going out."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""
        ...


Application = Callable[[Any, Any], Awaitable[None]]


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket that all workers share.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def serve(
    application: Application,
    fd: int,
    loop: asyncio.AbstractEventLoop,
    draining: Callable[[], None],
    drained: Callable[[], Awaitable[None]],
) -> None:
    """Answer requests on the listening socket ``fd`` until SIGTERM or SIGINT.

    Args:
        application: an RSGI application.
        fd: a listening, non-blocking TCP socket.
        loop: an event loop that is not running.
        draining: called on the loop when no new connection is taken any more.
        drained: waits until the requests under way are answered.
    """
    stop = set_loop_signals(loop)
    stopped = asyncio.Event()
    stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    worker: Any = RSGIWorker(  # pyright: ignore[reportUnknownVariableType, reportCallIssue]  (the stub lags behind)
        1,
        (None, SocketHolder(fd, False, BACKLOG)),  # pyright: ignore[reportCallIssue]  (the stub lags behind)
        None,  # no channel to a Granian parent
        1,  # runtime threads
        8,  # threads of the runtime for blocking calls; none are made
        1,  # Python threads
        30,  # their idle seconds
        _CONCURRENCY,
        "1",
        HTTP1Settings(),
        None,
        False,  # websockets
        None,  # static files
        *(False, None, None, None, "tls13", None, [], False),  # TLS
        (None, None),  # metrics
    )
    scheduler = _new_cbscheduler(loop, _future_watcher_wrapper(application), impl_asyncio=True)

    async def until_stopped() -> None:
        await stopped.wait()
        draining()
        await drained()

    worker.serve_str(scheduler, loop, stop)
    loop.run_until_complete(until_stopped())
