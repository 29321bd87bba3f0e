"""Guards decide at the very label that suffices, whatever the batches, and keep their error promises."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.rollout.guard import BakeGuard, ShadowGuard, guard_from_state

ALPHA = 0.05


def brier(p, y):
    return (p - y) ** 2


def world(rng, n):
    """A true probability per row and its outcome."""
    truth = rng.uniform(0.05, 0.95, n)
    return truth, (rng.random(n) < truth).astype(float)


def better_stream(n=4000, gain=0.02, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(gain, 0.1, n), -1, 1)


def test_a_better_challenger_is_called_better_with_its_evidence():
    guard = ShadowGuard(ALPHA, 0.0, 50_000)
    differences = better_stream()
    taken = guard.absorb(differences)
    verdict = guard.verdict()
    assert verdict.outcome == "better"
    assert guard.acceptable
    assert verdict.n == verdict.decided_at == taken < len(differences)
    assert verdict.e_value >= 1 / ALPHA
    assert verdict.mean == pytest.approx(differences[:taken].mean())
    assert verdict.interval[0] < verdict.mean < verdict.interval[1]
    assert "the challenger is better" in verdict.message
    assert "<= 0.05 for this rollout" in verdict.guarantee


def test_one_label_less_does_not_decide():
    differences = better_stream()
    taken = ShadowGuard(ALPHA, 0.0, 50_000).absorb(differences)
    guard = ShadowGuard(ALPHA, 0.0, 50_000)
    assert guard.absorb(differences[: taken - 1]) == taken - 1
    assert guard.verdict().outcome == "insufficient"
    assert guard.verdict().decided_at is None
    assert guard.absorb(differences[taken - 1 :]) == 1
    assert guard.verdict().outcome == "better"


def test_a_worse_challenger_is_called_worse():
    guard = ShadowGuard(ALPHA, 0.0, 50_000)
    guard.absorb(-better_stream())
    assert guard.verdict().outcome == "worse"
    assert not guard.acceptable


def test_identical_models_end_undecided_without_a_margin_and_equivalent_with_one():
    same = np.zeros(3000)
    strict = ShadowGuard(ALPHA, 0.0, 2000)
    assert strict.absorb(same) == 2000
    assert strict.verdict().outcome == "undecided"
    assert not strict.acceptable
    tolerant = ShadowGuard(ALPHA, 0.05, 2000)
    tolerant.absorb(same)
    assert tolerant.verdict().outcome == "equivalent"
    assert tolerant.acceptable


def test_a_closed_guard_takes_no_more():
    guard = ShadowGuard(ALPHA, 0.0, 50_000)
    guard.absorb(better_stream())
    before = guard.to_state()
    assert guard.absorb(-better_stream(seed=1)) == 0
    assert guard.to_state() == before


def test_early_good_news_does_not_silence_later_bad_news_in_a_bake():
    good, bad = better_stream(500, gain=0.05), -better_stream(4000, gain=0.2, seed=3)
    guard = BakeGuard(ALPHA, 0.0, 5000)
    assert guard.absorb(good) == 500
    assert guard.comparison.verdict == "better"
    assert not guard.closed
    taken = guard.absorb(bad)
    assert guard.verdict().outcome == "worse"
    assert guard.verdict().decided_at == 500 + taken
    assert guard.verdict().e_value >= 1 / ALPHA


def test_a_bake_without_harm_settles_at_its_last_label():
    guard = BakeGuard(ALPHA, 0.0, 1000)
    assert guard.absorb(np.zeros(5000)) == 1000
    assert guard.closed
    verdict = guard.verdict()
    assert (verdict.outcome, verdict.n, verdict.decided_at) == ("undecided", 1000, None)


def test_a_bake_with_a_margin_forgives_less_than_the_margin():
    slightly_worse = -better_stream(5000, gain=0.02)
    strict, tolerant = BakeGuard(ALPHA, 0.0, 5000), BakeGuard(ALPHA, 0.1, 5000)
    strict.absorb(slightly_worse)
    tolerant.absorb(slightly_worse)
    assert strict.verdict().outcome == "worse"
    assert tolerant.verdict().outcome != "worse"


@pytest.mark.parametrize("kind", [ShadowGuard, BakeGuard])
@given(
    cuts=st.lists(st.integers(1, 700), max_size=12),
    gain=st.sampled_from([-0.06, -0.02, 0.0, 0.02]),
    margin=st.sampled_from([0.0, 0.03]),
)
@settings(max_examples=30, deadline=None)
def test_batches_and_restarts_do_not_change_a_bit(kind, cuts, gain, margin):
    differences = better_stream(2500, gain=gain, seed=5)
    whole = kind(ALPHA, margin, 2000)
    taken = whole.absorb(differences)
    parts, at = kind(ALPHA, margin, 2000), 0
    for cut in [*cuts, 2500]:
        parts = guard_from_state(json.loads(json.dumps(parts.to_state())))
        at += parts.absorb(differences[at : at + cut])
    assert at == taken
    assert parts.to_state() == whole.to_state()
    assert parts.verdict() == whole.verdict()


def test_verdicts_survive_json():
    guard = ShadowGuard(ALPHA, 0.0, 50_000)
    for _ in range(3):
        guard.absorb(better_stream(30, gain=0.9))
    verdict = guard.verdict()
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=type(verdict)) == verdict


def equal_risk_differences(rng, n):
    """Loss differences of two different models of equal true risk.

    Outcome rate t; one model says t + e, the other t - e, with e of random sign per row: both have risk
    E[t (1 - t)] + e^2, and they disagree on every row.
    """
    truth, outcome = world(rng, n)
    sign = rng.choice([-1.0, 1.0], n)
    return brier(truth + 0.05 * sign, outcome) - brier(truth - 0.05 * sign, outcome)


def test_a_a_simulation_calls_equal_models_better_in_at_most_alpha_of_the_runs():
    rng = np.random.default_rng(20)
    runs, labels = 1000, 3000
    outcomes = []
    for _ in range(runs):
        guard = ShadowGuard(ALPHA, 0.0, labels)
        # absorb stops at the first label that suffices, so this is a look after each label
        guard.absorb(equal_risk_differences(rng, labels))
        outcomes.append(guard.verdict().outcome)
    assert outcomes.count("better") <= ALPHA * runs
    assert outcomes.count("worse") <= ALPHA * runs
    assert outcomes.count("undecided") >= (1 - 2 * ALPHA) * runs


def test_a_good_new_champion_is_rolled_back_in_at_most_alpha_of_the_runs():
    rng = np.random.default_rng(21)
    runs, labels = 500, 3000
    rolled_back = 0
    for _ in range(runs):
        guard = BakeGuard(ALPHA, 0.0, labels)
        guard.absorb(equal_risk_differences(rng, labels))
        rolled_back += guard.verdict().outcome == "worse"
    assert rolled_back <= ALPHA * runs


def test_a_challenger_worse_by_the_margin_is_accepted_in_at_most_alpha_of_the_runs():
    rng = np.random.default_rng(22)
    runs, labels, margin = 300, 2000, 0.02
    accepted = 0
    for _ in range(runs):
        guard = ShadowGuard(ALPHA, margin, labels)
        guard.absorb(np.clip(equal_risk_differences(rng, labels) - margin, -1, 1))
        accepted += guard.acceptable
    assert accepted <= ALPHA * runs
