"""Cells as they come, from a table or from JSON, turned into numbers and text in one way only.

Training and serving both pass through here, which is why a null, an absent key and a NaN are one thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from slipway.base.errors import ContractError
from slipway.base.vocabulary import Value

#: A cell of a training table; requests only carry ``Value``.
Cell = Value | datetime | date
#: One column of raw values.
Column = Sequence[Cell] | npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_T = TypeVar("_T")
NAN = math.nan
_PLAIN_NUMBERS = frozenset({float, int, bool, type(None)})
#: Integral floats below this magnitude are written like integers, so that 3.0 and 3 are one category.
_EXACT = 1e15
_REASONS = ((TypeError, "another type"), (OverflowError, "a number out of range"))


def to_float(value: object) -> float:
    """A number or boolean as float64; None is NaN.

    Raises:
        TypeError: neither.
        OverflowError: an integer beyond the range of float64.
    """
    if type(value) is float:
        return value
    if value is None:
        return NAN
    if isinstance(value, int | float):
        return float(value)
    raise TypeError


def to_text(value: object) -> str | None:
    """A cell as the text that names its category; None for a missing value.

    Numbers that are equal give the same text whether they came as integer or as float.

    Raises:
        TypeError: not text, a number or a boolean.
        ValueError: an integer too long to be written.

    >>> to_text(3.0), to_text(3), to_text(True), to_text(0.5)
    ('3', '3', 'true', '0.5')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(float(value))
    raise TypeError


def cells(values: Column) -> Sequence[Cell]:
    """The column as Python objects."""
    if isinstance(values, np.ndarray):
        return cast("list[Cell]", values.tolist())
    return values


def floats(values: Column, column: str) -> Floats:
    """A column of numbers and booleans as float64, shape (n,); None becomes NaN.

    Raises:
        ContractError: a cell of another type, or an integer beyond the range of float64.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return values.astype(np.float64)
    listed = cells(values)
    if _PLAIN_NUMBERS.issuperset(map(type, listed)):
        try:
            return np.array(listed, dtype=np.float64)
        except OverflowError:
            pass  # the loop below finds the row
    return np.fromiter(each(to_float, listed, column, "a number"), dtype=np.float64, count=len(listed))


def texts(values: Column, column: str) -> list[str | None]:
    """A column of categories as text; None and NaN become None.

    Raises:
        ContractError: a cell that is no text, number or boolean.
    """
    return list(each(to_text, cells(values), column, "text, a number or a boolean"))


def each(
    function: Callable[[object], _T], values: Iterable[Cell], column: str, expected: str
) -> Iterator[_T]:
    """Apply ``function`` to each cell.

    Raises:
        ContractError: the function refused a cell; names the column and the row, never the value.
    """
    for row, value in enumerate(values):
        try:
            found = function(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise refused(column, expected, error, row) from None
        yield found


def refused(column: str, expected: str, error: Exception, row: int | None = None) -> ContractError:
    """The error for a cell that no encoding takes."""
    got = next((words for kind, words in _REASONS if isinstance(error, kind)), "a value of another form")
    place = f"column {column!r}" if row is None else f"column {column!r}, row {row}"
    return ContractError(
        expected=expected, got=got, where=place, next_step="send the type that contract.toml names"
    )
