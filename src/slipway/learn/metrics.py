"""Held-out metrics with confidence intervals, as pure functions of outputs and target.

Row means (Brier, log loss, absolute error) carry Student intervals, accuracy the Wilson interval, the
area under the ROC curve the interval of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988) on the
logit scale, and ratios such as r2 the delta method. All are for a fixed sample looked at once; what is
watched over time belongs to the sequential tests of ``slipway.stats``.

Outputs are shaped (n, 1) for binary (probability of the positive class) and regression, and (n, classes)
for multiclass; the target is a class index, or the number itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from slipway.base.vocabulary import Task
from slipway.stats.auc import placements

FloatArray = npt.NDArray[np.float64]

#: Probabilities closer to 0 or 1 are clipped before the logarithm, so that one row cannot be infinite.
_CLIP = 1e-15


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measured figure.

    ``lower`` and ``upper`` bound the figure at confidence ``level``; both are None where the rows do not
    determine an interval (one row, one class).
    """

    name: str
    value: float
    lower: float | None
    upper: float | None
    n: int
    level: float
    higher_is_better: bool
    method: str

    @property
    def text(self) -> str:
        """The figure as people read it."""
        interval = "" if self.lower is None else f" [{self.lower:.4f}, {self.upper:.4f}]"
        return f"{self.name} {self.value:.4f}{interval}"


@dataclass(frozen=True)
class Estimate:
    """A value and its interval, before it gets a name."""

    value: float
    lower: float | None
    upper: float | None
    method: str


