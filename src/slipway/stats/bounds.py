"""Fixed-sample bounds for a bounded mean: what a held-out set of losses says about the true risk.

Predictable plug-in empirical Bernstein with bets tuned for the known sample size: valid for every n and
every distribution on [0, 1], no normal approximation. Use these for a holdout judged once, and a
confidence sequence (``stats.means``) for anything that is looked at while it grows.

Source: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSSB 2023,
arXiv 2010.09686 (PrPl-EB, section 3.2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, observations, within

#: Largest bet: below 1, so that -log(1 - bet) stays moderate (the paper uses 1/2).
LARGEST_BET = 0.5


def upper_risk_bound(losses: ArrayLike, alpha: float) -> float:
    """A number that lies above the mean of the losses' distribution with probability at least 1 - ``alpha``.

    Assumes (n,) independent losses in [0, 1] in an order that does not depend on them.

    Raises:
        DataError: no losses, or losses outside [0, 1].

    >>> rng = np.random.default_rng(0)
    >>> round(upper_risk_bound(rng.random(1000) < 0.06, 0.025), 4)
    0.0685
    """
    xs = _sample(losses, "upper_risk_bound")
    centre, half = _plug_in(xs, within("alpha", alpha, 0.0, 1.0))
    return min(1.0, centre + half)


def lower_risk_bound(losses: ArrayLike, alpha: float) -> float:
    """A number that lies below the mean with probability at least 1 - ``alpha``; see ``upper_risk_bound``."""
    xs = _sample(losses, "lower_risk_bound")
    centre, half = _plug_in(xs, within("alpha", alpha, 0.0, 1.0))
    return max(0.0, centre - half)


def mean_interval(x: ArrayLike, alpha: float) -> tuple[float, float]:
    """Interval that holds the mean of (n,) independent values in [0, 1] with probability >= 1 - ``alpha``.

    Raises:
        DataError: no values, or values outside [0, 1].

    >>> rng = np.random.default_rng(0)
    >>> low, high = mean_interval(rng.random(1000), 0.05)
    >>> round(low, 3), round(high, 3)
    (0.489, 0.544)
    """
    xs = _sample(x, "mean_interval")
    centre, half = _plug_in(xs, within("alpha", alpha, 0.0, 1.0) / 2.0)
    return max(0.0, centre - half), min(1.0, centre + half)


def _sample(values: ArrayLike, where: str) -> Floats:
    xs = observations(values, 0.0, 1.0, where)
    if xs.size == 0:
        raise DataError(expected="at least one value", got="none", where=where)
    return xs


def _plug_in(xs: Floats, alpha: float) -> tuple[float, float]:
    """Bet-weighted centre and one-sided half-width at level ``alpha``."""
    n = xs.size
    steps = np.arange(1.0, n + 1.0)
    means = (0.5 + np.cumsum(xs)) / (steps + 1.0)
    before = np.concatenate([[0.5], means[:-1]])
    variances = (0.25 + np.cumsum((xs - means) ** 2)) / (steps + 1.0)
    known = np.concatenate([[0.25], variances[:-1]])
    level = math.log(1.0 / alpha)
    bets = np.minimum(np.sqrt(2.0 * level / (n * known)), LARGEST_BET)
    cost = np.sum((xs - before) ** 2 * (-np.log1p(-bets) - bets))
    return float(np.sum(bets * xs) / np.sum(bets)), float((level + cost) / np.sum(bets))
