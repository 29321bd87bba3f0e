"""Time as an argument of the search: how long it may take, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Budget:
    """A wall-clock allowance that starts when it is made.

    Args:
        seconds: the allowance.
        now: seconds on a clock that never goes back, such as ``time.monotonic``.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.seconds = seconds
        self.now = now
        self._start = now()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self.now() - self._start

    @property
    def left(self) -> float:
        """Seconds until the allowance is used up; negative afterwards."""
        return self.seconds - self.spent


@dataclass(frozen=True)
class Progress:
    """A sign of life: the stage, the share of the whole that is done, and what is going on."""

    stage: str
    done: float
    message: str


#: Receives signs of life; it must return quickly, for it runs inside the search.
Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report for callers that show nothing."""
    del progress
