"""Many hypotheses at one look: e-values of any dependence, with the share of false discoveries bounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, Ints, within


def e_bh(e_values: ArrayLike, alpha: float) -> Ints:
    """Indices rejected by the e-Benjamini-Hochberg procedure, ascending.

    Rejects the k largest of m e-values for the largest k with e_(k) >= m / (k alpha).

    Guarantee: expected share of false rejections <= alpha, whatever the dependence between the e-values. Fed
    with the values of e-detectors (``MeanShiftCusum``, ``BinDrift``) and alpha = 1 / A, the mean number of
    looks before the first rejection is at least A when nothing has changed in any stream: a rejection needs
    a mean value of at least A, and a mean of e-detectors is an e-detector.

    Args:
        e_values: (m,) values >= 0; infinity counts as certain.
        alpha: in (0, 1).

    Raises:
        DataError: NaN or negative values, or another shape.

    Source: Wang & Ramdas, "False discovery rate control with e-values", JRSSB 2022, arXiv 2009.02824.

    >>> e_bh([500.0, 1.0, 45.0, 0.2], alpha=0.05).tolist()
    [0, 2]
    """
    es = e_array(e_values, "e_bh")
    within("alpha", alpha, 0.0, 1.0)
    order = np.argsort(-es, kind="stable")
    ranks = np.arange(1, es.size + 1)
    passed = np.flatnonzero(es[order] >= es.size / (ranks * alpha))
    kept = order[: passed[-1] + 1] if passed.size else order[:0]
    return np.sort(kept).astype(np.int64)


def mean_e(e_values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Average of e-values: again an e-value under any dependence (a maximum or a product is not).

    Args:
        e_values: (m,) values >= 0.
        weights: (m,) nonnegative weights fixed before the data, or None for equal ones.

    Raises:
        DataError: NaN or negative values, no value at all, or weights that do not fit.

    >>> mean_e([30.0, 0.0, 3.0])
    11.0
    """
    es = e_array(e_values, "mean_e")
    share = np.ones_like(es) if weights is None else np.asarray(weights, dtype=np.float64)
    if es.size == 0 or share.shape != es.shape or not np.all(share >= 0.0) or not share.sum() > 0.0:
        raise DataError(
            expected="at least one e-value and as many nonnegative weights",
            got=f"{es.size} values and {share.size} weights",
            where="mean_e",
        )
    used = share > 0.0
    return float(np.sum(es[used] * share[used]) / share.sum())


def e_array(e_values: ArrayLike, where: str) -> Floats:
    """One-dimensional float64 array of values >= 0 (infinity allowed).

    Raises:
        DataError: NaN or negative values, or another shape.
    """
    es = np.asarray(e_values, dtype=np.float64)
    if es.ndim != 1 or not np.all(es >= 0.0):
        raise DataError(
            expected="one-dimensional e-values of at least 0", got=f"shape {es.shape}", where=where
        )
    return es
