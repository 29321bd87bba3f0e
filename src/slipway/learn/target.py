"""The target column as numbers: class indices, or the value to predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from slipway.base.config import Config
from slipway.base.errors import TargetError
from slipway.base.vocabulary import Task
from slipway.data.contract import Contract
from slipway.learn.metrics import FloatArray
from slipway.models.losses import ClassIndex, Label


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target ready for fitting.

    Args:
        task: what is predicted.
        classes: labels in the order of the outputs, as JSON writes them; empty for regression. The second
            of a binary task is the positive one.
        values: (n,) float64, class index or number, finite.
        loss_range: absolute error that counts as loss 1; 1 for classes.
    """

    task: Task
    classes: tuple[Label, ...]
    values: FloatArray
    loss_range: float


def read_target(df: pl.DataFrame, config: Config, contract: Contract) -> Target:
    """Read the target of rows that all have one.

    Classes are those that the contract allows, or else those found. The loss range of a number is the
    width of the contract's range, or else of the values found.

    Raises:
        TargetError: one class, more than two in a binary task, a label outside the contract, a constant
            or infinite number, or ``project.positive`` that is no label.
    """
    reader = _regression if config.project.task == "regression" else _classes
    return reader(df[contract.target.name], config, contract)


def _classes(series: pl.Series, config: Config, contract: Contract) -> Target:
    labels = [_label(value) for value in series.to_list()]
    declared = contract.target.allowed
    found = sorted(set(labels), key=_order)
    classes = _positive_last(list(declared) if declared else found, config)
    if len(found) < 2:
        raise _error("at least two classes", f"{len(found)}", series.name)
    if config.project.task == "binary" and len(classes) != 2:
        raise _error(
            "two classes for a binary task", f"{len(classes)}", series.name, 'set task = "multiclass"'
        )
    find = ClassIndex(classes)
    index = {label: find(label) for label in found}
    strangers = sum(at is None for at in index.values())
    if strangers:
        raise _error("labels that the contract allows", f"{strangers} others", series.name)
    values = np.array([index[label] for label in labels], dtype=np.float64)
    return Target(task=config.project.task, classes=tuple(classes), values=values, loss_range=1.0)


def _regression(series: pl.Series, config: Config, contract: Contract) -> Target:
    values = series.cast(pl.Float64, strict=False).to_numpy()
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise _error("finite numbers", f"{bad} values that are none", series.name)
    spec = contract.target
    width = spec.max - spec.min if spec.min is not None and spec.max is not None else float(np.ptp(values))
    if np.ptp(values) == 0 or width <= 0:
        raise _error("a target that varies", "one value in all rows", series.name)
    return Target(task=config.project.task, classes=(), values=values, loss_range=float(width))


def _label(value: Any) -> Label:
    """The label as JSON writes it; 1.0 and 1 are one class, written 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | bool | int | float) else str(value)


def _order(label: Label) -> tuple[bool, float, str]:
    return (isinstance(label, str), 0.0 if isinstance(label, str) else float(label), str(label))


def _positive_last(classes: list[Label], config: Config) -> list[Label]:
    positive = config.project.positive
    if positive is None or config.project.task != "binary":
        return classes
    at = ClassIndex(classes)(positive)
    if at is None:
        raise _error(
            "project.positive to be one of the labels", "another", config.project.target, "mend slipway.toml"
        )
    return [label for k, label in enumerate(classes) if k != at] + [classes[at]]


def _error(expected: str, got: str, column: str, next_step: str = "") -> TargetError:
    return TargetError(
        expected=expected,
        got=got,
        where=f"target column {column!r}",
        next_step=next_step or "choose another target, or mend the data",
    )


def part_of(target: Target, rows: slice) -> Target:
    """The same target for some of the rows."""
    return replace(target, values=target.values[rows])
