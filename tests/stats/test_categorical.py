"""Bin drift: silence while shares stay within tolerance, and a prompt, well-dated alarm when one leaves."""

import numpy as np
import pytest

from slipway.base.errors import DataError, UsageError
from slipway.stats.categorical import BETS, BinDrift

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
    ],
)
def test_bad_arguments_are_refused(bad):
    good = {"reference_shares": SHARES, "n_reference": 100, "tolerance": 0.01, "run_length": 1e4}
    with pytest.raises(UsageError):
        BinDrift(**good | bad)
