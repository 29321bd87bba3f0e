"""Gradient-boosted trees: a short list of proved LightGBM settings, stopped early on validation rows.

The same rows, seed and number of threads give the same model text as long as the time budget does not cut
the search short; ``Boosted.cut_short`` says whether it did.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from lightgbm.callback import CallbackEnv, EarlyStopException

from slipway.base.vocabulary import Task
from slipway.learn.budget import Budget
from slipway.learn.metrics import FloatArray
from slipway.learn.problem import Fold, IndexArray, Problem

#: Trees of one model: what a row costs to serve grows with them. A round grows one tree per class.
_MAX_TREES = 2_000
#: Improvement of the stopping metric, in shares of its scale, below which further rounds are not worth it.
_MIN_GAIN = 1e-4
#: Fitting on all rows takes about this much of the time that a configuration took on one fold.
_REFIT_FACTOR = 1.5
#: Matrix cells that are worth a thread of their own: with fewer, threads wait for each other, and where
#: another process wants the cores a small fit slows down tenfold.
_CELLS_PER_THREAD = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What differs between the configurations tried, in LightGBM's words."""

    learning_rate: float
    num_leaves: int
    min_data_in_leaf: int = 20
    feature_fraction: float = 1.0
    bagging_fraction: float = 1.0
    lambda_l2: float = 0.0
    # Stronger smoothing of categories than LightGBM's own, which overfits levels of few rows.
    cat_smooth: float = 50.0
    cat_l2: float = 20.0
    max_cat_to_onehot: int = 8
    objective: str = ""


#: In order of promise: the first gives a good model in a second, the later ones seek the last per cent.
CONFIGURATIONS: tuple[Settings, ...] = (
    Settings(learning_rate=0.1, num_leaves=31),
    Settings(learning_rate=0.05, num_leaves=31, feature_fraction=0.7, bagging_fraction=0.8, lambda_l2=1.0),
    Settings(learning_rate=0.1, num_leaves=8, min_data_in_leaf=40, feature_fraction=0.7, lambda_l2=1.0),
    Settings(
        learning_rate=0.05,
        num_leaves=63,
        min_data_in_leaf=40,
        feature_fraction=0.7,
        bagging_fraction=0.8,
        lambda_l2=5.0,
    ),
)
#: The absolute error decides on regression models, so one configuration aims at it directly.
MEDIAN = Settings(learning_rate=0.05, num_leaves=31, feature_fraction=0.8, objective="regression_l1")
_OBJECTIVES: dict[Task, tuple[str, str]] = {
    "binary": ("binary", "binary_logloss"),
    "multiclass": ("multiclass", "multi_logloss"),
    "regression": ("regression", "l1"),
}


@dataclass(frozen=True, kw_only=True)
class Boosted:
    """A fitted ensemble of trees.

    ``losses`` holds the losses on the folds' check rows, fold after fold, by models that had not seen them.
    ``rows`` is the number of rows it was fitted on: all, or those of the last fold where the time did not
    allow a final fit. ``cut_short`` says that more time would have changed the search.
    """

    text: str
    settings: Settings
    rounds: int
    rows: int
    threads: int
    cut_short: bool
    tried: int
    losses: FloatArray


@dataclass(frozen=True, kw_only=True)
class _Grown:
    """One ensemble."""

    text: str
    rounds: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """One configuration on all folds; ``last`` is the ensemble of the last one."""

    settings: Settings
    rounds: int
    losses: FloatArray
    seconds: float
    cut_short: bool
    last: _Grown


class _Deadline:
    """Callback that ends boosting when the time is up; what was grown so far is kept."""

    #: After early stopping (30), so that a regular stop is never taken for a cut.
    order = 40

    def __init__(self, budget: Budget, until: float) -> None:
        self._budget = budget
        self._until = until
        self.hit = False

    def __call__(self, env: CallbackEnv) -> None:
        if self._budget.spent > self._until:
            self.hit = True
            raise EarlyStopException(env.iteration, env.evaluation_result_list or [])


