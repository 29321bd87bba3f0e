"""Predictable estimates of mean and variance for bets on values in [0, 1]."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from slipway.stats.arguments import Floats
from slipway.stats.evidence import running
from slipway.stats.sequential import Part


class Before(NamedTuple):
    """For each observation, what was known just before it: arrays (n,)."""

    counts: Floats
    means: Floats
    variances: Floats


class RunningMoments(Part):
    """Mean and variance so far, each with one imagined observation: 1/2 and 1/4."""

    memory = ("n", "total", "squares")

    def __init__(self) -> None:
        self.n = 0
        self.total = 0.0
        self.squares = 0.0

    @property
    def mean(self) -> float:
        """(1/2 + sum x) / (n + 1)."""
        return (0.5 + self.total) / (self.n + 1.0)

    @property
    def variance(self) -> float:
        """(1/4 + sum (x_i - mean_i)^2) / (n + 1)."""
        return (0.25 + self.squares) / (self.n + 1.0)

    def scan(self, xs: Floats) -> Before:
        """Absorb observations in order; returns what was known before each."""
        counts = np.arange(self.n + 1.0, self.n + xs.size + 1.0)
        totals = running(self.total, xs)
        means = (0.5 + totals) / (counts + 1.0)
        squares = running(self.squares, (xs - means) ** 2)
        variances = (0.25 + squares) / (counts + 1.0)
        before = Before(
            counts,
            np.concatenate([[self.mean], means[:-1]]),
            np.concatenate([[self.variance], variances[:-1]]),
        )
        if xs.size:
            self.n += xs.size
            self.total, self.squares = float(totals[-1]), float(squares[-1])
        return before


def plug_in_bets(before: Before, level: float) -> Floats:
    """Bets l_t = sqrt(2 level / (variance_{t-1} t log(1 + t))), uncapped; level = log(1/alpha)."""
    # scipy's log1p: a number has the same bits alone and inside an array
    return np.sqrt(2.0 * level / (before.variances * before.counts * special.log1p(before.counts)))
