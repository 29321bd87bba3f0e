"""Conformal martingales: level, run length, power, and the frozen-reference trap."""

import numpy as np
import pytest

from slipway.base.errors import DataError
from slipway.stats.conformal import ConformalDrift, SimpleJumper, smoothed_ranks


def test_ranks_are_their_definition():
    rng = np.random.default_rng(1)
    scores, us = rng.integers(0, 5, 60).astype(float), rng.random(60)
    expected = [
        ((scores[: t + 1] > x).sum() + u * (scores[: t + 1] == x).sum()) / (t + 1)
        for t, (x, u) in enumerate(zip(scores, us, strict=True))
    ]
    assert smoothed_ranks(scores, us) == pytest.approx(expected)


def test_the_jumper_is_its_recursion():
    ps = np.random.default_rng(2).random(40)
    capital = np.full(3, 1 / 3)
    test = SimpleJumper(0.01, jump=0.05)
    for p in ps:
        capital = 0.95 * capital + 0.05 / 3 * capital.sum()
        capital *= 1 + np.array([-1, 0, 1]) * (p - 0.5)
        test.update(p)
        assert test.log_e == pytest.approx(np.log(capital.sum()), abs=1e-12)


def test_exchangeable_streams_are_rarely_rejected():
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(200):
        test = SimpleJumper(0.05)
        test.update_many(smoothed_ranks(rng.exponential(size=400), rng.random(400)))
        rejected += test.rejected_at is not None
    assert rejected <= 10


def test_trap_p_values_against_one_frozen_reference_are_not_independent():
    """Ranked within 100 frozen scores, the stream inherits their noise and is rejected far too often."""
    rng = np.random.default_rng(4)
    rejected = 0
    for _ in range(60):
        reference = np.sort(rng.normal(size=100))
        places = np.searchsorted(reference, rng.normal(size=3_000))
        ps = (100 - places + rng.random(3_000)) / 101
        test = SimpleJumper(0.05)
        test.update_many(ps)
        rejected += test.rejected_at is not None
    assert rejected > 4 * 0.05 * 60


def test_run_length_without_and_delay_after_a_change():
    rng = np.random.default_rng(5)
    alarms = []
    for _ in range(40):
        drift = ConformalDrift(run_length=200)
        drift.update_many(np.column_stack([rng.normal(size=800), rng.random(800)]))
        alarms.append(drift.alarmed_at or 800)
    assert np.mean(alarms) >= 200
    drift = ConformalDrift(run_length=1e4)
    scores = np.concatenate([rng.normal(size=2_000), rng.normal(1.5, 1.0, 500)])
    drift.update_many(np.column_stack([scores, rng.random(2_500)]))
    assert drift.alarmed
    assert 2_000 < drift.alarmed_at < 2_100
    assert 1_600 < drift.change_point < drift.alarmed_at


def test_wealth_neither_overflows_nor_vanishes():
    test = SimpleJumper(0.05)
    test.update_many(np.zeros(20_000))
    assert test.log_e > 5_000
    assert np.isfinite(test.log_e)
    test.update_many(np.full(20_000, 0.5))
    assert np.isfinite(test.log_e)


def test_values_that_are_no_p_values_are_refused():
    with pytest.raises(DataError):
        SimpleJumper(0.05).update(1.5)
    with pytest.raises(DataError):
        ConformalDrift(100.0).update((0.0, 2.0))
