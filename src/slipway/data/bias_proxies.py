"""Proxies: how well the other columns give a sensitive column away, and which of them do.

Leaving a sensitive column out protects nobody when the rest predicts it. A boosted model predicts each of
its levels out of fold; an area under the ROC curve of 0.5 means that the rest says nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from slipway.base.errors import DataError, UsageError
from slipway.data.bias_groups import group_rows
from slipway.data.bias_intervals import Figure
from slipway.stats.auc import auc, auc_interval

Floats = npt.NDArray[np.float64]

#: Areas from which a level counts as given away; under the lower one the rest says little.
GIVEN_AWAY, HINTED = 0.8, 0.6

_FOLDS = 5
#: Rows drawn from a larger table; the area is known to about one point with them.
_MOST_ROWS = 20_000
#: Levels of a text feature that are told apart; rarer ones share a code.
_MOST_LEVELS = 64
#: Levels of the sensitive column that are looked at, the most frequent first.
_MOST_TARGETS = 8
_SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.15,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "min_data_per_group": 20,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
}
_ROUNDS = 60
_ROUNDS_ALONE = 25


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """What one feature adds.

    ``alone`` is the out-of-fold area of a model with this feature only, None when the time ran out before
    it; ``loss`` is how much the area of the whole model falls when the feature's values are shuffled.
    """

    feature: str
    alone: float | None
    loss: float


@dataclass(frozen=True, kw_only=True)
class LevelProxies:
    """How well the other columns tell the rows of one level from the rest.

    ``area`` is the out-of-fold area with its interval; the intervals of one column hold together.
    ``features`` stand with the largest ``alone`` first, those without it last.
    """

    level: str
    rows: int
    area: Figure
    verdict: str
    features: tuple[Proxy, ...]


@dataclass(frozen=True, kw_only=True)
class ProxyReport:
    """The proxies of one sensitive column. ``complete`` is False when the time ran out."""

    column: str
    rows: int
    levels: tuple[LevelProxies, ...]
    complete: bool


@dataclass(frozen=True)
class _Rest:
    """The other columns as numbers, and the folds."""

    names: tuple[str, ...]
    matrix: Floats
    categorical: tuple[int, ...]
    seed: int


def proxies(
    df: pl.DataFrame,
    sensitive: str,
    features: Sequence[str],
    *,
    level: float = 0.95,
    min_group: int = 50,
    seed: int = 0,
    seconds: float = 60.0,
    now: Callable[[], float] = time.monotonic,
) -> ProxyReport:
    """Predict a sensitive column from the features, out of fold.

    The same table and seed give the same figures, but for those that ``seconds`` cut off: each level's area
    and losses are always measured, single features as long as time is left.

    Args:
        df: a canonical table; of more than 20,000 rows so many are drawn.
        sensitive: the column to be predicted; each level with at least ``min_group`` rows (and as many
            others) is told from the rest.
        features: columns to predict it from.
        level: confidence that the intervals of all levels hold together (Bonferroni, DeLong).
        min_group: rows a level must have.
        seed: of drawing, folds, fitting and shuffling.
        seconds: time after which no further single feature is measured.
        now: a clock in seconds.

    Raises:
        UsageError: no feature, or a column that the table lacks.
        DataError: no level has enough rows.
    """
    _refuse_columns(df, sensitive, features)
    deadline = now() + seconds
    table = df.sample(_MOST_ROWS, seed=seed) if df.height > _MOST_ROWS else df
    groups = group_rows(table, [sensitive])
    sizes = groups.sizes
    wanted = [at for at, size in enumerate(sizes) if size >= min_group and table.height - size >= min_group][
        : 1 if len(sizes) == 2 else _MOST_TARGETS
    ]
    if not wanted:
        raise DataError(
            expected=f"a level with at least {min_group} rows, and as many others",
            got="none",
            where=f"column {sensitive!r}",
            next_step="take a larger table or a smaller --min-group",
        )
    rest = _rest(table, features, seed)
    alpha = (1.0 - level) / len(wanted)
    found = [_level(rest, (groups.codes == at).astype(np.float64), alpha, groups.names[at]) for at in wanted]
    complete = True
    done: list[LevelProxies] = []
    for at, one in zip(wanted, found, strict=True):
        with_alone = _alone(rest, (groups.codes == at).astype(np.float64), one, deadline, now)
        complete = complete and all(proxy.alone is not None for proxy in with_alone.features)
        done.append(with_alone)
    return ProxyReport(column=sensitive, rows=table.height, levels=tuple(done), complete=complete)


def _refuse_columns(df: pl.DataFrame, sensitive: str, features: Sequence[str]) -> None:
    absent = [name for name in (sensitive, *features) if name not in df.columns]
    if absent or not features or sensitive in features:
        raise UsageError(
            expected="columns of the table, and features other than the sensitive column",
            got=f"{absent[0]!r}, which it lacks" if absent else "no feature, or the column itself",
            where=f"proxies of {sensitive!r}",
        )


def _rest(table: pl.DataFrame, features: Sequence[str], seed: int) -> _Rest:
    columns = [_numbers(table[name]) for name in features]
    categorical = tuple(at for at, name in enumerate(features) if table[name].dtype == pl.String)
    return _Rest(tuple(features), np.column_stack(columns), categorical, seed)


def _numbers(series: pl.Series) -> Floats:
    if series.dtype != pl.String:
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    counted = (
        series.drop_nulls().value_counts(name="rows").sort(["rows", series.name], descending=[True, False])
    )
    names = counted[series.name].to_list()
    codes = {name: float(min(at, _MOST_LEVELS)) for at, name in enumerate(names)}
    return np.asarray([codes.get(value, float("nan")) for value in series.to_list()])


def _folds(truth: Floats, seed: int) -> npt.NDArray[np.int64]:
    """Fold of each row; each fold has its share of both classes."""
    rng = np.random.default_rng(seed)
    folds = np.empty(len(truth), dtype=np.int64)
    for side in (0.0, 1.0):
        rows = np.flatnonzero(truth == side)
        folds[rng.permutation(rows)] = np.arange(len(rows)) % _FOLDS
    return folds


def _level(rest: _Rest, truth: Floats, alpha: float, name: str) -> LevelProxies:
    folds = _folds(truth, rest.seed)
    rng = np.random.default_rng(rest.seed)
    scores = np.empty(len(truth))
    shuffled = np.empty((len(rest.names), len(truth)))
    for fold in range(_FOLDS):
        held = folds == fold
        model = _fit(rest, truth, ~held, range(len(rest.names)), _ROUNDS)
        rows = rest.matrix[held]
        scores[held] = model.predict(rows, num_threads=2)
        for at in range(len(rest.names)):
            mixed = rows.copy()
            mixed[:, at] = rng.permutation(mixed[:, at])
            shuffled[at, held] = model.predict(mixed, num_threads=2)
    area = auc(truth, scores)
    low, high = auc_interval(truth, scores, alpha)
    losses = [
        Proxy(feature=f, alone=None, loss=area - auc(truth, shuffled[at])) for at, f in enumerate(rest.names)
    ]
    return LevelProxies(
        level=name,
        rows=int(truth.sum()),
        area=Figure(area, low, high),
        verdict="given away"
        if low >= GIVEN_AWAY
        else "hinted at"
        if low >= HINTED
        else "hidden or nearly so",
        features=tuple(losses),
    )


def _alone(
    rest: _Rest, truth: Floats, found: LevelProxies, deadline: float, now: Callable[[], float]
) -> LevelProxies:
    """Measure the features one by one, those that the whole model leans on first, while time is left."""
    folds = _folds(truth, rest.seed)
    measured: list[Proxy] = []
    for proxy in sorted(found.features, key=lambda one: -one.loss):
        area = None if now() >= deadline else _area_alone(rest, truth, folds, rest.names.index(proxy.feature))
        measured.append(Proxy(feature=proxy.feature, alone=area, loss=proxy.loss))
    measured.sort(key=lambda one: (one.alone is None, -(one.alone or 0.0), -one.loss))
    return LevelProxies(
        level=found.level, rows=found.rows, area=found.area, verdict=found.verdict, features=tuple(measured)
    )


def _area_alone(rest: _Rest, truth: Floats, folds: npt.NDArray[np.int64], at: int) -> float:
    scores = np.empty(len(truth))
    for fold in range(_FOLDS):
        held = folds == fold
        model = _fit(rest, truth, ~held, [at], _ROUNDS_ALONE)
        scores[held] = model.predict(rest.matrix[held][:, [at]], num_threads=2)
    return auc(truth, scores)


def _fit(rest: _Rest, truth: Floats, rows: npt.NDArray[np.bool_], columns: Sequence[int], rounds: int) -> Any:
    import lightgbm

    data: Any = lightgbm.Dataset(
        rest.matrix[rows][:, list(columns)],
        truth[rows],
        categorical_feature=[place for place, at in enumerate(columns) if at in rest.categorical],
        free_raw_data=True,
        params=_SETTINGS,
    )
    return lightgbm.train({**_SETTINGS, "seed": rest.seed, "num_threads": 2}, data, rounds)
