"""Checks of parameters and observations: every statistic refuses what its guarantee does not cover."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slipway.base.errors import DataError, UsageError

#: Observations per vectorised step: the arrays of a step stay in the processor's cache.
BLOCK = 4096

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def within(name: str, value: float, low: float, high: float) -> float:
    """``value`` as a float if low < value < high.

    Raises:
        UsageError: it lies outside, or is not a number.
    """
    value = float(value)
    if not low < value < high:
        raise UsageError(
            expected=f"{name} strictly between {low:g} and {high:g}", got=f"{value:g}", where=name
        )
    return value


def positive(name: str, value: float) -> float:
    """``value`` as a float if it is positive and finite.

    Raises:
        UsageError: it is not.
    """
    return within(name, value, 0.0, math.inf)


def not_negative(name: str, value: float) -> float:
    """``value`` as a float if it is zero or more, and finite.

    Raises:
        UsageError: it is not.
    """
    value = float(value)
    if not 0.0 <= value < math.inf:
        raise UsageError(expected=f"{name} of at least 0", got=f"{value:g}", where=name)
    return value


def count(name: str, value: int, least: int = 1) -> int:
    """``value`` as an int if it is a whole number of at least ``least``.

    Raises:
        UsageError: it is not.
    """
    whole = int(value)
    if whole != value or whole < least:
        raise UsageError(
            expected=f"{name} as a whole number of at least {least}", got=f"{value:g}", where=name
        )
    return whole


def observations(values: ArrayLike, low: float, high: float, where: str) -> Floats:
    """One-dimensional float64 copy or view of ``values``, all within [low, high].

    Raises:
        DataError: another shape, or values that are not finite or outside; the message counts them.
    """
    xs = np.asarray(values, dtype=np.float64)
    if xs.ndim != 1:
        raise DataError(expected="a one-dimensional array", got=f"{xs.ndim} dimensions", where=where)
    if xs.size == 0:
        return xs
    # min and max carry NaN along, so two passes without a mask settle the usual case
    least, most = float(xs.min()), float(xs.max())
    if not (low <= least and most <= high and math.isfinite(least) and math.isfinite(most)):
        bad = int(np.count_nonzero(~((xs >= low) & (xs <= high) & np.isfinite(xs))))
        raise _outside(low, high, f"{bad} of {xs.size} outside or not finite", where)
    return xs


def observation(value: float, low: float, high: float, where: str) -> float:
    """One value as a float within [low, high].

    Raises:
        DataError: it is not finite or lies outside.
    """
    x = float(value)
    if not low <= x <= high or math.isinf(x):
        raise _outside(low, high, "1 of 1 outside or not finite", where)
    return x


def indices(values: Any, size: int, where: str) -> Ints:
    """One-dimensional int64 array of indices in [0, size).

    Raises:
        DataError: another shape or dtype, or indices outside; the message counts them.
    """
    xs = np.asarray(values)
    if xs.size == 0:
        return np.empty(0, np.int64)
    if xs.ndim != 1 or xs.dtype.kind not in "iub":
        raise DataError(expected="a one-dimensional array of whole numbers", got=f"{xs.dtype}", where=where)
    xs = xs.astype(np.int64)
    if xs.min() < 0 or xs.max() >= size:
        bad = int(np.count_nonzero((xs < 0) | (xs >= size)))
        raise DataError(
            expected=f"indices from 0 to {size - 1}", got=f"{bad} of {xs.size} outside", where=where
        )
    return xs


def _outside(low: float, high: float, got: str, where: str) -> DataError:
    if math.isinf(low) and math.isinf(high):
        return DataError(expected="finite values", got=got, where=where)
    return DataError(
        expected=f"values in [{low:g}, {high:g}]",
        got=got,
        where=where,
        next_step="use a bounded loss (Brier, 0/1) or clip to the declared range",
    )


def blocks(values: Floats) -> Iterator[Floats]:
    """Stretches of at most ``BLOCK`` observations, in order; none for an empty array."""
    for start in range(0, len(values), BLOCK):
        yield values[start : start + BLOCK]


def rows(values: Any, width: int, where: str) -> Floats:
    """(n, ``width``) float64 array of finite values; an empty input is (0, ``width``).

    Raises:
        DataError: another shape, or values that are not finite; the message counts them.
    """
    xs = np.asarray(values, dtype=np.float64)
    if xs.size == 0 and xs.ndim <= 2:
        return np.empty((0, width))
    if xs.ndim != 2 or xs.shape[1] != width:
        raise DataError(expected=f"an array of shape (n, {width})", got=f"shape {xs.shape}", where=where)
    if not np.isfinite(xs).all():
        bad = int(np.count_nonzero(~np.isfinite(xs).all(axis=1)))
        raise DataError(expected="finite values", got=f"{bad} of {len(xs)} rows with others", where=where)
    return xs


def column(values: Floats, name: str, low: float, high: float, where: str) -> Floats:
    """``values`` if all lie in [low, high].

    Raises:
        DataError: some lie outside; the message counts them.
    """
    bad = int(np.count_nonzero((values < low) | (values > high)))
    if bad:
        raise DataError(
            expected=f"{name} in [{low:g}, {high:g}]", got=f"{bad} of {values.size} outside", where=where
        )
    return values
