"""The one form in which Slipway holds a table, and how a table is brought to its contract.

A canonical table has Int64, Float64, Boolean and String columns only: what JSON can carry. Times are ISO
8601 text, so that a row of a training table and a row of a request are the same values. Missing is null;
NaN counts as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from slipway.base.errors import ContractError, SourceError
from slipway.base.vocabulary import Value
from slipway.data.contract import Column, ColumnType, Contract
from slipway.data.moments import parse_moment

#: Physical type of each contract type.
PHYSICAL: dict[ColumnType, DataTypeClass] = {
    "float": pl.Float64,
    "int": pl.Int64,
    "bool": pl.Boolean,
    "category": pl.String,
    "datetime": pl.String,
    "text": pl.String,
}

#: A text that a person would read as a number with a leading zero: a code, not a quantity.
_CODE = r"^[+-]?0\d"


def canonical(df: pl.DataFrame, *, exclude: Iterable[str] = (), where: str = "table") -> pl.DataFrame:
    """Bring every column to Int64, Float64, Boolean or String.

    Args:
        df: any Polars table.
        exclude: columns that may be dropped when they hold no plain values.
        where: name of the table, for the error.

    Raises:
        SourceError: a column of lists, structs, binary or other values without a plain form.
    """
    columns: list[pl.Series] = []
    unread = matching(exclude, df.columns)
    for series in df.get_columns():
        plain = _plain(series, where)
        if plain is not None:
            columns.append(plain)
        elif series.name not in unread:
            raise SourceError(
                expected="columns of numbers, text, booleans or times",
                got=f"column {series.name!r} of type {series.dtype}",
                where=where,
                next_step="unpack it into plain columns, or exclude it (data.exclude, --exclude)",
            )
    return pl.DataFrame(columns)


def _plain(series: pl.Series, where: str) -> pl.Series | None:
    """The series in its canonical type, or None when it has none."""
    if series.dtype.is_integer():
        return _whole(series, where)
    form = _FORMS.get(series.dtype.base_type())
    return None if form is None else form(series)


def _floats(series: pl.Series) -> pl.Series:
    return series.cast(pl.Float64).fill_nan(None)


def _moments(series: pl.Series) -> pl.Series:
    zone = getattr(series.dtype, "time_zone", None)
    moments = series.dt.convert_time_zone("UTC") if zone else series
    return moments.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("+00:00" if zone else ""))


def _days(series: pl.Series) -> pl.Series:
    return series.dt.strftime("%Y-%m-%d")


def _same(series: pl.Series) -> pl.Series:
    return series


def _as_text(series: pl.Series) -> pl.Series:
    return series.cast(pl.String)


#: How each plain type other than the integers takes its canonical form.
_FORMS: dict[DataTypeClass, Callable[[pl.Series], pl.Series]] = {
    pl.Float64: _floats,
    pl.Float32: _floats,
    pl.Decimal: _floats,
    pl.Datetime: _moments,
    pl.Date: _days,
    pl.Boolean: _same,
    pl.String: _same,
    pl.Categorical: _as_text,
    pl.Enum: _as_text,
    pl.Null: _as_text,
}


def _whole(series: pl.Series, where: str) -> pl.Series:
    whole = series.cast(pl.Int64, strict=False)
    if whole.null_count() != series.null_count():
        raise SourceError(
            expected="integers that fit 64 bits with a sign",
            got=f"{whole.null_count() - series.null_count()} larger ones in column {series.name!r}",
            where=where,
            next_step="store the column as text when it is a code, as a float when it is a quantity",
        )
    return whole


def typed(text: pl.Series) -> pl.Series:
    """Give a text column the narrowest type that all its values have: int, float, bool, else text.

    Numbers with a leading zero and integers beyond 64 bits are codes and stay text.
    """
    missing = text.null_count()
    if missing == len(text):
        return text
    if not bool(text.str.contains(_CODE).any()):
        for dtype in (pl.Int64, pl.Float64):
            numbers = text.cast(dtype, strict=False)
            if numbers.null_count() == missing and not _rounded(text, numbers):
                return numbers.fill_nan(None)
    lower = text.str.to_lowercase()
    if bool(lower.is_in(["true", "false"]).all()):
        return (lower == "true").alias(text.name)
    return text


def _rounded(text: pl.Series, numbers: pl.Series) -> bool:
    """Whether reading as float lost digits of an integer too long for 64 bits."""
    return numbers.dtype == pl.Float64 and bool(text.str.contains(r"^[+-]?\d{19,}$").any())


def conform(df: pl.DataFrame, contract: Contract, *, where: str = "table") -> pl.DataFrame:
    """The contract's columns, in its order and types; others are left out.

    Only changes of form that lose nothing are made: an int as float or as category text, a float without
    fractions as int, a bool as category text. Ignored columns are left out when the table lacks them.

    Raises:
        ContractError: a column is missing, or has values of another type.
    """
    table = canonical(df, exclude=[c.name for c in contract.columns if c.role == "ignore"], where=where)
    absent = [c.name for c in contract.columns if c.name not in table.columns and c.role != "ignore"]
    if absent:
        raise ContractError(
            expected="all columns of the contract",
            got=f"a table without {', '.join(map(repr, absent[:5]))}" + (" and more" * (len(absent) > 5)),
            where=where,
            next_step="add the column, or change the contract and train again",
        )
    made: list[pl.Series] = []
    for column in contract.columns:
        if column.name in table.columns:
            made.append(conform_column(table[column.name], column, where))
    return pl.DataFrame(made)


def conform_column(series: pl.Series, column: Column, where: str = "table") -> pl.Series:
    """One canonical column in the type of its contract.

    Raises:
        ContractError: it has values of another type.
    """
    wanted = PHYSICAL[column.type]
    if column.role == "ignore" or series.dtype == wanted:
        return series
    if series.null_count() == len(series):
        return series.cast(wanted)
    cast = _CASTS.get((series.dtype.base_type(), wanted))
    made = None if cast is None else cast(series)
    if made is None:
        raise ContractError(
            expected=f"type {column.type}",
            got=f"values of type {TYPE_NAMES[series.dtype.base_type()]}",
            where=f"column {column.name!r} of {where}",
            next_step="mend the table, or change the type in contract.toml and train again",
        )
    return made


def _unfractioned(series: pl.Series) -> pl.Series | None:
    whole = series.cast(pl.Int64, strict=False)
    return whole if _same_numbers(whole.cast(pl.Float64), series) else None


def _as_float(series: pl.Series) -> pl.Series | None:
    floats = series.cast(pl.Float64)
    return floats if _same_numbers(floats.cast(pl.Int64, strict=False), series) else None


def _same_numbers(back: pl.Series, series: pl.Series) -> bool:
    """Whether a change of type and back gave every number again."""
    return back.null_count() == series.null_count() and bool((back == series).all())


_CASTS: dict[tuple[DataTypeClass, DataTypeClass], Callable[[pl.Series], pl.Series | None]] = {
    (pl.Int64, pl.Float64): _as_float,
    (pl.Float64, pl.Int64): _unfractioned,
    (pl.Int64, pl.String): _as_text,
    (pl.Float64, pl.String): _as_text,
    (pl.Boolean, pl.String): _as_text,
}

#: Canonical types in the words of the contract.
TYPE_NAMES: dict[DataType | DataTypeClass, str] = {
    pl.Int64: "int",
    pl.Float64: "float",
    pl.Boolean: "bool",
    pl.String: "text",
}


def matching(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that equal a pattern, or fit one with ``*`` or ``?``, in their own order."""
    wanted = list(patterns)
    return [name for name in names if any(name == p or fnmatchcase(name, p) for p in wanted)]


_SPELLINGS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d")
_PLAIN_MOMENT = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:[0-5]\d(\.\d{1,6})?)?$"


def moments(text: pl.Series) -> pl.Series:
    """ISO 8601 text as microsecond datetimes without zone; null where ``parse_moment`` finds no time."""
    plain = text.set(~text.str.contains(_PLAIN_MOMENT), None)
    made = pl.Series(text.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(text))
    for spelling in _SPELLINGS:
        if made.null_count() == plain.null_count():
            break
        made = made.zip_with(
            made.is_not_null(), plain.str.to_datetime(spelling, time_unit="us", strict=False)
        )
    odd = made.is_null() & text.is_not_null()
    if not bool(odd.any()):
        return made
    read = {cell: parse_moment(cell) for cell in text.filter(odd).unique().to_list()}
    rest = [None if cell is None else read.get(cell) for cell in text.set(~odd, None).to_list()]
    return made.zip_with(~odd, pl.Series(text.name, rest, dtype=pl.Datetime("us")))


def column_values(df: pl.DataFrame, contract: Contract) -> dict[str, list[Value]]:
    """The feature columns of a table as plain Python values, as a request would carry them."""
    table = conform(df, contract)
    return {column.name: table[column.name].to_list() for column in contract.features}
