"""Performance without labels: the published car loan estimates, the weighted form, and what none can see."""

import numpy as np
import pytest

from slipway.base.errors import DataError, UsageError
from slipway.stats.auc import auc, auc_interval, auc_null_band, expected_auc
from slipway.stats.calibration import density_ratio, fit_isotonic
from slipway.stats.estimation import (
    CONFUSION_METRICS,
    Confusion,
    atc_error,
    atc_threshold,
    direct_loss,
    estimate_metric,
    expected_brier,
    expected_confusion,
)

CBPE = [0.970744, 0.971011, 0.971407, 0.971091, 0.971123, 0.961090, 0.961825, 0.961073, 0.962533, 0.961316]
REALISED = [
    0.970962,
    0.970248,
    0.976282,
    0.967721,
    0.969886,
    0.960050,
    0.958530,
    0.959041,
    0.963094,
    0.957556,
]
ACCURACY = [0.9422, 0.9422, 0.9502, 0.9436, 0.9410, 0.9146, 0.9156, 0.9144, 0.9224, 0.9122]


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def test_car_loan_auc_estimates_equal_the_published_ones(car_loan):
    reference, monitoring = car_loan("reference"), car_loan("monitoring")
    calibrate = fit_isotonic(reference.scores, reference.labels)
    errors = []
    for chunk in range(10):
        part = slice(5_000 * chunk, 5_000 * (chunk + 1))
        scores, labels = monitoring.scores[part], monitoring.labels[part]
        estimate = expected_auc(scores, calibrate(scores))
        assert estimate == pytest.approx(CBPE[chunk], abs=1e-6)
        assert auc(labels, scores) == pytest.approx(REALISED[chunk], abs=5e-7)
        assert 1.0 - monitoring.errors[part].mean() == pytest.approx(ACCURACY[chunk], abs=1e-9)
        errors.append(abs(estimate - auc(labels, scores)))
    assert max(errors) <= 0.005
    assert max(errors) == pytest.approx(0.0049, abs=5e-5)
    assert np.mean(errors) == pytest.approx(0.0021, abs=5e-5)


def test_car_loan_accuracy_and_brier_estimates_follow_the_change(car_loan):
    reference, monitoring = car_loan("reference"), car_loan("monitoring")
    assert auc(reference.labels, reference.scores) == pytest.approx(0.970982, abs=5e-7)
    calibrate = fit_isotonic(reference.scores, reference.labels)
    for part in (slice(0, 25_000), slice(25_000, 50_000)):
        scores = monitoring.scores[part]
        p = calibrate(scores)
        hard = monitoring.frame["y_pred"].to_numpy()[part]
        assert estimate_metric("accuracy", p, hard, scores) == pytest.approx(
            1 - monitoring.errors[part].mean(), abs=0.006
        )
        assert estimate_metric("brier", p, hard, scores) == pytest.approx(
            monitoring.brier[part].mean(), abs=0.006
        )


def test_every_metric_is_right_on_average_for_calibrated_scores():
    rng = np.random.default_rng(1)
    p = rng.beta(1, 2, 60_000)
    y = (rng.random(p.size) < p).astype(float)
    h = (p > 0.4).astype(float)
    realised = Confusion(
        float((h * y).sum()),
        float((h * (1 - y)).sum()),
        float(((1 - h) * y).sum()),
        float(((1 - h) * (1 - y)).sum()),
    )
    for name, metric in CONFUSION_METRICS.items():
        assert estimate_metric(name, p, h, p) == pytest.approx(metric(realised), abs=0.015), name
    assert estimate_metric("auc", p, h, p) == pytest.approx(auc(y, p), abs=0.01)
    assert expected_brier(p, p) == pytest.approx(np.mean((y - p) ** 2), abs=0.005)
    assert sum(expected_confusion(p, h)) == pytest.approx(p.size)


def test_metrics_without_a_denominator_are_nan():
    nothing = expected_confusion([0.0, 0.0], [0, 0])
    assert np.isnan(CONFUSION_METRICS["precision"](nothing))
    assert np.isnan(CONFUSION_METRICS["matthews"](nothing))
    assert CONFUSION_METRICS["accuracy"](nothing) == 1.0
    with pytest.raises(UsageError, match="expected a metric of accuracy"):
        estimate_metric("gini", [0.5], [1], [0.5])


def test_trap_concept_drift_is_invisible_without_labels():
    rng = np.random.default_rng(2)
    x = rng.normal(size=20_000)
    p = sigmoid(3 * x)
    flipped = (rng.random(x.size) < sigmoid(-3 * x)).astype(float)
    h = (p > 0.5).astype(float)
    estimated = estimate_metric("accuracy", p, h, p)
    assert estimated > 0.8
    assert np.mean(h == flipped) < 0.2


