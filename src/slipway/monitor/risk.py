"""Is the champion's risk still what it was on held-out rows? A CUSUM e-detector on its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.models.reference import RiskReference
from slipway.monitor.alarm import Alarm, finite, run_length_guarantee
from slipway.monitor.landmarks import Landmarks, restarts_of
from slipway.stats.detectors import MeanShiftCusum

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class RiskMonitor:
    """Watches the losses of labelled rows, in the order in which labels came.

    The yardstick is the upper confidence bound of the held-out risk plus the declared tolerance, never
    the held-out mean itself: that is an estimate. After its alarm the monitor rests until the champion
    changes: one change, one alarm.

    Args:
        reference: held-out risk of the champion.
        tolerance: rise above the bound that does not matter, in [0, 1).
        run_length: labels between two tolerated false alarms.
        start: place before the first row.

    Source: Shin, Ramdas & Rinaldo, "E-detectors", 2024, arXiv 2203.03532.
    """

    def __init__(self, reference: RiskReference, tolerance: float, run_length: float, start: int) -> None:
        self.limit = reference.upper + tolerance
        self.run_length = run_length
        self._reference = reference
        self._detector = MeanShiftCusum(self.limit, run_length)
        self._landmarks = Landmarks(start)
        self._total = 0.0

    @property
    def n(self) -> int:
        """Labels seen."""
        return self._detector.n

    @property
    def alarmed(self) -> bool:
        """Whether the alarm was raised; the monitor then takes no more labels."""
        return self._detector.alarmed

    @property
    def e_value(self) -> float:
        """Current evidence of a rise; an alarm needs ``run_length``."""
        return finite(float(np.exp(min(self._detector.log_value, 700.0))))

    @property
    def mean(self) -> float:
        """Mean loss of the labels seen; 0.0 before any."""
        return self._total / self.n if self.n else 0.0

    def absorb(self, losses: Floats, places: Places) -> tuple[int, Alarm] | None:
        """Take losses in [0, 1], shape (n,), with the places of their rows.

        Returns:
            Index of the label that raised the alarm, and the alarm; None without one.
        """
        if self.alarmed or not len(losses):
            return None
        before = self._detector.to_state()
        n_before = self._detector.n
        self._detector.update_many(losses)
        if not self._detector.alarmed:
            self._keep(losses, places, n_before)
            return None
        alarmed_at = self._detector.alarmed_at
        assert alarmed_at is not None
        count = alarmed_at - n_before
        self._detector = MeanShiftCusum.from_state(before)
        self._detector.update_many(losses[:count])
        self._keep(losses[:count], places[:count], n_before)
        return count - 1, self._alarm()

    def _keep(self, losses: Floats, places: Places, n_before: int) -> None:
        # one after the other, so that batches do not change a bit
        self._total = float(np.cumsum(np.concatenate([[self._total], losses]))[-1])
        self._landmarks.keep(restarts_of(self._detector), n_before, places)

    def _alarm(self) -> Alarm:
        change_n = self._detector.change_point
        return Alarm(
            kind="risk",
            features=(),
            n=self.n,
            change_n=change_n,
            change=self._landmarks.place(change_n),
            e_value=self.e_value,
            run_length=self.run_length,
            message=(
                f"the loss has risen above {self.limit:.5f} (held-out {self._reference.mean:.5f}, "
                f"upper bound {self._reference.upper:.5f}), by label {self.n:,}; "
                f"the rise is estimated to begin after label {change_n:,}"
            ),
            guarantee=run_length_guarantee(self.run_length, "risk"),
        )

    def to_state(self) -> dict[str, Any]:
        """JSON-able; ``from_state`` continues bit for bit."""
        return {
            "detector": self._detector.to_state(),
            "landmarks": self._landmarks.to_state(),
            "total": self._total,
            "limit": self.limit,
            "run_length": self.run_length,
        }

    @classmethod
    def from_state(cls, reference: RiskReference, state: dict[str, Any]) -> RiskMonitor:
        """Read ``to_state`` back."""
        self = cls.__new__(cls)
        self.limit = state["limit"]
        self.run_length = state["run_length"]
        self._reference = reference
        self._detector = MeanShiftCusum.from_state(state["detector"])
        self._landmarks = Landmarks.from_state(state["landmarks"])
        self._total = state["total"]
        return self
