"""The profile of a table: one streaming pass, a second one for the histograms of large tables, then rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from slipway.base.errors import TargetError
from slipway.base.vocabulary import Task
from slipway.data.profile_columns import describe, time_values
from slipway.data.profile_facts import ColumnProfile, Correlation, Profile, Relation
from slipway.data.profile_findings import all_findings
from slipway.data.profile_relation import relation
from slipway.data.profile_scan import (
    BATCH,
    MOST_CORRELATED,
    MOST_COUNTED,
    SAMPLE,
    ColumnScan,
    Scan,
    Window,
    fine_counts,
    plain,
    scan,
)
from slipway.data.profile_source import unreadable
from slipway.data.profile_target import describe_target
from slipway.data.profile_view import View

#: A whole-number target with at most this many values is read as classes.
_MOST_NUMBER_CLASSES = 10
#: Text with more values is no class label.
_MOST_CLASSES = 100
#: Sampled rows that relations to the target are judged on.
_RELATED = 50_000
_CORRELATIONS_KEPT = 200
_LEAST_CORRELATION = 0.1


class ProfileOptions(NamedTuple):
    """What is known beside the rows."""

    #: The column to predict; without one nothing is said of balance and leakage.
    target: str | None = None
    #: Default: from the values of the target.
    task: Task | None = None
    #: The column that says when a row's prediction would be made; finds what happens later.
    time: str | None = None
    #: Texts that were read as missing, and their cells, by column.
    markers: Mapping[str, Mapping[str, int]] = MappingProxyType({})
    #: Rows of the source that could not be read, and are not in the frame.
    set_aside: int = 0
    seed: int = 0
    #: Rows read at a time; memory grows with it.
    batch: int = BATCH
    #: Rows kept; what needs whole rows is judged on them.
    sample: int = SAMPLE


def _silent(share: float, message: str) -> None:
    """Show nothing."""


def profile_table(
    frame: pl.LazyFrame | pl.DataFrame,
    source: str,
    options: ProfileOptions = ProfileOptions(),  # noqa: B008  (frozen)
    progress: Callable[[float, str], None] = _silent,
) -> Profile:
    """Profile a table of any size in bounded memory.

    Args:
        frame: the rows; a lazy one is streamed, twice at most.
        source: name of the table, for the reader.
        options: target, task, time column, seed.
        progress: told a share in [0, 1] and what is being done.

    Raises:
        TargetError: ``options.target`` is not a column that can be profiled.
        SourceError: a lazy frame that cannot be read to its end.
    """
    rows, skipped = plain(frame.lazy())
    if options.target is not None and options.target not in rows.collect_schema().names():
        raise TargetError(
            expected=f"a target column {options.target!r} of plain values",
            got="a table without it",
            where=source,
            next_step="correct the name, or profile without a target",
        )
    try:
        passed, fine, windows = _passes(rows, options, progress)
    except (pl.exceptions.ComputeError, OSError) as error:
        raise unreadable(source, error) from None
    # squares of numbers near the largest float overflow: what comes of them is not finite, and is not shown
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _judged(passed, fine, windows, source, options, skipped, progress)


def _passes(
    rows: pl.LazyFrame, options: ProfileOptions, progress: Callable[[float, str], None]
) -> tuple[Scan, dict[str, NDArray[np.int64]], dict[str, Window]]:
    total = int(rows.select(pl.len()).collect(engine="streaming").item())

    def seen(n: int) -> None:
        progress(0.7 * n / max(1, total), "reading")

    passed = scan(
        rows,
        options.target,
        np.random.default_rng(options.seed),
        seen,
        batch=options.batch,
        sample=options.sample,
    )
    windows: dict[str, Window] = {}
    if passed.rows > passed.sample.height:
        windows = {
            name: window
            for name, column in passed.columns.items()
            if column.numeric and column.counts is None and (window := _window(passed.sample[name], column))
        }
    progress(0.7, "histograms")
    return passed, fine_counts(rows, windows, batch=options.batch), windows


def _window(sampled: pl.Series, column: ColumnScan) -> Window | None:
    """The range that the second pass divides finely: the sample's bulk with a little room."""
    values = sampled.drop_nulls().cast(pl.Float64).to_numpy()
    if values.size < 2 or column.low is None or column.high is None:
        return None
    low, early, centre, late, high = (
        float(edge) for edge in np.quantile(values, [0.0005, 0.25, 0.5, 0.75, 0.9995])
    )
    room = 0.02 * (high - low)
    low, high = max(low - room, float(column.low)), min(high + room, float(column.high))
    if not (np.isfinite(high - low) and high > low):
        return None
    return Window(low, high, centre, (late - early) / 4 or (high - low) / 100)


