"""Losses are bounded, exact, and independent of the batch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import ContractError
from slipway.models.losses import ClassIndex, class_index, losses


def test_brier_absolute_and_multiclass_by_hand():
    assert losses("binary", [[0.25], [0.25]], ["yes", "no"], ["no", "yes"]).tolist() == [0.5625, 0.0625]
    assert losses("regression", [[3.0], [3.0]], [5.0, 100], loss_range=10.0).tolist() == [0.2, 1.0]
    found = losses("multiclass", [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], ["a", "b"], ["a", "b", "c"])
    assert found.tolist() == [0.1875, 1.0]


def test_no_rows_give_no_losses():
    assert losses("binary", np.empty((0, 1)), [], [0, 1]).shape == (0,)
    assert losses("multiclass", np.empty((0, 3)), [], ["a", "b", "c"]).shape == (0,)
    assert losses("regression", np.empty((0, 1)), []).shape == (0,)


@pytest.mark.parametrize("output", [math.nan, math.inf, -math.inf, 1e300])
def test_an_output_that_is_not_finite_costs_one(output):
    assert losses("binary", [[output]], [1], [0, 1]).tolist() == [1.0]
    assert losses("regression", [[output]], [1.0]).tolist() == [1.0]
    assert losses("multiclass", [[output, 0.5]], ["a"], ["a", "b"]).tolist() == [1.0]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["binary", "multiclass", "regression"]),
    st.lists(
        st.tuples(st.lists(st.floats(), min_size=9, max_size=9), st.integers(0, 8)), min_size=1, max_size=7
    ),
)
def test_a_loss_lies_in_the_unit_interval_and_ignores_its_batch(task, rows):
    width = 9 if task == "multiclass" else 1
    classes = [] if task == "regression" else list(range(9 if task == "multiclass" else 2))
    outputs = [values[:width] for values, _ in rows]
    labels = [label % 2 if task == "binary" else label for _, label in rows]
    together = losses(task, outputs, labels, classes, 3.0)
    alone = [
        losses(task, [output], [label], classes, 3.0)[0]
        for output, label in zip(outputs, labels, strict=True)
    ]
    assert ((together >= 0) & (together <= 1)).all()
    assert together.tolist() == alone


@pytest.mark.parametrize(
    ("classes", "value", "expected"),
    [
        ([0, 1], "1", 1),
        ([0, 1], 1.0, 1),
        ([0, 1], True, 1),
        (["0", "1"], 1, 1),
        (["0", "1"], False, 0),
        (["0", "1"], 1.0, 1),
        ([False, True], "1", 1),
        ([False, True], "true", 1),
        ([False, True], 0, 0),
        (["true", "1"], "1", 1),
        (["true", "1"], True, 0),
        ([0.5, 1.5], "0.5", 0),
        ([0, 1], 2, None),
        ([0, 1], None, None),
        ([0, 1], math.nan, None),
        (["nan", "b"], math.nan, None),
        ([0, 1], [1], None),
        (["a", "b"], "A", None),
    ],
)
def test_a_label_names_the_equal_class_or_the_equal_text(classes, value, expected):
    assert ClassIndex(classes)(value) == expected
    assert class_index(value, classes) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=3), st.integers(-5, 5), st.floats(-5, 5)), unique_by=str, max_size=6)
)
def test_each_class_names_itself(classes):
    distinct = [label for at, label in enumerate(classes) if label not in classes[:at]]
    assert [ClassIndex(distinct)(label) for label in distinct] == list(range(len(distinct)))


@pytest.mark.parametrize(
    ("task", "label", "words"),
    [
        ("binary", "secret", "labels among the classes"),
        ("multiclass", None, "labels among the classes"),
        ("regression", "3.5", "finite numbers"),
        ("regression", True, "finite numbers"),
        ("regression", math.inf, "finite numbers"),
        ("regression", 10**400, "finite numbers"),
        ("regression", None, "finite numbers"),
    ],
)
def test_an_unknown_label_is_refused_by_row_without_its_value(task, label, words):
    width = 2 if task == "multiclass" else 1
    good = 1.0
    with pytest.raises(ContractError, match=words) as caught:
        losses(task, [[0.5] * width] * 3, [good, label, label], [0, 1])
    assert "2 others, the first at row 1" in caught.value.message
    assert "secret" not in caught.value.message


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(ContractError, match="expected outputs of shape"):
        losses("binary", [[0.5, 0.5]], [1], [0, 1])
    with pytest.raises(ContractError, match="expected outputs of shape"):
        losses("multiclass", [[0.5, 0.5]], ["a", "b"], ["a", "b"])
    assert losses("binary", [0.5], [1], [0, 1]).tolist() == [0.25]


def test_a_number_too_long_to_write_names_no_class():
    assert ClassIndex(["a", "b"])(10**5000) is None
