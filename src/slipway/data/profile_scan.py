"""The streaming pass of a profile: batches of rows go by once, what is kept does not grow with them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.datatypes import DataTypeClass

from slipway.data.profile_sketches import CoMoments, Distinct, Floats, Hashes, Repeats, RowSample, row_hashes

BATCH = 100_000
SAMPLE = 100_000
#: Beyond so many different values a column is not counted value by value.
MOST_COUNTED = 2_000
#: A column whose first rows have more than that many different values is not counted from the start.
_HEAD = 20_000
#: The table of correlations grows with the square of its columns.
MOST_CORRELATED = 200
FINE_BINS = 1_024
#: Rows without change that make the beginning of a column remarkable.
LONG_STILL = 200

Value = object


def plain(frame: pl.LazyFrame) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """The columns as Int64, Float64 without NaN, Boolean, String or Datetime, and the others' names."""
    made: list[pl.Expr] = []
    skipped: list[str] = []
    for name, dtype in frame.collect_schema().items():
        form = _whole if dtype.is_integer() else _FORMS.get(dtype.base_type())
        if form is None:
            skipped.append(name)
        else:
            made.append(form(pl.col(name)))
    return frame.select(made), tuple(skipped)


#: Microseconds since 1970 of the years 1 to 9999; what lies beyond is no time of a calendar, and missing.
_CALENDAR = (-62_135_596_800_000_000, 253_402_300_799_999_999)


def _moment(column: pl.Expr) -> pl.Expr:
    moment = column.cast(pl.Datetime("us"))
    return pl.when(moment.to_physical().is_between(*_CALENDAR)).then(moment)


def _text(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.String)


def _float(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.Float64).fill_nan(None)


def _same(column: pl.Expr) -> pl.Expr:
    return column


def _whole(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.Int64, strict=False)


_FORMS: dict[DataTypeClass, Callable[[pl.Expr], pl.Expr]] = {
    pl.Float32: _float,
    pl.Float64: _float,
    pl.Decimal: _float,
    pl.Boolean: _same,
    pl.String: _same,
    pl.Categorical: _text,
    pl.Enum: _text,
    pl.Null: _text,
    pl.Date: _moment,
    pl.Datetime: _moment,
}


@dataclass
class ColumnScan:
    """What the pass keeps of one column."""

    name: str
    dtype: pl.DataType
    missing: int = 0
    infinite: int = 0
    zeros: int = 0
    negative: int = 0
    low: float | None = None
    high: float | None = None
    #: Characters of all texts, and of the shortest and longest.
    characters: int = 0
    shortest: int | None = None
    longest: int = 0
    #: Rows that hold the column's own name, as a repeated header line does.
    headers: int = 0
    #: Rows of each value while there are few; None once there are many.
    counts: dict[Value, int] | None = field(default_factory=dict[Value, int])
    sketch: Distinct = field(default_factory=Distinct)
    #: Rows before the first value that differs from that of the first row.
    still: int = 0
    moved: bool = False
    #: Rows that differ from the row before, after a still beginning, and rows looked at.
    changes: int = 0
    watched: int = 0
    first: Value = None
    last: Value = None
    #: Whether each value so far is the one before plus one.
    counting: bool = True
    #: Rows that equal the row before.
    repeats: int = 0
    #: Equal for columns that are equal in every row.
    digest: int = 0

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.dtype.is_numeric()

    @property
    def distinct(self) -> int:
        """Different values, missing aside."""
        return self.sketch.estimate if self.counts is None else len(self.counts)

    @property
    def distinct_exact(self) -> bool:
        """Whether ``distinct`` was counted rather than estimated."""
        return self.counts is not None or self.sketch.exact


@dataclass
class Scan:
    """What the pass keeps of the table."""

    rows: int
    columns: dict[str, ColumnScan]
    repeats: Repeats
    #: Names of the columns of ``moments``, in its order.
    numeric: list[str]
    moments: CoMoments
    sample: pl.DataFrame
    #: (n,) position of each sampled row.
    positions: NDArray[np.int64]


def batches(frame: pl.LazyFrame, size: int = BATCH) -> Iterator[pl.DataFrame]:
    """The rows in order, some at a time."""
    yield from frame.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


