"""Request bodies: how many bytes, how fast, how many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from slipway.base.errors import SlipwayError
from slipway.gateway.http import Exchange, RequestHeaders
from slipway.gateway.problems import BusyError, MalformedError, MediaTypeError, SlowError, TooLargeError

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
    """

    def __init__(self, max_body: int, loop: asyncio.AbstractEventLoop) -> None:
        self.held = 0
        self._max_body = max_body
        self._max_held = INFLIGHT_BODIES * max_body
        self._loop = loop
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
        if announced is None:
            return await self._read_pieces(exchange)
        size = int(announced) if announced.isdecimal() else _refuse_length()
        if size > self._max_body:
            await self._discard(exchange, size)
            raise self._too_large(str(size))
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
            if now - began > BODY_SECONDS:
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
                raise _slow() from None
            raise
        finally:
            del self._reading[task]
            self._expired.discard(task)

    async def _read_pieces(self, exchange: Exchange) -> bytes:
        """A body without announced length."""
        return await self._timed(self._collect(exchange.__aiter__()))

    async def _collect(self, pieces: AsyncIterator[bytes]) -> bytes:
        body = bytearray()
        try:
            async for piece in pieces:
                if len(body) + len(piece) > self._max_body:
                    await self._drain(pieces, _DISCARD * self._max_body)
                    raise self._too_large("more")
                if self.held + len(piece) > self._max_held:
                    raise _busy()
                self.held += len(piece)
                body += piece
        except BaseException:
            self.held -= len(body)
            raise
        return bytes(body)

    async def _discard(self, exchange: Exchange, size: int) -> None:
        if size <= _DISCARD * self._max_body:
            pieces = exchange.__aiter__()

            async def nothing() -> bytes:
                await self._drain(pieces, size)
                return b""

            await self._timed(nothing())

    @staticmethod
    async def _drain(pieces: AsyncIterator[bytes], most: int) -> None:
        async for piece in pieces:
            most -= len(piece)
            if most < 0:
                return

    def _too_large(self, got: str) -> SlipwayError:
        return TooLargeError(
            expected=f"a body of at most {self._max_body} bytes",
            got=got,
            where="the body",
            next_step="send the rows in several requests, or raise serve.max_body",
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


def _slow() -> SlowError:
    return SlowError(
        expected=f"the whole body within {BODY_SECONDS:.0f} s",
        got="a part of it",
        where="the body",
        next_step="send it again, faster or in smaller requests",
    )
