"""The candidates: a constant to beat, a linear model, boosted trees, each ready for its bundle.

A new kind of candidate is one function here and one entry in ``_FITTERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import lightgbm as lgb
import numpy as np

from slipway.base.config import Candidate as CandidateName
from slipway.base.vocabulary import Value
from slipway.learn.boosting import boost
from slipway.learn.budget import Budget, Progress, Report
from slipway.learn.linear import fit_linear
from slipway.learn.metrics import FloatArray
from slipway.learn.problem import Fold, Problem
from slipway.learn.selection import Contender
from slipway.models.linear import LinearPredictor
from slipway.models.predictor import ConstantModel, ConstantPredictor


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fitted model.

    Args:
        name: kind of candidate.
        complexity: rank among the kinds; the lower, the simpler.
        flavour: model format of the bundle.
        content: the model file.
        predict: the training side's own prediction, (n, k) float64 -> (n, outputs) float64.
        losses: on the check rows of the inner folds, by models that had not seen them; empty for the
            baseline, which is not chosen but beaten.
        recipe: what is needed to fit the same again without a clock, and what the search came to.
    """

    name: str
    complexity: int
    flavour: str
    content: bytes
    predict: Callable[[FloatArray], FloatArray]
    losses: FloatArray
    recipe: dict[str, Value] = field(default_factory=dict[str, Value])

    @property
    def contender(self) -> Contender:
        """The candidate as the choice between them sees it."""
        return Contender(self.name, self.complexity, self.losses)


@dataclass(frozen=True)
class _Search:
    """What all candidates of one search share."""

    problem: Problem
    folds: list[Fold]
    threads: int
    report: Callable[[float, str], None]


#: Ranks of complexity, and weights by which the kinds share the time.
_COMPLEXITY: dict[CandidateName, int] = {"linear": 1, "lightgbm": 2}
_WEIGHT: dict[CandidateName, float] = {"linear": 0.4, "lightgbm": 1.6}


def fit_candidates(
    problem: Problem,
    folds: list[Fold],
    names: tuple[CandidateName, ...],
    budget: Budget,
    threads: int,
    report: Report,
) -> list[Candidate]:
    """Fit the named candidates within the budget, the simple ones first.

    What a simple candidate leaves of its share goes to the later ones. With the same problem, names and
    threads the result is the same, unless the budget cuts the search short.

    Args:
        problem: the train part of the table.
        folds: where to stop early, tune and compare.
        names: kinds to try, at least one.
        budget: time for all of them.
        threads: at least 1.
        report: told how far the search is, 0 to 1.
    """
    ordered = sorted(set(names), key=lambda name: _COMPLEXITY[name])
    total = sum(_WEIGHT[name] for name in ordered)
    found: list[Candidate] = []
    for number, name in enumerate(ordered):
        left = sum(_WEIGHT[other] for other in ordered[number:])
        allowance = Budget(max(budget.left, 0.0) * _WEIGHT[name] / left, budget.now)
        tell = _narrowed(report, name, 1 - left / total, _WEIGHT[name] / total)
        found.append(_FITTERS[name](_Search(problem, folds, threads, tell), allowance))
    return found


def _narrowed(report: Report, name: str, start: float, width: float) -> Callable[[float, str], None]:
    """A report for one candidate, whose 0 to 1 is a part of the whole."""
    return lambda done, message: report(Progress("fit", start + width * done, f"{name}: {message}"))


def constant(problem: Problem) -> Candidate:
    """The baseline: class shares, or the median, which no constant beats under the deciding loss."""
    if problem.task == "regression":
        outputs = [float(np.median(problem.target))]
    else:
        counts = np.bincount(problem.target.astype(np.int64), minlength=problem.classes)
        shares = (counts / counts.sum()).tolist()
        outputs = shares[1:] if problem.task == "binary" else shares
    model = ConstantModel(outputs)
    return Candidate(
        name="constant",
        complexity=0,
        flavour="constant",
        content=model.to_json(),
        predict=ConstantPredictor(model, problem.matrix.shape[1]).predict,
        losses=np.empty(0),
    )


def _linear(search: _Search, budget: Budget) -> Candidate:
    search.report(0.0, "fitting")
    fitted = fit_linear(search.problem, search.folds, budget)
    return Candidate(
        name="linear",
        complexity=_COMPLEXITY["linear"],
        flavour="linear",
        content=fitted.model.to_json(),
        predict=LinearPredictor(fitted.model, search.problem.matrix.shape[1]).predict,
        losses=fitted.losses,
        recipe={"rows": len(search.problem.target), "penalty": fitted.penalty, "cut_short": fitted.cut_short},
    )


def _lightgbm(search: _Search, budget: Budget) -> Candidate:
    problem = search.problem
    found = boost(problem, search.folds, budget, search.threads, search.report)
    booster = lgb.Booster(model_str=found.text)

    def predict(matrix: FloatArray) -> FloatArray:
        outputs = booster.predict(matrix, num_threads=found.threads)
        return np.asarray(outputs, dtype=np.float64).reshape(len(matrix), problem.outputs)

    return Candidate(
        name="lightgbm",
        complexity=_COMPLEXITY["lightgbm"],
        flavour="lightgbm",
        content=found.text.encode(),
        predict=predict,
        losses=found.losses,
        recipe={
            **asdict(found.settings),
            "rounds": found.rounds,
            "rows": found.rows,
            "threads": found.threads,
            "configurations_tried": found.tried,
            "cut_short": found.cut_short,
        },
    )


_FITTERS: dict[CandidateName, Callable[[_Search, Budget], Candidate]] = {
    "linear": _linear,
    "lightgbm": _lightgbm,
}
