"""Confidence sequences and tests for 0/1 outcomes, signs and quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from slipway.base.errors import DataError, UsageError
from slipway.stats.arguments import Floats, observations, positive, within
from slipway.stats.evidence import Evidence
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


class SignTest(Sequential):
    """E-process for "the challenger wins at most half of the rows on which the two differ" (0/1 loss).

    With s wins in n discordant rows E = 2^n B(1+s, 1+n-s) I(1+s, 1+n-s) / (B(1, 1) I(1, 1)), I the upper
    incomplete beta integral from 1/2: a uniform mixture over win rates above 1/2.

    Assumes signs in order of arrival: > 0 a win, < 0 a loss, 0 a tie that says nothing. Under the hypothesis
    each discordant row is won with conditional probability at most 1/2.

    Guarantee: P(ever rejecting a true hypothesis) <= alpha. Exact, but it sees only right or wrong: a
    proper score (Brier, in ``PairedComparison``) usually needs far fewer labels.

    Args:
        alpha: level in (0, 1).

    Source: Henzi & Ziegel, "Valid sequential inference on probability forecast performance", Biometrika
    2022, arXiv 2103.08402, with the truncated uniform mixture.

    >>> test = SignTest(alpha=0.05)
    >>> test.update_many([1] * 30 + [-1] * 10 + [0] * 100)
    >>> round(test.log_e, 4), test.rejected_at
    (4.1467, 7)
    """

    parameters = ("alpha",)
    memory = ("n", "wins", "losses", "_lead", "_evidence")

    def __init__(self, alpha: float) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.n = 0
        self.wins = 0
        self.losses = 0
        self._lead = 0
        self._evidence = Evidence(self.alpha)

    @property
    def log_e(self) -> float:
        """Current log evidence that the challenger wins more than half."""
        return float(sign_log_e([self.wins], [self.losses])[0])

    @property
    def max_log_e(self) -> float:
        """Largest log evidence at any row so far."""
        return self._evidence.max_log_e

    @property
    def rejected_at(self) -> int | None:
        """Row at which the evidence first reached 1/alpha."""
        return self._evidence.rejected_at

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) signs or differences."""
        values = observations(xs, -math.inf, math.inf, "SignTest")
        wins = self.wins + np.cumsum(values > 0.0)
        losses = self.losses + np.cumsum(values < 0.0)
        if values.size:
            # a win and a loss together lower the e-value: only a new largest lead can raise its maximum
            leads = wins - losses
            records = np.flatnonzero(
                leads > np.maximum.accumulate(np.concatenate([[self._lead], leads[:-1]]))
            )
            self._evidence.absorb_some(sign_log_e(wins[records], losses[records]), self.n + 1 + records)
            self._lead = max(self._lead, int(leads.max()))
            self.wins, self.losses = int(wins[-1]), int(losses[-1])
            self.n += values.size


def sign_log_e(wins: ArrayLike, losses: ArrayLike) -> Floats:
    """Log e-value of ``SignTest`` from (n,) counts of wins and losses."""
    a = 1.0 + np.asarray(wins, dtype=np.float64)
    b = 1.0 + np.asarray(losses, dtype=np.float64)
    # the upper tail by symmetry; where it underflows, the few wins make the e-value vanish all the same
    tail = np.maximum(special.betainc(b, a, 0.5), np.finfo(np.float64).tiny)
    return (a + b - 2.0) * math.log(2.0) + special.betaln(a, b) + special.xlogy(1.0, tail) + math.log(2.0)


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


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high, xtol=1e-13)
    return float(found)
