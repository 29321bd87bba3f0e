"""Request bodies: how many bytes, how fast, how many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from slipway.base.errors import (
    BusyError,
    MalformedError,
    MediaTypeError,
    SlipwayError,
    SlowError,
    TooLargeError,
)
from slipway.gateway.http import Exchange, RequestHeaders

#: Seconds a client may take to send a body.
BODY_SECONDS = 30.0
#: Bodies of requests not yet answered, per worker, as a multiple of the largest single one.
INFLIGHT_BODIES = 8
#: A body over the limit is read to this multiple of it and thrown away, so that the client, which is
#: still sending, gets to read the answer instead of a broken connection.
_DISCARD = 4


class BodyReader:
    """Reads bodies on the event loop and keeps count of what is unanswered.

    Args:
        max_body: largest body, in bytes.
        loop: the worker's event loop.
        body_seconds: how long a client may take to send a body.
    """

    def __init__(
        self, max_body: int, loop: asyncio.AbstractEventLoop, body_seconds: float = BODY_SECONDS
    ) -> None:
        self.held = 0
        self._max_body = max_body
        self._max_held = INFLIGHT_BODIES * max_body
        self._loop = loop
        self._body_seconds = body_seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._expired: set[asyncio.Task[Any]] = set()

    async def read(self, headers: RequestHeaders, exchange: Exchange) -> bytes:
        """The body. Its bytes count as held until ``release``.

        Raises:
            MediaTypeError, TooLargeError, BusyError, SlowError, MalformedError: see there.
        """
        kind = headers.get("content-type")
        if kind is not None and kind != "application/json":
            _check_media_type(kind)
        announced = headers.get("content-length")
        size = None if announced is None else int(announced) if announced.isdecimal() else _refuse_length()
        if size is None or size > self._max_body:
            return await self._timed(self._read_pieces(exchange, size))
        if self.held + size > self._max_held:
            raise _busy()
        self.held += size
        try:
            body = await self._timed(exchange())
        except BaseException:
            self.held -= size
            raise
        # What the client did not send after all is not held.
        self.held += len(body) - size
        return body

    def release(self, size: int) -> None:
        """The answer to a body of ``size`` bytes is out."""
        self.held -= size

    def expire(self) -> None:
        """Give up on bodies that take too long; called about once a second, on the loop."""
        now = self._loop.time()
        for task, began in self._reading.items():
            if now - began > self._body_seconds:
                self._expired.add(task)
                task.cancel()

    async def _timed(self, reading: Awaitable[bytes]) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = self._loop.time()
        try:
            return await reading
        except asyncio.CancelledError:
            if task in self._expired:
                raise self._slow() from None
            raise
        finally:
            del self._reading[task]
            self._expired.discard(task)

    async def _read_pieces(self, exchange: Exchange, announced: int | None) -> bytes:
        """A body without announced length, or one that is announced as too large, which is not kept."""
        most = _DISCARD * self._max_body
        if announced is not None and announced > most:
            raise self._too_large(str(announced))
        kept = bytearray()
        size = 0
        try:
            async for piece in exchange:
                size += len(piece)
                if size > most:
                    break
                if announced is not None or size > self._max_body:
                    continue
                if self.held + len(piece) > self._max_held:
                    raise _busy()
                self.held += len(piece)
                kept += piece
            if announced is not None or size > self._max_body:
                raise self._too_large("more" if announced is None else str(announced))
        except BaseException:
            self.held -= len(kept)
            raise
        return bytes(kept)

    def _too_large(self, got: str) -> SlipwayError:
        return TooLargeError(
            expected=f"a body of at most {self._max_body} bytes",
            got=got,
            where="the body",
            next_step="send the rows in several requests, or raise serve.max_body",
        )

    def _slow(self) -> SlowError:
        return SlowError(
            expected=f"the whole body within {self._body_seconds:.0f} s",
            got="a part of it",
            where="the body",
            next_step="send it again, faster or in smaller requests",
        )


def _check_media_type(kind: str) -> None:
    essence = kind.partition(";")[0].strip().lower()
    if essence and essence != "application/json" and not essence.endswith("+json"):
        raise MediaTypeError(
            expected="content-type application/json, or none",
            got="another",
            where="the request headers",
            next_step="send JSON and say so",
        )


def _refuse_length() -> int:
    raise MalformedError(expected="a number", got="something else", where="content-length")


def _busy() -> BusyError:
    return BusyError(
        expected="fewer bytes under way at once",
        got="as many as this worker may hold",
        where="the gateway",
        next_step="send the request again after the time in Retry-After",
    )
