"""Where in the log an observation number lies, for the few numbers that still matter."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from slipway.stats.categorical import BinDrift
from slipway.stats.detectors import MeanShiftCusum


class Landmarks:
    """Remembers the log place of observations at which a detector last restarted.

    A detector names a change by counting its own observations; retraining needs rows of the log. Only
    the restarts that are current can become a change point, so only their places are kept.

    Args:
        start: place of "observation 0": just before the first one.
        places: what an earlier ``to_state`` wrote.
    """

    def __init__(self, start: int, places: dict[int, int] | None = None) -> None:
        self.start = start
        self._places = places or {}

    def keep(self, restarts: Iterable[int], n_before: int, places: NDArray[np.int64]) -> None:
        """Keep the places of ``restarts``; forget all others.

        Args:
            restarts: observation numbers, each known already or in the last batch.
            n_before: observations before that batch.
            places: place of each observation of the batch, in order.
        """
        kept: dict[int, int] = {}
        for n in restarts:
            if n > n_before:
                kept[n] = int(places[n - n_before - 1])
            elif n > 0:
                kept[n] = self._places[n]
        self._places = kept

    def place(self, n: int) -> int:
        """Place of observation ``n``, a restart that was kept; 0 is the start."""
        return self._places[n] if n else self.start

    def to_state(self) -> dict[str, object]:
        """JSON-able."""
        return {"start": self.start, "places": [[n, place] for n, place in sorted(self._places.items())]}

    @classmethod
    def from_state(cls, state: dict[str, object]) -> Landmarks:
        """Read ``to_state`` back."""
        places: list[list[int]] = state["places"]  # pyright: ignore[reportAssignmentType]  (written by to_state)
        return cls(int(state["start"]), {int(n): int(place) for n, place in places})  # pyright: ignore[reportArgumentType]


def restarts_of(detector: MeanShiftCusum | BinDrift) -> set[int]:
    """Observation numbers that may yet be named as the change: where the components last restarted."""
    return {*detector.restarts.tolist(), detector.change_point}
