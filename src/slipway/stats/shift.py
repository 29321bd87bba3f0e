"""Has the risk of a deployed model risen above what its held-out data promised, by more than a tolerance?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.stats.arguments import not_negative, observations, within
from slipway.stats.evidence import running
from slipway.stats.moments import RunningMoments, plug_in_bets
from slipway.stats.sequential import Sequential

#: Largest bet of the plug-in bound.
LARGEST_BET = 0.5


class HarmfulShiftTest(Sequential):
    """Alarms when a time-uniform lower bound of the live risk exceeds the held-out upper bound + tolerance.

    Assumes losses in [0, 1] in order of arrival with one conditional mean, and an ``upper`` from
    ``bounds.upper_risk_bound`` at some level delta. A risk that changes later drowns in the rows before it
    (on the car loan data: 20,883 rows of delay, against 1,926 for ``MeanShiftCusum``), so start this test at
    a promotion and use a detector for a model that stays. For a risk that drifts from the start,
    ``means.FixedBets`` with m = upper + tolerance tests its running average.

    Guarantee: P(ever alarming though the live risk is at most the held-out risk + tolerance) <= alpha +
    delta.

    Args:
        upper: upper bound of the held-out risk, in (0, 1).
        alpha: level of the live bound.
        tolerance: rise that does not matter, >= 0; a share of ``upper`` if ``relative``.
        relative: whether ``tolerance`` is a share.

    Source: Podkopaev & Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution
    shifts", ICLR 2022, arXiv 2110.06177.

    >>> rng = np.random.default_rng(0)
    >>> test = HarmfulShiftTest(upper=0.06, alpha=0.025)
    >>> test.update_many(rng.random(3000) < 0.12)
    >>> test.alarmed_at, round(test.lower, 4)
    (381, 0.0955)
    """

    parameters = ("upper", "alpha", "tolerance", "relative")
    memory = ("n", "_moments", "_weights", "_weighted", "_cost", "lower", "alarmed_at")

    def __init__(
        self, upper: float, alpha: float = 0.025, tolerance: float = 0.0, relative: bool = False
    ) -> None:
        self.upper = within("upper", upper, 0.0, 1.0)
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.tolerance = not_negative("tolerance", tolerance)
        self.relative = bool(relative)
        self.n = 0
        self._moments = RunningMoments()
        self._weights = 0.0
        self._weighted = 0.0
        self._cost = 0.0
        self.lower = 0.0
        self.alarmed_at: int | None = None

    @property
    def limit(self) -> float:
        """Risk above which the shift is harmful."""
        return self.upper * (1.0 + self.tolerance) if self.relative else self.upper + self.tolerance

    @property
    def alarmed(self) -> bool:
        """Whether the lower bound has ever exceeded ``limit``."""
        return self.alarmed_at is not None

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) losses in order of arrival."""
        losses = observations(xs, 0.0, 1.0, "HarmfulShiftTest")
        if losses.size == 0:
            return
        level = math.log(1.0 / self.alpha)
        before = self._moments.scan(losses)
        bets = np.minimum(plug_in_bets(before, level), LARGEST_BET)
        weights = running(self._weights, bets)
        weighted = running(self._weighted, bets * losses)
        cost = running(self._cost, (losses - before.means) ** 2 * (-special.log1p(-bets) - bets))
        lower = (weighted - level - cost) / weights
        if self.alarmed_at is None and (lower > self.limit).any():
            self.alarmed_at = self.n + 1 + int(np.argmax(lower > self.limit))
        self.lower = max(self.lower, float(lower.max()))
        self._weights, self._weighted, self._cost = float(weights[-1]), float(weighted[-1]), float(cost[-1])
        self.n += losses.size
