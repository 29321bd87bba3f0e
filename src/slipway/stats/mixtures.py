"""Mixture supermartingales and their boundaries: the engines under confidence sequences.

``S`` is a sum of centred terms and ``V`` its intrinsic time: t * sigma^2 for sub-Gaussian terms, or the sum
of squared prediction errors for bounded ones. For each mixture, exp(log_value(S, V)) is a nonnegative
supermartingale starting at 1, so P(it ever reaches 1/alpha) <= alpha (Ville), and ``bound(V, alpha)`` is
the curve that S then ever crosses with probability at most alpha.

Source: Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 2021, arXiv 1810.08240.
"""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np
from scipy import special

from slipway.base.errors import UsageError
from slipway.stats.arguments import Floats, positive, within

#: Halvings of the bracket in ``bound``: from any bracket in floats down to neighbours.
BISECTIONS = 120

#: Below this the incomplete gamma function has lost its digits to underflow.
LEAST_GAMMA = 1e-290


def tuning(v_opt: float, alpha_opt: float) -> float:
    """The mixture variance rho that makes the two-sided normal boundary tightest near V = ``v_opt``.

    >>> round(tuning(100.0, 0.05), 5)
    12.60056
    """
    spend = 2.0 * math.log(1.0 / alpha_opt)
    return v_opt / (spend + math.log(1.0 + spend))


class NormalMixture:
    """Normal mixture over bets: for sub-Gaussian terms, S with V = sum of variance proxies.

    Two-sided ``log_value`` reacts to |S|; one-sided (half-normal mixture) only to S > 0.

    Args:
        v_opt: intrinsic time at which the boundary is to be tightest; any value is valid.
        alpha_opt: level at which it is to be tightest; any value is valid.
        sides: 1 or 2.

    >>> two = NormalMixture(100.0, 0.05)
    >>> round(two.log_value(10.0, 100.0), 7), round(two.bound(100.0, 0.05), 5)
    (-0.6510052, 30.35209)
    """

    def __init__(self, v_opt: float, alpha_opt: float = 0.05, sides: int = 2) -> None:
        self.v_opt = positive("v_opt", v_opt)
        self.alpha_opt = within("alpha_opt", alpha_opt, 0.0, 0.5)
        if sides not in (1, 2):
            raise UsageError(expected="sides of 1 or 2", got=f"{sides}", where="NormalMixture")
        self.sides = sides
        self.rho = tuning(self.v_opt, self.alpha_opt if sides == 2 else 2.0 * self.alpha_opt)

    @overload
    def log_value(self, s: float, v: float) -> float: ...
    @overload
    def log_value(self, s: Floats, v: Floats | float) -> Floats: ...
    def log_value(self, s: Any, v: Any) -> Any:
        """Log of the mixture at sum ``s`` and intrinsic time ``v`` >= 0 (scalars or arrays)."""
        width = v + self.rho
        core = 0.5 * special.xlogy(1.0, self.rho / width) + s * s / (2.0 * width)
        if self.sides == 1:
            core = core + math.log(2.0) + special.log_ndtr(s / np.sqrt(width))
        return _like(core, s, v)

    @overload
    def bound(self, v: float, alpha: float) -> float: ...
    @overload
    def bound(self, v: Floats, alpha: float) -> Floats: ...
    def bound(self, v: Any, alpha: float) -> Any:
        """The curve u(v) that S (two-sided: |S|) ever reaches with probability at most ``alpha``."""
        level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))
        two_sided = np.sqrt((v + self.rho) * (np.log1p(v / self.rho) + 2.0 * level))
        if self.sides == 2:
            return _like(two_sided, v)
        # for s > 0 the half-normal mixture is at least the two-sided one
        return _like(_invert(self.log_value, v, level, two_sided), v)


