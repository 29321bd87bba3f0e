"""Bin drift: silence while shares stay within tolerance, and a prompt, well-dated alarm when one leaves."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from slipway.base.errors import DataError, UsageError
from slipway.stats.bin_bets import BETS, bets_on, exact
from slipway.stats.categorical import BinDrift

SHARES = [0.1] * 10


def test_the_table_of_a_block_is_the_product_of_the_bets():
    drift = BinDrift([0.3, 0.7], 1_000, tolerance=0.05, run_length=1e4, block=10)
    rows = np.array([0, 0, 1, 0, 1, 1, 0, 0, 0, 1])
    drift.update_many(rows)
    high = 0.3 + 0.05 + 3 * np.sqrt(301 / 1002 * (701 / 1002) / 1_000)
    wealth = [np.prod(1.0 + bet / high * ((rows == 0) - high)) for bet in BETS]
    assert np.exp(drift._bank._logs[: len(BETS)]) == pytest.approx(wealth)
    assert drift._bank._logs.size == 4 * len(BETS)


def test_the_run_length_holds_with_no_drift_and_at_the_edge_of_the_tolerance():
    rng = np.random.default_rng(1)
    edge = np.array([0.12] + [0.88 / 9] * 9)
    for shares in (np.array(SHARES), edge):
        alarms = []
        for _ in range(60):
            drift = BinDrift(SHARES, 1_000_000, tolerance=0.02, run_length=2_000)
            drift.update_many(rng.choice(10, 6_000, p=shares))
            alarms.append(drift.alarmed_at or 6_000)
        assert np.mean(alarms) >= 2_000


def test_a_reference_of_few_rows_is_not_taken_for_the_truth():
    """Trap: shares of 400 rows are off by their own noise; the slack absorbs it."""
    rng = np.random.default_rng(2)
    alarmed = 0
    for _ in range(60):
        shares = rng.multinomial(400, SHARES) / 400
        drift = BinDrift(shares.tolist(), 400, tolerance=0.0, run_length=1e6)
        drift.update_many(rng.integers(0, 10, 20_000))
        alarmed += drift.alarmed
    assert alarmed == 0


@pytest.mark.parametrize("step", [1, 7, 50, 10_000])
def test_a_change_is_found_and_dated(step):
    rng = np.random.default_rng(3)
    moved = [0.2, 0.0] + [0.1] * 8
    rows = np.concatenate([rng.integers(0, 10, 5_020), rng.choice(10, 3_000, p=moved)])
    drift = BinDrift(SHARES, 50_000, tolerance=0.01, run_length=1e6)
    for start in range(0, rows.size, step):
        drift.update_many(rows[start : start + step])
    assert 5_020 < drift.alarmed_at < 5_500
    assert abs(drift.change_point - 5_020) <= 100
    assert drift.leading_bin in (0, 1)
    assert drift.e_value > drift.threshold


def test_a_bin_that_the_reference_never_saw_alarms_by_itself():
    drift = BinDrift([0.5, 0.5, 0.0], 10_000, tolerance=0.01, run_length=1e6)
    drift.update_many(np.arange(10_000) % 2)
    assert not drift.alarmed
    drift.update_many(np.arange(200) % 3)
    assert drift.alarmed
    assert drift.leading_bin == 2


def test_rows_short_of_a_block_wait():
    drift = BinDrift([0.5, 0.5], 1_000, tolerance=0.01, run_length=1e4, block=50)
    drift.update_many(np.zeros(49, int))
    assert (drift.n, drift.e_value) == (49, 0.0)
    drift.update(1)
    assert (drift.n, drift.e_value > 0.0) == (50, True)


def test_order_inside_a_block_does_not_matter():
    rng = np.random.default_rng(4)
    blocks = rng.integers(0, 10, (30, 50))
    one, other = (BinDrift(SHARES, 1_000, 0.01, 1e5) for _ in "ab")
    one.update_many(blocks.ravel())
    other.update_many(rng.permuted(blocks, axis=1).ravel())
    assert one.to_state() == other.to_state()


def test_constant_columns_of_elec2_alarm_within_200_rows_of_their_change(elec2):
    columns = elec2().features[:, 5:8]
    for column in columns.T:
        drift = BinDrift([1.0, 0.0], 10_000, tolerance=0.01, run_length=1e6)
        drift.update_many((column != column[0]).astype(int))
        assert 17_424 < drift.alarmed_at <= 17_624


def factors(bets):
    """(B, K) factors of a row; the components are ordered as the scores."""
    return np.exp(bets.logs)


@pytest.mark.parametrize("others", [0.0, 0.05])
def test_no_factor_grows_on_average_anywhere_within_the_tolerance(others):
    """Shares drawn at random, then pushed to the edge of the tolerance of bins and of both half-lines."""
    rng = np.random.default_rng(5)
    n, tolerance = 10**12, 0.02
    shares = np.append(rng.dirichlet(np.full(10, 20.0)) * (1 - others), others)
    means = factors(bets_on(shares, n, tolerance, ordered=10))
    checked = 0
    for _ in range(300):
        move = rng.normal(0, 1, 11) * rng.choice([0.0, 1.0], 11)
        move[10] = move[10] if others else 0.0
        move -= move.sum() * shares
        below = np.cumsum(move)[:9]
        above = move[:10][::-1].cumsum()[:9]
        move *= tolerance / max(np.abs(part).max() for part in (move, below, above))
        if (shares + move).min() < 0.0:
            continue
        checked += 1
        assert ((shares + move) @ means).max() <= 1.0 + 1e-9
    assert checked > 50


def test_the_run_length_holds_where_every_share_up_to_an_edge_is_at_its_tolerance():
    rng = np.random.default_rng(6)
    moved = [0.12, *[0.1] * 8, 0.08]
    alarms = []
    for _ in range(60):
        drift = BinDrift(SHARES, 10**9, tolerance=0.02, run_length=2_000, ordered=10)
        drift.update_many(rng.choice(10, 6_000, p=moved))
        alarms.append(drift.alarmed_at or 6_000)
    assert np.mean(alarms) >= 2_000


def test_an_order_stays_silent_on_what_has_not_changed_when_the_reference_is_small():
    rng = np.random.default_rng(7)
    alarmed = 0
    for _ in range(60):
        shares = rng.multinomial(400, SHARES) / 400
        drift = BinDrift(shares.tolist(), 400, tolerance=0.0, run_length=1e6, ordered=10)
        drift.update_many(rng.integers(0, 10, 20_000))
        alarmed += drift.alarmed
    assert alarmed == 0


def normal_bins(rng, size, mean=0.0, sd=1.0):
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    return np.searchsorted(edges, rng.normal(mean, sd, size))


@pytest.mark.parametrize(
    ("change", "most"), [({"mean": 0.2}, 0.5), ({"mean": 0.3}, 0.4), ({"sd": 1.25}, 0.6), ({"sd": 0.8}, 0.9)]
)
def test_an_order_finds_shifts_and_spreads_sooner(change, most):
    rng = np.random.default_rng(8)
    delays = {0: [], 10: []}
    for _ in range(20):
        rows = np.concatenate([normal_bins(rng, 2_000), normal_bins(rng, 20_000, **change)])
        for ordered, found in delays.items():
            drift = BinDrift([*SHARES, 0.0], 20_000, 0.01, 9e5, ordered=ordered)
            drift.update_many(rows)
            found.append((drift.alarmed_at or 22_000) - 2_000)
    assert min(delays[10]) > 0
    assert np.median(delays[10]) <= most * np.median(delays[0])


def test_missing_values_that_grow_are_found_with_an_order_too():
    rng = np.random.default_rng(9)
    shares = [0.095] * 10 + [0.05]
    grown = [0.08] * 10 + [0.2]
    rows = np.concatenate([rng.choice(11, 5_000, p=shares), rng.choice(11, 1_000, p=grown)])
    drift = BinDrift(shares, 5_000, 0.02, 9e5, ordered=10)
    drift.update_many(rows)
    assert 5_000 < drift.alarmed_at <= 5_400
    assert drift.leading_bin == 10


@pytest.mark.parametrize(("ordered", "kinds"), [(1, 2), (2, 2), (3, 3), (4, 5), (10, 5)])
def test_kinds_of_bets_have_equal_weight(ordered, kinds):
    weights = bets_on(np.full(11, 1 / 11), 5_000, 0.02, ordered).weights
    assert weights.sum() == pytest.approx(1.0)
    one_bin = 2 * len(BETS)
    assert weights[: ordered * one_bin].sum() == pytest.approx(1 / kinds)
    assert weights[ordered * one_bin : 11 * one_bin].sum() == pytest.approx(1 / kinds)


def test_a_category_has_bets_on_single_bins_alone_and_of_equal_weight():
    bets = bets_on(np.full(11, 1 / 11), 5_000, 0.02, 0)
    assert bets.weights is None
    assert bets.logs.shape == (11, bets.bins.size)


def test_sums_of_rounded_logs_are_exact_in_any_order():
    rng = np.random.default_rng(10)
    logs = exact(bets_on(np.array([0.3, 0.3, 0.2, 0.1, 0.1, 0.0]), 700, 0.01, 5).logs, 50)
    for counts in rng.multinomial(50, np.full(6, 1 / 6), 200).astype(float):
        terms = counts[:, None] * logs
        np.testing.assert_array_equal(terms.sum(axis=0), counts @ logs)
        np.testing.assert_array_equal(terms[::-1].cumsum(axis=0)[-1], counts @ logs)
    raw = bets_on(np.array([0.3, 0.3, 0.2, 0.1, 0.1, 0.0]), 700, 0.01, 5).logs
    assert (logs <= raw).all()
    assert (raw - logs).max() < 1e-10


@given(cuts=st.lists(st.integers(1, 900), max_size=12))
@settings(max_examples=25, deadline=None)
def test_with_an_order_too_a_partition_changes_no_bit(cuts):
    rows = normal_bins(np.random.default_rng(11), 20_000, mean=0.3)
    whole, parts = (BinDrift([*SHARES, 0.0], 5_000, 0.01, 1e6, ordered=10) for _ in "ab")
    whole.update_many(rows)
    assert whole.alarmed
    at = 0
    for cut in [*cuts, rows.size]:
        parts.update_many(rows[at : at + cut])
        parts = BinDrift.from_state(json.loads(json.dumps(parts.to_state())))
        at += cut
    assert parts.to_state() == whole.to_state()


def test_a_state_from_before_the_order_goes_on_without_one():
    rng = np.random.default_rng(12)
    rows = rng.integers(0, 10, 3_000)
    drift = BinDrift(SHARES, 5_000, 0.01, 1e6)
    drift.update_many(rows[:1_777])
    state = drift.to_state()
    del state["parameters"]["ordered"]
    again = BinDrift.from_state(state)
    for one in (drift, again):
        one.update_many(rows[1_777:])
    assert again.to_state() == drift.to_state()


def test_a_feature_with_all_values_missing_in_the_reference_is_watched():
    drift = BinDrift([0.0] * 5 + [1.0], 5_000, 0.01, 1e6, ordered=5)
    drift.update_many(np.full(5_000, 5))
    assert not drift.alarmed
    drift.update_many(np.zeros(500, int))
    assert drift.alarmed


@pytest.mark.parametrize("bad", [[10], [-1], [0.5], ["a"], [[1, 2]]])
def test_indices_that_are_no_bins_are_refused(bad):
    drift = BinDrift(SHARES, 1_000, 0.01, 1e5)
    with pytest.raises(DataError):
        drift.update_many(bad)
    assert drift.n == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"reference_shares": [0.5, 0.4]},
        {"reference_shares": []},
        {"reference_shares": [1.5, -0.5]},
        {"reference_shares": [float("nan"), 1.0]},
        {"n_reference": 0},
        {"tolerance": -0.1},
        {"tolerance": 1.0},
        {"run_length": 50.0},
        {"block": 0},
        {"ordered": 11},
        {"ordered": -1},
    ],
)
def test_bad_arguments_are_refused(bad):
    good = {"reference_shares": SHARES, "n_reference": 100, "tolerance": 0.01, "run_length": 1e4}
    with pytest.raises(UsageError):
        BinDrift(**good | bad)