def scan(
    frame: pl.LazyFrame,
    target: str | None,
    rng: np.random.Generator,
    progress: Callable[[int], None],
    *,
    batch: int = BATCH,
    sample: int = SAMPLE,
) -> Scan:
    """Read a plain frame once.

    Args:
        frame: as ``plain`` makes it.
        target: its column to predict, for how often a label repeats.
        rng: chooses the sample.
        progress: told the rows read so far.
        batch: rows at a time.
        sample: rows kept for what needs rows.
    """
    schema = frame.collect_schema()
    columns = {name: ColumnScan(name, dtype) for name, dtype in schema.items()}
    numeric = [name for name, dtype in schema.items() if dtype.is_numeric() or dtype == pl.Boolean]
    numeric = numeric[:MOST_CORRELATED]
    moments, repeats, kept = CoMoments(len(numeric)), Repeats(), RowSample(rng, sample)
    rows = 0
    for table in batches(frame, batch):
        if table.height == 0:
            continue
        finite = _without_infinite(table, columns)
        _summaries(finite, columns)
        hashes = _hashes(finite, columns, rng_seed=rows)
        repeats.add(row_hashes(hashes))
        _levels(finite, columns, hashes)
        for column in columns.values():
            _order(finite[column.name], column, wants_repeats=column.name == target)
        if numeric:
            moments.add(_matrix(finite, numeric))
        kept.add(finite)
        rows += table.height
        progress(rows)
    taken = kept.taken() if rows else (pl.DataFrame(schema=schema), np.empty(0, dtype=np.int64))
    return Scan(rows, columns, repeats, numeric, moments, *taken)


def _without_infinite(table: pl.DataFrame, columns: dict[str, ColumnScan]) -> pl.DataFrame:
    """Infinite numbers counted and made missing: no mean or histogram could hold them."""
    floats = [name for name, column in columns.items() if column.dtype == pl.Float64]
    if not floats:
        return table
    found = table.select(pl.col(floats).is_infinite().sum()).row(0, named=True)
    odd = [name for name, n in found.items() if n]
    for name in odd:
        columns[name].infinite += found[name]
    return table.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in odd
    )


def _summaries(table: pl.DataFrame, columns: dict[str, ColumnScan]) -> None:
    """Counts and extremes of every column, in one query."""
    wanted: list[pl.Expr] = []
    for name, column in columns.items():
        one = pl.col(name)
        parts = {"missing": one.null_count()}
        if column.numeric:
            parts |= {
                "low": one.min(),
                "high": one.max(),
                "zeros": (one == 0).sum(),
                "negative": (one < 0).sum(),
            }
        elif column.dtype.base_type() == pl.Datetime:
            parts |= {"low": one.min().dt.epoch("us"), "high": one.max().dt.epoch("us")}
        elif column.dtype == pl.String:
            length = one.str.len_chars()
            parts |= {
                "characters": length.sum(),
                "shortest": length.min(),
                "longest": length.max(),
                "headers": (one == name).sum(),
            }
        wanted.append(pl.struct([part.alias(key) for key, part in parts.items()]).alias(name))
    for name, facts in table.select(wanted).row(0, named=True).items():
        _absorb(columns[name], facts)


#: How the figure of a batch joins the one so far; the others are added.
_MERGES: dict[str, Callable[[float, float], float]] = {
    "low": min,
    "high": max,
    "shortest": min,
    "longest": max,
}


def _absorb(column: ColumnScan, facts: dict[str, int | float | None]) -> None:
    for key, found in facts.items():
        known = getattr(column, key)
        if found is not None:
            setattr(column, key, found if known is None else _MERGES.get(key, operator.add)(known, found))


def _hashes(table: pl.DataFrame, columns: dict[str, ColumnScan], rng_seed: int) -> list[Hashes]:
    """(n,) hashes of the cells of each column; updates the digests of the columns."""
    hashed = table.select(pl.all().hash(1))
    weights = np.random.default_rng(rng_seed).integers(0, 2**64, table.height, dtype=np.uint64)
    found: list[Hashes] = []
    for name, column in columns.items():
        hashes = hashed[name].to_numpy()
        found.append(hashes)
        column.digest = (column.digest + int((hashes * weights).sum(dtype=np.uint64))) % 2**64
    return found


def _levels(table: pl.DataFrame, columns: dict[str, ColumnScan], hashes: list[Hashes]) -> None:
    """Count the values of columns with few, sketch how many the others have."""
    for column in columns.values():
        if column.counts == {} and table[column.name].head(_HEAD).n_unique() > MOST_COUNTED:
            column.counts = None
    counted = [name for name, column in columns.items() if column.counts is not None]
    many: dict[str, bool] = {}
    if counted:
        made = table.select(
            pl.col(name).drop_nulls().value_counts(name=f"rows of {name}").implode() for name in counted
        )
        many = {name: _count(columns[name], made[name][0]) for name in counted}
    for (name, column), cells in zip(columns.items(), hashes, strict=True):
        if column.counts is None and not many.get(name, False):
            present = table[name].is_not_null().to_numpy() if column.missing else slice(None)
            column.sketch.add(cells[present])


