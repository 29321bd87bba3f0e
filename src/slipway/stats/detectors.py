"""Has the mean loss of a long-running model risen? Alarms with a stated run length between false ones."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from slipway.stats.arguments import Ints, count, observation, observations, positive, within
from slipway.stats.banks import DetectorBank, Recursion
from slipway.stats.sequential import Sequential

#: Bets from a small rise to a doubling, as shares of 1/m.
SMALLEST_BET, LARGEST_BET = 0.02, 0.5

#: Labels per vectorised step.
BLOCK = 2048


class MeanShiftCusum(Sequential):
    """CUSUM e-detector for a rise of the mean of a bounded loss above ``m``.

    The mean over a geometric grid of bets l of M_t = L_t max(M_{t-1}, 1), L_t = 1 + l (x_t - m). Alarms when
    it reaches ``run_length``.

    Assumes losses in [0, 1], each with conditional mean at most ``m`` before the change. Take ``m`` from
    ``bounds.upper_risk_bound`` of held-out losses: the held-out mean itself is too low half of the time.

    Guarantee: while the conditional means stay at most ``m``, the expected number of labels to the first
    alarm is at least ``run_length``. It is *not* a bound on ever alarming: on an endless stream a false alarm
    is certain to come; choose ``run_length`` = labels per day * days between false alarms that you accept.
    After a change at any time the delay is about log(run_length) / D labels, D = max_l E[log L_t].

    Args:
        m: bound of the mean loss before the change, in (0, 1).
        run_length: A > 1, in labels.
        bets: number of bets K; state and cost grow with it.

    Raises:
        UsageError: an argument outside its range.
        DataError: from ``update`` and ``update_many``: losses outside [0, 1]; nothing is absorbed.

    Source: Shin, Ramdas, Rinaldo, arXiv 2203.03532.

    >>> rng = np.random.default_rng(0)
    >>> detector = MeanShiftCusum(m=0.06, run_length=1e4)
    >>> detector.update_many(rng.random(5000) < 0.055)
    >>> detector.alarmed
    False
    >>> detector.update_many(rng.random(5000) < 0.12)
    >>> detector.alarmed_at, detector.change_point
    (5549, 5045)
    """

    recursion: ClassVar[Recursion] = "cusum"
    parameters = ("m", "run_length", "bets")
    memory = ("n", "_bank")

    def __init__(self, m: float, run_length: float, bets: int = 20) -> None:
        self.m = within("m", m, 0.0, 1.0)
        self.run_length = within("run_length", run_length, 1.0, math.inf)
        self.bets = count("bets", bets)
        self._grid = np.geomspace(SMALLEST_BET, LARGEST_BET, self.bets) / positive("m", self.m)
        self._bank = DetectorBank(self.bets, self.run_length, self.recursion)
        self.n = 0

    @property
    def alarmed_at(self) -> int | None:
        """Label of the first alarm."""
        return self._bank.alarmed_at

    @property
    def alarmed(self) -> bool:
        """Whether the detector has alarmed; stays so until a new detector is started."""
        return self._bank.alarmed_at is not None

    @property
    def log_value(self) -> float:
        """Log of the detector's current value; the alarm comes at log(run_length)."""
        return self._bank.log_value

    @property
    def change_point(self) -> int:
        """Labels before the estimated change (where the leading bet last restarted); fixed at the alarm."""
        return self._bank.change_point

    @property
    def restarts(self) -> Ints:
        """Label numbers, ascending, one of which ``change_point`` is or will be if no bet restarts again."""
        return self._bank.restarts

    def update(self, x: float) -> None:
        """Absorb one loss."""
        x = observation(x, 0.0, 1.0, type(self).__name__)
        self.n += 1
        self._bank.step(np.log(1.0 + self._grid * (x - self.m)))

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) losses in order of arrival."""
        losses = observations(xs, 0.0, 1.0, type(self).__name__)
        self.n += losses.size
        for start in range(0, losses.size, BLOCK):
            excess = losses[start : start + BLOCK, None] - self.m
            self._bank.scan(np.log(1.0 + self._grid * excess))


class MeanShiftShiryaevRoberts(MeanShiftCusum):
    """Shiryaev-Roberts e-detector: as ``MeanShiftCusum`` with M_t = L_t (M_{t-1} + 1).

    Same assumptions and guarantee, but it sums over all possible change points where CUSUM takes the best:
    never below CUSUM, so it alarms no later, and falsely more often (close to once per ``run_length``).

    Source: Shin, Ramdas, Rinaldo, arXiv 2203.03532.

    >>> rng = np.random.default_rng(0)
    >>> detector = MeanShiftShiryaevRoberts(m=0.06, run_length=1e4)
    >>> detector.update_many(rng.random(5000) < 0.055)
    >>> detector.update_many(rng.random(5000) < 0.12)
    >>> detector.alarmed_at
    5241
    """

    recursion: ClassVar[Recursion] = "shiryaev_roberts"
