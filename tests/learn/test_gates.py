"""Gates judge and do not act: each verdict with its evidence, NaN never passes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from slipway.base.config import Bound
from slipway.base.errors import ConfigError
from slipway.learn.gates import (
    baseline_gate,
    bound_gate,
    finite_gate,
    live_gate,
    parity_gate,
    refuse_unknown_gates,
)
from slipway.learn.metrics import Metric

RNG = np.random.default_rng(0)
HARD = RNG.uniform(0.2, 0.4, 200)


def metric(value: float, name: str = "auc") -> Metric:
    return Metric(
        name=name,
        value=value,
        lower=value - 0.01,
        upper=value + 0.01,
        n=200,
        level=0.95,
        higher_is_better=True,
        method="delong",
    )


@pytest.mark.parametrize(
    ("bound", "passed", "limit"),
    [
        (Bound(min=0.9), True, 0.9),
        (Bound(min=0.91), False, 0.91),
        (Bound(max=0.9), True, 0.9),
        (Bound(max=0.89), False, 0.89),
        (Bound(min=0.8, max=0.95), True, 0.95),
        (Bound(min=0.95, max=0.99), False, 0.95),
    ],
)
def test_configured_limits_are_inclusive(bound: Bound, passed: bool, limit: float):
    verdict = bound_gate(metric(0.9), bound)
    assert (verdict.name, verdict.passed, verdict.value, verdict.limit) == ("auc", passed, 0.9, limit)
    assert verdict.evidence == {"n": 200, "lower": 0.89, "upper": 0.91, "level": 0.95}


def test_a_metric_that_is_not_a_number_passes_no_limit():
    assert not bound_gate(metric(math.nan), Bound(min=0.0)).passed
    assert not bound_gate(metric(math.nan), Bound(max=1.0)).passed


def test_the_message_of_a_limit_tells_value_interval_rows_and_limit():
    assert bound_gate(metric(0.9), Bound(min=0.95)).message == (
        "auc 0.9000 [0.8900, 0.9100] on 200 held-out rows lies outside at least 0.95"
    )


def test_a_model_must_be_proved_better_than_a_constant():
    better = baseline_gate(HARD - 0.1, HARD + RNG.normal(0, 0.05, 200))
    assert better.passed
    assert better.value == pytest.approx(0.1, abs=0.02)
    assert better.evidence["lower"] > 0
    same = baseline_gate(HARD + RNG.normal(0, 0.05, 200), HARD)
    assert not same.passed
    assert same.message.endswith("better is not proved")


def test_one_held_out_row_proves_nothing():
    assert not baseline_gate(np.array([0.0]), np.array([1.0])).passed
    assert live_gate(np.array([1.0]), np.array([0.0]), 0.0, "loan@1").passed


def test_only_proof_of_being_worse_than_the_live_version_refuses():
    noise = RNG.normal(0, 0.05, 200)
    assert live_gate(HARD + noise, HARD, 0.0, "loan@1").passed
    worse = live_gate(HARD + 0.1 + noise, HARD, 0.0, "loan@1")
    assert not worse.passed
    assert "over loan@1" in worse.message
    assert worse.message.endswith("worse is proved")
    assert live_gate(HARD + 0.1 + noise, HARD, 0.2, "loan@1").passed  # the margin allows it


def test_a_live_version_that_cannot_score_these_rows_is_no_obstacle():
    verdict = live_gate(HARD, None, 0.0, "loan@1")
    assert verdict.passed
    assert verdict.value is None
    assert "cannot score these rows" in verdict.message


@pytest.mark.parametrize(
    ("task", "outputs", "bad"),
    [
        ("binary", [[0.0], [1.0], [0.5]], 0),
        ("binary", [[math.nan], [1.1], [-0.1], [0.5]], 3),
        ("multiclass", [[0.2, 0.3, 0.5], [0.2, 0.3, 0.4], [1.5, -0.5, 0.0]], 2),
        ("regression", [[-1e12], [math.inf], [math.nan]], 2),
    ],
)
def test_outputs_must_be_answers(task: str, outputs: list[list[float]], bad: int):
    verdict = finite_gate(np.array(outputs), task)
    assert verdict.passed == (bad == 0)
    assert verdict.value == bad


def test_parity_means_equal_bits():
    training = RNG.uniform(size=(5, 2))
    assert parity_gate(training, training.copy(), training.copy()).passed
    off = training.copy()
    off[3, 1] = np.nextafter(off[3, 1], 1.0)
    verdict = parity_gate(training, training.copy(), off)
    assert not verdict.passed
    assert verdict.value == 1.0
    assert verdict.evidence == {"n": 5, "batch": 0, "row": 1}
    assert not parity_gate(np.array([[0.0]]), np.array([[0.0]]), np.array([[-0.0]])).passed


def test_unknown_gates_and_gates_without_limits_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"a metric of a regression task: mae, rmse, r2, got 'auc'"):
        refuse_unknown_gates({"auc": Bound(min=0.5)}, "regression")
    with pytest.raises(ConfigError, match=r"expected min or max, got neither in slipway.toml \[gates\] mae"):
        refuse_unknown_gates({"mae": Bound()}, "regression")
    refuse_unknown_gates({"auc": Bound(min=0.5)}, "multiclass")
