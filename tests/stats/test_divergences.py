"""Drift scores equal their definitions; their null bands cover; fixed thresholds alarm as the survey
measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial import distance

from slipway.base.errors import DataError
from slipway.stats import divergences as dv

counts = st.lists(st.integers(1, 500), min_size=6, max_size=6)


@given(a=counts, b=counts)
def test_scores_of_counts_equal_the_reference_implementations(a, b):
    p, q = np.array(a) / sum(a), np.array(b) / sum(b)
    assert dv.jensen_shannon(a, b) == pytest.approx(distance.jensenshannon(p, q), abs=1e-7)
    assert dv.hellinger(a, b) == pytest.approx(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2), abs=1e-7)
    assert dv.psi(a, b) == pytest.approx(np.sum((p - q) * np.log(p / q)), abs=1e-9)
    assert dv.l_infinity(a, b) == pytest.approx(distance.chebyshev(p, q))
    expected = scipy_stats.chi2_contingency(np.array([a, b]), correction=False)
    ours = dv.chi_square(a, b)
    assert (ours.statistic, ours.freedom) == pytest.approx((expected.statistic, expected.dof), abs=1e-8)
    assert ours.p_value == pytest.approx(expected.pvalue, abs=1e-9)


@given(a=counts, b=counts, order=st.permutations(range(6)))
def test_scores_of_counts_do_not_depend_on_the_order_of_bins(a, b, order):
    for score in (dv.psi, dv.jensen_shannon, dv.hellinger, dv.l_infinity):
        assert score([a[i] for i in order], [b[i] for i in order]) == pytest.approx(score(a, b), abs=1e-6)
        assert score(a, a) == pytest.approx(0.0, abs=1e-6)
        assert score(a, b) == pytest.approx(score(b, a), abs=1e-6)


values = st.lists(st.floats(-100, 100), min_size=2, max_size=40)


@given(a=values, b=values)
def test_scores_of_values_equal_the_reference_implementations(a, b):
    assert dv.kolmogorov_smirnov(a, b) == pytest.approx(scipy_stats.ks_2samp(a, b, method="asymp").statistic)
    if np.std(a) > 1e-6:
        expected = scipy_stats.wasserstein_distance(a, b) / np.std(a)
        assert dv.wasserstein(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(a=values, b=values, scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_scores_of_values_do_not_depend_on_the_unit(a, b, scale, shift):
    a, b = np.round(a, 3), np.round(b, 3)
    moved = [np.array(xs) * scale + shift for xs in (a, b)]
    if np.std(a) > 0.01:
        assert dv.wasserstein(*moved) == pytest.approx(dv.wasserstein(a, b), rel=1e-6, abs=1e-9)


def test_a_constant_reference_has_no_unit():
    assert dv.wasserstein([1.0, 1.0], [1.0]) == 0.0
    assert dv.wasserstein([1.0, 1.0], [2.0]) == np.inf


def test_null_bands_cover():
    rng = np.random.default_rng(1)
    scores = dv.null_scores(dv.psi, dv.draw_counts([0.1] * 10), 5_000, 500, rng, runs=1_500)
    band = dv.psi_band(10, 5_000, 500)
    assert band.mean == pytest.approx(scores.mean(), rel=0.05)
    assert np.mean(scores > band.upper) == pytest.approx(0.05, abs=0.02)
    empirical = dv.null_band(scores)
    assert empirical.upper == pytest.approx(band.upper, rel=0.1)
    p_values = [
        dv.kolmogorov_smirnov_p(dv.kolmogorov_smirnov(rng.random(800), rng.random(800)), 800, 800)
        for _ in range(400)
    ]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize(
    ("score", "draw", "threshold", "rates"),
    [
        (
            dv.wasserstein,
            lambda rng, n: rng.normal(size=n),
            0.1,
            {100: 0.74, 200: 0.35, 500: 0.05, 1000: 0.01},
        ),
        (dv.jensen_shannon, dv.draw_counts([0.05] * 20), 0.1, {100: 0.99, 200: 0.67, 500: 0.02, 1000: 0.0}),
        (dv.psi, dv.draw_counts([0.1] * 10), 0.1, {100: 0.35, 200: 0.04, 500: 0.0, 1000: 0.0}),
        (dv.psi, dv.draw_counts([0.05] * 20), 0.1, {100: 0.98, 200: 0.47, 500: 0.0, 1000: 0.0}),
    ],
)
def test_false_alarms_of_the_usual_thresholds_are_those_of_the_survey(score, draw, threshold, rates):
    rng = np.random.default_rng(7)
    for n, rate in rates.items():
        scores = dv.null_scores(score, draw, 5_000, n, rng, runs=400)
        assert np.mean(scores >= threshold) == pytest.approx(rate, abs=0.08)


def test_trap_a_p_value_condemns_any_difference_at_large_n():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=200_000), rng.normal(0.02, 1.0, 200_000)
    assert dv.kolmogorov_smirnov_p(dv.kolmogorov_smirnov(a, b), a.size, b.size) < 1e-3
    assert dv.wasserstein(a, b) < 0.05


def test_car_loan_scores_and_the_published_false_alarms(car_loan):
    reference, monitoring = car_loan("reference").frame, car_loan("monitoring").frame
    published = [0.0158, 0.0127, 0.0175, 0.0128, 0.0192, 0.0082, 0.0107, 0.0100, 0.0107, 0.0070]
    still = [
        dv.kolmogorov_smirnov(
            reference["debt_to_income_ratio"], monitoring["debt_to_income_ratio"][s : s + 5_000]
        )
        for s in range(0, 50_000, 5_000)
    ]
    assert still == pytest.approx(published, abs=6e-5)
    # a peer's threshold from ten reference chunks alarms at the fifth chunk; the null band of this n does not
    assert max(still) > 0.018584
    assert dv.kolmogorov_smirnov_p(max(still), 50_000, 5_000) * 10 > 0.05
    moved = [
        dv.kolmogorov_smirnov(reference["car_value"], monitoring["car_value"][s : s + 5_000])
        for s in range(0, 50_000, 5_000)
    ]
    assert 0.0112 <= round(min(moved[:5]), 4) <= round(max(moved[:5]), 4) <= 0.0167
    assert 0.4303 <= round(min(moved[5:]), 4) <= round(max(moved[5:]), 4) <= 0.4385


@pytest.mark.parametrize("score", [dv.psi, dv.jensen_shannon, dv.hellinger, dv.l_infinity, dv.chi_square])
def test_counts_that_do_not_fit_are_refused(score):
    for a, b in (([1, 2], [1, 2, 3]), ([0, 0], [1, 1]), ([-1, 2], [1, 1]), ([], [])):
        with pytest.raises(DataError):
            score(a, b)
    with pytest.raises(DataError):
        dv.wasserstein([], [1.0])


def test_empty_bins_are_no_infinity():
    assert np.isfinite(dv.psi([0, 100], [50, 50]))
    assert dv.chi_square([0, 10], [0, 20]) == (0.0, 0, 1.0)
    assert dv.hellinger([1, 0], [0, 1]) == 1.0
