"""A first contract from the data: task, types, roles and ranges, with the reason for every guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

import polars as pl

from slipway.base.errors import DataError, TargetError, UsageError
from slipway.base.vocabulary import Task, Value
from slipway.data.contract import Column, ColumnType, Contract
from slipway.data.tables import canonical, matching, moments

#: A whole-number target with at most this many values is read as classes, with more as a quantity.
_MOST_NUMBER_CLASSES = 10
_MOST_TEXT_CLASSES = 100
#: A category with more levels is left open: a list that long helps no reader.
_MOST_LEVELS = 100
_ID_SHARE = 0.9
_ID_ROWS = 50
_TEXT_WORDS = 4.0
_SORTED_SHARE = 0.99
#: Beyond, a power of ten or its product with a bound may leave the range of a float.
_MOST_DIGITS = 150
_TIME_NAME = re.compile(r"time|date|day|stamp|created|month", re.IGNORECASE)
_ID_NAME = re.compile(r"(^|[_\s-])(id|uuid|guid|key|nr|no|number|index)$", re.IGNORECASE)


class Inference(NamedTuple):
    """What the data says about itself."""

    task: Task
    contract: Contract
    #: Labels of a binary or multiclass target, sorted; empty for regression.
    classes: tuple[Value, ...]
    #: Sentences for a person: what was guessed and why.
    notes: tuple[str, ...]


class Hints(NamedTuple):
    """What the user knows better than the data."""

    task: Task | None = None
    time: str | None = None
    group: str | None = None
    #: Names, or patterns with ``*`` and ``?``.
    exclude: Sequence[str] = ()


_NO_HINTS = Hints()


def infer(df: pl.DataFrame, target: str, hints: Hints = _NO_HINTS) -> Inference:
    """Guess task and contract of a table.

    Raises:
        SourceError: a column of lists or structs that ``hints`` do not exclude.
        TargetError: the target is not there, has no value, one value only, or too many to be classes.
        UsageError: ``hints`` name a column that is not there.
        DataError: no column is left that a model could read.
    """
    _refuse_unknown(df, target, hints)
    df = canonical(df, exclude=hints.exclude)
    task, classes = _task(df[target], hints.task)
    excluded = set(matching(hints.exclude, df.columns)) - {target, hints.time, hints.group}
    described = [_describe(df[name], excluded) for name in df.columns if name != target]
    time = hints.time or _time_column(df, described)
    columns: list[Column] = []
    for name in df.columns:
        if name == target:
            columns.append(_target_column(df[name], task))
        else:
            columns.append(_with_role(next(c for c in described if c.name == name), time, hints.group))
    if not any(column.role == "feature" for column in columns):
        reasons = "; ".join(f"{c.name}: {c.reason}" for c in columns if c.reason)
        raise DataError(
            expected="at least one column that a model can read",
            got=f"none among {df.width - 1} beside the target ({reasons[:300]})",
            next_step="add columns with numbers or categories",
        )
    contract = Contract(columns=tuple(columns), min_rows=min(100, max(1, df.height // 2)))
    return Inference(task, contract, classes, _notes(task, contract, hints, df))


def _refuse_unknown(df: pl.DataFrame, target: str, hints: Hints) -> None:
    if target not in df.columns:
        raise TargetError(
            expected=f"a target column {target!r}",
            got=f"a table with {df.width} others",
            next_step=_suggestion(target, df.columns),
        )
    for what, name in (("time", hints.time), ("group", hints.group)):
        if name is not None and (name not in df.columns or name == target):
            raise UsageError(
                expected=f"a {what} column other than the target",
                got=f"{name!r}",
                next_step=_suggestion(name, [c for c in df.columns if c != target]),
            )
    for pattern in hints.exclude:
        found = matching([pattern], df.columns)
        if not found or target in found:
            raise UsageError(
                expected="columns to exclude, other than the target",
                got=f"{pattern!r}, which " + ("is or covers the target" if found else "fits no column"),
                next_step=_suggestion(pattern, df.columns),
            )


def _suggestion(name: str, names: Sequence[str]) -> str:
    by_lower = {other.lower(): other for other in names}
    near = [by_lower[found] for found in get_close_matches(name.lower(), list(by_lower), n=3)]
    shown = near or list(names[:8])
    more = " ..." if not near and len(names) > len(shown) else ""
    return ("did you mean " if near else "the columns are ") + ", ".join(map(repr, shown)) + more


def _whole_numbers(series: pl.Series) -> bool:
    if series.dtype == pl.Int64:
        return True
    present = series.drop_nulls()
    return series.dtype == pl.Float64 and bool(
        ((present == present.floor()) & (present.abs() < 2.0**53)).all()
    )


def _task(series: pl.Series, wanted: Task | None) -> tuple[Task, tuple[Value, ...]]:
    """The task a target asks for, and its classes."""
    where = f"target column {series.name!r}"
    present = series.drop_nulls()
    if present.is_empty():
        raise TargetError(
            expected="labels", got="no value in any row", where=where, next_step="choose another target"
        )
    levels = present.unique()
    if len(levels) == 1:
        raise TargetError(
            expected="at least two different labels",
            got="the same one in every row",
            where=where,
            next_step="add rows with the other outcome, or choose another target",
        )
    task = wanted or _likely_task(series, len(levels))
    text = series.dtype == pl.String or series.dtype == pl.Boolean  # noqa: PLR1714  (types compare by ==, not by hash)
    if task == "regression":
        if text:
            raise _unfit("numbers for a regression", f"{_kind(series)} values", where)
        return task, ()
    if task == "binary" and len(levels) != 2:
        raise _unfit("two labels for a binary task", f"{len(levels)}", where)
    if len(levels) > _MOST_TEXT_CLASSES:
        raise _unfit(f"at most {_MOST_TEXT_CLASSES} classes", f"{len(levels)} different values", where)
    whole = _whole_numbers(series) and series.dtype == pl.Float64
    return task, tuple((levels.cast(pl.Int64) if whole else levels).sort().to_list())


def _likely_task(series: pl.Series, n_levels: int) -> Task:
    if n_levels == 2:
        return "binary"
    if series.dtype == pl.String or (_whole_numbers(series) and n_levels <= _MOST_NUMBER_CLASSES):
        return "multiclass"
    return "regression"


def _unfit(expected: str, got: str, where: str) -> TargetError:
    return TargetError(expected=expected, got=got, where=where, next_step="choose another target or task")


def _kind(series: pl.Series) -> str:
    return "text" if series.dtype == pl.String else "true/false"


def _target_column(series: pl.Series, task: Task) -> Column:
    whole = task != "regression" and _whole_numbers(series)
    return Column(name=series.name, type="int" if whole else _type(series), role="target")


_TYPES: dict[type[pl.DataType], ColumnType] = {
    pl.Int64: "int",
    pl.Float64: "float",
    pl.Boolean: "bool",
    pl.String: "category",
}


def _type(series: pl.Series) -> ColumnType:
    return _TYPES[type(series.dtype)]


def _describe(series: pl.Series, excluded: set[str]) -> Column:
    """Type, ranges and levels of one column; ignored, with the reason, when no model can use it."""
    kind = _type(series)
    if series.name in excluded:
        return Column(name=series.name, type=kind, role="ignore", reason="excluded in slipway.toml")
    present = series.drop_nulls()
    distinct = present.n_unique()
    if distinct <= 1:
        reason = "the same value in every row" if distinct else "every value is missing"
        return Column(name=series.name, type=kind, role="ignore", reason=reason)
    missing = _most_missing(series.null_count() / len(series))
    if kind in ("int", "float"):
        return _number(series, present, distinct, kind, missing)
    if kind == "category":
        return _words(series.name, present, distinct, missing)
    return Column(name=series.name, type=kind, max_missing=missing)


def _most_missing(share: float) -> float:
    """The observed share with room for chance, and zero where none was ever missing."""
    return 0.0 if share == 0 else min(1.0, round(share * 1.5 + 0.05, 3))


def _number(series: pl.Series, present: pl.Series, distinct: int, kind: ColumnType, missing: float) -> Column:
    if kind == "int" and distinct == len(series):
        if bool((series.diff().drop_nulls() == 1).all()):
            return Column(name=series.name, type=kind, role="ignore", unique=True, reason="a row number")
        if _ID_NAME.search(series.name) and len(series) >= _ID_ROWS:
            return Column(
                name=series.name, type=kind, role="ignore", unique=True, reason="an id: all values differ"
            )
    low, high = _range(present, kind)
    return Column(name=series.name, type=kind, max_missing=missing, min=low, max=high)


def _range(present: pl.Series, kind: ColumnType) -> tuple[int | float | None, int | float | None]:
    """The observed range with a tenth of its width as slack on both sides; no sign is crossed."""
    finite = present.filter(present.is_finite()) if kind == "float" else present
    ends = (finite.min(), finite.max())
    if not (isinstance(ends[0], (int, float)) and isinstance(ends[1], (int, float))) or ends[0] == ends[1]:
        return None, None
    least, most = ends[0], ends[1]
    if kind == "int":
        slack = (int(most) - int(least)) // 10
        low, high = int(least) - slack, int(most) + slack
    else:
        span = most - least
        if not 0 < span < float("inf"):
            return None, None
        digits = 2 - floor(log10(span))
        low, high = _neat(least - span / 10, digits, floor), _neat(most + span / 10, digits, ceil)
        if not (isfinite(low) and isfinite(high)):
            return None, None
    zero = type(low)(0)
    return (max(low, zero) if least >= 0 else low), (min(high, zero) if most <= 0 else high)


def _neat(bound: float, digits: int, outward: Callable[[float], int]) -> float:
    """Round outward to so many decimals (negative: tens, hundreds ...)."""
    if abs(digits) > _MOST_DIGITS or not isfinite(bound):
        return bound
    if digits < 0:
        return float(outward(bound / 10.0**-digits) * 10**-digits)
    return round(outward(bound * 10.0**digits) / 10.0**digits, digits)


def _words(name: str, present: pl.Series, distinct: int, missing: float) -> Column:
    """A text column: times, an id, free text or a category."""
    head = present.head(1000)
    if moments(head).null_count() == 0 and moments(present).null_count() == 0:
        return Column(name=name, type="datetime", max_missing=missing)
    share = distinct / len(present)
    words = present.head(5000).str.count_matches(r"\S+").mean()
    if isinstance(words, float) and words >= _TEXT_WORDS and share > 0.5:
        return Column(
            name=name, type="text", role="ignore", reason="free text, which no candidate model reads"
        )
    if share > _ID_SHARE and len(present) >= _ID_ROWS:
        return Column(
            name=name,
            type="text",
            role="ignore",
            unique=distinct == len(present),
            reason="an id: nearly every row has its own value",
        )
    if distinct <= _MOST_LEVELS:
        levels = tuple(present.unique().sort().to_list())
        return Column(name=name, type="category", max_missing=missing, allowed=levels)
    return Column(name=name, type="category", max_missing=missing, max_length=_longest(present))


def _longest(present: pl.Series) -> int:
    """Twice the longest text seen: what is longer is most likely two fields in one, or another column."""
    longest = present.str.len_chars().max()
    return 2 * longest if isinstance(longest, int) else 0


def _time_column(df: pl.DataFrame, described: list[Column]) -> str | None:
    """The column of times in which the rows come, or the only one with a telling name."""
    dated = [c.name for c in described if c.type == "datetime" and c.role == "feature"]
    for name in dated:
        steps = moments(df[name]).to_physical().diff().drop_nulls()
        if len(steps) and float((steps >= 0).sum()) / len(steps) >= _SORTED_SHARE:
            return name
    named = [name for name in dated if _TIME_NAME.search(name) and df[name].null_count() == 0]
    return named[0] if len(dated) == 1 and named and "birth" not in named[0].lower() else None


def _with_role(column: Column, time: str | None, group: str | None) -> Column:
    if column.name == time:
        kind = column.type if column.type in ("int", "float") else "datetime"
        return Column(name=column.name, type=kind, role="time", max_missing=column.max_missing)
    if column.name == group:
        kind = "category" if column.type == "text" else column.type
        return Column(name=column.name, type=kind, role="group", max_missing=column.max_missing)
    return column


def _notes(task: Task, contract: Contract, hints: Hints, df: pl.DataFrame) -> tuple[str, ...]:
    target = contract.target.name
    notes = [f"task: {task}, {df[target].drop_nulls().n_unique()} different values of {target!r}"]
    unlabelled = df[target].null_count()
    if unlabelled:
        notes.append(f"{unlabelled} rows have no {target!r}; they are not used to train or test")
    if contract.time is not None and hints.time is None:
        notes.append(f"{contract.time.name!r} orders the rows in time; newest rows are held out for the test")
    dated = [c.name for c in contract.features if c.type == "datetime"]
    if contract.time is None and dated:
        notes.append(f"no time column chosen among {', '.join(map(repr, dated))}; set data.time if one is")
    notes += [f"{c.name!r} is ignored: {c.reason}" for c in contract.columns if c.role == "ignore"]
    return tuple(notes)
