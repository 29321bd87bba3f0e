"""Confidence sequences: intervals for a mean that hold at all labels at once.

Source of the betting ones: Waudby-Smith & Ramdas, JRSSB 2023, arXiv 2010.09686; of the mixture: Howard et
al., AoS 2021, arXiv 1810.08240; of the asymptotic one: Waudby-Smith et al., AoS 2024, arXiv 2103.06476.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.errors import UsageError
from slipway.stats.arguments import Floats, count, observation, observations, positive, within
from slipway.stats.evidence import running
from slipway.stats.mixtures import GammaExponentialMixture
from slipway.stats.moments import RunningMoments, plug_in_bets
from slipway.stats.sequential import Sequential

#: Largest bet of the plug-in sequence.
LARGEST_BET = 0.5


class EmpiricalBernsteinSequence(Sequential):
    """Predictable plug-in empirical Bernstein sequence for a constant mean: closed form, O(1) per label.

    centre = sum l_i x_i / sum l_i, half-width = (log(2/alpha) + sum (x_i - mean_{i-1})^2 psi(l_i)) / sum l_i,
    psi(l) = -log(1 - l) - l and l_t = sqrt(2 log(2/alpha) / (variance_{t-1} t log(1 + t))) capped at 1/2;
    ``interval`` is the intersection of all intervals so far.

    Assumes values in [0, 1] in order of arrival, all with the same conditional mean. Under drift the bets
    weigh labels unequally and the intersection may become empty: use ``RunningMeanSequence``.

    Guarantee: P(the mean is ever outside ``interval``) <= alpha; ``lower`` and ``upper`` alone: alpha / 2
    each.

    Args:
        alpha: level in (0, 1).

    Source: Waudby-Smith & Ramdas, arXiv 2010.09686, theorem 2.

    >>> rng = np.random.default_rng(0)
    >>> sequence = EmpiricalBernsteinSequence(alpha=0.05)
    >>> sequence.update_many(rng.random(1000))
    >>> [round(edge, 3) for edge in sequence.interval]
    [0.49, 0.556]
    """

    parameters = ("alpha",)
    memory = ("n", "_moments", "_weights", "_weighted", "_cost", "lower", "upper")

    def __init__(self, alpha: float) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.n = 0
        self._moments = RunningMoments()
        self._weights = 0.0
        self._weighted = 0.0
        self._cost = 0.0
        self.lower = 0.0
        self.upper = 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """(lower, upper): all intervals so far, intersected."""
        return (self.lower, self.upper)

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) values in [0, 1] in order of arrival."""
        lower, upper = self.path(xs)
        if lower.size:
            self.lower, self.upper = float(lower[-1]), float(upper[-1])

    def path(self, xs: ArrayLike) -> tuple[Floats, Floats]:
        """As ``update_many``, returning lower and upper after each value: for plots."""
        values = observations(xs, 0.0, 1.0, "EmpiricalBernsteinSequence")
        if values.size == 0:
            return values, values
        level = math.log(2.0 / self.alpha)
        before = self._moments.scan(values)
        bets = np.minimum(plug_in_bets(before, level), LARGEST_BET)
        weights = running(self._weights, bets)
        weighted = running(self._weighted, bets * values)
        cost = running(self._cost, (values - before.means) ** 2 * (-special.log1p(-bets) - bets))
        self._weights, self._weighted, self._cost = float(weights[-1]), float(weighted[-1]), float(cost[-1])
        self.n += values.size
        half = (level + cost) / weights
        lower = np.maximum.accumulate(np.maximum(weighted / weights - half, self.lower))
        upper = np.minimum.accumulate(np.minimum(weighted / weights + half, self.upper))
        return lower, upper


