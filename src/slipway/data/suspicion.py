"""What looks wrong in the cells of a table, each with evidence, a preview and the step that would mend it.

Nothing is changed here. A suggestion is a guess by fixed rules that a person accepts or leaves: each rule
asks for a pattern that an honest column rarely shows, and says in its evidence what it saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from slipway.data.contract import NUMERIC, Contract
from slipway.data.misspelling import misspellings
from slipway.data.steps import Blank, BlankTimes, Imply, Replace, Rescale, Step, Swap
from slipway.data.tables import conform, moments

#: A defect that more of the rows have is no slip but how the column is.
_MOST_ROWS = 0.1
#: Fewer rows than this are no pattern, where a pattern is asked for.
_LEAST_ROWS = 3
#: Wider tables are not searched for pairs of columns beyond the first of these.
_PAIRED = 40
#: Factors by which people slip: thousands, hundreds (cents, per cent), and their product.
_FACTORS = (1000.0, 100.0, 100_000.0, 1_000_000.0)
_EXAMPLES = 5

Numbers = NDArray[np.float64]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """One step that could be taken."""

    #: Kind of defect: typo, unit, date, swap, dependency or outlier.
    defect: str
    columns: tuple[str, ...]
    evidence: str
    #: Rows that the step would change.
    rows: int
    #: Cells before and after, a few of them.
    preview: tuple[tuple[str, str], ...]
    step: Step


def suggest(df: pl.DataFrame, contract: Contract) -> list[Suggestion]:
    """Look through the features of a table.

    Args:
        df: the table, with the accepted steps applied.
        contract: names and types of the features.

    Raises:
        ContractError: a column is missing, or has values of another type.
    """
    table = conform(df, contract)
    features = table.select([column.name for column in contract.features])
    numbers = [column.name for column in contract.features if column.type in NUMERIC][:_PAIRED]
    levels = [column.name for column in contract.features if column.type == "category"][:_PAIRED]
    found = list(_swaps(features.select(numbers)))
    for column in contract.features:
        # a value that changed its place is not judged as one of its column
        series = features[column.name]
        for step in [one.step for one in found if column.name in one.columns]:
            if isinstance(step, Swap):
                series = series.set(_swapped(features, step), None)
        if column.type == "category":
            found += _typos(series)
        elif column.type == "datetime":
            found += _dates(series)
        elif column.type in NUMERIC:
            units = list(_units(series))
            found += units or list(_outliers(series))
    found += _dependencies(features.select(levels))
    return found


def _typos(series: pl.Series) -> Iterator[Suggestion]:
    counted = series.drop_nulls().value_counts()
    counts = dict(zip(counted[series.name].to_list(), counted["count"].to_list(), strict=True))
    values = misspellings(counts)
    if values:
        rows = sum(counts[wrong] for wrong in values)
        yield Suggestion(
            defect="typo",
            columns=(series.name,),
            evidence=f"{len(values)} rare values in {rows} rows are one slip away from a frequent one",
            rows=rows,
            preview=tuple(list(values.items())[:_EXAMPLES]),
            step=Replace(column=series.name, values=values, note="typing errors of frequent values"),
        )


def _units(series: pl.Series) -> Iterator[Suggestion]:
    """A small part of a positive column that lies apart by a power of ten, and fits when it is moved back."""
    values = np.sort(series.drop_nulls().cast(pl.Float64).to_numpy())
    positive = values[values > 0]
    if len(positive) < 30 or len(positive) < 0.9 * len(values):
        return
    for side in ("above", "below"):
        cut = _far_gap(np.log10(positive), side)
        if cut is None:
            continue
        far, rest = (positive[cut:], positive[:cut]) if side == "above" else (positive[:cut], positive[cut:])
        # near zero any column has wide gaps of its logarithm: it must be one on its own scale too
        first, third = np.quantile(rest, [0.25, 0.75])
        if side == "below" and rest[0] - far[-1] < 0.25 * (third - first):
            continue
        for factor in _FACTORS:
            by = 1 / factor if side == "above" else factor
            moved = far * by
            if len(far) >= _LEAST_ROWS and rest[0] <= moved[0] and moved[-1] <= rest[-1]:
                yield _unit(series, side, by, far, rest)
                break


def _far_gap(logs: Numbers, side: str) -> int | None:
    """Where a small part of sorted logarithms begins (above) or ends (below) that lies far apart."""
    n = len(logs)
    most = max(1, int(n * _MOST_ROWS))
    gaps = np.diff(logs)
    window = gaps[n - 1 - most :] if side == "above" else gaps[:most]
    if not len(window):
        return None
    at = int(np.argmax(window)) + (len(gaps) - len(window) if side == "above" else 0)
    kept = logs[: at + 1] if side == "above" else logs[at + 1 :]
    # the gap must be wider than a quarter of the factor's hundred, and as wide as most of what is left
    low, high = np.quantile(kept, [0.05, 0.95])
    return at + 1 if gaps[at] > max(0.5, 0.5 * (high - low)) else None


def _unit(series: pl.Series, side: str, by: float, far: Numbers, rest: Numbers) -> Suggestion:
    whole = series.dtype == pl.Int64
    low, high = (rest[-1], far[0]) if side == "above" else (far[-1], rest[0])
    limit = _between(float(low), float(high))
    name = series.name
    factor = f"1/{1 / by:g}" if by < 1 else f"{by:g}"
    return Suggestion(
        defect="unit",
        columns=(name,),
        evidence=(
            f"{len(far)} of {len(far) + len(rest)} values lie {side} {limit:g} with none near it; "
            f"times {factor} all of them fall among the others"
        ),
        rows=len(far),
        preview=tuple(
            (f"{value:g}", f"{_scaled(float(value), by, whole=whole):g}") for value in far[:_EXAMPLES]
        ),
        step=Rescale(
            column=name,
            above=limit if side == "above" else None,
            below=limit if side == "below" else None,
            factor=by,
            whole=whole,
            note="another unit",
        ),
    )


def _between(low: float, high: float) -> float:
    """A short number between two positive ones, near their geometric mean."""
    return float(f"{math.sqrt(low * high):.2g}")


def _scaled(value: float, by: float, *, whole: bool) -> float:
    return round(value * by) if whole else value * by


def _outliers(series: pl.Series) -> Iterator[Suggestion]:
    """Few values, far from all others on both of the scales that a column may be read on."""
    values = np.sort(series.drop_nulls().cast(pl.Float64).to_numpy())
    values = values[np.isfinite(values)]
    if len(values) < 50:
        return
    first, third = np.quantile(values, [0.25, 0.75])
    spread = third - first
    if not spread:
        return
    low, high = first - 10 * spread, third + 10 * spread
    inner = values[(values >= low) & (values <= high)]
    bounds: list[float | None] = [None, None]
    # a long tail reaches its end in steps; what lies alone behind a gap was not measured like the rest
    if values[0] < low and inner[0] - values[values < low][-1] > 5 * spread:
        bounds[0] = float(inner[0])
    if values[-1] > high and values[values > high][0] - inner[-1] > 5 * spread:
        bounds[1] = float(inner[-1])
    lost = np.zeros(len(values), dtype=np.bool_)
    for bound, outside in ((bounds[0], np.less), (bounds[1], np.greater)):
        if bound is not None:
            lost |= outside(values, bound)
    rows = int(lost.sum())
    if not 0 < rows <= max(1, len(values) // 100):
        return
    spare = float(f"{spread:.2g}")
    minimum, maximum = bounds
    yield Suggestion(
        defect="outlier",
        columns=(series.name,),
        evidence=(
            f"{rows} of {len(values)} values lie more than ten interquartile ranges out, alone behind a gap"
        ),
        rows=rows,
        preview=tuple((f"{value:g}", "missing") for value in np.unique(values[lost])[:_EXAMPLES]),
        step=Blank(
            column=series.name,
            min=None if minimum is None else minimum - spare,
            max=None if maximum is None else maximum + spare,
            note="far from all other values",
        ),
    )


def _dates(series: pl.Series) -> Iterator[Suggestion]:
    """Times outside 1900 to 2100, and placeholders decades away from all others."""
    times = moments(series)
    known = times.drop_nulls().sort()
    if len(known) < 30:
        return
    years = known.dt.year().to_numpy()
    low, high = np.quantile(years, [0.05, 0.95])
    margin = max(20.0, 5 * (high - low + 1))
    least, most = max(1901, math.ceil(low - margin)), min(2099, math.floor(high + margin))
    # 1901: the first day of 1900 is what spreadsheets make of an empty cell
    wrong = (times.dt.year() < least) | (times.dt.year() > most)
    rows = int(wrong.fill_null(value=False).sum())
    if not 0 < rows <= len(known) * _MOST_ROWS:
        return
    odd = series.filter(wrong.fill_null(value=False)).unique(maintain_order=True).head(_EXAMPLES).to_list()
    yield Suggestion(
        defect="date",
        columns=(series.name,),
        evidence=f"{rows} of {len(known)} times lie outside {least} to {most}, most {low:.0f} to {high:.0f}",
        rows=rows,
        preview=tuple((str(text), "missing") for text in odd),
        step=BlankTimes(
            column=series.name,
            earliest=f"{least}-01-01",
            latest=f"{most}-12-31T23:59:59.999999",
            note="impossible times",
        ),
    )


def _swaps(numbers: pl.DataFrame) -> Iterator[Suggestion]:
    """Pairs of columns of separate ranges, in a few rows of which each value lies in the other's range."""
    ranges: dict[str, tuple[float, float]] = {}
    for series in numbers.get_columns():
        values = series.drop_nulls().cast(pl.Float64).to_numpy()
        if len(values) >= 30:
            low, high = np.quantile(values, [0.1, 0.9])
            ranges[series.name] = (float(low - (high - low)), float(high + (high - low)))
    names = list(ranges)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            (low, high), (other_low, other_high) = ranges[one], ranges[other]
            if low <= other_high and other_low <= high:
                continue
            step = Swap(columns=(one, other), ranges=(ranges[one], ranges[other]), note="changed places")
            swapped = _swapped(numbers, step)
            rows = int(swapped.sum())
            if _LEAST_ROWS <= rows <= _MOST_ROWS * numbers.height:
                pairs = numbers.filter(swapped).head(_EXAMPLES).select(one, other).iter_rows()
                yield Suggestion(
                    defect="swap",
                    columns=(one, other),
                    evidence=f"in {rows} rows each of the two values lies in the other column's range, "
                    f"and the ranges are apart",
                    rows=rows,
                    preview=tuple((f"{a:g}, {b:g}", f"{b:g}, {a:g}") for a, b in pairs),
                    step=step,
                )