def _judged(
    passed: Scan,
    fine: dict[str, NDArray[np.int64]],
    windows: dict[str, Window],
    source: str,
    options: ProfileOptions,
    skipped: tuple[str, ...],
    progress: Callable[[float, str], None],
) -> Profile:
    columns = {
        name: describe(column, passed, fine.get(name), windows.get(name))
        for name, column in passed.columns.items()
    }
    task = options.task or _task(passed, options.target)
    view = View(
        passed, columns, options.target, task, _time(passed, options), options.markers, options.set_aside
    )
    progress(0.8, "relations")
    related = _relations(view, options.seed)
    columns = {
        name: msgspec.structs.replace(column, relation=related.get(name)) for name, column in columns.items()
    }
    view = View(passed, columns, options.target, task, view.time, options.markers, options.set_aside)
    progress(0.9, "findings")
    profile = Profile(
        source=source,
        rows=passed.rows,
        columns=tuple(columns.values()),
        duplicates=passed.repeats.estimate,
        duplicates_exact=passed.repeats.exact,
        target=describe_target(view),
        correlations=_correlations(passed, columns),
        findings=tuple(all_findings(view)),
        skipped=skipped,
        method=_method(passed, windows),
    )
    progress(1.0, "done")
    return profile


def _task(passed: Scan, target: str | None) -> Task | None:
    """What the values of a target ask for; None when they are no labels."""
    if target is None:
        return None
    column = passed.columns[target]
    distinct, whole = column.distinct, column.dtype == pl.Int64
    if column.dtype == pl.Float64 and column.counts is not None:
        whole = all(isinstance(value, float) and value.is_integer() for value in column.counts)
    if distinct == 2:
        return "binary"
    if column.dtype == pl.String:
        return "multiclass" if 2 < distinct <= _MOST_CLASSES else None
    if whole and 2 < distinct <= _MOST_NUMBER_CLASSES:
        return "multiclass"
    return "regression" if column.numeric and distinct > 2 else None


def _time(passed: Scan, options: ProfileOptions) -> str | None:
    """The named time column, or the one time column whose sampled rows are in order."""
    if options.time is not None:
        return options.time if options.time in passed.columns else None
    for name in passed.sample.columns:
        values = time_values(passed.sample[name])
        if values is not None and values.null_count() == 0 and values.is_sorted() and values.n_unique() > 2:
            return name
    return None


def _relations(view: View, seed: int) -> dict[str, Relation]:
    target = view.labels
    if target is None or target.rows.size < 50 or target.values.shape[1] > _MOST_CLASSES:
        return {}
    rng = np.random.default_rng(seed)
    chosen = np.arange(target.rows.size)
    if chosen.size > _RELATED:
        chosen = np.sort(rng.choice(chosen, _RELATED, replace=False))
    part = target._replace(values=target.values[chosen])
    # a class that fell out of the part has no share to compare with
    part = part._replace(values=part.values[:, part.values.any(axis=0)]) if part.classes else part
    if part.classes and part.values.shape[1] < 2:
        return {}
    return {
        name: relation(codes[chosen], part, rng)
        for name, codes in view.codes.items()
        if view.columns[name].kind != "id"
    }


def _correlations(passed: Scan, columns: dict[str, ColumnProfile]) -> tuple[Correlation, ...]:
    matrix = passed.moments.correlations()
    usable = [
        (place, name) for place, name in enumerate(passed.numeric) if columns[name].kind not in ("id", "code")
    ]
    found = [
        Correlation(one, other, float(matrix[i, j]))
        for at, (i, one) in enumerate(usable)
        for j, other in usable[at + 1 :]
        if abs(matrix[i, j]) >= _LEAST_CORRELATION
    ]
    return tuple(sorted(found, key=lambda pair: -abs(pair.value))[:_CORRELATIONS_KEPT])


def _method(passed: Scan, windows: dict[str, Window]) -> tuple[str, ...]:
    """What is exact and what is not, in sentences."""
    said = [
        "Counts, missing values, ranges, means, correlations and text lengths are over all rows.",
        f"Values are counted one by one in columns with at most {MOST_COUNTED:,} different ones.",
    ]
    if any(not column.distinct_exact for column in passed.columns.values()):
        said.append("Larger numbers of different values are estimated from hashes, to about 1 %.")
    if not passed.repeats.exact:
        said.append("Repeated rows are estimated from the rows whose hash is small.")
    if passed.rows > passed.sample.height:
        said.append(
            f"Relations, formats and copies under other names are judged on {passed.sample.height:,} rows "
            "drawn at random."
        )
    if windows:
        said.append(
            "A second pass counted the values of number columns in 1,024 fine bins; their quantiles are "
            "exact to one bin."
        )
    if len(passed.numeric) == MOST_CORRELATED:
        said.append(f"Correlations are those of the first {MOST_CORRELATED} number columns.")
    return tuple(said)
