"""What a candidate gets to see: encoded rows, target, and folds to judge itself on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from slipway.base.vocabulary import Task
from slipway.learn.metrics import FloatArray
from slipway.models.losses import ClassIndex, losses

IndexArray = npt.NDArray[np.int64]

#: From this many rows one validation part tells enough, and folding would only cost time.
ONE_FOLD_ROWS = 20_000
#: Cells (rows x columns x outputs) that can be fitted fold by fold in a second of the budget, roughly. A
#: fixed figure and no measurement, so that the same settings give the same folds on every machine.
_CELLS_PER_SECOND = 25_000
#: Cells that can be fitted at all in a second of the budget, roughly; a table with more is thinned out.
_FIT_CELLS_PER_SECOND = 600_000
_FOLDS = 5
_CHECK_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The train part of a table, encoded.

    Args:
        task: what is predicted.
        classes: number of classes; 0 for regression.
        matrix: (n, k) float64, NaN where a value is missing.
        target: (n,) float64, class index in [0, classes) or the number itself.
        levels: for each matrix column that holds category codes, the number of levels; the code after the
            last one means "another level".
        ordered: whether row order is time order, so that validation must lie after fitting.
        groups: (n,) group number of each row when groups must not be torn apart, else None.
        loss_range: width of the target's range, which scales the absolute error; 1 for classes.
        seed: of everything random in fitting.
    """

    task: Task
    classes: int
    matrix: FloatArray
    target: FloatArray
    levels: Mapping[int, int]
    ordered: bool
    groups: IndexArray | None
    loss_range: float
    seed: int

    @property
    def outputs(self) -> int:
        """Columns of a prediction."""
        return self.classes if self.task == "multiclass" else 1

    def losses(self, predictions: FloatArray, rows: IndexArray) -> FloatArray:
        """The loss that decides, for predictions of the given rows, shape (len(rows),), each in [0, 1]."""
        find = ClassIndex(range(self.classes))
        return losses(self.task, predictions, self.target[rows].tolist(), find, self.loss_range)


@dataclass(frozen=True)
class Fold:
    """Rows to fit on and rows to check on; they do not overlap."""

    fit: IndexArray
    check: IndexArray


def affordable(problem: Problem, seconds: float) -> Problem:
    """The problem, or evenly chosen rows of it: as many as the configured budget can pay for.

    Each class keeps its share as nearly as whole rows allow, and the row order stays.
    """
    cells = problem.matrix.size * problem.outputs
    step = math.ceil(cells / (_FIT_CELLS_PER_SECOND * seconds))
    if step <= 1:
        return problem
    by_class = (
        np.argsort(problem.target, kind="stable") if problem.classes else np.arange(len(problem.target))
    )
    rows = np.sort(by_class[::step])
    return replace(
        problem,
        matrix=problem.matrix[rows],
        target=problem.target[rows],
        groups=None if problem.groups is None else problem.groups[rows],
    )


def inner_folds(problem: Problem, seconds: float) -> list[Fold]:
    """Folds inside the train part: early stopping and the choice between candidates happen on them.

    Ordered rows are checked on what lies after them, groups stay whole, and otherwise each class is dealt
    evenly over the folds. A single fold has to do for ``ONE_FOLD_ROWS`` rows or more, and where the time
    would not allow more.

    Args:
        problem: the train part, at least two rows.
        seconds: the whole budget as configured.
    """
    n = len(problem.target)
    cells = problem.matrix.size * problem.outputs
    one = n >= ONE_FOLD_ROWS or cells > _CELLS_PER_SECOND * seconds
    if problem.ordered:
        return _forward_folds(n, one)
    rng = np.random.default_rng(problem.seed)
    part = _grouped_parts(problem.groups, rng) if problem.groups is not None else _dealt_parts(problem, rng)
    used = range(1) if one else range(int(part.max()) + 1)
    return [Fold(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in used]


def _forward_folds(n: int, one: bool) -> list[Fold]:
    shares = [1 - _CHECK_SHARE, 1.0] if one else [0.5, 0.625, 0.75, 0.875, 1.0]
    cuts = [max(1, round(share * n)) for share in shares]
    return [Fold(np.arange(start), np.arange(start, stop)) for start, stop in pairwise(cuts) if stop > start]


def _grouped_parts(groups: IndexArray, rng: np.random.Generator) -> IndexArray:
    names, member = np.unique(groups, return_inverse=True)
    return (rng.permutation(len(names)) % min(_FOLDS, len(names)))[member].astype(np.int64)


def _dealt_parts(problem: Problem, rng: np.random.Generator) -> IndexArray:
    """Fold number of each row: rows in random order within each class, classes one after another.

    Dealing goes on from class to class, so that a class of one or two rows does not always fall into the
    first fold.
    """
    n = len(problem.target)
    order = rng.permutation(n)
    if problem.classes:
        order = order[np.argsort(problem.target[order], kind="stable")]
    part = np.empty(n, dtype=np.int64)
    part[order] = np.arange(n) % min(_FOLDS, n)
    return part