def _swapped(table: pl.DataFrame, step: Swap) -> pl.Series:
    """The rows in which each value lies in the other column's range; the ranges are apart."""
    (one, other), (own, others) = step.columns, step.ranges
    return (table[one].is_between(*others) & table[other].is_between(*own)).fill_null(value=False)


def _dependencies(levels: pl.DataFrame) -> Iterator[Suggestion]:
    """Columns whose value follows from another one's in all but a few rows."""
    usable = [name for name in levels.columns if 2 <= levels[name].n_unique() <= 1000]
    for by, name in permutations(usable, 2):
        pairs = levels.select(by, name).drop_nulls().group_by(by, name).len()
        total = int(pairs["len"].sum())
        if not total:
            continue
        best = (
            pairs.sort("len", name, descending=[True, False])
            .group_by(by, maintain_order=True)
            .agg(
                pl.col(name).first().alias("usual"),
                pl.col("len").first().alias("held"),
                pl.col("len").sum().alias("all"),
            )
        )
        breaks = total - int(best["held"].sum())
        commonest = int(pairs.group_by(name).agg(pl.col("len").sum())["len"].to_numpy().max())
        # a nearly constant column follows from anything, and levels of one row say nothing
        if not 0 < breaks <= 0.01 * total or commonest > 0.8 * total or best.height * 5 > total:
            continue
        sure = best.filter((pl.col("held") < pl.col("all")) & (pl.col("held") >= 0.9 * pl.col("all")))
        rows = int((sure["all"] - sure["held"]).sum())
        if not rows:
            continue
        values = dict(zip(sure[by].to_list(), sure["usual"].to_list(), strict=True))
        odd = pairs.join(sure, on=by).filter(pl.col(name) != pl.col("usual")).sort(by, name).head(_EXAMPLES)
        yield Suggestion(
            defect="dependency",
            columns=(by, name),
            evidence=f"{name} follows from {by} in {1 - breaks / total:.2%} of {total} rows, not in {breaks}",
            rows=rows,
            preview=tuple(
                (f"{each[by]}: {each[name]}", f"{each[by]}: {each['usual']}")
                for each in odd.iter_rows(named=True)
            ),
            step=Imply(column=name, by=by, values=values, note=f"follows from {by}"),
        )