class RunningMeanSequence(Sequential):
    """Empirical Bernstein sequence for the running average of conditional means, whatever they do.

    mean -+ u(V) / n, with V = sum (x_i - mean of the earlier)^2 and u the boundary at alpha / 2 of the
    gamma-exponential mixture of scale high - low. No intersection: the target itself moves.

    Assumes values in [low, high] in order of arrival; no assumption on their means or dependence.

    Guarantee: P(the running average of the conditional means is ever outside ``interval``) <= alpha.

    Args:
        alpha: level in (0, 1).
        v_opt: V at which the interval is to be tightest, in units of (high - low)^2.
        low, high: range of the values.

    Source: Howard et al., arXiv 1810.08240, theorem 4; Choe & Ramdas, arXiv 2110.00115.

    >>> rng = np.random.default_rng(0)
    >>> sequence = RunningMeanSequence(alpha=0.05)
    >>> sequence.update_many(rng.random(1000))
    >>> [round(edge, 3) for edge in sequence.interval]
    [0.483, 0.55]
    """

    parameters = ("alpha", "v_opt", "low", "high")
    memory = ("n", "_total", "_spread")

    def __init__(self, alpha: float, v_opt: float = 10.0, low: float = 0.0, high: float = 1.0) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.v_opt = positive("v_opt", v_opt)
        self.low, self.high = float(low), float(high)
        if not self.low < self.high < math.inf or math.isinf(self.low):
            raise UsageError(
                expected="finite low < high", got=f"{low:g} and {high:g}", where="RunningMeanSequence"
            )
        width = self.high - self.low
        self._mixture = GammaExponentialMixture(self.v_opt * width**2, min(self.alpha, 0.4) / 2.0, width)
        self.n = 0
        self._total = 0.0
        self._spread = 0.0

    @property
    def mean(self) -> float:
        """Mean so far; the middle of the range before any value."""
        return self._total / self.n if self.n else 0.5 * (self.low + self.high)

    @property
    def interval(self) -> tuple[float, float]:
        """Interval for the running average of conditional means at the current label."""
        if self.n == 0:
            return (self.low, self.high)
        half = self._mixture.bound(self._spread, self.alpha / 2.0) / self.n
        return (max(self.low, self.mean - half), min(self.high, self.mean + half))

    def update(self, x: float) -> None:
        """Absorb one value."""
        x = observation(x, self.low, self.high, "RunningMeanSequence")
        error = x - self.mean
        self.n += 1
        self._total += x
        self._spread += error * error

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) values in order of arrival."""
        values = observations(xs, self.low, self.high, "RunningMeanSequence")
        if values.size == 0:
            return
        totals = running(self._total, values)
        counts = np.arange(self.n + 1.0, self.n + values.size)
        guesses = np.concatenate([[self.mean], totals[:-1] / counts])
        self._spread = float(running(self._spread, (values - guesses) ** 2)[-1])
        self._total = float(totals[-1])
        self.n += values.size


class AsymptoticSequence(Sequential):
    """Asymptotic confidence sequence: for unbounded losses (log loss, squared error), valid in the limit
    only.

    mean -+ sd sqrt(2 (n r + 1) / (n^2 r) log(sqrt(n r + 1) / alpha)), with
    r = (-2 log alpha + log(-2 log alpha + 1)) / t_star.

    Assumes independent values with one mean and a little more than a finite variance. It is an approximation
    like the usual z interval, but for all labels from some large one on: do not act on it before ``t_star``.

    Guarantee: none at any finite n; P(ever outside after label n0) tends to at most alpha as n0 grows.

    Args:
        alpha: level in (0, 1).
        t_star: label at which the interval is to be tightest, and the first label worth acting on.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, AoS 2024, arXiv 2103.06476.

    >>> rng = np.random.default_rng(0)
    >>> sequence = AsymptoticSequence(alpha=0.05, t_star=500)
    >>> sequence.update_many(rng.exponential(2.0, 1000))
    >>> [round(edge, 2) for edge in sequence.interval]
    [1.85, 2.24]
    """

    #: Readers of a report must see that this one is an approximation.
    asymptotic = True
    parameters = ("alpha", "t_star")
    memory = ("n", "_origin", "_total", "_squares")

    def __init__(self, alpha: float, t_star: int) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.t_star = count("t_star", t_star)
        self.n = 0
        # sums are taken from the first value: no cancellation when all lie far from zero
        self._origin = 0.0
        self._total = 0.0
        self._squares = 0.0

    @property
    def mean(self) -> float:
        """Mean so far; 0.0 before any value."""
        return self._origin + self._total / self.n if self.n else 0.0

    @property
    def sd(self) -> float:
        """Standard deviation so far."""
        if self.n == 0:
            return 0.0
        return math.sqrt(max(0.0, self._squares / self.n - (self._total / self.n) ** 2))

    @property
    def interval(self) -> tuple[float, float]:
        """The interval at the current label; infinite before the second one."""
        if self.n < 2:
            return (-math.inf, math.inf)
        spend = -2.0 * math.log(self.alpha)
        r = (spend + math.log(spend + 1.0)) / self.t_star
        grown = self.n * r + 1.0
        half = self.sd * math.sqrt(2.0 * grown / (self.n**2 * r) * math.log(math.sqrt(grown) / self.alpha))
        return (self.mean - half, self.mean + half)

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) finite values."""
        values = observations(xs, -math.inf, math.inf, "AsymptoticSequence")
        if values.size == 0:
            return
        if self.n == 0:
            self._origin = float(values[0])
        shifted = values - self._origin
        self._total = float(running(self._total, shifted)[-1])
        self._squares = float(running(self._squares, shifted * shifted)[-1])
        self.n += values.size
