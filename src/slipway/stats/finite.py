"""Auditing a finite batch: rows drawn without replacement, and their labels bought one by one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, count, observations, within
from slipway.stats.evidence import Evidence, Side, running, side_of
from slipway.stats.moments import RunningMoments, plug_in_bets
from slipway.stats.sequential import Sequential

#: Bets stay below this share of the one that could lose everything.
CAUTION = 0.5


class FiniteBatchTest(Sequential):
    """E-process for "the mean of these ``size`` rows is at most / at least m", from a growing random sample.

    The rows that remain have mean m_t = (size m - sum so far) / (size - t + 1) if the hypothesis is true, and
    each bet is against that. A sum that no remainder could bring back to m rejects at once.

    Assumes values in [0, 1] of rows drawn uniformly without replacement.

    Guarantee: P(ever rejecting a true hypothesis) <= alpha, at any stopping point up to the whole batch; with
    the whole batch seen, a false hypothesis is always rejected.

    Args:
        size: rows of the batch.
        m: threshold in (0, 1).
        alpha: level in (0, 1).
        side: what is to be shown of the batch mean: "greater", "less" or "two-sided".

    Source: Waudby-Smith & Ramdas, "Confidence sequences for sampling without replacement", NeurIPS 2020,
    arXiv 2006.04347; arXiv 2010.09686, section 5.

    >>> rng = np.random.default_rng(0)
    >>> batch = (rng.random(2000) < 0.12).astype(float)
    >>> audit = FiniteBatchTest(size=2000, m=0.08, alpha=0.05, side="greater")
    >>> audit.update_many(rng.permutation(batch)[:1000])
    >>> audit.rejected_at

    """

    parameters = ("size", "m", "alpha", "side")
    memory = ("n", "_moments", "_log_up", "_log_down", "_evidence")

    def __init__(self, size: int, m: float, alpha: float, side: Side = "two-sided") -> None:
        self.size = count("size", size)
        self.m = within("m", m, 0.0, 1.0)
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.side = side_of(side)
        self.n = 0
        self._moments = RunningMoments()
        self._log_up = 0.0
        self._log_down = 0.0
        self._evidence = Evidence(self.alpha)

    @property
    def log_e(self) -> float:
        """Current log evidence; infinite once the hypothesis has become impossible."""
        return self._evidence.log_e

    @property
    def max_log_e(self) -> float:
        """Largest log evidence at any row so far."""
        return self._evidence.max_log_e

    @property
    def rejected_at(self) -> int | None:
        """Row at which the evidence first reached 1/alpha."""
        return self._evidence.rejected_at

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) values in [0, 1] of rows in the order drawn.

        Raises:
            DataError: more rows than the batch has.
        """
        values = observations(xs, 0.0, 1.0, "FiniteBatchTest")
        if self.n + values.size > self.size:
            raise DataError(
                expected=f"at most {self.size} rows", got=f"{self.n + values.size}", where="FiniteBatchTest"
            )
        if values.size == 0:
            return
        sums = running(self._moments.total, values)
        earlier = np.concatenate([[self._moments.total], sums[:-1]])
        left = self.size - np.arange(self.n, self.n + values.size)
        target = (self.size * self.m - earlier) / left
        up, down = log_factors(
            values, target, plug_in_bets(self._moments.scan(values), math.log(2.0 / self.alpha))
        )
        ups, downs = running(self._log_up, up), running(self._log_down, down)
        # what the rows not yet drawn can still add decides whether the hypothesis is possible at all
        ups = np.where(sums > self.size * self.m * (1.0 + 1e-12), np.inf, ups)
        downs = np.where(sums + (left - 1) < self.size * self.m * (1.0 - 1e-12), np.inf, downs)
        self._log_up, self._log_down = float(ups[-1]), float(downs[-1])
        both = np.logaddexp(ups, downs) - math.log(2.0) if self.side == "two-sided" else ups
        self._evidence.absorb(downs if self.side == "less" else both, self.n)
        self.n += values.size


def log_factors(values: Floats, target: Floats, bets: Floats) -> tuple[Floats, Floats]:
    """Log wealth factors of bets above and below the (n,) means ``target`` of the remaining rows."""
    inside = np.clip(target, 1e-12, 1.0 - 1e-12)
    up = special.log1p(np.minimum(bets, CAUTION / inside) * (values - inside))
    down = special.log1p(-np.minimum(bets, CAUTION / (1.0 - inside)) * (values - inside))
    return up, down


def finite_batch_interval(xs: ArrayLike, size: int, alpha: float, points: int = 1000) -> tuple[float, float]:
    """Confidence interval for the mean of a batch of ``size`` rows after the rows ``xs``, at any stopping
    point.

    All means on a grid of ``points`` + 1 that ``FiniteBatchTest`` (two-sided) does not reject at any row so
    far, widened by one grid step.

    Raises:
        DataError: more rows than the batch has, or values outside [0, 1].

    >>> rng = np.random.default_rng(0)
    >>> batch = (rng.random(2000) < 0.12).astype(float)
    >>> low, high = finite_batch_interval(batch[:1000], 2000, alpha=0.05)
    >>> round(low, 3), round(float(batch.mean()), 3), round(high, 3)
    (0.085, 0.123, 0.136)
    """
    values = observations(xs, 0.0, 1.0, "finite_batch_interval")
    kept: list[float] = []
    for m in np.arange(1, points) / points:
        test = FiniteBatchTest(size, float(m), alpha)
        test.update_many(values)
        if test.rejected_at is None:
            kept.append(float(m))
    total = float(values.sum())
    low, high = total / size, (total + size - values.size) / size
    if not kept:
        return (low, high)
    return (max(low, kept[0] - 1.0 / points), min(high, kept[-1] + 1.0 / points))
