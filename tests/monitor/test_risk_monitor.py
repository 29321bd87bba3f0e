"""The risk monitor alarms on a rise, names where it began, and keeps quiet otherwise."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.models.reference import RiskReference
from slipway.monitor.risk import RiskMonitor

REFERENCE = RiskReference(n=10_000, mean=0.05, upper=0.06, alpha=0.025, loss_range=1.0)
RUN_LENGTH = 100_000.0


def stream(before, after, seed=0):
    rng = np.random.default_rng(seed)
    quiet = (rng.random(before) < 0.05).astype(float)
    risen = (rng.random(after) < 0.2).astype(float)
    return np.concatenate([quiet, risen])


def places(n, start=1000):
    return np.arange(start, start + 7 * n, 7, dtype=np.int64)


def test_a_rise_raises_one_alarm_that_names_the_row_where_it_began():
    losses = stream(3000, 3000)
    monitor = RiskMonitor(REFERENCE, 0.0, RUN_LENGTH, start=500)
    found = monitor.absorb(losses, places(6000))
    assert found is not None
    index, alarm = found
    assert 3000 < index < 3600
    assert alarm.n == index + 1 == monitor.n
    assert alarm.change_n == pytest.approx(3000, abs=150)
    assert alarm.change == places(6000)[alarm.change_n - 1]
    assert alarm.e_value >= RUN_LENGTH
    assert "risen above 0.06000" in alarm.message
    assert "not a bound on ever" in alarm.guarantee
    assert monitor.alarmed
    assert monitor.absorb(losses, places(6000)) is None
    assert monitor.n == index + 1


def test_an_alarm_right_from_the_start_points_to_the_start():
    monitor = RiskMonitor(REFERENCE, 0.0, 1000.0, start=500)
    found = monitor.absorb(np.ones(200), places(200))
    assert found is not None
    assert found[1].change_n == 0
    assert found[1].change == 500


def test_no_alarm_at_the_held_out_risk():
    monitor = RiskMonitor(REFERENCE, 0.0, RUN_LENGTH, start=0)
    assert monitor.absorb(stream(50_000, 0), places(50_000)) is None
    assert monitor.mean == pytest.approx(0.05, abs=0.005)
    assert monitor.e_value < RUN_LENGTH


def test_a_tolerance_is_part_of_the_limit():
    monitor = RiskMonitor(REFERENCE, 0.3, RUN_LENGTH, start=0)
    assert monitor.limit == pytest.approx(0.36)
    assert monitor.absorb(stream(100, 3000), places(3100)) is None


@given(cuts=st.lists(st.integers(1, 900), max_size=10))
@settings(max_examples=20, deadline=None)
def test_batches_and_restarts_do_not_change_a_bit(cuts):
    losses, rows = stream(2000, 1500, seed=4), places(3500)
    whole = RiskMonitor(REFERENCE, 0.0, RUN_LENGTH, start=0)
    expected = whole.absorb(losses, rows)
    assert expected is not None
    parts, at, found = RiskMonitor(REFERENCE, 0.0, RUN_LENGTH, start=0), 0, None
    for cut in [*cuts, 3500]:
        parts = RiskMonitor.from_state(REFERENCE, json.loads(json.dumps(parts.to_state())))
        alarm = parts.absorb(losses[at : at + cut], rows[at : at + cut])
        if alarm is not None:
            assert found is None
            found = (at + alarm[0], alarm[1])
        at += cut
    assert found == expected
    assert parts.to_state() == whole.to_state()
