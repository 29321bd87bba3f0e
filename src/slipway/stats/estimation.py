"""Performance without labels: estimates for a warning, never a reason for a rollback by themselves.

What none of them can see: *concept drift*, a change of the labels given the features. CBPE and its
weighted form need every production row to look like some reference rows; DLE and ATC share that need.
A drift alarm is no substitute either: over 580 model and data set pairs drift scores did not
predict performance (NannyML, 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.errors import DataError, UsageError
from slipway.stats.arguments import Floats, observations, within
from slipway.stats.auc import expected_auc


class Confusion(NamedTuple):
    """Expected numbers of true positives, false positives, false negatives and true negatives."""

    tp: float
    fp: float
    fn: float
    tn: float


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0.0 else math.nan


def _f1(c: Confusion) -> float:
    return _ratio(2.0 * c.tp, 2.0 * c.tp + c.fp + c.fn)


def _balanced(c: Confusion) -> float:
    return 0.5 * _ratio(c.tp, c.tp + c.fn) + 0.5 * _ratio(c.tn, c.tn + c.fp)


def _matthews(c: Confusion) -> float:
    product = (c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn)
    return _ratio(c.tp * c.tn - c.fp * c.fn, math.sqrt(product))


#: Metrics of a confusion matrix by name; nan where a denominator is 0.
CONFUSION_METRICS: Mapping[str, Callable[[Confusion], float]] = MappingProxyType(
    {
        "accuracy": lambda c: _ratio(c.tp + c.tn, sum(c)),
        "precision": lambda c: _ratio(c.tp, c.tp + c.fp),
        "recall": lambda c: _ratio(c.tp, c.tp + c.fn),
        "specificity": lambda c: _ratio(c.tn, c.tn + c.fp),
        "negative_predictive_value": lambda c: _ratio(c.tn, c.tn + c.fn),
        "f1": _f1,
        "balanced_accuracy": _balanced,
        "matthews": _matthews,
    }
)


def expected_confusion(probabilities: ArrayLike, predictions: ArrayLike) -> Confusion:
    """CBPE: the confusion matrix of (n,) hard predictions 0/1 if row i is positive with ``probabilities``[i].

    Assumes calibrated probabilities (``calibration.fit_isotonic`` on labelled reference rows; with
    ``calibration.density_ratio`` weights when the features have moved, the PAPE variant). Valid under
    covariate shift, blind to concept drift; it cannot report an accuracy below 1/2 for predictions cut at
    1/2.

    Raises:
        DataError: lengths that differ, or values outside [0, 1].

    Source: confidence-based performance estimation, NannyML; weighted: Bialek et al., arXiv 2401.08348.

    >>> [round(count, 3) for count in expected_confusion([0.9, 0.2], [1, 0])]
    [0.9, 0.1, 0.2, 0.8]
    """
    ps = observations(probabilities, 0.0, 1.0, "expected_confusion")
    hs = observations(predictions, 0.0, 1.0, "expected_confusion")
    if ps.size != hs.size:
        raise DataError(expected=f"{ps.size} predictions", got=f"{hs.size}", where="expected_confusion")
    tp, fp = float(hs @ ps), float(hs @ (1.0 - ps))
    fn, tn = float((1.0 - hs) @ ps), float((1.0 - hs) @ (1.0 - ps))
    return Confusion(tp, fp, fn, tn)


def expected_brier(probabilities: ArrayLike, scores: ArrayLike) -> float:
    """CBPE: the Brier score of (n,) ``scores`` if row i is positive with ``probabilities``[i].

    Raises:
        DataError: no rows, lengths that differ, or values outside [0, 1].

    >>> round(expected_brier([0.9, 0.2], [0.8, 0.2]), 3)
    0.13
    """
    ps = observations(probabilities, 0.0, 1.0, "expected_brier")
    ss = observations(scores, 0.0, 1.0, "expected_brier")
    if ps.size != ss.size or ps.size == 0:
        raise DataError(
            expected="as many scores as probabilities", got=f"{ss.size} and {ps.size}", where="CBPE"
        )
    return float(np.mean(ps * (1.0 - ss) ** 2 + (1.0 - ps) * ss**2))


def estimate_metric(name: str, probabilities: ArrayLike, predictions: ArrayLike, scores: ArrayLike) -> float:
    """CBPE of one metric: a name of ``CONFUSION_METRICS``, "auc" or "brier".

    Raises:
        UsageError: another name.

    >>> round(estimate_metric("recall", [0.9, 0.3], [1, 0], [0.8, 0.4]), 3)
    0.75
    """
    if name in CONFUSION_METRICS:
        return CONFUSION_METRICS[name](expected_confusion(probabilities, predictions))
    if name == "auc":
        return expected_auc(scores, probabilities)
    if name == "brier":
        return expected_brier(probabilities, scores)
    known = ", ".join([*CONFUSION_METRICS, "auc", "brier"])
    raise UsageError(expected=f"a metric of {known}", got=name, where="estimate_metric")


class LossEstimate(NamedTuple):
    """An estimated mean loss with a normal interval that covers sampling only, not a wrong model of the
    loss."""

    mean: float
    low: float
    high: float


def direct_loss(
    reference_losses: ArrayLike,
    reference_guesses: ArrayLike,
    production_guesses: ArrayLike,
    alpha: float = 0.05,
) -> LossEstimate:
    """DLE: the mean loss of production rows whose outcomes are unknown, from a second model of the loss.

    ``guesses`` are predictions of the loss (absolute or squared error) by a model that did not see these rows
    in training. Its mean error on the reference is taken off.

    Assumes that the loss given the features is as in the reference: blind to concept drift, and to rows
    unlike any reference row.

    Raises:
        DataError: lengths that differ, fewer than two rows, or values that are not finite.

    Source: direct loss estimation, NannyML; the correction is that of prediction-powered inference.

    >>> round(direct_loss([1.0, 2.0, 3.0], [1.1, 2.1, 2.8], [2.0, 2.0, 5.0]).mean, 6)
    3.0
    """
    losses = observations(reference_losses, -np.inf, np.inf, "direct_loss")
    known = observations(reference_guesses, -np.inf, np.inf, "direct_loss")
    new = observations(production_guesses, -np.inf, np.inf, "direct_loss")
    if losses.size != known.size or min(losses.size, new.size) < 2:
        raise DataError(
            expected="a guess for each of two or more reference losses, and two or more production rows",
            got=f"{losses.size} losses, {known.size} guesses, {new.size} rows",
            where="direct_loss",
        )
    errors = losses - known
    mean = float(new.mean() + errors.mean())
    sd = math.sqrt(float(new.var(ddof=1)) / new.size + float(errors.var(ddof=1)) / errors.size)
    half = float(special.ndtri(1.0 - within("alpha", alpha, 0.0, 1.0) / 2.0)) * sd
    return LossEstimate(mean, mean - half, mean + half)


def atc_threshold(confidences: ArrayLike, wrong: ArrayLike) -> float:
    """ATC: the confidence below which as many reference rows lie as were predicted wrongly.

    Args:
        confidences: (n,) scores that grow with certainty, such as the largest class probability.
        wrong: (n,) 0/1 errors of the reference predictions.

    Raises:
        DataError: no rows, lengths that differ, or errors outside [0, 1].

    Source: Garg, Balakrishnan, Lipton, Neyshabur, Sedghi, "Leveraging unlabeled data to predict
    out-of-distribution performance", ICLR 2022, arXiv 2201.04234.

    >>> atc_threshold([0.5, 0.6, 0.7, 0.8], [1, 0, 0, 0])
    0.6
    """
    cs = observations(confidences, -np.inf, np.inf, "atc_threshold")
    es = observations(wrong, 0.0, 1.0, "atc_threshold")
    if cs.size != es.size or cs.size == 0:
        raise DataError(
            expected="an error for each confidence", got=f"{es.size} of {cs.size}", where="atc_threshold"
        )
    ordered: Floats = np.sort(cs)
    below = round(float(es.sum()))
    return float(ordered[below]) if below < cs.size else math.inf


def atc_error(confidences: ArrayLike, threshold: float) -> float:
    """ATC: estimated error rate of (n,) production rows: their share with confidence below ``threshold``.

    Assumes that confidence means the same as in the reference: blind to concept drift.

    Raises:
        DataError: no rows.

    >>> atc_error([0.4, 0.55, 0.9, 0.95], 0.6)
    0.5
    """
    cs = observations(confidences, -np.inf, np.inf, "atc_error")
    if cs.size == 0:
        raise DataError(expected="at least one row", got="none", where="atc_error")
    return float(np.mean(cs < threshold))
