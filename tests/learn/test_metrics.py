"""Metrics against figures worked out by hand or by an independent library, and the coverage of intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, r2_score, roc_auc_score

from slipway.learn.metrics import Metric, auc_estimate, measure, metric_names, share_estimate


def by_name(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def test_binary_metrics_equal_those_of_a_reference_library():
    rng = np.random.default_rng(1)
    p = rng.uniform(size=400).round(2)  # ties between scores
    y = (rng.uniform(size=400) < p).astype(float)
    found = by_name(measure("binary", p[:, None], y))
    assert tuple(found) == metric_names("binary") == ("brier", "log_loss", "auc", "accuracy")
    assert found["brier"].value == pytest.approx(np.mean((p - y) ** 2))
    assert found["auc"].value == pytest.approx(roc_auc_score(y, p))
    assert found["log_loss"].value == pytest.approx(log_loss(y, p))
    assert found["accuracy"].value == np.mean((p >= 0.5) == y)
    assert all(m.lower < m.value < m.upper and m.n == 400 for m in found.values())
    assert [m.higher_is_better for m in found.values()] == [False, False, True, True]


def test_multiclass_metrics_equal_those_of_a_reference_library():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(3), size=300)
    y = np.array([rng.choice(3, p=row) for row in p], dtype=float)
    found = by_name(measure("multiclass", p, y))
    assert found["auc"].value == pytest.approx(roc_auc_score(y, p, multi_class="ovr"))
    assert found["log_loss"].value == pytest.approx(log_loss(y, p))
    assert found["brier"].value == pytest.approx(np.mean(((p - np.eye(3)[y.astype(int)]) ** 2).sum(1) / 2))


def test_regression_metrics_equal_those_of_a_reference_library():
    rng = np.random.default_rng(3)
    y = rng.normal(100, 20, size=250)
    prediction = y + rng.normal(0, 5, size=250)
    found = by_name(measure("regression", prediction[:, None], y))
    assert found["r2"].value == pytest.approx(r2_score(y, prediction))
    assert found["mae"].value == pytest.approx(np.abs(y - prediction).mean())
    assert found["rmse"].value == pytest.approx(math.sqrt(np.mean((y - prediction) ** 2)))
    assert all(m.lower < m.value < m.upper for m in found.values())


def test_two_class_brier_is_the_same_as_binary():
    p, y = np.array([0.2, 0.9, 0.6]), np.array([0.0, 1.0, 0.0])
    binary = by_name(measure("binary", p[:, None], y))
    both = by_name(measure("multiclass", np.column_stack([1 - p, p]), y))
    for name in metric_names("binary"):
        assert both[name].value == pytest.approx(binary[name].value)


def test_delong_variance_agrees_with_the_published_formula():
    positive, negative = np.array([0.9, 0.8, 0.4]), np.array([0.7, 0.3, 0.2, 0.4])
    kernel = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = kernel.mean(1).var(ddof=1) / 3 + kernel.mean(0).var(ddof=1) / 4
    area = kernel.mean()
    half = 1.959963984540054 * math.sqrt(variance) / (area * (1 - area))
    scores = np.concatenate([positive, negative])[:, None]
    found = auc_estimate(scores, np.array([1.0] * 3 + [0.0] * 4), 0.95)
    logit = math.log(area / (1 - area))
    assert found.value == pytest.approx(area)
    assert found.lower == pytest.approx(1 / (1 + math.exp(half - logit)))
    assert found.upper == pytest.approx(1 / (1 + math.exp(-half - logit)))


@pytest.mark.parametrize("name", ["brier", "log_loss", "auc", "accuracy"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(name: str):
    rng = np.random.default_rng(4)

    def draw(n: int) -> dict[str, Metric]:
        p = rng.beta(2, 2, size=n)
        return by_name(measure("binary", p[:, None], (rng.uniform(size=n) < p).astype(float)))

    truth = draw(1_000_000)[name].value
    covered = sum(m.lower <= truth <= m.upper for m in (draw(200)[name] for _ in range(400)))
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_regression_intervals_cover_the_truth(name: str):
    rng = np.random.default_rng(5)

    def draw(n: int) -> Metric:
        y = rng.normal(size=n)
        return by_name(measure("regression", (y + rng.normal(0, 0.5, size=n))[:, None], y))[name]

    truth = draw(1_000_000).value
    covered = sum(m.lower <= truth <= m.upper for m in (draw(200) for _ in range(400)))
    assert 0.91 <= covered / 400 <= 0.98


def test_wilson_interval_of_a_perfect_score_is_not_a_point():
    found = share_estimate(np.ones(10, dtype=bool), 0.95)
    assert found.value == found.upper == 1.0
    assert found.lower == pytest.approx(0.7224672001371107)


def test_one_class_gives_no_area_and_the_rest_as_usual():
    found = by_name(measure("binary", np.array([[0.9], [0.8]]), np.array([1.0, 1.0])))
    assert math.isnan(found["auc"].value)
    assert found["auc"].lower is None
    assert found["accuracy"].value == 1.0


def test_classes_of_one_row_count_and_absent_classes_do_not():
    outputs = np.array(
        [[0.7, 0.2, 0.1, 0.0], [0.1, 0.8, 0.1, 0.0], [0.3, 0.3, 0.4, 0.0], [0.6, 0.2, 0.2, 0.0]]
    )
    found = by_name(measure("multiclass", outputs, np.array([0.0, 1.0, 2.0, 0.0])))
    assert found["auc"].value == pytest.approx(1.0)
    assert found["auc"].lower is None  # a perfect order says nothing about its own spread
    assert found["accuracy"].value == 1.0


def test_a_certain_mistake_has_a_finite_log_loss():
    found = by_name(measure("binary", np.array([[0.0], [0.5]]), np.array([1.0, 1.0])))
    assert math.isfinite(found["log_loss"].value)


def test_single_row_and_constant_target_are_measured_without_intervals():
    one = by_name(measure("regression", np.array([[2.0]]), np.array([3.0])))
    assert one["mae"].value == 1.0
    assert one["mae"].lower is None
    assert math.isnan(one["r2"].value)
    assert "[" not in one["mae"].text


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_values_lie_within_their_intervals_and_ranges(data: st.DataObject):
    n = data.draw(st.integers(2, 30))
    classes = data.draw(st.integers(2, 4))
    cells = st.floats(0.01, 1.0)
    raw = np.array(
        data.draw(st.lists(st.lists(cells, min_size=classes, max_size=classes), min_size=n, max_size=n))
    )
    y = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)), dtype=float)
    found = by_name(measure("multiclass", raw / raw.sum(axis=1, keepdims=True), y))
    for metric in found.values():
        if metric.lower is not None:
            assert metric.lower <= metric.value <= metric.upper
    assert 0.0 <= found["brier"].value <= 1.0
    assert math.isnan(found["auc"].value) or 0.0 <= found["auc"].value <= 1.0
