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

#: Most secant steps in ``bound``; about ten are taken.
SECANTS = 60

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
        return like(core, s, v)

    @overload
    def bound(self, v: float, alpha: float) -> float: ...
    @overload
    def bound(self, v: Floats, alpha: float) -> Floats: ...
    def bound(self, v: Any, alpha: float) -> Any:
        """The curve u(v) that S (two-sided: |S|) ever reaches with probability at most ``alpha``."""
        level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))
        two_sided = np.sqrt((v + self.rho) * (np.log1p(v / self.rho) + 2.0 * level))
        if self.sides == 2:
            return like(two_sided, v)
        # for s > 0 the half-normal mixture is at least the two-sided one
        return like(_invert(self.log_value, v, level, two_sided), v)


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
            return like(self.log_value_above(s, v), s, v)
        cc = self.scale * self.scale
        a = (v + self.rho) / cc
        y = (self.scale * s + v) / cc
        x = y + self._k
        # the same integral as a confluent series, for sums far below zero where P underflows
        series = self._constant - self._k - special.xlogy(1.0, a) + _log_series(a, x)
        usable = special.gammainc(a, np.maximum(x, 0.0)) > LEAST_GAMMA
        direct = self.log_value_above(np.where(usable, s, 1.0), v)
        log_value = np.where(usable, direct, series)
        return like(log_value, s, v)

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
        return like(_invert(self.log_value, v, level, start), v)


class GammaPoissonMixture:
    """Gamma-Poisson mixture: for terms bounded above by ``scale`` with V the sum of conditional variances.

    The mixture over t >= 0 of exp(t S - (exp(c t) - c t - 1) V / c^2), which bounds such sums (Bennett) and
    compensated Poisson counts with jumps of c exactly.

    Args:
        v_opt: intrinsic time at which the boundary is to be tightest; any value is valid.
        alpha_opt: level at which it is to be tightest; any value is valid.
        scale: c > 0, largest value of a centred term.

    Source: Howard, Ramdas, McAuliffe, Sekhon, AoS 2021, arXiv 1810.08240.

    >>> mixture = GammaPoissonMixture(100.0, 0.05, 2.0)
    >>> round(mixture.log_value(10.0, 100.0), 8), round(mixture.bound(100.0, 0.05), 4)
    (-0.06991219, 30.1949)
    """

    def __init__(self, v_opt: float, alpha_opt: float, scale: float) -> None:
        self.v_opt = positive("v_opt", v_opt)
        self.alpha_opt = within("alpha_opt", alpha_opt, 0.0, 0.5)
        self.scale = positive("scale", scale)
        self.rho = tuning(self.v_opt, 2.0 * self.alpha_opt)
        k = self.rho / self.scale**2
        self._k = k
        self._constant = float(
            special.xlogy(k, k) - special.gammaln(k) - special.xlogy(1.0, special.gammaincc(k, k))
        )

    @overload
    def log_value(self, s: float, v: float) -> float: ...
    @overload
    def log_value(self, s: Floats, v: Floats | float) -> Floats: ...
    def log_value(self, s: Any, v: Any) -> Any:
        """Log of the mixture at sum ``s`` >= -(v + rho) / c and intrinsic time ``v`` >= 0."""
        cc = self.scale * self.scale
        a = self._k + (self.scale * s + v) / cc
        b = (v + self.rho) / cc
        log_value = (
            self._constant
            + special.gammaln(a)
            + special.xlogy(1.0, special.gammaincc(a, b))
            - special.xlogy(a, b)
            + v / cc
        )
        return like(log_value, s, v)

    @overload
    def bound(self, v: float, alpha: float) -> float: ...
    @overload
    def bound(self, v: Floats, alpha: float) -> Floats: ...
    def bound(self, v: Any, alpha: float) -> Any:
        """The curve u(v) that S ever reaches with probability at most ``alpha``."""
        level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))
        v = np.asarray(v, dtype=np.float64)
        start = np.sqrt(2.0 * (v + self.rho) * level) + self.scale * (level + 1.0)
        return like(_invert(self.log_value, v, level, start), v)


class PolynomialStitching:
    """Polynomial stitched boundary: closed form, slightly wider than a mixture, for the same S and V.

    Args:
        v_min: intrinsic time from which the boundary is meant to be used.
        scale: c of the terms (0 for sub-Gaussian; negative is allowed for bounded gains).
        power: s > 1, how the error is spent over epochs.
        eta: > 1, growth of the epochs.

    Source: Howard et al., arXiv 1810.08240, theorem 1.

    >>> round(PolynomialStitching(10.0, scale=3.0).bound(100.0, 0.05), 5)
    64.48755
    """

    def __init__(self, v_min: float, scale: float = 0.0, power: float = 1.4, eta: float = 2.0) -> None:
        self.v_min = positive("v_min", v_min)
        self.scale = float(scale)
        self.power = within("power", power, 1.0, math.inf)
        self.eta = within("eta", eta, 1.0, math.inf)

    @overload
    def bound(self, v: float, alpha: float) -> float: ...
    @overload
    def bound(self, v: Floats, alpha: float) -> Floats: ...
    def bound(self, v: Any, alpha: float) -> Any:
        """The curve u(v) that S ever reaches with probability at most ``alpha``."""
        level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))
        used = np.maximum(v, self.v_min)
        spent = self.power * np.log(np.log(self.eta * used / self.v_min))
        ell = spent + math.log(float(special.zeta(self.power)) / math.log(self.eta) ** self.power) + level
        k1 = (self.eta**0.25 + self.eta**-0.25) / math.sqrt(2.0)
        k2 = (math.sqrt(self.eta) + 1.0) / 2.0
        linear = k2 * self.scale * ell
        return like(np.sqrt(k1**2 * used * ell + linear**2) + linear, v)


def _log_series(a: Any, x: Any) -> Any:
    """log 1F1(1; a + 1; x), for x well below a."""
    with np.errstate(all="ignore"):
        return special.xlogy(1.0, special.hyp1f1(1.0, a + 1.0, np.minimum(x, 0.5 * a)))


def _invert(log_value: Any, v: Any, level: float, start: Any) -> Any:
    """The s > 0 where log_value(s, v) reaches ``level``, from ``start`` upwards and then by secants.

    The log of a mixture of exponentials is convex in s, so secants from the right stay on the right.
    """
    v = np.asarray(v, dtype=np.float64)
    near = np.array(start, dtype=np.float64)
    while np.any(short := log_value(near, v) < level):
        near = np.where(short, 2.0 * near, near)
    far = 2.0 * near
    above_near, above_far = log_value(near, v) - level, log_value(far, v) - level
    for _ in range(SECANTS):
        rise = above_far - above_near
        # at the last digits the rise may round to nothing: then near is the answer
        usable = (rise > 0.0) & (above_near > 0.0)
        step = np.where(usable, above_near * (far - near) / np.where(usable, rise, 1.0), 0.0)
        active = step > 1e-15 * near
        if not np.any(active):
            break
        far, above_far = np.where(active, near, far), np.where(active, above_near, above_far)
        near = np.where(active, near - step, near)
        above_near = np.where(active, log_value(near, v) - level, 0.0)
    return near


def like(value: Any, *shaped: Any) -> Any:
    """A float when every argument was a scalar, else the array."""
    return float(value) if all(np.ndim(item) == 0 for item in shaped) else value