def test_density_ratio_calibration_repairs_a_shift_that_plain_calibration_misses():
    """A score blind to z is calibrated differently where z has another mix: weights move the reference
    there."""
    rng = np.random.default_rng(3)

    def draw(n, share):
        x, z = rng.normal(size=n), (rng.random(n) < share).astype(float)
        return x, z, (rng.random(n) < sigmoid(2 * x + 3 * z - 1.5)).astype(float)

    x, z, y = draw(40_000, 0.2)
    new_x, _, new_y = draw(40_000, 0.8)
    scores, new_scores = sigmoid(2 * x), sigmoid(2 * new_x)
    # the best domain classifier knows the mix of z
    production = np.where(z == 1.0, 0.8, 0.2)
    weights = density_ratio(production, x.size, new_x.size)
    hard = (new_scores > 0.5).astype(float)
    truth = new_y[hard == 1.0].mean()
    plain = estimate_metric("precision", fit_isotonic(scores, y)(new_scores), hard, new_scores)
    weighted = estimate_metric("precision", fit_isotonic(scores, y, weights)(new_scores), hard, new_scores)
    assert abs(weighted - truth) < 0.01
    assert abs(plain - truth) > 0.05


def test_isotonic_fit_is_monotone_and_weighted():
    rng = np.random.default_rng(4)
    x = rng.random(500)
    fitted = fit_isotonic(x, (rng.random(500) < x).astype(float))
    assert np.all(np.diff(fitted(np.linspace(-1, 2, 200))) >= 0)
    assert fit_isotonic([1.0, 1.0], [0, 1], weights=[1.0, 3.0]).values == [0.75]
    assert fit_isotonic([1.0, 2.0], [0, 1], weights=[1.0, 0.0])([5.0]).tolist() == [0.0]
    with pytest.raises(DataError):
        fit_isotonic([1.0], [0, 1])
    with pytest.raises(DataError):
        fit_isotonic([1.0], [1], weights=[0.0])


def test_direct_loss_covers_under_covariate_shift():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        x, new = rng.normal(size=400), rng.normal(1.0, 1.0, size=400)
        losses = np.abs(rng.normal(size=400)) * (1 + np.abs(x))
        truth = np.sqrt(2 / np.pi) * np.mean(1 + np.abs(rng.normal(1.0, 1.0, 20_000)))
        estimate = direct_loss(losses, 0.8 * (1 + np.abs(x)), 0.8 * (1 + np.abs(new)))
        covered += estimate.low <= truth <= estimate.high
    assert covered >= 180
    with pytest.raises(DataError):
        direct_loss([1.0], [1.0], [1.0, 2.0])


def test_atc_follows_confidence():
    rng = np.random.default_rng(6)
    p = rng.beta(2, 1, 20_000) / 2 + 0.5
    wrong = (rng.random(p.size) > p).astype(float)
    threshold = atc_threshold(p, wrong)
    assert atc_error(p, threshold) == pytest.approx(wrong.mean(), abs=1e-3)
    assert atc_error(rng.beta(1, 2, 20_000) / 2 + 0.5, threshold) > wrong.mean() + 0.1
    assert atc_threshold([0.5, 0.6], [1, 1]) == np.inf
    with pytest.raises(DataError):
        atc_error([], 0.5)


def test_auc_against_counting_and_its_intervals():
    rng = np.random.default_rng(7)
    y, s = rng.integers(0, 2, 80), rng.integers(0, 6, 80).astype(float)
    pairs = s[y == 1][:, None] - s[y == 0][None, :]
    assert auc(y, s) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert expected_auc(s, y.astype(float)) == pytest.approx(auc(y, s))
    covered = in_band = 0
    for _ in range(300):
        labels = np.repeat([0, 1], 80)
        low, high = auc_interval(labels, rng.normal(size=160) + labels, 0.1)
        covered += low <= 0.7602 <= high
        band = auc_null_band(80, 80, 0.9)
        in_band += band[0] <= auc(labels, rng.normal(size=160)) <= band[1]
    assert 255 <= covered <= 290
    assert 255 <= in_band <= 288


@pytest.mark.parametrize(
    ("labels", "scores"), [([0, 1], [0.1]), ([1, 1], [0.1, 0.2]), ([0, 2], [0.1, 0.2]), ([], [])]
)
def test_auc_refuses_what_has_no_two_classes(labels, scores):
    with pytest.raises(DataError):
        auc(labels, scores)
