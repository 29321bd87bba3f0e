"""The target as numbers: class order, the positive label, and what cannot be learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl
import pytest

from slipway.base.config import Config
from slipway.base.errors import TargetError
from slipway.data.contract import Column, Contract
from slipway.learn.target import part_of, read_target


def contract(kind: str, **more: Any) -> Contract:
    return Contract(
        columns=(Column(name="x", type="float"), Column(name="target", type=kind, role="target", **more))
    )


@pytest.mark.parametrize(
    ("kind", "values", "classes", "index"),
    [
        ("category", ["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ("float", [1.0, 0.0, 0.0], (0, 1), [1, 0, 0]),
        ("int", [2, 10, 2], (2, 10), [0, 1, 0]),
        ("bool", [True, False, True], (False, True), [1, 0, 1]),
    ],
)
def test_the_larger_label_is_positive(
    make_config: Callable[..., Config],
    kind: str,
    values: list[Any],
    classes: tuple[Any, ...],
    index: list[int],
):
    found = read_target(pl.DataFrame({"target": values}), make_config(), contract(kind))
    assert found.classes == classes
    assert [type(label) for label in found.classes] == [type(label) for label in classes]
    assert found.values.tolist() == index
    assert found.loss_range == 1.0


def test_the_positive_label_can_be_chosen(make_config: Callable[..., Config]):
    config = make_config()
    config = msgspec.structs.replace(config, project=msgspec.structs.replace(config.project, positive="a"))
    found = read_target(pl.DataFrame({"target": ["b", "a"]}), config, contract("category"))
    assert found.classes == ("b", "a")
    assert found.values.tolist() == [0.0, 1.0]


def test_a_positive_label_that_is_none_is_refused(make_config: Callable[..., Config]):
    config = make_config()
    config = msgspec.structs.replace(config, project=msgspec.structs.replace(config.project, positive="z"))
    with pytest.raises(TargetError, match=r"expected project.positive to be one of the labels, got another"):
        read_target(pl.DataFrame({"target": ["b", "a"]}), config, contract("category"))


def test_classes_that_the_contract_names_keep_their_place_without_rows(make_config: Callable[..., Config]):
    spec = contract("category", allowed=("high", "low", "mid"))
    found = read_target(pl.DataFrame({"target": ["low", "mid"]}), make_config("multiclass"), spec)
    assert found.classes == ("high", "low", "mid")
    assert found.values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("task", "kind", "values", "message"),
    [
        ("binary", "category", ["a", "a"], "expected at least two classes, got 1 in target column 'target'"),
        ("binary", "category", ["a", "b", "c"], "expected two classes for a binary task, got 3"),
        ("regression", "float", [1.0, 1.0], "expected a target that varies, got one value in all rows"),
        ("regression", "float", [1.0, float("inf")], "expected finite numbers, got 1 values that are none"),
    ],
)
def test_what_cannot_be_learned_is_said(
    make_config: Callable[..., Config], task: str, kind: str, values: list[Any], message: str
):
    with pytest.raises(TargetError, match=message):
        read_target(pl.DataFrame({"target": values}), make_config(task), contract(kind))


def test_labels_outside_the_contract_are_counted_not_quoted(make_config: Callable[..., Config]):
    spec = contract("category", allowed=("a", "b"))
    with pytest.raises(TargetError, match="got 1 others") as caught:
        read_target(pl.DataFrame({"target": ["a", "b", "secret"]}), make_config(), spec)
    assert "secret" not in str(caught.value)


def test_the_loss_range_is_the_declared_or_the_observed_width(make_config: Callable[..., Config]):
    df, config = pl.DataFrame({"target": [2.0, 5.0, 12.0]}), make_config("regression")
    assert read_target(df, config, contract("float")).loss_range == 10.0
    assert read_target(df, config, contract("float", min=0.0, max=50.0)).loss_range == 50.0
    assert part_of(read_target(df, config, contract("float")), slice(1, None)).values.tolist() == [5.0, 12.0]
