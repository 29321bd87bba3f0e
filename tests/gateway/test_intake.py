"""The body reader keeps its count straight, whatever a client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from slipway.base.errors import BusyError, MalformedError, SlipwayError, SlowError, TooLargeError
from slipway.gateway.http import Exchange
from slipway.gateway.intake import BodyReader


class Sender:
    """A client that sends these pieces, and then hangs or hangs up."""

    def __init__(self, *pieces: bytes, then: str = "end") -> None:
        self.pieces = pieces
        self.then = then
        self.taken = 0

    def __call__(self) -> Awaitable[bytes]:
        return self._all()

    async def _all(self) -> bytes:
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece
        if self.then == "hang":
            await asyncio.get_running_loop().create_future()
        if self.then == "leave":
            raise ConnectionError

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        raise AssertionError(f"a reader does not answer {status}, {headers}, {body}")


_CONFORMS: tuple[Exchange, ...] = (Sender(),)


def read(sender: Sender, *, held: int = 0, seconds: float = 30.0, **headers: str) -> tuple[Any, int]:
    """What a reader with a limit of 100 bytes makes of it, and the bytes it still counts."""

    async def main() -> tuple[Any, int]:
        loop = asyncio.get_running_loop()
        reader = BodyReader(100, loop, seconds)
        reader.held = held

        def expire() -> None:
            reader.expire()
            loop.call_later(0.01, expire)

        expire()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            return await reader.read(named, sender), reader.held
        except (SlipwayError, ConnectionError) as error:
            return type(error), reader.held

    return asyncio.run(main())


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_held_until_released(announced: bool):
    headers = {"content_length": "100"} if announced else {}
    assert read(Sender(b"a" * 60, b"b" * 40), **headers) == (b"a" * 60 + b"b" * 40, 100)
    assert read(Sender(), **headers) == (b"", 0)


@pytest.mark.parametrize(
    ("sender", "headers", "held", "error"),
    [
        (Sender(b"a" * 101), {"content_length": "101"}, 0, TooLargeError),
        (Sender(b"a" * 60, b"b" * 60), {}, 0, TooLargeError),
        (Sender(b"a" * 60), {"content_length": "60"}, 750, BusyError),
        (Sender(b"a" * 40, b"b" * 20), {}, 750, BusyError),
        (Sender(b"a" * 40, then="leave"), {"content_length": "60"}, 0, ConnectionError),
        (Sender(b"a" * 40, then="leave"), {}, 0, ConnectionError),
        (Sender(), {"content_length": "-1"}, 0, MalformedError),
        (Sender(), {"content_length": "1e2"}, 0, MalformedError),
    ],
)
def test_a_refused_body_is_not_held(
    sender: Sender, headers: dict[str, str], held: int, error: type[Exception]
):
    assert read(sender, held=held, **headers) == (error, held)


@pytest.mark.parametrize("headers", [{"content_length": "60"}, {"content_length": "300"}, {}])
def test_a_body_that_takes_too_long_is_given_up(headers: dict[str, str]):
    assert read(Sender(b"a" * 40, then="hang"), seconds=0.02, **headers) == (SlowError, 0)


def test_a_large_body_is_read_to_a_bound_and_thrown_away():
    sender = Sender(*[b"a" * 50] * 100)
    assert read(sender) == (TooLargeError, 0)
    assert sender.taken == 9  # 400 bytes are thrown away, the next piece ends it
    announced = Sender(*[b"a" * 50] * 100)
    assert read(announced, content_length="5000") == (TooLargeError, 0)
    assert announced.taken == 0
