"""Raw columns to one float64 matrix: fitted once, kept as JSON, the same code in training and serving.

Every kind of column has one function from a cell to its numbers, and the matrix path is that function
over a column (or an array operation that gives the same bits). Null, absent and NaN are one thing:
missing, NaN in the matrix. A category that training did not keep has the code ``len(levels)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, cast

import msgspec
import numpy as np

from slipway.base.errors import ContractError, IntegrityError
from slipway.data.moments import parse_moment
from slipway.data.steps import Steps
from slipway.models.cleaning import Cleaner
from slipway.models.values import NAN, Cell, Column, Floats, cells, each, floats, refused, to_float, to_text

Kind = Literal["number", "bool", "category", "datetime"]

DATE_PARTS = ("year", "month", "day", "weekday", "hour", "epoch_day")
_MISSING_DATE = (NAN,) * len(DATE_PARTS)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_US_PER_DAY = 86_400_000_000
_US_PER_HOUR = 3_600_000_000
_FORMAT = 1


class NumberColumn(msgspec.Struct, frozen=True, tag_field="kind", tag="number"):
    """A number, as it is."""

    name: str


class BoolColumn(msgspec.Struct, frozen=True, tag_field="kind", tag="bool"):
    """True or false as 1 and 0; numbers pass as they are."""

    name: str


class CategoryColumn(msgspec.Struct, frozen=True, tag_field="kind", tag="category"):
    """Text (or a number read as text) as its position in ``levels``; ``len(levels)`` when not among them."""

    name: str
    levels: tuple[str, ...]


class DatetimeColumn(msgspec.Struct, frozen=True, tag_field="kind", tag="datetime"):
    """ISO 8601 text as six numbers in UTC, ``DATE_PARTS``; weekday 0 is Monday. No offset means UTC."""

    name: str


EncodedColumn = NumberColumn | BoolColumn | CategoryColumn | DatetimeColumn


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``encoder.json``."""

    format: Literal[1]
    columns: tuple[EncodedColumn, ...]