class GammaExponentialMixture:
    """Gamma-exponential mixture: for terms bounded below by -``scale``, with V the sum of squares.

    The one for empirical Bernstein: if X_i - E_i lies in an interval of length ``scale`` and
    V = sum (X_i - guess_i)^2 with any predictable guess inside the interval, then exp(log_value(S, V)) with
    S = sum (X_i - E_i) is a nonnegative supermartingale whatever the (changing) means E_i are.

    Args:
        v_opt: intrinsic time at which the boundary is to be tightest; any value is valid.
        alpha_opt: level at which it is to be tightest; any value is valid.
        scale: c > 0, length of the interval that holds each observation.

    >>> mixture = GammaExponentialMixture(100.0, 0.05, 2.0)
    >>> round(mixture.log_value(10.0, 100.0), 7), round(mixture.bound(100.0, 0.05), 5)
    (-0.2490165, 33.02017)
    """

    def __init__(self, v_opt: float, alpha_opt: float, scale: float) -> None:
        self.v_opt = positive("v_opt", v_opt)
        self.alpha_opt = within("alpha_opt", alpha_opt, 0.0, 0.5)
        self.scale = positive("scale", scale)
        self.rho = tuning(self.v_opt, 2.0 * self.alpha_opt)
        k = self.rho / self.scale**2
        self._k = k
        self._constant = float(
            special.xlogy(k, k) - special.gammaln(k) - special.xlogy(1.0, special.gammainc(k, k))
        )

    @overload
    def log_value(self, s: float, v: float) -> float: ...
    @overload
    def log_value(self, s: Floats, v: Floats | float) -> Floats: ...
    def log_value(self, s: Any, v: Any) -> Any:
        """Log of the mixture at sum ``s`` and intrinsic time ``v`` >= 0 (scalars or arrays)."""
        if np.all(s > 0.0):
            return _like(self.log_value_above(s, v), s, v)
        cc = self.scale * self.scale
        a = (v + self.rho) / cc
        y = (self.scale * s + v) / cc
        x = y + self._k
        # the same integral as a confluent series, for sums far below zero where P underflows
        series = self._constant - self._k - special.xlogy(1.0, a) + _log_series(a, x)
        usable = special.gammainc(a, np.maximum(x, 0.0)) > LEAST_GAMMA
        direct = self.log_value_above(np.where(usable, s, 1.0), v)
        log_value = np.where(usable, direct, series)
        return _like(log_value, s, v)

    def log_value_above(self, s: Any, v: Any) -> Any:
        """``log_value`` without its care for negative sums: for s > 0 (the path of a running test)."""
        cc = self.scale * self.scale
        a = (v + self.rho) / cc
        y = (self.scale * s + v) / cc
        x = y + self._k
        # xlogy rather than log: scipy's loops give a number the same bits alone and inside an array
        return (
            self._constant
            + special.gammaln(a)
            + special.xlogy(1.0, special.gammainc(a, x))
            - special.xlogy(a, x)
            + y
        )

    @overload
    def bound(self, v: float, alpha: float) -> float: ...
    @overload
    def bound(self, v: Floats, alpha: float) -> Floats: ...
    def bound(self, v: Any, alpha: float) -> Any:
        """The curve u(v) that S ever reaches with probability at most ``alpha``."""
        level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))
        v = np.asarray(v, dtype=np.float64)
        start = np.sqrt(2.0 * (v + self.rho) * level) + self.scale * (level + 1.0)
        return _like(_invert(self.log_value, v, level, start), v)


def _log_series(a: Any, x: Any) -> Any:
    """log 1F1(1; a + 1; x), for x well below a."""
    with np.errstate(all="ignore"):
        return special.xlogy(1.0, special.hyp1f1(1.0, a + 1.0, np.minimum(x, 0.5 * a)))


def _invert(log_value: Any, v: Any, level: float, start: Any) -> Any:
    """Smallest float s with log_value(s, v) >= level, by doubling from ``start`` and bisection."""
    v = np.asarray(v, dtype=np.float64)
    high = np.array(start, dtype=np.float64)
    low = np.zeros_like(high)
    while np.any(short := log_value(high, v) < level):
        low = np.where(short, high, low)
        high = np.where(short, 2.0 * high, high)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if np.all((middle <= low) | (middle >= high)):
            break
        short = log_value(middle, v) < level
        low = np.where(short, middle, low)
        high = np.where(short, high, middle)
    return high


def _like(value: Any, *shaped: Any) -> Any:
    """A float when every argument was a scalar, else the array."""
    return float(value) if all(np.ndim(item) == 0 for item in shaped) else value
