"""Confidence sequences for the rate of 0/1 outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from slipway.base.errors import DataError, UsageError
from slipway.stats.arguments import observations, positive, within
from slipway.stats.mixtures import like, tuning
from slipway.stats.sequential import Sequential


class BetaBinomialMixture:
    """Two-sided beta-binomial mixture: for centred terms that take the values -g and h.

    For 0/1 outcomes with mean p take g = p, h = 1 - p, S = successes - n p, V = n p (1 - p); then it is the
    likelihood ratio of a beta-mixed success rate against p.

    Source: Howard et al., arXiv 1810.08240, proposition 7.

    >>> mixture = BetaBinomialMixture(100.0, 0.05, g=0.2, h=0.8)
    >>> round(mixture.log_value(10.0, 100.0), 7), round(mixture.bound(100.0, 0.05), 4)
    (-0.6941012, 31.4308)
    """

    def __init__(self, v_opt: float, alpha_opt: float, g: float, h: float) -> None:
        self.g = positive("g", g)
        self.h = positive("h", h)
        width = self.g + self.h
        # the mixture must keep some spread when v_opt is less than one observation's worth
        self.rho = max(tuning(v_opt, alpha_opt) - self.g * self.h, 1e-3 * self.g * self.h)
        self._a = self.rho / (self.h * width)
        self._b = self.rho / (self.g * width)

    def log_value(self, s: Any, v: Any) -> Any:
        """Log of the mixture at sum ``s`` and intrinsic time ``v`` (scalars or arrays)."""
        g, h = self.g, self.h
        width = g + h
        hits = (v + h * s) / (h * width)
        misses = (v - g * s) / (g * width)
        log_value = (
            v / (g * h) * math.log(width)
            - hits * math.log(g)
            - misses * math.log(h)
            + special.betaln(self._a + hits, self._b + misses)
            - special.betaln(self._a, self._b)
        )
        return like(log_value, s, v)

    def bound(self, v: float, alpha: float) -> float:
        """Smallest s > 0 at which the mixture reaches 1/alpha; at most v / g, where every term was h."""
        level = math.log(1.0 / alpha)
        most = v / self.g
        if self.log_value(most, v) < level:
            return most
        return _root(lambda s: float(self.log_value(s, v)) - level, 0.0, most)


def bernoulli_interval(successes: int, n: int, alpha: float, t_opt: float) -> tuple[float, float]:
    """Confidence sequence for a success rate after ``n`` outcomes, tightest near ``t_opt`` outcomes.

    Guarantee: P(the rate is ever outside) <= ``alpha`` over all n, also for dependent outcomes with one
    conditional success rate.

    Raises:
        UsageError: counts that do not fit.

    Source: Howard et al., arXiv 1810.08240; values of the confseq library.

    >>> [round(edge, 6) for edge in bernoulli_interval(700, 1000, 0.05, t_opt=100)]
    [0.65163, 0.74595]
    """
    if not 0 <= successes <= n:
        raise UsageError(
            expected="0 <= successes <= n", got=f"{successes} of {n}", where="bernoulli_interval"
        )
    level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))

    def excess(p: float) -> float:
        mixture = BetaBinomialMixture(t_opt * p * (1.0 - p), min(alpha, 0.49), p, 1.0 - p)
        return float(mixture.log_value(successes - n * p, n * p * (1.0 - p))) - level

    if n == 0:
        return (0.0, 1.0)
    rate = min(max(successes / n, 1e-9), 1.0 - 1e-9)
    if excess(rate) >= 0.0:
        return (rate, rate)
    low = _root(excess, 1e-12, rate) if excess(1e-12) > 0.0 else 0.0
    high = _root(excess, rate, 1.0 - 1e-12) if excess(1.0 - 1e-12) > 0.0 else 1.0
    return (low, high)


class BernoulliSequence(Sequential):
    """Confidence sequence for a success rate, from counts alone.

    Assumes 0/1 outcomes, each with the same conditional success rate.

    Guarantee: P(the rate is ever outside ``interval``) <= alpha.

    Args:
        alpha: level in (0, 1).
        t_opt: number of outcomes at which the interval is to be tightest.

    Source: Howard et al., arXiv 1810.08240 (beta-binomial mixture).

    >>> sequence = BernoulliSequence(alpha=0.05, t_opt=50)
    >>> sequence.update_many([1] * 15 + [0] * 35)
    >>> [round(edge, 6) for edge in sequence.interval]
    [0.129557, 0.511896]
    """

    parameters = ("alpha", "t_opt")
    memory = ("n", "successes")

    def __init__(self, alpha: float, t_opt: float) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.t_opt = positive("t_opt", t_opt)
        self.n = 0
        self.successes = 0

    @property
    def interval(self) -> tuple[float, float]:
        """Interval for the success rate at the current label."""
        return bernoulli_interval(self.successes, self.n, self.alpha, self.t_opt)

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) outcomes, 0 or 1."""
        values = observations(xs, 0.0, 1.0, "BernoulliSequence")
        ones = int(np.count_nonzero(values == 1.0))
        if ones + int(np.count_nonzero(values == 0.0)) != values.size:
            raise DataError(expected="outcomes of 0 or 1", got="values between", where="BernoulliSequence")
        self.successes += ones
        self.n += values.size


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high, xtol=1e-13)
    return float(found)
