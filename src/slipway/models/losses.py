"""The bounded loss that decides: one number in [0, 1] per labelled row, the same bits in every process.

Brier score for two classes, half the summed squared differences for more, absolute error over a declared
range for numbers. Every sum runs over the classes in order: a row's loss does not depend on its batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from slipway.base.errors import ContractError
from slipway.base.vocabulary import Task, Value
from slipway.models.values import Floats, to_text

#: A class as it stands in ``bundle.json``.
Label = str | int | float | bool

_BOOL_TEXTS = {True: ("true", "1"), False: ("false", "0")}


class ClassIndex:
    """Finds the class that a label names: the equal value, or else the equal text form.

    ``"1"``, ``1``, ``1.0`` and ``True`` name one class. A class's own value goes before another's text form.

    >>> find = ClassIndex([0, 1])
    >>> find("1"), find(1.0), find(True), find("yes"), find(None)
    (1, 1, 1, None, None)
    """

    def __init__(self, classes: Sequence[Label]) -> None:
        self.classes = tuple(classes)
        self._exact: dict[object, int] = {label: at for at, label in enumerate(self.classes)}
        self._text: dict[str, int] = {}
        for at, label in enumerate(self.classes):
            for text in _text_forms(label):
                self._text.setdefault(text, at)

    def __call__(self, value: object) -> int | None:
        """Position of the class, or None when the label names none."""
        if not isinstance(value, str | int | float):
            return None
        found = self._exact.get(value)
        if found is not None:
            return found
        return next((self._text[text] for text in _text_forms(value) if text in self._text), None)


def class_index(value: Value, classes: Sequence[Label]) -> int | None:
    """``ClassIndex(classes)(value)``, for a single look-up."""
    return ClassIndex(classes)(value)


def losses(
    task: Task,
    outputs: npt.ArrayLike,
    labels: Sequence[Value],
    classes: Sequence[Label] | ClassIndex = (),
    loss_range: float = 1.0,
) -> Floats:
    """Loss per row in [0, 1], shape (n,). An output that is not finite costs 1.

    Args:
        task: kind of the target.
        outputs: shape (n, 1) probability of ``classes[1]``, (n, k) one per class, or (n, 1) the number;
            (n,) is read as (n, 1).
        labels: the true values, n of them.
        classes: the classes in the order of the outputs; empty for regression.
        loss_range: absolute error that counts as 1; regression only, above 0.

    Raises:
        ContractError: a label that names no class or is no finite number, or counts that do not agree.
    """
    find = classes if isinstance(classes, ClassIndex) else ClassIndex(classes)
    matrix = _matrix(outputs, len(labels), len(find.classes) if task == "multiclass" else 1)
    with np.errstate(over="ignore"):  # what overflows costs 1
        if task == "regression":
            return _squeeze(np.abs(matrix[:, 0] - _numbers(labels)) / loss_range)
        index = _indices(labels, find)
        return _binary(matrix[:, 0], index) if task == "binary" else _multiclass(matrix, index)


def _matrix(outputs: npt.ArrayLike, n: int, width: int) -> Floats:
    matrix = np.asarray(outputs, dtype=np.float64)
    if matrix.ndim == 1 and width == 1:
        matrix = matrix[:, None]
    if matrix.shape != (n, width):
        raise ContractError(
            expected=f"outputs of shape {(n, width)}", got=str(matrix.shape), where="losses of a model"
        )
    return matrix


def _binary(probability: Floats, index: npt.NDArray[np.int64]) -> Floats:
    difference = probability - index
    return _squeeze(difference * difference)


def _multiclass(matrix: Floats, index: npt.NDArray[np.int64]) -> Floats:
    total = np.zeros(len(index), dtype=np.float64)
    for at in range(matrix.shape[1]):
        difference = matrix[:, at] - (index == at)
        total += difference * difference
    return _squeeze(total / 2)


def _squeeze(values: Floats) -> Floats:
    return np.where(values <= 1.0, values, 1.0)  # NaN compares false, so it costs 1


def _indices(labels: Sequence[Value], find: ClassIndex) -> npt.NDArray[np.int64]:
    found = [find(label) for label in labels]
    index = np.array([-1 if at is None else at for at in found], dtype=np.int64)
    _refuse_labels(np.flatnonzero(index < 0), "labels among the classes of the model")
    return index


def _numbers(labels: Sequence[Value]) -> Floats:
    numbers = np.array([_number(label) for label in labels], dtype=np.float64)
    _refuse_labels(np.flatnonzero(~np.isfinite(numbers)), "finite numbers as labels")
    return numbers


def _number(label: Value) -> float:
    if isinstance(label, bool) or not isinstance(label, int | float):
        return math.nan
    try:
        return float(label)
    except OverflowError:
        return math.nan


def _refuse_labels(rows: npt.NDArray[np.intp], expected: str) -> None:
    if len(rows):
        raise ContractError(
            expected=expected,
            got=f"{len(rows)} others, the first at row {rows[0]}",
            where="labels",
            next_step="send the label as the training table writes it",
        )


def _text_forms(label: Label) -> tuple[str, ...]:
    if isinstance(label, bool):
        return _BOOL_TEXTS[label]
    try:
        text = to_text(label)
    except ValueError:
        return ()
    return () if text is None else (text,)
