"""The tightest interval for a bounded mean: all thresholds that hedged betting has not rejected."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.stats.arguments import Floats, count, observations, within
from slipway.stats.means import CAUTION
from slipway.stats.moments import RunningMoments, plug_in_bets

#: Thresholds per vectorised step.
CHUNK = 50


def hedged_path(xs: ArrayLike, alpha: float, points: int = 1000) -> tuple[Floats, Floats]:
    """(n,) lower and (n,) upper ends, after each value, of the hedged-capital confidence sequence.

    The thresholds j / ``points`` whose ``means.HedgedCapital`` has not reached 1 / ``alpha`` so far,
    widened by one step of the grid. O(n points): for plots and reports, computed when asked for.

    Guarantee: P(the constant mean of the values is ever outside) <= alpha.

    Raises:
        DataError: values outside [0, 1].

    Source: Waudby-Smith & Ramdas, arXiv 2010.09686, theorem 3.

    >>> rng = np.random.default_rng(0)
    >>> low, high = hedged_path(rng.random(1000), alpha=0.05, points=200)
    >>> round(float(low[-1]), 3), round(float(high[-1]), 3)
    (0.485, 0.555)
    """
    values = observations(xs, 0.0, 1.0, "hedged_path")
    level = math.log(1.0 / within("alpha", alpha, 0.0, 1.0))
    bets = plug_in_bets(RunningMoments().scan(values), math.log(2.0 / alpha))
    step = 1.0 / count("points", points, 2)
    low, high = np.ones_like(values), np.zeros_like(values)
    grids: list[Floats] = np.array_split(
        np.arange(1, points, dtype=np.float64) * step, math.ceil(points / CHUNK)
    )
    for grid in grids:
        alive = _alive(values, bets, grid, level)
        low = np.minimum(low, np.where(alive, grid, 1.0).min(axis=1))
        high = np.maximum(high, np.where(alive, grid, 0.0).max(axis=1))
    low, high = np.maximum(low - step, 0.0), np.minimum(high + step, 1.0)
    # where every threshold is rejected the mean lies beyond the ends of the grid
    empty = low > high
    centre = np.cumsum(values) / np.arange(1.0, values.size + 1.0)
    low = np.where(empty, np.where(centre < 0.5, 0.0, 1.0 - step), low)
    high = np.where(empty, np.where(centre < 0.5, step, 1.0), high)
    return np.maximum.accumulate(low), np.minimum.accumulate(high)


def _alive(values: Floats, bets: Floats, grid: Floats, level: float) -> np.ndarray:
    """(n, G) whether threshold j has not been rejected by value i."""
    excess = values[:, None] - grid
    up = special.log1p(np.minimum(bets[:, None], CAUTION / grid) * excess)
    down = special.log1p(-np.minimum(bets[:, None], CAUTION / (1.0 - grid)) * excess)
    log_e = np.logaddexp(np.cumsum(up, axis=0), np.cumsum(down, axis=0)) - math.log(2.0)
    return np.maximum.accumulate(log_e, axis=0) < level
