"""Confidence sequences for quantiles, such as the 99 % point of latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from slipway.base.errors import DataError, UsageError
from slipway.stats.arguments import observations, positive, within
from slipway.stats.proportions import BetaBinomialMixture
from slipway.stats.sequential import Sequential


class QuantileSequence(Sequential):
    """Confidence sequence for a quantile, for instance of latency, on a fixed grid of values.

    An edge e is left out of ``interval`` when the share of values <= e is too far from q to be explained:
    |count(x <= e) - n q| beyond the beta-binomial boundary at p = q.

    Assumes values in order of arrival, independent of each other or at least each with the same conditional
    probability to lie below the quantile. The interval is in terms of ``edges``: as coarse as they are.

    Guarantee: P(the quantile is ever outside ``interval``) <= alpha.

    Args:
        q: the quantile, in (0, 1): 0.99 for p99.
        alpha: level in (0, 1).
        edges: ascending values at which counts are kept.
        t_opt: number of values at which the interval is to be tightest.

    Source: Howard & Ramdas, "Sequential estimation of quantiles", Bernoulli 2022, arXiv 1906.09712.

    >>> rng = np.random.default_rng(0)
    >>> p90 = QuantileSequence(0.9, alpha=0.05, edges=np.geomspace(1, 1000, 200).tolist())
    >>> p90.update_many(rng.exponential(20.0, 3000))
    >>> [round(edge, 1) for edge in p90.interval]  # the truth is 46.1
    [42.5, 52.3]
    """

    parameters = ("q", "alpha", "edges", "t_opt")
    memory = ("n", "_counts")

    def __init__(self, q: float, alpha: float, edges: Sequence[float], t_opt: float = 1000.0) -> None:
        self.q = within("q", q, 0.0, 1.0)
        self.alpha = within("alpha", alpha, 0.0, 0.5)
        self.edges = [float(edge) for edge in edges]
        self.t_opt = positive("t_opt", t_opt)
        if not self.edges or any(not a < b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise UsageError(
                expected="ascending edges", got=f"{len(self.edges)} edges", where="QuantileSequence"
            )
        v_opt = self.t_opt * self.q * (1.0 - self.q)
        self._up = BetaBinomialMixture(v_opt, self.alpha, self.q, 1.0 - self.q)
        self._down = BetaBinomialMixture(v_opt, self.alpha, 1.0 - self.q, self.q)
        self._counts = np.zeros(len(self.edges) + 1, np.int64)
        self.n = 0

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high): edges between which the quantile lies; infinite where no edge is excluded."""
        v = self.n * self.q * (1.0 - self.q)
        sums = np.cumsum(self._counts[:-1]) - self.n * self.q
        few = np.flatnonzero(sums < -self._down.bound(v, self.alpha))
        many = np.flatnonzero(sums > self._up.bound(v, self.alpha))
        low = self.edges[few[-1]] if few.size else -math.inf
        return (low, self.edges[many[0]] if many.size else math.inf)

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) finite values."""
        values = observations(xs, -math.inf, math.inf, "QuantileSequence")
        places = np.searchsorted(self.edges, values, side="left")
        self._counts += np.bincount(places, minlength=self._counts.size)
        self.n += values.size


def quantile_difference_p_value(
    first: ArrayLike, second: ArrayLike, q: float, t_opt: float = 100.0, alpha_opt: float = 0.05
) -> float:
    """Anytime p-value of "both arms have the same ``q``-quantile", for instance of latency.

    1 / min over x of E_1(x) E_2(x), where E_k(x) is the beta-binomial evidence that x is not the quantile of
    arm k: if both quantiles are the same x, the product is an e-process, and the minimum is below it.

    Args:
        first: (n,) values of one arm so far.
        second: (m,) values of the other arm so far, independent of the first.
        q: the quantile, in (0, 1).
        t_opt: number of values per arm at which the test is to be sharpest.
        alpha_opt: level at which it is to be sharpest.

    Returns:
        A p-value that may be computed after every row: P(ever <= alpha) <= alpha if the quantiles are equal.

    Raises:
        UsageError, DataError: an argument outside its range, or an empty arm.

    Source: Howard & Ramdas, "Sequential estimation of quantiles", Bernoulli 2022, arXiv 1906.09712.

    >>> round(quantile_difference_p_value(np.arange(1000), np.arange(1000) + 85, 0.5), 7)
    0.0838055
    """
    q = within("q", q, 0.0, 1.0)
    arms = [
        np.sort(observations(arm, -np.inf, np.inf, "quantile_difference_p_value")) for arm in (first, second)
    ]
    if not all(arm.size for arm in arms):
        raise DataError(
            expected="values of both arms", got="an empty arm", where="quantile_difference_p_value"
        )
    mixture = BetaBinomialMixture(positive("t_opt", t_opt) * q * (1.0 - q), alpha_opt, q, 1.0 - q)
    places = np.union1d(*arms)
    total = np.zeros(places.size)
    for arm in arms:
        n = arm.size

        def evidence(share: float, n: int = n) -> float:
            return mixture.log_value((share - q) * n, q * (1.0 - q) * n)

        # the evidence is convex in the share of values below; where x is a value of the arm, any share
        # between "below it" and "up to it" is allowed, and the least counts
        found: Any = optimize.minimize_scalar(evidence, bounds=(0.0, 1.0), method="bounded", options=_FINE)
        least = float(found.x)
        below, up_to = np.searchsorted(arm, places, "left") / n, np.searchsorted(arm, places, "right") / n
        total += [evidence(share) for share in np.clip(least, below, up_to).tolist()]
    return min(1.0, math.exp(-float(total.min())))


_FINE = {"xatol": 1e-9}