class Encoder:
    """Turns rows into the matrix a model was fitted on.

    Args:
        columns: what to encode, in the order of the raw row.
        steps: what is mended in the raw values first.

    Raises:
        IntegrityError: two columns of one name, a category with a repeated level, or a step on a column that
            is not encoded.

    >>> encoder = Encoder([NumberColumn("age"), CategoryColumn("job", ("clerk", "nurse"))])
    >>> encoder.encode_row([41, "nurse"]), encoder.encode_row([None, "astronaut"])
    ([41.0, 1.0], [nan, 2.0])
    """

    def __init__(self, columns: Sequence[EncodedColumn], steps: Steps = ()) -> None:
        self.specs = tuple(columns)
        #: Raw columns, in the order that ``encode_row`` takes them.
        self.columns = tuple(spec.name for spec in self.specs)
        _refuse_repeats(self.columns, "columns of the encoder")
        #: Columns of the matrix.
        self.names = tuple(name for spec in self.specs for name in _names(spec))
        #: Positions in the matrix of category codes.
        self.categorical = tuple(
            at
            for at, spec in enumerate(spec for spec in self.specs for _ in _names(spec))
            if isinstance(spec, CategoryColumn)
        )
        self.steps = steps
        self._cleaner = _cleaner(steps, self.columns) if steps else None
        self._mend = self._cleaner.row(self.columns) if self._cleaner else None
        self._cells = tuple(_KINDS[type(spec)].cell(spec) for spec in self.specs)
        self._wide = [at for at, spec in enumerate(self.specs) if isinstance(spec, DatetimeColumn)][::-1]

    def encode(self, columns: Mapping[str, Column], n: int) -> Floats:
        """The matrix of ``n`` rows, shape (n, len(names)), C order.

        Args:
            columns: raw columns by name, each of length ``n``; an absent one is missing in every row, one
                that the encoder does not know is ignored.
            n: rows.

        Raises:
            ContractError: a column of another length, or a cell of a type its column cannot have.
        """
        matrix = np.empty((n, len(self.names)), dtype=np.float64)
        at = 0
        mended = columns
        if self._cleaner is not None:
            self._refuse_other_lengths(columns, n)
            mended = self._cleaner.columns(columns, n)
        for spec in self.specs:
            width = len(_names(spec))
            values = mended.get(spec.name)
            if values is None:
                matrix[:, at : at + width] = NAN
            else:
                if len(values) != n:
                    raise _wrong_length(spec.name, n, len(values))
                matrix[:, at : at + width] = _KINDS[type(spec)].column(spec, values)
            at += width
        return matrix

    def encode_row(self, values: Sequence[Cell]) -> list[float]:
        """One row of the matrix, the same bits as ``encode`` gives.

        Args:
            values: one cell per raw column, in the order of ``columns``.

        Raises:
            ContractError: too few or too many values, or a cell of a type its column cannot have.
        """
        if len(values) != len(self._cells):
            raise ContractError(
                expected=f"{len(self._cells)} values",
                got=str(len(values)),
                where="a row",
                next_step="send the columns in the order of the contract",
            )
        if self._mend is not None:
            values = list(values)
            self._mend(values)
        try:
            row: list[Any] = [cell(value) for cell, value in zip(self._cells, values, strict=True)]
        except (TypeError, ValueError, OverflowError):
            raise self._culprit(values) from None
        for at in self._wide:
            row[at : at + 1] = row[at]
        return row

    def to_json(self) -> bytes:
        """``encoder.json``; the same encoder gives the same bytes."""
        return msgspec.json.format(msgspec.json.encode(_Document(_FORMAT, self.specs)), indent=1)

    @classmethod
    def from_json(cls, content: bytes, steps: Steps = ()) -> Encoder:
        """Read ``to_json`` back, with the steps that are kept beside it.

        Raises:
            IntegrityError: not an encoder of this format.
        """
        try:
            return cls(msgspec.json.decode(content, type=_Document).columns, steps)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(
                expected="an encoder of format 1",
                got=type(error).__name__,
                where="encoder.json",
                next_step="train the version again with this release of Slipway",
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Encoder) and (self.specs, self.steps) == (other.specs, other.steps)

    def __hash__(self) -> int:
        return hash(self.specs)

    def _refuse_other_lengths(self, columns: Mapping[str, Column], n: int) -> None:
        for name in self.columns:
            if name in columns and len(columns[name]) != n:
                raise _wrong_length(name, n, len(columns[name]))

    def _culprit(self, values: Sequence[Cell]) -> ContractError:
        for spec, cell, value in zip(self.specs, self._cells, values, strict=True):
            try:
                cell(value)
            except (TypeError, ValueError, OverflowError) as error:
                return refused(spec.name, _KINDS[type(spec)].expected, error)
        raise AssertionError("no cell of the row is refused on its own")


def _wrong_length(name: str, n: int, got: int) -> ContractError:
    return ContractError(
        expected=f"{n} values",
        got=str(got),
        where=f"column {name!r}",
        next_step="send one value per row; use null for a missing one",
    )


def _cleaner(steps: Steps, columns: Sequence[str]) -> Cleaner:
    cleaner = Cleaner(steps)
    unknown = set(cleaner.names) - set(columns)
    if unknown:
        raise IntegrityError(
            expected="cleaning steps on encoded columns",
            got=f"{len(unknown)} other columns",
            where="the encoder",
            next_step="train the version again",
        )
    return cleaner


def _number_cell(_: EncodedColumn) -> Callable[[Any], float]:
    return to_float


def _number_column(spec: EncodedColumn, values: Column) -> Floats:
    return floats(values, spec.name)[:, None]