def _count(column: ColumnScan, found: pl.Series) -> bool:
    """Add counts of values; True when there are now too many, and all of them went to the sketch."""
    counts = column.counts or {}
    table = found.struct.unnest()
    if table.height + len(counts) <= MOST_COUNTED * 2:
        for value, n in table.iter_rows():
            counts[value] = counts.get(value, 0) + n
        if len(counts) <= MOST_COUNTED:
            column.counts = counts
            return False
    seen = pl.Series(list(counts), dtype=column.dtype)
    column.counts = None
    for part in (seen, table.to_series(0)):
        column.sketch.add(part.hash(1).to_numpy())
    return True


def _order(series: pl.Series, column: ColumnScan, *, wants_repeats: bool) -> None:
    """What depends on the order of the rows: a still beginning, counting up, labels that repeat."""
    start = column.still == 0 and not column.moved
    if start:
        column.first = series[0]
    if column.moved and column.still >= LONG_STILL:
        column.watched += len(series)
        column.changes += int(series.ne_missing(series.shift(1)).slice(1).sum())
    if not column.moved:
        differs = series.ne_missing(pl.Series([column.first], dtype=series.dtype))
        column.moved = bool(differs.any())
        at = differs.arg_max() if column.moved else len(series)
        column.still += at or 0
        rest = series.slice(at or 0) if column.moved else series.head(0)
        column.watched += len(rest)
        column.changes += int(rest.ne_missing(rest.shift(1)).slice(1).sum())
    if column.counting and series.dtype == pl.Int64 and series.null_count() == 0:
        steady = len(series) < 2 or bool((series.diff().drop_nulls() == 1).all())
        column.counting = steady and (start or series[0] == _next(column.last))
    else:
        column.counting = False
    if wants_repeats:
        column.repeats += int((series == series.shift(1)).sum())
        column.repeats += int(not start and series[0] is not None and series[0] == column.last)
    column.last = series[-1]


def _next(value: Value) -> int | None:
    return value + 1 if isinstance(value, int) else None


def _matrix(table: pl.DataFrame, numeric: list[str]) -> Floats:
    floats = table.select(pl.col(numeric).cast(pl.Float64).fill_null(float("nan")))
    return np.array(floats.to_numpy(), order="F")


class Window(NamedTuple):
    """A range divided finely where the values are dense: equal bins of asinh((value - centre) / scale).

    Args:
        low, high: ends of the range, low < high.
        centre: of the dense part, such as the median.
        scale: width of the dense part, more than 0.
    """

    low: float
    high: float
    centre: float
    scale: float

    def places(self, values: Floats) -> NDArray[np.int64]:
        """(n,) bins of (n,) finite values: 0 below, 1 to ``FINE_BINS`` within, then above."""
        start, width = self._start_and_width()
        bent = np.arcsinh((values - self.centre) / self.scale)
        places = np.floor((bent - start) / width)
        np.clip(places, 0, FINE_BINS - 1, out=places)
        places[values < self.low] = -1
        places[values > self.high] = FINE_BINS
        return places.astype(np.int64) + 1

    def middles(self) -> Floats:
        """(FINE_BINS,) a value in the middle of each bin."""
        start, width = self._start_and_width()
        return np.sinh(start + width * (np.arange(FINE_BINS) + 0.5)) * self.scale + self.centre

    def _start_and_width(self) -> tuple[float, float]:
        start, end = np.arcsinh((np.array([self.low, self.high]) - self.centre) / self.scale)
        return float(start), float(end - start) / FINE_BINS


def fine_counts(
    frame: pl.LazyFrame, windows: dict[str, Window], *, batch: int = BATCH
) -> dict[str, NDArray[np.int64]]:
    """The second pass: rows below, in each fine bin of, and above the window of each number column.

    Args:
        frame: as ``plain`` makes it.
        windows: of the columns to count.
        batch: rows at a time.

    Returns:
        (FINE_BINS + 2,) counts of the values of each column.
    """
    made = {name: np.zeros(FINE_BINS + 2, dtype=np.int64) for name in windows}
    if not windows:
        return made
    for table in batches(frame.select(pl.col(list(windows)).cast(pl.Float64)), batch):
        for name, window in windows.items():
            values = table[name].drop_nulls().to_numpy()
            places = window.places(values[np.isfinite(values)])
            made[name] += np.bincount(places, minlength=FINE_BINS + 2)
    return made
