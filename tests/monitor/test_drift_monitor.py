"""The drift monitor names the features that moved, when, and no others."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.config import Monitor
from slipway.models.reference import fit_reference
from slipway.monitor.drift import BLOCK, DriftMonitor
from slipway.monitor.watch import Watch

RUN_LENGTH = 1_000_000.0
KINDS = {"income": "number", "age": "number", "job": "category", "flag": "category"}


def columns(n, seed=0, *, shift=0.0, jobs=(0.5, 0.3, 0.2)):
    rng = np.random.default_rng(seed)
    return {
        "income": rng.normal(shift, 1.0, n).tolist(),
        "age": rng.integers(18, 80, n).tolist(),
        "job": rng.choice(["clerk", "nurse", "smith"], n, p=jobs).tolist(),
        "flag": (rng.random(n) < 0.3).tolist(),
    }


REFERENCE = fit_reference(columns(10_000, seed=99), KINDS)


def places(n, start=1):
    return np.arange(start * 100, (start + n) * 100, 100, dtype=np.int64)


def joined(*parts):
    return {name: [value for part in parts for value in part[name]] for name in KINDS}


def monitor(tolerance=0.02, run_length=RUN_LENGTH):
    return DriftMonitor(REFERENCE, tolerance, run_length, start=7)


def test_no_alarm_while_nothing_changes():
    quiet = monitor()
    assert quiet.absorb(columns(20_000), places(20_000)) == []
    assert quiet.alarmed == ()
    assert max(quiet.e_values.values()) < RUN_LENGTH / BLOCK


def test_the_moved_feature_is_named_once_with_its_row_and_the_others_are_not():
    rows = joined(columns(5000), columns(5000, seed=1, shift=0.8))
    watching = monitor()
    alarms = watching.absorb(rows, places(10_000))
    assert len(alarms) == 1
    at, alarm = alarms[0]
    assert alarm.features == ("income",)
    assert 5000 < alarm.n <= 5600
    assert alarm.n % BLOCK == 0
    assert at == places(10_000)[alarm.n - 1]
    assert alarm.change_n == pytest.approx(5000, abs=3 * BLOCK)
    assert alarm.change == places(10_000)[alarm.change_n - 1]
    assert watching.alarmed == ("income",)


def test_a_second_feature_alarms_later_on_its_own():
    rows = joined(
        columns(2000),
        columns(3000, seed=1, shift=0.8),
        columns(4000, seed=2, shift=0.8, jobs=(0.2, 0.2, 0.6)),
    )
    alarms = monitor().absorb(rows, places(9000))
    assert [alarm.features for _, alarm in alarms] == [("income",), ("job",)]
    assert alarms[1][1].change_n == pytest.approx(5000, abs=3 * BLOCK)


def test_a_column_that_stays_away_or_changes_type_is_drift_not_a_crash():
    rows = joined(columns(500), columns(1000, seed=1))
    rows["income"][500:] = ["unreadable"] * 1000
    del rows["age"]
    alarms = monitor().absorb(rows, places(1500))
    named = {name for _, alarm in alarms for name in alarm.features}
    assert named == {"income", "age"}


@given(cuts=st.lists(st.integers(1, 800), max_size=10), shift=st.sampled_from([0.0, 0.8]))
@settings(max_examples=15, deadline=None)
def test_batches_and_restarts_do_not_change_a_bit(cuts, shift):
    rows, where = joined(columns(1500), columns(1500, seed=1, shift=shift)), places(3000)
    whole = monitor()
    expected = whole.absorb(rows, where)
    assert bool(expected) == bool(shift)
    parts, at, found = monitor(), 0, []
    for cut in [*cuts, 3000]:
        parts = DriftMonitor.from_state(REFERENCE, json.loads(json.dumps(parts.to_state())))
        found += parts.absorb({name: v[at : at + cut] for name, v in rows.items()}, where[at : at + cut])
        at += cut
    assert found == expected
    assert parts.to_state() == whole.to_state()


def test_a_small_shift_of_a_number_is_found_and_dated():
    """Every tenth of the values changes by less than 3.5 points; the lower half by 10."""
    rows = joined(columns(5000), columns(5000, seed=1, shift=0.25))
    alarms = monitor().absorb(rows, places(10_000))
    assert [alarm.features for _, alarm in alarms] == [("income",)]
    assert 5000 < alarms[0][1].n <= 7500
    assert alarms[0][1].change_n == pytest.approx(5000, abs=10 * BLOCK)


def test_numbers_have_an_order_and_categories_have_none():
    detectors = monitor().to_state()["detectors"]
    ordered = {name: state["parameters"]["ordered"] for name, state in detectors.items()}
    assert ordered == {"income": 10, "age": 10, "job": 0, "flag": 0}


def test_a_state_whose_keys_were_sorted_names_features_in_the_same_order():
    rows, where = joined(columns(1000), columns(500, seed=1)), places(1500)
    rows["income"][1000:] = rows["age"][1000:] = [None] * 500
    whole, parts = monitor(), monitor()
    expected = whole.absorb(rows, where)
    assert [alarm.features for _, alarm in expected] == [("income", "age")]
    found = parts.absorb({name: values[:970] for name, values in rows.items()}, where[:970])
    parts = DriftMonitor.from_state(REFERENCE, json.loads(json.dumps(parts.to_state(), sort_keys=True)))
    found += parts.absorb({name: values[970:] for name, values in rows.items()}, where[970:])
    assert found == expected


def test_a_watch_without_references_watches_nothing():
    watch = Watch("m@1", None, None, Monitor(), start=0)
    assert watch.risk_closed
    assert watch.features == ()
    assert watch.absorb_rows(columns(100), places(100)) == []
    assert watch.absorb_losses(np.zeros(5), places(5)) is None
    assert watch.to_state() == {"risk": None, "drift": None}


def test_a_feature_with_a_handful_of_training_rows_is_not_watched():
    few = fit_reference(columns(1, seed=3), KINDS)
    watching = DriftMonitor(few, 0.4, RUN_LENGTH, start=0)
    assert set(watching.features) < set(KINDS)
    assert watching.absorb(columns(500), places(500)) == []
    again = DriftMonitor.from_state(few, json.loads(json.dumps(watching.to_state())))
    assert again.features == watching.features
    assert again.absorb(columns(500), places(500)) == []
