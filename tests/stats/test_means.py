"""Tests of bounded means: level under the null, power, sides, and the traps of bets that move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import UsageError
from slipway.stats.means import AGrapa, FixedBets, HedgedCapital

KINDS = [HedgedCapital, AGrapa, FixedBets]


def rejections(kind, m, alpha, side, streams):
    total = 0
    for stream in streams:
        test = kind(m, alpha, side)
        test.update_many(stream)
        total += test.rejected
    return total / len(streams)


@pytest.mark.parametrize("m", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("kind", KINDS)
def test_crossing_fraction_of_a_true_mean_is_at_most_alpha(kind, m):
    rng = np.random.default_rng(1)
    streams = (rng.random((300, 3_000)) < m).astype(float)
    assert rejections(kind, m, 0.1, "two-sided", streams) <= 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_each_side_reacts_only_to_its_side(kind):
    rng = np.random.default_rng(2)
    above = (rng.random((20, 1_500)) < 0.6).astype(float)
    assert rejections(kind, 0.5, 0.05, "greater", above) == 1.0
    assert rejections(kind, 0.5, 0.05, "less", above) == 0.0
    assert rejections(kind, 0.5, 0.05, "two-sided", above) == 1.0
    assert rejections(kind, 0.5, 0.05, "less", 1.0 - above) == 1.0


class SeasonalBets(AGrapa):
    """Bets in the second half of each year only: predictable, and a martingale where each mean is at most
    m."""

    def _bets(self, before):
        bets = np.where((before.counts - 1) // 500 % 2 == 1, 0.5, 0.0)
        return bets, bets


def test_trap_variable_bets_do_not_test_a_running_mean():
    """The mean swings and only *averages* to m: well-timed bets reject that, fixed bets must not."""
    rng = np.random.default_rng(3)
    labels = 4_000
    # the running mean never exceeds 1/2, as each low season comes first
    season = np.where(np.arange(labels) // 500 % 2 == 0, 0.2, 0.8)
    streams = (rng.random((60, labels)) < season).astype(float)
    assert rejections(SeasonalBets, 0.5, 0.05, "greater", streams) == 1.0
    assert rejections(FixedBets, 0.5, 0.05, "greater", streams) == 0.0
    border = (rng.random((200, 2_000)) < np.where(np.arange(2_000) % 2 == 0, 0.2, 0.8)).astype(float)
    assert rejections(FixedBets, 0.5, 0.05, "greater", border) <= 0.05


def test_trap_bets_must_not_know_the_value_they_bet_on():
    """The same bets, moved one label ahead, "prove" a true hypothesis wrong."""
    rng = np.random.default_rng(4)
    peeking = honest = 0
    for _ in range(50):
        xs = (rng.random(400) < 0.5).astype(float)
        test = AGrapa(0.5, 0.05, "greater")
        test.update_many(xs)
        honest += test.rejected
        direction = np.where(xs > 0.5, 0.2, 0.0)
        peeking += bool(np.cumsum(np.log1p(direction * (xs - 0.5))).max() >= np.log(20))
    assert honest <= 5
    assert peeking == 50


def test_hedged_capital_is_its_formula():
    xs = np.random.default_rng(5).random(200)
    test = HedgedCapital(0.4, 0.05)
    test.update_many(xs)
    up = down = 0.0
    mean, variance = 0.5, 0.25
    total, squares = 0.5, 0.25
    for t, x in enumerate(xs, start=1):
        bet = np.sqrt(2 * np.log(2 / 0.05) / (variance * t * np.log(1 + t)))
        up += np.log(1 + min(bet, 0.5 / 0.4) * (x - 0.4))
        down += np.log(1 - min(bet, 0.5 / 0.6) * (x - 0.4))
        total += x
        mean = total / (t + 1)
        squares += (x - mean) ** 2
        variance = squares / (t + 1)
    assert test.log_e == pytest.approx(np.logaddexp(up, down) - np.log(2), abs=1e-9)
    assert test.p_value == pytest.approx(np.exp(-test.max_log_e))


unit = st.lists(st.floats(0, 1), min_size=1, max_size=100)


@settings(max_examples=40, deadline=None)
@given(xs=unit, m=st.floats(0.05, 0.95), kind=st.sampled_from(KINDS))
def test_turning_the_scale_around_turns_the_sides_around(xs, m, kind):
    one, other = kind(m, 0.05, "greater"), kind(1.0 - m, 0.05, "less")
    one.update_many(np.array(xs))
    other.update_many(1.0 - np.array(xs))
    assert one.log_e == pytest.approx(other.log_e, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_bad_arguments_are_refused(kind):
    for bad in ({"m": 0.0}, {"m": 1.0}, {"alpha": 0.0}, {"side": "above"}):
        with pytest.raises(UsageError):
            kind(**{"m": 0.5, "alpha": 0.05} | bad)
