"""The harmful-shift test: published rows on the car loan data, its level, and why long-lived models need a
detector."""

import numpy as np
import pytest

from slipway.base.errors import UsageError
from slipway.stats.bounds import upper_risk_bound
from slipway.stats.detectors import MeanShiftCusum
from slipway.stats.shift import HarmfulShiftTest

UPPER = 0.0592347
CHANGE = 25_000


@pytest.mark.parametrize(
    ("start", "tolerance", "alarm"),
    [(0, 0.0, 45_883), (0, 0.005, None), (CHANGE, 0.0, 1_923), (CHANGE, 0.005, 3_101), (CHANGE, 0.01, 5_566)],
)
def test_alarms_at_the_published_rows(car_loan, start, tolerance, alarm):
    test = HarmfulShiftTest(UPPER, 0.025, tolerance)
    test.update_many(car_loan("monitoring").errors[start:])
    assert test.alarmed_at == alarm
    assert test.alarmed == (alarm is not None)


def test_a_late_change_drowns_in_the_rows_before_it(car_loan):
    """Trap: a test started at deployment is no detector; the detector sees the same change 18,764 rows
    earlier."""
    losses = car_loan("monitoring").errors
    test, detector = HarmfulShiftTest(UPPER), MeanShiftCusum(UPPER, 1e4)
    test.update_many(losses)
    detector.update_many(losses)
    assert test.alarmed_at - detector.alarmed_at == 45_883 - 27_119


def test_trap_a_held_out_mean_is_not_a_known_constant():
    rng = np.random.default_rng(1)
    naive = bounded = 0
    for _ in range(200):
        holdout = (rng.random(400) < 0.1).astype(float)
        live = (rng.random(4_000) < 0.1).astype(float)
        for upper, name in ((holdout.mean(), "naive"), (upper_risk_bound(holdout, 0.025), "bounded")):
            test = HarmfulShiftTest(float(upper), 0.025)
            test.update_many(live)
            if name == "naive":
                naive += test.alarmed
            else:
                bounded += test.alarmed
    assert naive > 0.05 * 200
    assert bounded <= 0.05 * 200


def test_tolerance_can_be_relative():
    test = HarmfulShiftTest(0.1, tolerance=0.5, relative=True)
    assert test.limit == pytest.approx(0.15)
    assert HarmfulShiftTest(0.1, tolerance=0.05).limit == pytest.approx(0.15)
    test.update_many(np.ones(100))
    assert test.alarmed
    assert 0.15 < test.lower < 1.0


def test_bad_arguments_are_refused():
    for bad in ({"upper": 1.0}, {"tolerance": -0.1}, {"alpha": 0.0}):
        with pytest.raises(UsageError):
            HarmfulShiftTest(**{"upper": 0.1} | bad)
