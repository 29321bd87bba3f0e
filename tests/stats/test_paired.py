"""The shadow guard: false claims are rare under continuous looking, true ones are found, state is exact."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import DataError, UsageError
from slipway.stats.bets import EXPONENT_LIMIT, BetMixture
from slipway.stats.paired import PairedComparison

ALPHA = 0.05


def rate_limit(alpha, runs):
    """What a count of events of probability alpha stays below, up to about 1 time in 1,000."""
    return alpha * runs + 3.1 * (alpha * (1.0 - alpha) * runs) ** 0.5


def test_two_different_models_of_equal_risk_are_rarely_called_better_or_worse():
    rng = np.random.default_rng(11)
    runs, labels = 1_000, 2_000
    better = worse = missed = 0
    for _ in range(runs):
        y = rng.random(labels) < 0.5
        # both see the truth through noise of their own: different answers, same risk
        champion, challenger = (
            np.clip(np.where(y, 0.7, 0.3) + rng.normal(0, 0.2, labels), 0, 1) for _ in "ab"
        )
        test = PairedComparison(ALPHA)
        test.update_many((champion - y) ** 2 - (challenger - y) ** 2)
        better += test.verdict == "better"
        worse += test.verdict == "worse"
        low, high = test.interval
        missed += not low <= 0.0 <= high
    assert better <= ALPHA * runs
    assert worse <= ALPHA * runs
    assert missed <= ALPHA * runs


def test_single_means_may_drift_as_long_as_their_running_mean_does_not():
    """A seasonal difference that averages to 0: bets that follow the data break here, fixed ones hold."""
    rng = np.random.default_rng(12)
    runs, labels = 1_000, 3_000
    season = np.where(np.arange(labels) // 250 % 2 == 0, -0.05, 0.05)
    wrong = 0
    for _ in range(runs):
        test = PairedComparison(ALPHA)
        test.update_many((season + rng.normal(0.0, 0.2, labels)).clip(-1, 1))
        wrong += test.verdict == "better"
    assert wrong <= rate_limit(ALPHA, runs)


def test_the_margin_claims_keep_their_level_at_the_border():
    rng = np.random.default_rng(13)
    runs, labels, margin = 600, 1_500, 0.02
    worse = non_inferior = equivalent = 0
    for _ in range(runs):
        test = PairedComparison(ALPHA, margin=margin)
        # exactly as bad as the margin allows: neither claim is true
        test.update_many(rng.normal(-margin, 0.1, labels).clip(-1, 1))
        worse += test.verdict == "worse"
        non_inferior += test.non_inferior
        equivalent += test.verdict == "equivalent"
    assert worse <= rate_limit(ALPHA, runs)
    assert non_inferior <= rate_limit(ALPHA, runs)
    assert equivalent <= rate_limit(ALPHA, runs)


def test_identical_models_are_never_better_nor_worse():
    same = PairedComparison(ALPHA)
    same.update_many(np.zeros(100_000))
    assert same.verdict == "insufficient"
    assert same.log_e_better == same.log_e_worse == 0.0
    with_margin = PairedComparison(ALPHA, margin=0.01)
    with_margin.update_many(np.zeros(5_000))
    assert with_margin.verdict == "equivalent"
    assert with_margin.non_inferior
    assert with_margin.decided_at < 1_000


@pytest.mark.parametrize(("sign", "verdict"), [(1, "better"), (-1, "worse")])
def test_true_differences_are_found(sign, verdict):
    rng = np.random.default_rng(14)
    differences = sign * rng.normal(0.02, 0.07, 3_000).clip(-1, 1)
    test = PairedComparison(ALPHA)
    test.update_many(differences)
    assert test.verdict == verdict
    assert test.decided_at < 1_000
    low, high = test.interval
    assert low < sign * 0.02 < high
    assert test.mean == pytest.approx(differences.mean())
    # the opposite claim gathers nothing
    assert min(test.max_log_e_better, test.max_log_e_worse) < 1.0


def test_the_decision_is_the_first_label_at_which_looking_would_decide():
    rng = np.random.default_rng(15)
    differences = rng.normal(0.03, 0.1, 2_000).clip(-1, 1)
    at_once = PairedComparison(ALPHA, margin=0.001)
    at_once.update_many(differences)
    by_label = PairedComparison(ALPHA, margin=0.001)
    for d in differences[: at_once.decided_at - 1]:
        by_label.update(d)
        assert by_label.verdict == "insufficient"
        assert by_label.log_e_better < np.log(1 / ALPHA)
    by_label.update(differences[at_once.decided_at - 1])
    assert by_label.verdict == at_once.verdict == "better"
    assert by_label.decided_at == by_label.n == at_once.decided_at
    assert by_label.log_e_better >= np.log(1 / ALPHA)


def test_equivalence_is_the_interval_inside_the_margins():
    rng = np.random.default_rng(16)
    test = PairedComparison(ALPHA, margin=0.02)
    for d in rng.normal(0.001, 0.08, 3_000).clip(-1, 1):
        low, high = test.interval
        inside = low >= -0.02 and high <= 0.02
        if test.verdict == "equivalent":
            assert inside
            break
        assert not inside
        test.update(d)
    assert test.verdict == "equivalent"
    assert test.non_inferior_at <= test.decided_at


def test_a_verdict_is_kept_when_the_evidence_turns():
    test = PairedComparison(ALPHA)
    test.update_many(np.full(50, 0.5))
    decided = test.decided_at
    test.update_many(np.full(500, -0.5))
    assert (test.verdict, test.decided_at, test.n) == ("better", decided, 550)
    assert test.log_e_better < 0.0 < test.log_e_worse
    assert test.max_log_e_better >= np.log(1 / ALPHA)


differences = st.lists(st.one_of(st.floats(-1, 1), st.sampled_from([-1.0, 0.0, 1.0])), max_size=400)


@settings(max_examples=60, deadline=None)
@given(ds=differences, cuts=st.lists(st.integers(0, 400), max_size=5), margin=st.sampled_from([0.0, 0.05]))
def test_any_partition_gives_the_same_bits(ds, cuts, margin):
    ds = np.tile(ds, 4)
    whole, single, parts = (PairedComparison(ALPHA, margin) for _ in range(3))
    whole.update_many(ds)
    for d in ds:
        single.update(d)
    for part in np.split(ds, sorted(cuts)):
        parts.update_many(part)
        parts = PairedComparison.from_state(json.loads(json.dumps(parts.to_state(), allow_nan=False)))
    assert whole.to_state() == single.to_state() == parts.to_state()


@settings(max_examples=40, deadline=None)
@given(ds=differences)
def test_swapping_the_models_swaps_the_claims(ds):
    one, other = PairedComparison(ALPHA), PairedComparison(ALPHA)
    one.update_many(np.array(ds))
    other.update_many(-np.array(ds))
    assert one.max_log_e_better == other.max_log_e_worse
    assert one.max_log_e_worse == other.max_log_e_better
    assert one.decided_at == other.decided_at
    assert one.interval == pytest.approx(tuple(-edge for edge in reversed(other.interval)))


@settings(max_examples=40, deadline=None)
@given(ds=differences, scale=st.sampled_from([0.25, 2.0, 64.0]))
def test_the_unit_of_the_loss_does_not_matter(ds, scale):
    one, scaled = PairedComparison(ALPHA), PairedComparison(ALPHA, loss_range=scale)
    one.update_many(np.array(ds))
    scaled.update_many(np.array(ds) * scale)
    assert one.decided_at == scaled.decided_at
    assert one.max_log_e_better == pytest.approx(scaled.max_log_e_better)


def test_extreme_streams_neither_overflow_nor_forget():
    test = PairedComparison(ALPHA)
    test.update_many(np.full(20_000, 1.0))
    assert test.decided_at is not None
    assert test.decided_at < 15
    assert test.max_log_e_better == pytest.approx(1000 * np.log(2))
    assert np.isfinite(test.log_e_better)
    assert test.log_e_better > 10_000
    assert test.log_e_worse > -700  # the smallest bet
    test.update_many(np.full(40_000, -1.0))
    assert test.log_e_worse > 0.0
    low, high = test.interval
    assert -1.0 < low < test.mean < high < 1.0


@pytest.mark.parametrize("margin", [0.05, 0.2, 0.9, 3.0])
def test_wealth_stays_positive_at_the_ends_of_the_range_with_any_margin(margin):
    for value in (-1.0, 1.0):
        test = PairedComparison(ALPHA, margin)
        test.update_many(np.full(300, value))
        logs = (test.log_e_better, test.log_e_worse, test.log_e_non_inferior)
        assert np.isfinite(logs).all()
        low, high = test.interval
        assert -1.0 <= low <= test.mean <= high <= 1.0


def test_wealth_is_rescaled_without_moving_a_bit():
    rng = np.random.default_rng(17)
    zs = rng.choice([-1.0, 0.9], 5_000)
    engine = BetMixture(20.0, 1.0)
    engine.scan(zs)
    logs = [np.log1p(bet * zs).sum() for bet in engine.bets]
    assert engine.log_wealth == pytest.approx(logs, abs=1e-8)
    assert min(logs) < -2 * EXPONENT_LIMIT * np.log(2)


@pytest.mark.parametrize("m", [0.001, 0.05, 0.5])
def test_rescaling_in_batches_gives_the_bits_of_rescaling_label_by_label(m):
    rng = np.random.default_rng(18)
    # long runs of losses and of gains: wealth leaves the float range several times, in both directions
    xs = np.concatenate([np.zeros(6_000), rng.random(3_000) < 0.5, np.ones(4_000), rng.random(9_000) < m])
    single, batch, parts = (BetMixture(20.0, m, reach=1.0 - m) for _ in range(3))
    es = [single.step(float(z)) for z in xs - m]
    assert batch.scan(xs - m).tolist() == es
    for part in np.split(xs - m, [1, 77, 5_000, 5_001, 12_345]):
        parts.scan(part)
    for engine in (batch, parts):
        for name in engine.memory:
            assert getattr(engine, name) == getattr(single, name), name


@pytest.mark.parametrize("m", [1e-6, 0.001, 0.3, 0.999])
def test_bets_on_rare_events_neither_overflow_nor_vanish(m):
    for value in (0.0, 1.0):
        engine = BetMixture(20.0, m, reach=1.0 - m)
        engine.scan(np.full(3_000, value - m))
        logs = [3_000 * np.log1p(bet * (value - m)) for bet in engine.bets]
        assert engine.log_wealth == pytest.approx(logs, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("bad", [1.0001, -2.0, float("nan"), float("inf")])
def test_values_outside_the_range_are_refused_and_leave_no_trace(bad):
    test = PairedComparison(ALPHA)
    test.update_many([0.1, -0.2])
    before = test.to_state()
    with pytest.raises(DataError, match=r"expected values in \[-1, 1\], got 1 of 2 outside or not finite"):
        test.update_many([0.5, bad])
    with pytest.raises(DataError, match="clip to the declared range"):
        test.update(bad)
    assert test.to_state() == before


@pytest.mark.parametrize("bad", [{"alpha": 0.0}, {"alpha": 0.5}, {"margin": -0.1}, {"loss_range": 0.0}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(UsageError):
        PairedComparison(**{"alpha": ALPHA} | bad)


def test_foreign_and_broken_states_are_refused():
    state = PairedComparison(ALPHA).to_state()
    with pytest.raises(UsageError, match="expected a state of PairedComparison, got Other"):
        PairedComparison.from_state(state | {"kind": "Other"})
    del state["memory"]["n"]
    with pytest.raises(UsageError, match="expected the field 'n'"):
        PairedComparison.from_state(state)


def test_without_a_margin_the_interval_excludes_zero_exactly_while_a_claim_is_proved():
    rng = np.random.default_rng(18)
    test = PairedComparison(ALPHA)
    seen = set()
    for d in rng.normal(0.02, 0.1, 1_500).clip(-1, 1):
        test.update(d)
        low, high = test.interval
        proved = test.log_e_better >= np.log(1 / ALPHA)
        assert (low >= 0.0) == proved
        assert high >= 0.0
        seen.add(proved)
    assert seen == {True, False}
