"""Few and late labels: unbiased at any look, cheaper with good guesses, and honest about delays that tell."""

import numpy as np
import pytest

from slipway.base.errors import DataError, UsageError
from slipway.stats.cohorts import inverse_probability, matured
from slipway.stats.means import FixedBets
from slipway.stats.prediction_powered import (
    PredictionPoweredTest,
    brier_guess,
    brier_uncertainty,
    label_probabilities,
    powered_mean,
)


def world(rng, n):
    """Calibrated scores and outcomes; Brier loss of each row, its guess and its uncertainty."""
    p = rng.beta(0.6, 2.0, n)
    y = rng.random(n) < p
    return (y - p) ** 2, brier_guess(p), brier_uncertainty(p)


def bought_rows(rng, loss, guess, probability):
    bought = rng.random(loss.size) < probability
    return np.column_stack([guess, probability, bought, np.where(bought, loss, 0.0)])


def test_level_holds_at_all_looks_even_with_useless_guesses():
    rng = np.random.default_rng(1)
    truth = 0.6 / 2.6 * 2.0 / 2.6 * 2.6 / 3.6  # E[p (1 - p)] of a beta(0.6, 2)
    wrong = missed = 0
    for _ in range(200):
        loss, _, uncertainty = world(rng, 1_500)
        probability = label_probabilities(uncertainty, 0.3, 0.1)
        test = PredictionPoweredTest(truth, 0.05, 0.1)
        test.update_many(bought_rows(rng, loss, rng.random(1_500), probability))
        wrong += test.above_at is not None or test.below_at is not None
        low, high = test.interval
        missed += not low <= truth <= high
    assert wrong <= 2 * 0.05 * 200
    assert missed <= 0.05 * 200


def test_good_guesses_save_labels():
    rng = np.random.default_rng(2)
    plain, powered = [], []
    for _ in range(30):
        loss, _, _ = world(rng, 8_000)
        guess = np.clip(loss + rng.normal(0, 0.03, loss.size), 0, 1)
        for store, guesses in ((plain, np.zeros(loss.size)), (powered, guess)):
            test = PredictionPoweredTest(0.10, 0.05, 0.2)
            test.update_many(bought_rows(rng, loss, guesses, np.full(loss.size, 0.2)))
            store.append(test.above_at or 8_001)
    assert np.median(powered) < 0.6 * np.median(plain)


def test_active_labelling_puts_labels_where_they_say_most():
    rng = np.random.default_rng(3)
    loss, guess, uncertainty = world(rng, 200_000)
    active = label_probabilities(uncertainty, 0.2, 0.02)
    assert active.mean() == pytest.approx(0.2, abs=1e-6)
    spread = [
        np.var(guess + (rng.random(loss.size) < p) * (loss - guess) / p)
        for p in (active, np.full(loss.size, 0.2))
    ]
    assert spread[0] < 0.85 * spread[1]


def test_label_probabilities_at_the_ends():
    assert label_probabilities([0.0, 0.0], 0.3, 0.1).tolist() == [0.3, 0.3]
    assert label_probabilities([1.0, 2.0, 5.0], 1.0, 0.1) == pytest.approx(1.0)
    assert label_probabilities([], 0.5, 0.1).size == 0
    for budget, floor in ((0.05, 0.1), (1.1, 0.1), (0.5, 0.0)):
        with pytest.raises(UsageError):
            label_probabilities([1.0], budget, floor)


def test_powered_mean_covers_and_is_narrower_than_labels_alone():
    rng = np.random.default_rng(4)
    covered = 0
    widths = []
    for _ in range(300):
        loss, guess, _ = world(rng, 2_000)
        noisy = 0.7 * loss + 0.3 * guess
        estimate = powered_mean(loss[:150], noisy[:150], noisy[150:], alpha=0.1)
        covered += estimate.low <= 0.6 * 2.0 / (2.6 * 3.6) <= estimate.high
        widths.append((estimate.high - estimate.low) / (2 * 1.645 * loss[:150].std() / np.sqrt(150)))
    assert covered >= 255
    assert np.mean(widths) < 0.5
    constant = powered_mean([0.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5], alpha=0.1)
    assert (constant.weight, constant.mean) == (0.0, pytest.approx(2 / 3))
    with pytest.raises(DataError):
        powered_mean([1.0], [1.0], [1.0, 2.0], 0.1)


def test_trap_bad_news_that_comes_late_biases_the_labels_so_far():
    """Losses arrive late: tested as they come, a model with risk .2 looks below .15; matured rows do not
    err."""
    rng = np.random.default_rng(5)
    naive = waited = 0
    for _ in range(100):
        issued = np.arange(3_000.0)
        loss = (rng.random(3_000) < 0.2).astype(float)
        known = issued + np.where(loss == 1.0, rng.exponential(2_000, 3_000), 10.0)
        now = 3_000.0
        arrived = known <= now
        early, late = FixedBets(0.15, 0.05, "less"), FixedBets(0.15, 0.05, "less")
        early.update_many(loss[arrived])
        # a matured row whose label never came counts as the loss that its silence stands for
        late.update_many(loss[matured(issued, now, 2_000)])
        naive += early.rejected
        waited += late.rejected
    assert naive > 60
    assert waited <= 5


def test_inverse_probabilities_undo_a_delay_that_depends_on_features():
    rng = np.random.default_rng(6)
    group = rng.random(50_000) < 0.5
    loss = (rng.random(50_000) < np.where(group, 0.3, 0.1)).astype(float)
    p = np.where(group, 0.2, 0.9)
    seen = (rng.random(50_000) < p).astype(float)
    assert loss[seen == 1].mean() < 0.15
    weighted = inverse_probability(loss, seen, p, floor=0.2)
    assert weighted.mean() == pytest.approx(0.2, abs=0.01)
    assert weighted.max() <= 5.0
    with pytest.raises(DataError, match="probabilities in"):
        inverse_probability([1.0], [1], [0.1], floor=0.2)
    with pytest.raises(DataError):
        inverse_probability([1.0], [0.5], [0.5], floor=0.2)
    with pytest.raises(DataError):
        inverse_probability([2.0], [1], [0.5], floor=0.2)


def test_rows_with_wrong_probabilities_or_losses_are_refused():
    for bad in ([0.5, 0.05, 1, 0.5], [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 1, 1.5], [1.5, 0.5, 0, 0.0]):
        with pytest.raises(DataError):
            PredictionPoweredTest(0.2, 0.05, 0.1).update_many([bad])
