"""Intervals for shares, ratios of shares and means in a sample that is looked at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special


@dataclass(frozen=True)
class Figure:
    """A figure with its interval; a side that the rows do not bound is None."""

    value: float
    lower: float | None
    upper: float | None


def share(hits: int, n: int, alpha: float) -> Figure:
    """The share ``hits / n`` with the Wilson score interval at level ``1 - alpha``; n is at least 1.

    Source: Wilson, JASA 22, 1927.

    >>> found = share(8, 10, 0.05)
    >>> found.value, round(found.lower, 4), round(found.upper, 4)
    (0.8, 0.4902, 0.9433)
    """
    z2 = float(special.ndtri(1.0 - alpha / 2.0)) ** 2
    rate = hits / n
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    # rounding may leave the bound of a share of 0 or 1 a hair on its wrong side
    return Figure(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def ratio(hits: int, n: int, base_hits: int, base_n: int, alpha: float) -> Figure | None:
    """The ratio of two independent shares, its interval made from the Wilson limits of both (MOVER-R).

    None where the share below the line is 0. Both n are at least 1.

    Source: Donner & Zou, Statistical Methods in Medical Research 21, 2012, section 3.

    >>> found = ratio(30, 100, 60, 100, 0.05)
    >>> found.value, round(found.lower, 3), round(found.upper, 3)
    (0.5, 0.355, 0.696)
    """
    if base_hits == 0:
        return None
    top, base = share(hits, n, alpha), share(base_hits, base_n, alpha)
    product = top.value * base.value
    low, high = _reach(top, top.lower), _reach(top, top.upper)
    low_base = _reach(base, base.lower)
    # the reach of a limit l of a share p is l (2p - l), at most p squared: no root of a negative number
    under = product + math.sqrt(max(0.0, product**2 - low * _reach(base, base.upper)))
    over = product + math.sqrt(max(0.0, product**2 - high * low_base))
    lower = low / under if under > 0.0 else 0.0
    return Figure(top.value / base.value, max(0.0, lower), over / low_base)


def _reach(figure: Figure, limit: float | None) -> float:
    edge = figure.value if limit is None else limit
    return edge * (2.0 * figure.value - edge)


def mean(values: npt.NDArray[np.float64], alpha: float) -> Figure:
    """The mean of (n,) numbers, n at least 1, with the Student interval.

    >>> mean(np.array([1.0, 2.0, 3.0]), 0.05).value
    2.0
    """
    n, centre = len(values), float(values.mean())
    if n < 2:
        return Figure(centre, None, None)
    half = float(special.stdtrit(n - 1, 1.0 - alpha / 2.0)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Figure(centre, centre - half, centre + half)
