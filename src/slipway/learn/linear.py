"""Linear candidates: logistic and ridge regression by scikit-learn, written in the ``linear`` flavour."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from slipway.learn.budget import Budget
from slipway.learn.metrics import FloatArray
from slipway.learn.problem import Fold, IndexArray, Problem
from slipway.models.linear import CategoryTerm, LinearModel, LinearPredictor, NumberTerm, Term, design

#: Strength of the penalty on standardised columns; the middle one is the usual choice and comes first.
PENALTIES = (1.0, 20.0, 0.05)
#: Cells of the design matrix, 8 bytes each; more rows than fit are thinned out evenly. The weights of a
#: linear model are settled long before so many rows, and the solver cannot be stopped within a step.
_MAX_CELLS = 5_000_000
#: Weights up to which Newton's method, with a few costly steps, beats L-BFGS with its many cheap ones.
_NEWTON_WEIGHTS = 400
#: For each solver: steps between two looks at the clock, and how often the clock is looked at.
_BOUTS = {"newton-cholesky": (4, 10), "lbfgs": (30, 10)}
#: Spread, in shares of the largest value, that is rounding and not variation.
_CONSTANT = 1e-12
#: Score of a class that no row to fit on had: odds of about 1 in 20,000.
_ABSENT = -10.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fitted linear model.

    ``losses`` holds the losses on the folds' check rows, fold after fold, by models that had not seen them.
    """

    model: LinearModel
    penalty: float
    cut_short: bool
    losses: FloatArray


# On matrices of this size BLAS threads gain little, and while another process wants the cores they wait
# for each other: measured five times slower than one thread.
@threadpool_limits.wrap(limits=1)
def fit_linear(problem: Problem, folds: list[Fold], budget: Budget) -> Fitted:
    """Try the penalties while time allows, keep the one of lowest mean loss, and fit it on all rows.

    Args:
        problem: the train part.
        folds: where to compare penalties.
        budget: the time this may take; the solver stops within it, converged or not.
    """
    best: tuple[float, FloatArray] | None = None
    slowest, cut = 0.0, False
    for penalty in PENALTIES:
        start = budget.spent
        if best is not None and budget.left < 2 * slowest:
            cut = True
            break
        losses = np.concatenate([_fold_losses(problem, fold, penalty, budget) for fold in folds])
        slowest = max(slowest, budget.spent - start)
        if best is None or losses.mean() < best[1].mean():
            best = penalty, losses
    assert best is not None
    model, stopped = _fit(problem, np.arange(len(problem.target)), best[0], budget)
    return Fitted(model=model, penalty=best[0], cut_short=cut or stopped, losses=best[1])


def terms_of(problem: Problem, rows: IndexArray) -> tuple[Term, ...]:
    """Standardisation of each number and width of each category, from the given rows."""
    return tuple(
        CategoryTerm(column=at, levels=problem.levels[at])
        if at in problem.levels
        else _number_term(at, problem.matrix[rows, at])
        for at in range(problem.matrix.shape[1])
    )


def _number_term(at: int, values: FloatArray) -> NumberTerm:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return NumberTerm(column=at, impute=0.0, center=0.0, scale=1.0)
    # Moments of shares of the largest value: squares of huge numbers would overflow.
    top = float(np.abs(finite).max()) or 1.0
    center, spread = float((finite / top).mean()) * top, float((finite / top).std())
    scale = spread * top if spread > _CONSTANT else 1.0
    return NumberTerm(column=at, impute=float(np.median(finite)), center=center, scale=scale)


def _fold_losses(problem: Problem, fold: Fold, penalty: float, budget: Budget) -> FloatArray:
    model, _ = _fit(problem, fold.fit, penalty, budget)
    predictor = LinearPredictor(model, problem.matrix.shape[1])
    return problem.losses(predictor.predict(problem.matrix[fold.check]), fold.check)


def _fit(problem: Problem, rows: IndexArray, penalty: float, budget: Budget) -> tuple[LinearModel, bool]:
    """Fit on some rows; also says whether the time ran out before the solver was done."""
    width = sum(problem.levels.get(at, 0) + 2 for at in range(problem.matrix.shape[1]))
    rows = rows[:: max(1, -(-len(rows) * width // _MAX_CELLS))]
    terms = terms_of(problem, rows)
    columns, target = design(terms, problem.matrix[rows]), problem.target[rows]
    if problem.task == "regression":
        ridge: Any = Ridge(alpha=penalty, solver="cholesky").fit(columns, target)
        return _model("identity", terms, ridge.coef_[None, :], np.array([ridge.intercept_])), False
    weights, intercept, stopped = _logistic(columns, target, problem.classes, penalty, budget)
    if problem.task == "binary":
        return _model("logistic", terms, weights[1:], intercept[1:]), stopped
    return _model("softmax", terms, weights, intercept), stopped


def _logistic(
    columns: FloatArray, target: FloatArray, classes: int, penalty: float, budget: Budget
) -> tuple[FloatArray, FloatArray, bool]:
    """Weights (classes, width) and intercepts (classes,); of two classes the first has none."""
    present = np.unique(target).astype(np.int64)
    weights = np.zeros((classes, columns.shape[1]))
    intercept = np.full(classes, _ABSENT)
    if len(present) < 2:
        intercept[present] = -_ABSENT if classes == 2 else 0.0
        return weights, intercept, False
    method = "newton-cholesky" if weights.size <= _NEWTON_WEIGHTS else "lbfgs"
    steps, bouts = _BOUTS[method]
    solver: Any = LogisticRegression(C=1 / penalty, max_iter=steps, warm_start=True, solver=method)
    stopped = False
    with warnings.catch_warnings():
        # Ending before convergence is our own doing: the clock is looked at between two bouts.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for bout in range(bouts):
            stopped = bout > 0 and budget.left <= 0
            if stopped:
                break
            solver.fit(columns, target)
            if int(solver.n_iter_.max()) < steps:
                break
    if len(present) == 2:
        intercept[present[0]] = 0.0
        weights[present[1]], intercept[present[1]] = solver.coef_[0], solver.intercept_[0]
    else:
        weights[present], intercept[present] = solver.coef_, solver.intercept_
    return weights, intercept, stopped


def _model(link: Any, terms: tuple[Term, ...], weights: FloatArray, intercept: FloatArray) -> LinearModel:
    return LinearModel(
        link=link,
        terms=terms,
        intercept=tuple(intercept.tolist()),
        weights=tuple(tuple(row) for row in weights.tolist()),
    )
