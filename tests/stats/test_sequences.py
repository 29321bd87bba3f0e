"""Confidence sequences cover at all labels, and the traps that make others fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import UsageError
from slipway.stats.mixtures import NormalMixture, PolynomialStitching
from slipway.stats.sequences import AsymptoticSequence, EmpiricalBernsteinSequence, RunningMeanSequence


def always_covered(sequence, stream, truth, looks=40):
    for part in np.array_split(stream, looks):
        sequence.update_many(part)
        low, high = sequence.interval
        if not low <= truth <= high:
            return False
    return True


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda rng, n: (rng.random(n) < 0.1).astype(float), 0.1),
        (lambda rng, n: rng.random(n), 0.5),
        (lambda rng, n: rng.beta(10, 30, n), 0.25),
    ],
)
def test_coverage_at_all_looks(draw, truth):
    rng = np.random.default_rng(1)
    for make in (lambda: EmpiricalBernsteinSequence(0.1), lambda: RunningMeanSequence(0.1)):
        missed = sum(not always_covered(make(), draw(rng, 1_000), truth) for _ in range(150))
        assert missed <= 15


def test_the_running_average_is_covered_while_means_drift():
    rng = np.random.default_rng(2)
    means = 0.5 + 0.4 * np.sin(np.arange(2_000) / 150)
    missed = 0
    for _ in range(100):
        sequence = RunningMeanSequence(0.1)
        stream = (rng.random(2_000) < means).astype(float)
        for start in range(0, 2_000, 50):
            sequence.update_many(stream[start : start + 50])
            low, high = sequence.interval
            missed += not low <= means[: start + 50].mean() <= high
    assert missed <= 10


def test_trap_the_plug_in_sequence_is_not_for_drifting_means():
    rng = np.random.default_rng(3)
    means = np.repeat([0.2, 0.8], 3_000)
    sequence = EmpiricalBernsteinSequence(0.1)
    sequence.update_many((rng.random(6_000) < means).astype(float))
    assert not sequence.lower <= means.mean() <= sequence.upper


def test_low_variance_narrows_the_sequence_below_hoeffding():
    xs = np.random.default_rng(4).beta(10, 30, 5_000)
    sequence = EmpiricalBernsteinSequence(0.05)
    sequence.update_many(xs)
    low, high = sequence.interval
    hoeffding = NormalMixture(1_000 / 4, 0.05).bound(5_000 / 4, 0.05) / 5_000
    assert high - low < 2.0 * hoeffding / 2.0


def test_path_is_the_intervals_after_each_value():
    xs = np.random.default_rng(5).random(50)
    at_once, stepwise = EmpiricalBernsteinSequence(0.05), EmpiricalBernsteinSequence(0.05)
    lower, upper = at_once.path(xs)
    for x, low, high in zip(xs, lower, upper, strict=True):
        stepwise.update(x)
        assert stepwise.interval == (low, high)
    assert np.all(np.diff(lower) >= 0)
    assert np.all(np.diff(upper) <= 0)


@settings(max_examples=30, deadline=None)
@given(xs=st.lists(st.floats(-3, 5), min_size=1, max_size=60), shift=st.sampled_from([-2.0, 8.0]))
def test_shifting_the_values_shifts_the_interval(xs, shift):
    one = RunningMeanSequence(0.05, low=-3.0, high=5.0)
    moved = RunningMeanSequence(0.05, low=-3.0 + shift, high=5.0 + shift)
    one.update_many(np.array(xs))
    moved.update_many(np.array(xs) + shift)
    assert np.subtract(moved.interval, shift) == pytest.approx(one.interval, abs=1e-6)


def test_asymptotic_sequence_is_its_formula_and_says_so():
    xs = np.random.default_rng(6).exponential(2.0, 800) + 1e6
    sequence = AsymptoticSequence(0.05, t_star=300)
    assert sequence.interval == (-np.inf, np.inf)
    sequence.update_many(xs)
    r = (-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 300
    half = xs.std() * np.sqrt(2 * (800 * r + 1) / (800**2 * r) * np.log(np.sqrt(800 * r + 1) / 0.05))
    assert sequence.interval == pytest.approx((xs.mean() - half, xs.mean() + half), abs=1e-6)
    assert sequence.asymptotic
    assert not getattr(RunningMeanSequence, "asymptotic", False)


def test_trap_an_asymptotic_sequence_fails_early_on_heavy_tails():
    """Squared errors are unbounded: the z-like interval misses too often at small n; a declared clip
    holds."""
    rng = np.random.default_rng(7)
    truth = 1.0  # exp(-2 + 2^2 / 2)
    early = clipped = 0
    for _ in range(200):
        xs = rng.lognormal(-2.0, 2.0, 60)
        asymptotic = AsymptoticSequence(0.1, t_star=10)
        asymptotic.update_many(xs)
        early += not asymptotic.interval[0] <= truth <= asymptotic.interval[1]
        bounded = RunningMeanSequence(0.1, high=4.0)
        bounded.update_many(np.minimum(xs, 4.0))
        clipped += not bounded.interval[0] <= 0.5266 <= bounded.interval[1]
    assert early > 30
    assert clipped <= 20


def test_asymptotic_coverage_after_its_start():
    rng = np.random.default_rng(8)
    missed = 0
    for _ in range(200):
        sequence = AsymptoticSequence(0.1, t_star=500)
        stream = rng.exponential(1.0, 3_000)
        sequence.update_many(stream[:500])
        missed += not always_covered(sequence, stream[500:], 1.0)
    assert missed <= 25


@pytest.mark.parametrize(("scale", "bound"), [(3.0, 64.48755), (-1.0, 28.99389)])
def test_stitched_boundary_has_the_published_values(scale, bound):
    assert PolynomialStitching(10.0, scale).bound(100.0, 0.05) == pytest.approx(bound, abs=5e-6)


def test_stitched_boundary_is_flat_below_v_min_and_rarely_crossed():
    boundary = PolynomialStitching(10.0)
    assert boundary.bound(1.0, 0.05) == boundary.bound(10.0, 0.05)
    rng = np.random.default_rng(9)
    sums = np.cumsum(rng.choice([-1.0, 1.0], (400, 2_000)), axis=1)
    curve = boundary.bound(np.arange(1.0, 2_001.0), 0.1)
    assert np.mean((sums >= curve).any(axis=1)) <= 0.1


def test_price_of_looking_freely():
    """Trap: a z interval looked at often is wrong far more often than it says; the mixture pays 1.55
    times."""
    mixture = NormalMixture(100.0, 0.05)
    assert mixture.bound(100.0, 0.05) / (1.96 * 10.0) == pytest.approx(1.55, abs=0.005)
    rng = np.random.default_rng(10)
    steps = np.arange(1.0, 2_001.0)
    sums = np.cumsum(rng.choice([-1.0, 1.0], (500, 2_000)), axis=1)
    naive = (np.abs(sums[:, 19::20]) > 1.96 * np.sqrt(steps[19::20])).any(axis=1)
    assert naive.mean() > 0.3
    assert (np.abs(sums) >= mixture.bound(steps, 0.05)).any(axis=1).mean() <= 0.05


@pytest.mark.parametrize("bad", [{"low": 1.0, "high": 1.0}, {"high": np.inf}, {"alpha": 1.0}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(UsageError):
        RunningMeanSequence(**{"alpha": 0.05} | bad)