def _category_cell(spec: EncodedColumn) -> Callable[[Any], float]:
    levels = cast(CategoryColumn, spec).levels
    _refuse_repeats(levels, f"levels of column {spec.name!r}")
    other = float(len(levels))
    codes: dict[str | None, float] = {level: float(code) for code, level in enumerate(levels)}
    codes[None] = NAN
    known = codes.get

    def code(value: Any) -> float:
        found = known(value)
        if found is not None:
            return found
        return other if type(value) is str else known(to_text(value), other)

    return code


def _category_column(spec: EncodedColumn, values: Column) -> Floats:
    listed = cells(values)
    codes = each(_category_cell(spec), listed, spec.name, _KINDS[CategoryColumn].expected)
    return np.fromiter(codes, dtype=np.float64, count=len(listed))[:, None]


def date_parts(value: object) -> tuple[float, ...]:
    """``DATE_PARTS`` of ISO 8601 text, a datetime or a date, in UTC; NaN six times when missing.

    Raises:
        TypeError: no text and no date.
        ValueError: the text is no ISO 8601 time, or its time in UTC lies outside the years 1 to 9999.
    """
    if value is None:
        return _MISSING_DATE
    if isinstance(value, str):
        value = parse_moment(value)
        if value is None:
            raise ValueError
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC)
        hour = value.hour
    elif isinstance(value, date):
        hour = 0
    else:
        raise TypeError
    parts = (value.year, value.month, value.day, value.weekday(), hour, value.toordinal() - _EPOCH_ORDINAL)
    return tuple(map(float, parts))


def _datetime_cell(_: EncodedColumn) -> Callable[[Any], Any]:
    return date_parts


def _datetime_column(spec: EncodedColumn, values: Column) -> Floats:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return _datetime64_parts(values)
    rows = list(each(date_parts, cells(values), spec.name, _KINDS[DatetimeColumn].expected))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(DATE_PARTS))


def _datetime64_parts(values: np.ndarray[Any, Any]) -> Floats:
    moments = values.astype("datetime64[us]")
    missing = np.isnat(moments)
    us = np.where(missing, np.datetime64(0, "us"), moments).astype(np.int64)
    days = us // _US_PER_DAY
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    month_number = months.astype(np.int64)
    parts = np.empty((len(values), len(DATE_PARTS)), dtype=np.float64)
    parts[:, 0] = 1970 + month_number // 12
    parts[:, 1] = month_number % 12 + 1
    parts[:, 2] = days - months.astype("datetime64[D]").astype(np.int64) + 1
    parts[:, 3] = (days + 3) % 7  # 1970-01-01 was a Thursday
    parts[:, 4] = us % _US_PER_DAY // _US_PER_HOUR
    parts[:, 5] = days
    parts[missing] = NAN
    return parts


class _Handler(msgspec.Struct, frozen=True):
    """What a kind of column needs: a function per cell, one per column, and words for its error."""

    cell: Callable[[EncodedColumn], Callable[[Any], Any]]
    column: Callable[[EncodedColumn, Column], Floats]
    expected: str
    suffixes: tuple[str, ...] = ("",)


_KINDS: dict[type, _Handler] = {
    NumberColumn: _Handler(_number_cell, _number_column, "a number"),
    BoolColumn: _Handler(_number_cell, _number_column, "a boolean or a number"),
    CategoryColumn: _Handler(_category_cell, _category_column, "text, a number or a boolean"),
    DatetimeColumn: _Handler(
        _datetime_cell,
        _datetime_column,
        "a date and time such as 2024-05-31T09:30:00Z",
        tuple(f".{part}" for part in DATE_PARTS),
    ),
}


def _names(spec: EncodedColumn) -> list[str]:
    return [spec.name + suffix for suffix in _KINDS[type(spec)].suffixes]


def _refuse_repeats(names: Sequence[str], where: str) -> None:
    if len(set(names)) != len(names):
        raise IntegrityError(
            expected="names that are all different",
            got=f"{len(names) - len(set(names))} repeated",
            where=where,
            next_step="train the version again",
        )
