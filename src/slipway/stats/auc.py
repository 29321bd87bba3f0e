"""Area under the ROC curve, its DeLong variance, and what it would be with no signal."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, observations, within


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """P(a positive scores above a negative) + P(tie) / 2, from (n,) labels 0/1 and scores.

    Raises:
        DataError: lengths that differ, labels other than 0 and 1, or only one class.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    above, _ = placements(*_classes(labels, scores, "auc"))
    return float(above.mean())


def auc_interval(labels: ArrayLike, scores: ArrayLike, alpha: float) -> tuple[float, float]:
    """Normal interval around ``auc`` with DeLong's variance: fixed n, for large classes.

    Raises:
        DataError: as ``auc``, or fewer than two rows of a class.

    Source: DeLong, DeLong, Clarke-Pearson, Biometrics 1988.

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(400) % 2
    >>> [round(edge, 3) for edge in auc_interval(y, rng.normal(size=400) + y, 0.05)]
    [0.746, 0.833]
    """
    above, below = placements(*_classes(labels, scores, "auc_interval"))
    if min(above.size, below.size) < 2:
        raise DataError(expected="two rows of each class", got="one", where="auc_interval")
    sd = math.sqrt(float(above.var(ddof=1)) / above.size + float(below.var(ddof=1)) / below.size)
    z = float(special.ndtri(1.0 - within("alpha", alpha, 0.0, 1.0) / 2.0))
    centre = float(above.mean())
    return (max(0.0, centre - z * sd), min(1.0, centre + z * sd))


def auc_null_band(n_positive: int, n_negative: int, level: float = 0.95) -> tuple[float, float]:
    """Where the AUC of scores without any signal lies with probability ``level`` (normal, no ties).

    For a domain classifier: the band it shows with no drift, given rows of the reference and of production.

    >>> [round(edge, 3) for edge in auc_null_band(500, 500)]
    [0.464, 0.536]
    """
    sd = math.sqrt((n_positive + n_negative + 1.0) / (12.0 * n_positive * n_negative))
    z = float(special.ndtri(0.5 + within("level", level, 0.0, 1.0) / 2.0))
    return (max(0.0, 0.5 - z * sd), min(1.0, 0.5 + z * sd))


def expected_auc(scores: ArrayLike, probabilities: ArrayLike) -> float:
    """AUC of (n,) ``scores`` if row i is positive with ``probabilities``[i], in expectation (ratio of sums).

    Raises:
        DataError: lengths that differ, or probabilities that leave a class empty.

    >>> expected_auc([0.1, 0.9], [0.2, 0.7])
    0.7525252525252525
    """
    xs = observations(scores, -np.inf, np.inf, "expected_auc")
    ps = observations(probabilities, 0.0, 1.0, "expected_auc")
    if xs.size != ps.size or not 0.0 < ps.sum() < ps.size:
        raise DataError(
            expected="as many probabilities as scores, of two classes",
            got=f"{xs.size} scores and {ps.size} probabilities with sum {ps.sum():g}",
            where="expected_auc",
        )
    _, places = np.unique(xs, return_inverse=True)
    positive, negative = np.bincount(places, ps), np.bincount(places, 1.0 - ps)
    below = np.cumsum(negative) - negative
    return float(positive @ (below + negative / 2.0) / (positive.sum() * negative.sum()))


def _classes(labels: ArrayLike, scores: ArrayLike, where: str) -> tuple[Floats, Floats]:
    """Scores of the positives and of the negatives."""
    ys = observations(labels, 0.0, 1.0, where)
    xs = observations(scores, -np.inf, np.inf, where)
    positive = ys == 1.0
    if (
        xs.size != ys.size
        or not np.all(positive | (ys == 0.0))
        or not 0 < np.count_nonzero(positive) < ys.size
    ):
        raise DataError(
            expected="as many scores as labels, the labels 0 or 1 and both present",
            got=f"{xs.size} scores and {ys.size} labels",
            where=where,
        )
    return xs[positive], xs[~positive]


def placements(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Share of the other class on the right side of each score: (m,) positives and (n,) negatives.

    The mean of either is the AUC; their variances give DeLong's.
    """
    above = _share_below(np.sort(negative), positive)
    return above, 1.0 - _share_below(np.sort(positive), negative)


def _share_below(ordered: Floats, values: Floats) -> Floats:
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return (left + right) / (2.0 * ordered.size)
