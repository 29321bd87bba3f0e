"""How well one column alone tells another: the mean answer in each of its bins, judged out of fold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from slipway.base.vocabulary import Task
from slipway.data.profile_facts import Relation
from slipway.data.profile_sketches import Floats
from slipway.data.tables import moments
from slipway.stats.auc import auc

Codes = NDArray[np.int64]

NUMBER_BINS = 64
#: Rarer levels of a category share one bin.
MOST_LEVELS = 200
#: Rows of the prior that each bin starts with.
_PRIOR_ROWS = 2.0
#: Bins with fewer rows prove nothing about the label; all of them together must hold that share of the rows.
_LEAST_ROWS = 30
_LEAST_SHARE = 0.05
_PURITY = 0.93
_ODDS = 10.0


class Labels(NamedTuple):
    """The target in a sample.

    Args:
        task: binary, multiclass or regression.
        rows: (n,) positions of the sampled rows that have a label.
        values: (n, k) one-hot classes, or (n, 1) numbers.
        classes: text of each class; empty for regression.
    """

    task: Task
    rows: NDArray[np.int64]
    values: Floats
    classes: tuple[str, ...]


def labels(target: pl.Series, task: Task) -> Labels:
    """The target as numbers; classes in order of frequency, ties in order of their text."""
    rows = np.nonzero(target.is_not_null().to_numpy())[0]
    present = target.drop_nulls()
    if task == "regression":
        return Labels(task, rows, present.cast(pl.Float64).to_numpy()[:, None], ())
    whole = present.dtype == pl.Float64 and bool(
        ((present == present.floor()) & (present.abs() < 2.0**53)).all()
    )
    text = (present.cast(pl.Int64) if whole else present).cast(pl.String)
    counted = text.value_counts(name="rows of it").sort(["rows of it", text.name], descending=[True, False])
    classes = tuple(counted.to_series(0).to_list())
    values = np.zeros((len(text), len(classes)))
    for at, name in enumerate(classes):
        values[:, at] = (text == name).to_numpy()
    return Labels(task, rows, values, classes)


def binned(series: pl.Series) -> Codes:
    """(n,) bin of each row; 0 where the value is missing.

    Numbers and times fall into quantile bins, text that is no category into bins of its length.
    """
    if series.dtype == pl.String:
        parsed = _as_times(series)
        if parsed is not None:
            series = parsed
        elif series.n_unique() > max(MOST_LEVELS, len(series) // 20):
            series = series.str.len_chars()
    if not series.dtype.is_numeric() and not series.dtype.is_temporal():
        return _level_codes(series)
    values = series.to_physical().cast(pl.Float64).to_numpy()
    present = values[np.isfinite(values)]
    if present.size == 0:
        return np.zeros(len(series), dtype=np.int64)
    distinct = np.unique(present)
    if distinct.size <= NUMBER_BINS:
        edges = distinct
    else:
        edges = np.unique(np.quantile(present, np.linspace(0.0, 1.0, NUMBER_BINS + 1)[:-1]))
    return np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), 0)


def _as_times(series: pl.Series) -> pl.Series | None:
    head = series.drop_nulls().head(50)
    if head.is_empty() or moments(head).null_count():
        return None
    return moments(series)


def _level_codes(series: pl.Series) -> Codes:
    counted = series.drop_nulls().value_counts(name="rows of it", sort=True).to_series(0).head(MOST_LEVELS)
    places = pl.DataFrame({"level": counted, "place": np.arange(1, len(counted) + 1)})
    codes = pl.DataFrame({"level": series}).join(places, on="level", how="left", maintain_order="left")[
        "place"
    ]
    rare = codes.is_null() & series.is_not_null()
    return codes.set(rare, len(counted) + 1).fill_null(0).cast(pl.Int64).to_numpy()


def relation(codes: Codes, target: Labels, rng: np.random.Generator) -> Relation:
    """The relation of (n,) bins to the labels of the same rows, over two folds drawn by ``rng``."""
    values = target.values
    fold = rng.permutation(values.shape[0]) % 2 == 0
    answers = np.empty_like(values)
    for judged in (fold, ~fold):
        answers[judged] = _answers(codes[~judged], values[~judged], codes[judged])
    if target.task == "regression":
        spread = float(((values - values.mean(axis=0)) ** 2).sum())
        left = float(((values - answers) ** 2).sum())
        return Relation(max(0.0, 1.0 - left / spread) if spread > 0 else 0.0)
    shares = values.mean(axis=0)
    entropy = -float((shares * np.log(shares)).sum())
    loss = -float((values * np.log(answers)).sum()) / values.shape[0]
    explained = max(0.0, 1.0 - loss / entropy) if entropy > 0 else 0.0
    if target.task == "binary" and values.shape[1] == 2:
        return Relation(explained, auc(values[:, 1], answers[:, 1]))
    return Relation(explained)


def _answers(codes: Codes, values: Floats, asked: Codes) -> Floats:
    """Mean of the values in the bin of each asked row, shrunk to the mean of all."""
    bins = int(max(codes.max(initial=0), asked.max(initial=0))) + 1
    prior = values.mean(axis=0)
    rows = np.bincount(codes, minlength=bins)
    sums = np.column_stack(
        [np.bincount(codes, weights=values[:, k], minlength=bins) for k in range(values.shape[1])]
    )
    means = (sums + _PRIOR_ROWS * prior) / (rows[:, None] + _PRIOR_ROWS)
    return np.maximum(means, 1e-9)[asked]


class Fixed(NamedTuple):
    """Where one column settles the label."""

    #: Share of the rows in bins that do.
    share: float
    #: The label of most of them, and its share there.
    label: str
    purity: float
    #: Whether it is the presence or the absence of a value that does.
    by_missing: bool


def fixed(codes: Codes, target: Labels) -> Fixed | None:
    """Bins of (n,) codes in which one class rules: at least ``_PURITY``, at odds ten times its usual ones.

    None for regression, or when no such bin has rows enough.
    """
    if target.task == "regression":
        return None
    values = target.values
    n = values.shape[0]
    rows = np.bincount(codes)
    counted = [np.bincount(codes, weights=values[:, k]) for k in range(values.shape[1])]
    sums = np.column_stack(counted).astype(np.float64)
    usual = values.mean(axis=0)
    if rows[0] and rows.size > 1:
        filled = np.stack([sums[0], sums[1:].sum(axis=0)])
        found = _ruled(np.array([rows[0], rows[1:].sum()]), filled, usual, n, target.classes, by_missing=True)
        if found is not None:
            return found
    return _ruled(rows, sums, usual, n, target.classes, by_missing=False)


def _ruled(
    rows: NDArray[np.int64],
    sums: Floats,
    usual: Floats,
    n: int,
    classes: tuple[str, ...],
    *,
    by_missing: bool,
) -> Fixed | None:
    ruling = sums.argmax(axis=1)
    # half a row of doubt: a pure bin has finite odds
    purity = sums.max(axis=1) / (rows + 0.5)
    odds = purity / (1.0 - purity)
    base = usual[ruling] / np.maximum(1.0 - usual[ruling], 1e-12)
    pure = (rows >= _LEAST_ROWS) & (purity >= _PURITY) & (odds >= _ODDS * base)
    if not pure.any():
        return None
    best = int(sums[pure].sum(axis=0).argmax())
    pure &= ruling == best
    settled = float(rows[pure].sum())
    if settled < _LEAST_SHARE * n:
        return None
    return Fixed(settled / n, classes[best], float(sums[pure, best].sum()) / settled, by_missing)
