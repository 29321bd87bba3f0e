"""Monotone calibration of scores, plain or weighted towards another population."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, observations


class IsotonicMap(NamedTuple):
    """A nondecreasing map from score to probability: linear between ``scores``, constant beyond them."""

    scores: list[float]
    values: list[float]

    def __call__(self, scores: ArrayLike) -> Floats:
        """Calibrated probabilities of (n,) scores."""
        return np.interp(observations(scores, -np.inf, np.inf, "IsotonicMap"), self.scores, self.values)


def fit_isotonic(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> IsotonicMap:
    """The nondecreasing map that best fits (n,) labels in [0, 1] in squared error, each row weighted.

    Raises:
        DataError: no rows, lengths that differ, or weights that are not positive somewhere and never
        negative.

    Source: Zadrozny & Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002.

    >>> fit_isotonic([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]).values
    [0.0, 0.5, 0.5, 1.0]
    """
    xs = observations(scores, -np.inf, np.inf, "fit_isotonic")
    ys = observations(labels, 0.0, 1.0, "fit_isotonic")
    ws = np.ones_like(xs) if weights is None else observations(weights, 0.0, np.inf, "fit_isotonic")
    if not xs.size == ys.size == ws.size or not ws.sum() > 0.0:
        raise DataError(
            expected="as many labels and weights as scores, and some weight",
            got=f"{xs.size} scores, {ys.size} labels, {ws.size} weights",
            where="fit_isotonic",
        )
    used = ws > 0.0
    levels, places = np.unique(xs[used], return_inverse=True)
    mass = np.bincount(places, ws[used])
    means = np.bincount(places, ws[used] * ys[used]) / mass
    fitted: Any = optimize.isotonic_regression(means, weights=mass)
    return IsotonicMap(levels.tolist(), np.clip(fitted.x, 0.0, 1.0).tolist())


def density_ratio(production: ArrayLike, n_reference: int, n_production: int) -> Floats:
    """How much more often each reference row would occur in production: weights for ``fit_isotonic``.

    From (n,) out-of-fold probabilities ``production`` of a domain classifier that a row is from production,
    trained on ``n_reference`` and ``n_production`` rows: q / (1 - q) * n_reference / n_production.

    Raises:
        DataError: probabilities outside [0, 1); a 1 says that the row could not be from the reference.

    >>> density_ratio([0.5, 0.8], 1000, 1000).round(6).tolist()
    [1.0, 4.0]
    """
    q = observations(production, 0.0, 1.0 - 1e-12, "density_ratio")
    return q / (1.0 - q) * (n_reference / n_production)
