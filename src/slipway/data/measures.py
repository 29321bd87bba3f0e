"""What is counted in one column of a table to judge it, as Polars expressions over its stored type.

Nothing is read here: the expressions of all columns go into one query, and their results come back to
``slipway.data.check``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from threading import Lock

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from slipway.data.contract import NUMERIC, Column
from slipway.data.patterns import LONGEST, portable_pattern
from slipway.data.tables import PHYSICAL, TYPE_NAMES, moments

_EARLIEST, _LATEST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)
#: Integer types whose values may not fit 64 bits with a sign.
_WIDE: tuple[DataTypeClass, ...] = (pl.UInt64, pl.Int128, pl.UInt128)


@dataclass(frozen=True)
class ColumnPlan:
    """How one column of a table is judged."""

    column: Column
    #: What the table stores, in the words of the contract.
    stored: str
    #: The cells in the type of the contract; None when the stored type has no way there.
    value: pl.Expr | None
    #: What to count, by name. Each gives one number, ``newest`` a time.
    measures: dict[str, pl.Expr]
    #: Watches whether the cells only rise, when they must be unique.
    order: Order | None = None


@dataclass
class Order:
    """Whether the cells of a column rise strictly within each batch, and batches do not overlap.

    Then no value occurs twice, whatever the order of the batches, and no table of values was needed. What
    is not proved so may still be unique.
    """

    _spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    _rises: bool = True
    _lock: Lock = field(default_factory=Lock)

    def watch(self, cells: pl.Series) -> pl.Series:
        """Take a batch; gives it no value back."""
        present = cells.drop_nulls().to_physical().cast(pl.Int64).to_numpy()
        if len(present):
            rises = bool((present[1:] > present[:-1]).all())
            with self._lock:
                self._rises = self._rises and rises
                self._spans.append((int(present[0]), int(present[-1])))
        return pl.repeat(False, len(cells), eager=True, dtype=pl.Boolean)

    @property
    def proves_unique(self) -> bool:
        """Whether no value occurred twice."""
        spans = sorted(self._spans)
        apart = all(one[1] < other[0] for one, other in pairwise(spans))
        return self._rises and apart


def plan_column(column: Column, stored: DataType, plain: DataType) -> ColumnPlan:
    """Plan one column.

    Args:
        column: what it must look like.
        stored: its type in the table.
        plain: its canonical type, see ``slipway.data.tables``.
    """
    cells = pl.col(column.name)
    if plain == pl.Float64:
        cells = cells.cast(pl.Float64) if stored != pl.Float64 else cells
        missing = cells.null_count() + cells.is_nan().sum()
    else:
        missing = cells.null_count()
    measures: dict[str, pl.Expr] = {"missing": missing}
    if stored.base_type() in _WIDE:
        measures["overflow"] = cells.cast(pl.Int64, strict=False).null_count() - missing
    value = _value(column, cells, stored, plain, measures)
    order = None
    if value is not None:
        for rules in (_numbers, _words, _times):
            rules(column, value, measures)
        order = _watch_order(column, cells, stored, measures)
    return ColumnPlan(column, TYPE_NAMES[plain.base_type()], value, measures, order)


def plan_ignored(column: Column, stored: DataType, plain: DataType) -> ColumnPlan:
    """Plan a column that no model reads: nothing but whether its values are unique."""
    cells = pl.col(column.name)
    if plain == pl.Float64:
        cells = cells.cast(pl.Float64).fill_nan(None)
    measures = {"missing": cells.null_count()}
    order = _watch_order(column, cells, stored, measures)
    return ColumnPlan(column, TYPE_NAMES[plain.base_type()], cells, measures, order)


def _watch_order(
    column: Column, cells: pl.Expr, stored: DataType, measures: dict[str, pl.Expr]
) -> Order | None:
    if not column.unique or not (stored.is_integer() or stored.is_temporal()) or stored.base_type() in _WIDE:
        return None
    order = Order()
    measures["order"] = cells.map_batches(order.watch, return_dtype=pl.Boolean, is_elementwise=True).sum()
    return order


def _value(
    column: Column, cells: pl.Expr, stored: DataType, plain: DataType, measures: dict[str, pl.Expr]
) -> pl.Expr | None:
    """The cells in the type of the contract, with a count of those that a change of type would change."""
    wanted = PHYSICAL[column.type]
    if column.type == "datetime" and stored.is_temporal():
        return _native_times(cells, stored, measures)
    if stored.is_temporal():
        cells = _time_text(cells, stored)
    elif stored.base_type() in (pl.Categorical, pl.Enum, pl.Null):
        cells = cells.cast(pl.String)
    if plain == wanted:
        cells = cells.fill_nan(None) if plain == pl.Float64 and column.type != "float" else cells
        return _read_times(cells, measures) if column.type == "datetime" else cells
    change = _CHANGES.get((plain.base_type(), wanted))
    if change is None:
        return None
    value, lossy = change(cells)
    if lossy is not None:
        measures["lossy"] = lossy.sum()
    return _read_times(value, measures) if column.type == "datetime" else value


def _unfractioned(cells: pl.Expr) -> tuple[pl.Expr, pl.Expr | None]:
    number = cells.fill_nan(None)
    whole = number.cast(pl.Int64, strict=False)
    return whole, number.is_not_null() & whole.cast(pl.Float64).ne_missing(number)


def _as_float(cells: pl.Expr) -> tuple[pl.Expr, pl.Expr | None]:
    floats = cells.cast(pl.Float64)
    return floats, cells.is_not_null() & floats.cast(pl.Int64, strict=False).ne_missing(cells.cast(pl.Int64))


def _as_text(cells: pl.Expr) -> tuple[pl.Expr, pl.Expr | None]:
    return cells.cast(pl.String), None


def _number_text(cells: pl.Expr) -> tuple[pl.Expr, pl.Expr | None]:
    return cells.fill_nan(None).cast(pl.String), None


#: From each canonical type to each type of a contract, where a way leads.
_CHANGES: dict[tuple[DataTypeClass, DataTypeClass], Callable[[pl.Expr], tuple[pl.Expr, pl.Expr | None]]] = {
    (pl.Int64, pl.Float64): _as_float,
    (pl.Float64, pl.Int64): _unfractioned,
    (pl.Int64, pl.String): _as_text,
    (pl.Float64, pl.String): _number_text,
    (pl.Boolean, pl.String): _as_text,
}


def _native_times(cells: pl.Expr, stored: DataType, measures: dict[str, pl.Expr]) -> pl.Expr:
    if getattr(stored, "time_zone", None):
        cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    times = cells.cast(pl.Datetime("us"))
    measures["odd"] = (~times.is_between(_EARLIEST, _LATEST)).sum()
    return times


def _time_text(cells: pl.Expr, stored: DataType) -> pl.Expr:
    if stored == pl.Date:
        return cells.dt.strftime("%Y-%m-%d")
    zone = getattr(stored, "time_zone", None)
    times = cells.dt.convert_time_zone("UTC") if zone else cells
    return times.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("+00:00" if zone else ""))


def _read_times(cells: pl.Expr, measures: dict[str, pl.Expr]) -> pl.Expr:
    times = cells.map_batches(moments, return_dtype=pl.Datetime("us"), is_elementwise=True)
    measures["odd"] = times.null_count() - cells.null_count()
    return times


def _numbers(column: Column, value: pl.Expr, measures: dict[str, pl.Expr]) -> None:
    if column.type not in NUMERIC:
        return
    if column.type == "float":
        measures["infinite"] = value.is_infinite().sum()
    if column.min is not None:
        measures["below"] = (value < column.min).sum()
    if column.max is not None:
        # NaN is above everything to Polars, and missing to a contract
        above = value > column.max
        measures["above"] = (above & value.is_not_nan()).sum() if column.type == "float" else above.sum()


def _words(column: Column, value: pl.Expr, measures: dict[str, pl.Expr]) -> None:
    if column.allowed is not None:
        measures["new"] = new_levels(column, value).sum()
    least, most = column.min_length, column.max_length
    if least is not None or most is not None:
        lengths = value.str.len_chars()
        good = lengths >= (least or 0) if most is None else lengths.is_between(least or 0, most)
        measures["length"] = (~good).sum()
    if column.pattern is not None:
        whole = f"\\A(?:{portable_pattern(column.pattern)})\\z"
        good = (value.str.len_chars() <= LONGEST) & value.str.contains(whole)
        measures["pattern"] = (~good).sum()


def new_levels(column: Column, value: pl.Expr) -> pl.Expr:
    """Where a cell has a level that the contract does not list; null where it is missing."""
    return ~value.is_in(list(column.allowed or ()))


def _times(column: Column, value: pl.Expr, measures: dict[str, pl.Expr]) -> None:
    if column.max_age is not None:
        measures["newest"] = value.max()
