"""Rates, signs and quantiles: published values and coverage."""

import numpy as np
import pytest
from scipy import integrate, stats

from slipway.base.errors import DataError, UsageError
from slipway.stats.proportions import (
    BernoulliSequence,
    BetaBinomialMixture,
    bernoulli_interval,
)
from slipway.stats.quantiles import QuantileSequence, quantile_difference_p_value
from slipway.stats.signs import SignTest, sign_log_e


def test_beta_binomial_has_the_published_values():
    mixture = BetaBinomialMixture(100.0, 0.05, g=0.2, h=0.8)
    assert mixture.log_value(10.0, 100.0) == pytest.approx(-0.6941012, abs=5e-8)
    assert mixture.bound(100.0, 0.05) == pytest.approx(31.4308, abs=5e-5)
    assert mixture.bound(0.1, 0.05) == pytest.approx(0.5)  # even nothing but hits would prove nothing


@pytest.mark.parametrize(
    ("successes", "n", "t_opt", "low", "high"),
    [
        (700, 1000, 100, 0.651629, 0.745949),
        (15, 50, 50, 0.129556, 0.511896),
        (5, 50, 50, 0.013021, 0.269264),
        (1, 50, 50, 0.0, 0.13489),
    ],
)
def test_bernoulli_sequence_has_the_published_values(successes, n, t_opt, low, high):
    # the source prints truncated digits
    assert bernoulli_interval(successes, n, 0.05, t_opt) == pytest.approx((low, high), abs=2e-6)


def test_bernoulli_sequence_covers_at_all_looks():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(100):
        sequence = BernoulliSequence(0.1, t_opt=100)
        outcomes = (rng.random(600) < 0.05).astype(float)
        covered = True
        for part in np.array_split(outcomes, 20):
            sequence.update_many(part)
            low, high = sequence.interval
            covered &= low <= 0.05 <= high
        missed += not covered
    assert missed <= 10


def test_rates_at_the_ends_and_without_data():
    assert bernoulli_interval(0, 0, 0.05, 10) == (0.0, 1.0)
    assert bernoulli_interval(0, 100, 0.05, 100)[0] == 0.0
    assert bernoulli_interval(100, 100, 0.05, 100)[1] == 1.0
    with pytest.raises(UsageError):
        bernoulli_interval(3, 2, 0.05, 10)
    with pytest.raises(DataError, match="values between"):
        BernoulliSequence(0.05, 10).update(0.5)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (7, 3), (3, 7), (40, 12)])
def test_sign_e_value_is_its_mixture(wins, losses):
    def likelihood(p):
        return (p / 0.5) ** wins * ((1 - p) / 0.5) ** losses * 2.0

    expected = integrate.quad(likelihood, 0.5, 1.0, epsabs=0)[0]
    assert sign_log_e([wins], [losses])[0] == pytest.approx(np.log(expected), abs=1e-9)


def test_sign_test_keeps_its_level_and_has_power():
    rng = np.random.default_rng(2)
    wrong = found = 0
    for _ in range(200):
        null, better = SignTest(0.05), SignTest(0.05)
        null.update_many(rng.choice([-1, 0, 1], 800, p=[0.1, 0.8, 0.1]))
        better.update_many(rng.choice([-1, 0, 1], 800, p=[0.05, 0.8, 0.15]))
        wrong += null.rejected_at is not None
        found += better.rejected_at is not None
    assert wrong <= 10
    assert found >= 190


def test_ties_say_nothing():
    test = SignTest(0.05)
    test.update_many([1, 1, -1, 1])
    before = test.log_e
    test.update_many(np.zeros(1_000))
    assert test.log_e == before
    assert (test.wins, test.losses, test.n) == (3, 1, 1_004)


@pytest.mark.parametrize("q", [0.5, 0.99])
def test_quantiles_of_latency_are_covered_at_all_looks(q):
    rng = np.random.default_rng(3)
    truth = stats.expon.ppf(q, scale=20.0)
    edges = np.geomspace(0.5, 500.0, 300).tolist()
    missed = 0
    for _ in range(80):
        sequence = QuantileSequence(q, 0.1, edges)
        covered = True
        for _ in range(15):
            sequence.update_many(rng.exponential(20.0, 100))
            low, high = sequence.interval
            covered &= low <= truth <= high
        missed += not covered
    assert missed <= 8


def test_quantile_interval_narrows_and_starts_open():
    sequence = QuantileSequence(0.9, 0.05, [1.0, 2.0, 4.0, 8.0])
    assert sequence.interval == (-np.inf, np.inf)
    sequence.update_many(np.random.default_rng(4).uniform(0.0, 10.0, 20_000))
    assert sequence.interval == (8.0, np.inf)  # the 90 % point, 9, lies above the last edge


@pytest.mark.parametrize("edges", [[], [1.0, 1.0], [2.0, 1.0], [np.nan]])
def test_edges_that_do_not_ascend_are_refused(edges):
    if edges == [np.nan]:
        edges = [np.nan, 1.0]
    with pytest.raises(UsageError):
        QuantileSequence(0.5, 0.05, edges)


@pytest.mark.parametrize(("offset", "p_value"), [(70, 0.814704), (85, 0.0838055), (100, 0.0054947)])
def test_quantile_comparison_gives_the_published_p_values(offset, p_value):
    arm = np.arange(1000.0)
    assert quantile_difference_p_value(arm, arm + offset, 0.5) == pytest.approx(p_value, rel=1e-5)
    assert quantile_difference_p_value(arm + offset, arm, 0.5) == pytest.approx(p_value, rel=1e-5)


def test_equal_quantiles_are_rarely_called_different_at_any_look():
    rng = np.random.default_rng(9)
    called = 0
    for _ in range(120):
        first, second = rng.exponential(1.0, 600), rng.exponential(1.0, 600)
        called += any(
            quantile_difference_p_value(first[:n], second[:n], 0.9) <= 0.05 for n in (100, 300, 600)
        )
    assert called <= 12
    assert quantile_difference_p_value(first, 1.6 * second, 0.9) < 0.05
    with pytest.raises(DataError, match="both arms"):
        quantile_difference_p_value([], [1.0], 0.5)
