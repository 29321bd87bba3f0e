"""From what the pass kept of a column to what a reader wants to know of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.datatypes import DataTypeClass

from slipway.data.personal_names import kinds_of_header
from slipway.data.profile_facts import ColumnProfile, Histogram, Kind, Level, Numbers, Texts
from slipway.data.profile_scan import ColumnScan, Scan, Window
from slipway.data.profile_sketches import Floats
from slipway.data.tables import moments

#: Values are shown of columns with at most so many, and of values with at least so many rows.
MOST_SHOWN = 100
LEAST_ROWS = 5
_LEVELS_KEPT = 12
HISTOGRAM_BINS = 40
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
_ID_SHARE = 0.9
_ID_ROWS = 50
_TEXT_WORDS = 4.0
_ID_NAME = re.compile(r"(^|[_\s-])(id|uuid|guid|key|nr|no|number|index)$", re.IGNORECASE)
_CODE_NAME = re.compile(
    r"code|(^|[^a-z])(type|mode|class|status|kind|group)([^a-z]|$)|course|nation|nacional|qualif|occup"
    r"|categor|region|season|weather|gender|race|marital",
    re.IGNORECASE,
)
_MOST_CODES = 200

_TYPES: dict[DataTypeClass, str] = {
    pl.Int64: "int",
    pl.Float64: "float",
    pl.Boolean: "bool",
    pl.String: "text",
}


def describe(
    column: ColumnScan, scan: Scan, fine: NDArray[np.int64] | None, window: Window | None
) -> ColumnProfile:
    """One column, without its relation to the target.

    Args:
        column: what the pass kept.
        scan: the pass.
        fine: counts of the second pass over ``window``, where there was one.
        window: the bins of ``fine``.
    """
    sampled = scan.sample[column.name]
    times = time_values(sampled)
    whole = scan.rows == scan.sample.height
    kind = _kind(column, scan.rows, sampled, times is not None)
    numbers = days = None
    if times is not None and column.distinct:
        days = (str(times.min())[:10], str(times.max())[:10])
        if column.low is not None and column.high is not None:
            days = (_day(column.low), _day(column.high))
        numbers = _time_numbers(times)
    elif column.numeric and kind not in ("id", "empty"):
        numbers = _numbers(column, scan, sampled, fine, window)
    levels, withheld = _shown(column, kind)
    return ColumnProfile(
        name=column.name,
        type=_TYPES.get(column.dtype.base_type(), "time"),
        kind=kind,
        missing=column.missing,
        distinct=sampled.drop_nulls().n_unique()
        if whole
        else min(column.distinct, scan.rows - column.missing),
        distinct_exact=whole or column.distinct_exact,
        levels=levels,
        withheld=withheld,
        numbers=numbers,
        texts=_texts(column, scan.rows),
        days=days,
    )


def time_values(series: pl.Series) -> pl.Series | None:
    """The column as microsecond datetimes when it is one, or text that spells times throughout."""
    if series.dtype.base_type() == pl.Datetime:
        return series
    if series.dtype != pl.String:
        return None
    present = series.drop_nulls()
    if present.is_empty() or moments(present.head(200)).null_count():
        return None
    parsed = moments(series)
    return parsed if parsed.null_count() == series.null_count() else None


def _day(microseconds: float) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).date().isoformat()


def _kind(column: ColumnScan, rows: int, sampled: pl.Series, timed: bool) -> Kind:
    present = rows - column.missing
    if column.distinct <= 1:
        return "constant" if present else "empty"
    if timed or column.dtype == pl.Boolean:
        return "time" if timed else "bool"
    if column.counts is not None and set(column.counts) == {0, 1}:
        return "bool"
    share = column.distinct / present
    if column.dtype == pl.String:
        return _text_kind(sampled, share, present)
    return _whole_kind(column, rows, share) if column.dtype == pl.Int64 else "number"


def _whole_kind(column: ColumnScan, rows: int, share: float) -> Kind:
    """Whole numbers: a row number, an id, yes or no, codes, or a quantity."""
    many = rows - column.missing >= _ID_ROWS
    if column.counting or (share > _ID_SHARE and many and _ID_NAME.search(column.name)):
        return "id"
    return "code" if code_evidence(column, rows) else "number"


def _text_kind(sampled: pl.Series, share: float, present: int) -> Kind:
    words = sampled.drop_nulls().head(5000).str.count_matches(r"\S+").mean()
    if isinstance(words, float) and words >= _TEXT_WORDS and share > 0.5:
        return "text"
    return "id" if share > _ID_SHARE and present >= _ID_ROWS else "category"


def code_evidence(column: ColumnScan, rows: int) -> str:
    """Why whole numbers look like codes of categories; empty when they do not."""
    if column.dtype != pl.Int64 or column.counts is None:
        return ""
    levels = [value for value in column.counts if isinstance(value, int)]
    n = len(levels)
    if not 3 <= n <= min(_MOST_CODES, rows / 20) or min(levels) < 0:
        return ""
    span = max(levels) - min(levels) + 1
    most_common = max(column.counts, key=lambda value: (column.counts or {})[value])
    if _CODE_NAME.search(column.name):
        return f"{n} different whole numbers under a name that speaks of kinds"
    if n >= 5 and span >= 2 * n and most_common != 0:
        return f"{n} different whole numbers with gaps between {min(levels)} and {max(levels)}"
    return ""


def _shown(column: ColumnScan, kind: Kind) -> tuple[tuple[Level, ...], str]:
    if kinds_of_header(column.name):
        return (), "its name suggests personal data"
    if kind in ("empty", "id", "text", "time"):
        return (), {"empty": "no values", "time": "times"}.get(kind, "values of single rows")
    if column.counts is None or len(column.counts) > MOST_SHOWN:
        return (), "more than 100 different values"
    ordered = sorted(column.counts.items(), key=lambda item: (-item[1], str(item[0])))
    levels = tuple(
        Level(_spelled(value), rows) for value, rows in ordered[:_LEVELS_KEPT] if rows >= LEAST_ROWS
    )
    return levels, "" if levels else "no value has five rows"


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _texts(column: ColumnScan, rows: int) -> Texts | None:
    present = rows - column.missing
    if column.dtype != pl.String or present == 0:
        return None
    return Texts(shortest=column.shortest or 0, longest=column.longest, mean=column.characters / present)


def _numbers(
    column: ColumnScan,
    scan: Scan,
    sampled: pl.Series,
    fine: NDArray[np.int64] | None,
    window: Window | None,
) -> Numbers | None:
    if column.low is None or column.high is None:
        return None
    place = scan.numeric.index(column.name) if column.name in scan.numeric else None
    values, weights = _weighted(column, sampled, fine, window)
    low, high = float(column.low), float(column.high)
    mean = float(np.average(values, weights=weights)) if place is None else float(scan.moments.means()[place])
    mean = mean if np.isfinite(mean) else float(np.median(values))
    std = 0.0 if place is None else float(np.nan_to_num(scan.moments.deviations()[place]))
    quantiles = dict(zip(QUANTILES, _quantiles(values, weights, low, high), strict=True))
    return Numbers(
        min=low,
        max=high,
        mean=mean,
        std=std,
        zeros=column.zeros,
        negative=column.negative,
        infinite=column.infinite,
        quantiles=quantiles,
        histogram=_histogram(values, weights, low, high, whole=column.dtype == pl.Int64),
    )


def _weighted(
    column: ColumnScan, sampled: pl.Series, fine: NDArray[np.int64] | None, window: Window | None
) -> tuple[Floats, Floats]:
    """Values in ascending order and the rows that each stands for: counted, or else sampled."""
    if column.counts is not None:
        values = np.array([float(value) for value in column.counts if isinstance(value, (int, float))])
        weights = np.array(list(column.counts.values()), dtype=np.float64)
    elif fine is not None and window is not None:
        values = np.concatenate([[column.low or 0.0], window.middles(), [column.high or 0.0]])
        weights = fine.astype(np.float64)
    else:
        values = sampled.drop_nulls().cast(pl.Float64).to_numpy()
        weights = np.ones(values.size)
    order = np.argsort(values, kind="stable")
    return values[order], weights[order]


def _quantiles(values: Floats, weights: Floats, low: float, high: float) -> list[float]:
    """The value at which each share of the rows is reached."""
    reached = np.cumsum(weights)
    places = np.searchsorted(reached, np.array(list(QUANTILES.values())) * reached[-1], side="left")
    return np.clip(values[np.minimum(places, values.size - 1)], low, high).tolist()


def _histogram(values: Floats, weights: Floats, low: float, high: float, *, whole: bool) -> Histogram:
    """At most ``HISTOGRAM_BINS`` bins over the bulk of the values; a long tail is told, not drawn."""
    reached = np.cumsum(weights)
    ends = np.searchsorted(reached, np.array([0.005, 0.995]) * reached[-1])
    bulk_low, bulk_high = float(values[ends[0]]), float(values[min(ends[1], values.size - 1)])
    if bulk_high > bulk_low and high - low > 3.0 * (bulk_high - bulk_low):
        low, high = bulk_low, bulk_high
    if not high > low or not np.isfinite(high - low):
        return Histogram((low, high), (int(weights.sum()),))
    if whole and high - low < HISTOGRAM_BINS:
        edges = np.arange(low - 0.5, high + 1.0)
    elif whole:
        step = int(np.ceil((high - low + 1) / HISTOGRAM_BINS))
        edges = np.arange(low - 0.5, high + step, step)
    else:
        edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    counts, _ = np.histogram(values, bins=edges, weights=weights)
    below, above = weights[values < edges[0]].sum(), weights[values > edges[-1]].sum()
    return Histogram(tuple(edges.tolist()), tuple(int(n) for n in counts), int(below), int(above))


def _time_numbers(times: pl.Series) -> Numbers | None:
    """Facts of times, in seconds since 1970, from the sampled rows."""
    values = np.sort(times.drop_nulls().to_physical().to_numpy().astype(np.float64) / 1e6)
    if values.size == 0:
        return None
    low, high = float(values[0]), float(values[-1])
    weights = np.ones(values.size)
    return Numbers(
        min=low,
        max=high,
        mean=float(values.mean()),
        std=float(values.std()),
        zeros=0,
        negative=int((values < 0).sum()),
        infinite=0,
        quantiles=dict(zip(QUANTILES, _quantiles(values, weights, low, high), strict=True)),
        histogram=_histogram(values, weights, low, high, whole=False),
    )