def mean_estimate(values: FloatArray, level: float, low: float = -np.inf, high: float = np.inf) -> Estimate:
    """Mean with the Student interval, cut to the range the values can have."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(mean, None, None, "student")
    half = _student(level, n) * float(np.std(values, ddof=1)) / n**0.5
    return Estimate(mean, max(low, mean - half), min(high, mean + half), "student")


def share_estimate(hits: npt.NDArray[np.bool_], level: float) -> Estimate:
    """Share of hits with the Wilson score interval (JASA 22, 1927)."""
    n, share = len(hits), float(np.mean(hits))
    z = float(stats.norm.ppf(0.5 + level / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # Rounding may leave the bound of a perfect share a hair on the wrong side of it.
    return Estimate(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)), "wilson")


def auc_estimate(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    """Area under the ROC curve; for more than two classes the mean of one-versus-rest areas.

    Only classes with at least two rows inside and outside count, where there are such; with no row on one
    side the area is NaN, without an interval.
    """
    scores = probabilities(outputs)
    parts = [_area(scores[:, k], target == k) for k in _two_sided(target, scores.shape[1])]
    if not parts:
        return Estimate(float("nan"), None, None, "delong")
    area = float(np.mean([part[0] for part in parts]))
    influence = np.mean([part[1] for part in parts], axis=0)
    return _logit_interval(area, float(np.sqrt(np.sum(influence**2))), level)


def r2_estimate(prediction: FloatArray, target: FloatArray, level: float) -> Estimate:
    """Share of variance explained; NaN when the target does not vary."""
    errors, spread = (target - prediction) ** 2, (target - target.mean()) ** 2
    mse, variance = float(errors.mean()), float(spread.mean())
    if variance == 0.0:
        return Estimate(float("nan"), None, None, "delta")
    value = 1.0 - mse / variance
    influence = -(errors - mse) / variance + mse / variance**2 * (spread - variance)
    return _delta_interval(value, influence, level, high=1.0)


def rmse_estimate(prediction: FloatArray, target: FloatArray, level: float) -> Estimate:
    """Root mean squared error: the interval of the mean square, through the root."""
    square = mean_estimate((target - prediction) ** 2, level, low=0.0)
    lower = None if square.lower is None else square.lower**0.5
    upper = None if square.upper is None else square.upper**0.5
    return Estimate(square.value**0.5, lower, upper, "student")


def probabilities(outputs: FloatArray) -> FloatArray:
    """Outputs of a classifier as one column per class, shape (n, classes)."""
    return np.column_stack([1.0 - outputs[:, 0], outputs[:, 0]]) if outputs.shape[1] == 1 else outputs


def _brier(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    shares = probabilities(outputs)
    truth = target[:, None] == np.arange(shares.shape[1])
    # Halved, so that two classes give (p - y)^2 and any number of classes stays within [0, 1].
    return mean_estimate(((shares - truth) ** 2).sum(axis=1) / 2, level, low=0.0, high=1.0)


def _log_loss(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    shares = probabilities(outputs)
    truth = shares[np.arange(len(target)), target.astype(np.int64)]
    return mean_estimate(-np.log(np.clip(truth, _CLIP, 1.0)), level, low=0.0)


def _accuracy(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    # Of two equally likely classes the positive one is answered, as serving does.
    answered = outputs[:, 0] >= 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return share_estimate(answered == target, level)


def _mae(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    return mean_estimate(np.abs(target - outputs[:, 0]), level, low=0.0)


def _rmse(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    return rmse_estimate(outputs[:, 0], target, level)


def _r2(outputs: FloatArray, target: FloatArray, level: float) -> Estimate:
    return r2_estimate(outputs[:, 0], target, level)


_Measure = Callable[[FloatArray, FloatArray, float], Estimate]

#: name -> (measure, higher is better)
_CLASSES: dict[str, tuple[_Measure, bool]] = {
    "brier": (_brier, False),
    "log_loss": (_log_loss, False),
    "auc": (auc_estimate, True),
    "accuracy": (_accuracy, True),
}
_NUMBERS: dict[str, tuple[_Measure, bool]] = {
    "mae": (_mae, False),
    "rmse": (_rmse, False),
    "r2": (_r2, True),
}
_TABLES: dict[Task, dict[str, tuple[_Measure, bool]]] = {
    "binary": _CLASSES,
    "multiclass": _CLASSES,
    "regression": _NUMBERS,
}


def metric_names(task: Task) -> tuple[str, ...]:
    """Names of the metrics of a task: those that a gate may bound."""
    return tuple(_TABLES[task])


def measure(task: Task, outputs: FloatArray, target: FloatArray, level: float = 0.95) -> tuple[Metric, ...]:
    """All metrics of a task.

    Args:
        task: what is predicted.
        outputs: (n, outputs) float64, n at least 1.
        target: (n,) float64, class index or number.
        level: confidence of each interval, within (0, 1).
    """
    return tuple(
        _named(name, function(outputs, target, level), len(target), level, higher)
        for name, (function, higher) in _TABLES[task].items()
    )


def _named(name: str, estimate: Estimate, n: int, level: float, higher: bool) -> Metric:
    return Metric(
        name=name,
        value=estimate.value,
        lower=estimate.lower,
        upper=estimate.upper,
        n=n,
        level=level,
        higher_is_better=higher,
        method=estimate.method,
    )


def _two_sided(target: FloatArray, classes: int) -> list[int]:
    """Classes to average over: one of two mirrored ones for binary, else those with enough rows.

    A class of one row has an area but no spread: it counts only where no class has more.
    """
    candidates = [1] if classes == 2 else range(classes)
    rows = {k: int(np.sum(target == k)) for k in candidates}
    sides = {k: min(count, len(target) - count) for k, count in rows.items()}
    return [k for k in candidates if sides[k] > 1] or [k for k in candidates if sides[k] == 1]


def _area(scores: FloatArray, positive: npt.NDArray[np.bool_]) -> tuple[float, FloatArray]:
    """Area and, per row, what it adds to the area's standard error when squared and summed (DeLong)."""
    above, below = placements(scores[positive], scores[~positive])
    m, n = len(above), len(below)
    area = float(above.mean())
    influence = np.zeros(len(scores))
    influence[positive] = (above - area) / (m * max(m - 1, 1)) ** 0.5
    influence[~positive] = (below - area) / (n * max(n - 1, 1)) ** 0.5
    return area, influence


def _logit_interval(area: float, error: float, level: float) -> Estimate:
    if not 0.0 < area < 1.0 or error == 0.0:
        return Estimate(area, None, None, "delong")
    half = float(stats.norm.ppf(0.5 + level / 2)) * error / (area * (1 - area))
    centre = float(special.logit(area))
    return Estimate(area, float(special.expit(centre - half)), float(special.expit(centre + half)), "delong")


def _delta_interval(value: float, influence: FloatArray, level: float, high: float) -> Estimate:
    n = len(influence)
    if n < 2:
        return Estimate(value, None, None, "delta")
    half = _student(level, n) * float(np.std(influence, ddof=1)) / n**0.5
    return Estimate(value, value - half, min(high, value + half), "delta")


def _student(level: float, n: int) -> float:
    return float(stats.t.ppf(0.5 + level / 2, n - 1))