def boost(
    problem: Problem,
    folds: list[Fold],
    budget: Budget,
    threads: int,
    report: Callable[[float, str], None],
) -> Boosted:
    """Try the configurations in turn, keep the one with the lowest mean loss, and fit it on all rows.

    A configuration is begun only when it can be expected to end in time with the final fit still to come;
    the first one always runs, cut off where it must be. Where no time is left for the final fit, the
    ensemble of the last fold is kept: it is one that was judged, while a final fit cut off half-way is not.

    Args:
        problem: the train part.
        folds: where to stop early and compare.
        budget: the time this may take.
        threads: at most so many, at least 1.
        report: told the share that is done, and what is going on.
    """
    trees = _Trees(problem, folds, max(1, min(threads, problem.matrix.size // _CELLS_PER_THREAD)))
    settings = configurations(problem)
    best: _Trial | None = None
    tried, slowest = 0, 0.0
    for number, candidate in enumerate(settings):
        if best is not None and budget.left < slowest * (1 + _REFIT_FACTOR / len(folds)):
            break
        trial = trees.trial(candidate, budget, _narrowed(report, number, len(settings)))
        tried, slowest = tried + 1, max(slowest, trial.seconds)
        if best is None or trial.losses.mean() < best.losses.mean():
            best = trial
    assert best is not None
    report(len(settings) / (len(settings) + 1), f"final fit, {best.rounds} rounds")
    grown = trees.final(best, budget)
    return Boosted(
        text=grown.text,
        settings=best.settings,
        rounds=grown.rounds,
        rows=grown.rows,
        threads=trees.threads,
        cut_short=best.cut_short or grown is best.last or tried < len(settings),
        tried=tried,
        losses=best.losses,
    )


def configurations(problem: Problem) -> tuple[Settings, ...]:
    """The configurations worth trying on this task."""
    return (*CONFIGURATIONS, MEDIAN) if problem.task == "regression" else CONFIGURATIONS


def _narrowed(report: Callable[[float, str], None], number: int, count: int) -> Callable[[float], None]:
    """A report for one configuration; the final fit counts as one more."""
    message = f"configuration {number + 1} of {count}"
    return lambda done: report((number + done) / (count + 1), message)


class _Trees:
    """Fits on the folds of one problem. The binned rows are shared by all configurations."""

    def __init__(self, problem: Problem, folds: list[Fold], threads: int) -> None:
        self._problem = problem
        self._folds = folds
        self.threads = threads
        self._binned = [_dataset(problem, fold.fit) for fold in folds]
        self._checks = [
            _dataset(problem, fold.check, reference=binned)
            for fold, binned in zip(folds, self._binned, strict=True)
        ]

    def trial(self, settings: Settings, budget: Budget, tell: Callable[[float], None]) -> _Trial:
        """Fit on each fold, stopped early, and judge on its check rows."""
        start, rounds, cut, count = budget.spent, 0, False, len(self._folds)
        losses: list[FloatArray] = []
        booster = None
        for number, fold in enumerate(self._folds):
            tell(number / count)
            deadline = _Deadline(budget, budget.spent + budget.left / (count - number))
            booster = self._fit(settings, number, deadline)
            predicted = self._predict(booster, fold.check)
            losses.append(self._problem.losses(predicted, fold.check))
            rounds += booster.best_iteration
            cut = cut or deadline.hit
        assert booster is not None
        return _Trial(
            settings=settings,
            rounds=max(1, round(rounds / count)),
            losses=np.concatenate(losses),
            seconds=budget.spent - start,
            cut_short=cut,
            last=_Grown(
                text=booster.model_to_string(), rounds=booster.best_iteration, rows=len(self._folds[-1].fit)
            ),
        )

    def final(self, trial: _Trial, budget: Budget) -> _Grown:
        """Fit on all rows where the time allows it, else the last fold's ensemble."""
        expected = trial.seconds * _REFIT_FACTOR / len(self._folds)
        if trial.cut_short or budget.left < expected:
            return trial.last
        deadline = _Deadline(budget, budget.seconds)
        rows = len(self._problem.target)
        parameters = _parameters(self._problem, trial.settings, self.threads, rows)
        data = _dataset(self._problem, slice(None))
        booster = lgb.train(parameters, data, trial.rounds, callbacks=[deadline])
        if deadline.hit:
            return trial.last
        return _Grown(text=booster.model_to_string(), rounds=booster.current_iteration(), rows=rows)

    def _fit(self, settings: Settings, number: int, deadline: _Deadline) -> lgb.Booster:
        # A slower learner needs more rounds to show that it still improves.
        patience = math.ceil(3 / settings.learning_rate) + 10
        return lgb.train(
            _parameters(self._problem, settings, self.threads, len(self._folds[number].fit)),
            self._binned[number],
            _MAX_TREES // self._problem.outputs or 1,
            valid_sets=[self._checks[number]],
            callbacks=[
                lgb.early_stopping(patience, verbose=False, min_delta=_MIN_GAIN * self._problem.loss_range),
                deadline,
            ],
        )

    def _predict(self, booster: lgb.Booster, rows: IndexArray) -> FloatArray:
        predicted = booster.predict(self._problem.matrix[rows], num_threads=self.threads)
        return np.asarray(predicted, dtype=np.float64).reshape(len(rows), -1)


def _dataset(problem: Problem, rows: IndexArray | slice, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    return lgb.Dataset(
        problem.matrix[rows],
        problem.target[rows],
        reference=reference,
        categorical_feature=list(problem.levels),
        # Binning must not depend on a configuration's leaf size, for the bins are shared.
        params={"feature_pre_filter": False, "verbosity": -1},
        free_raw_data=False,
    )


def _parameters(problem: Problem, settings: Settings, threads: int, rows: int) -> dict[str, Any]:
    objective, metric = _OBJECTIVES[problem.task]
    values = asdict(settings)
    values["objective"] = settings.objective or objective
    # On a few hundred rows the usual leaf size would allow hardly a split.
    values["min_data_in_leaf"] = max(2, min(settings.min_data_in_leaf, rows // 50))
    values["num_leaves"] = max(4, min(settings.num_leaves, rows // 10))
    return (
        values
        | {
            "metric": metric,
            "bagging_freq": int(settings.bagging_fraction < 1.0),
            "num_threads": threads,
            "seed": problem.seed,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        | ({"num_class": problem.classes} if problem.task == "multiclass" else {})
    )
