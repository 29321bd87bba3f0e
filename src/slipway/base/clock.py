"""The clock as an argument, so that what depends on time can be tested and replayed."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


class FixedClock:
    """A clock that a test moves by hand."""

    def __init__(self, now_us: int) -> None:
        self.value = now_us

    def now_us(self) -> int:
        """The set time, in microseconds since 1970-01-01 UTC."""
        return self.value


_CONFORMS: tuple[Clock, ...] = (SystemClock(), FixedClock(0))
