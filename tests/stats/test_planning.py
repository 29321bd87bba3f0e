"""Planning figures against the guards they plan for."""

import numpy as np
import pytest

from slipway.base.errors import UsageError
from slipway.stats import planning
from slipway.stats.detectors import MeanShiftCusum
from slipway.stats.paired import PairedComparison


@pytest.mark.parametrize(
    ("delta", "sd", "horizon"), [(0.005, 0.07, 7_000), (0.02, 0.07, 1_500), (0.02, 0.3, 9_000)]
)
def test_labels_to_decide_are_those_of_the_guard(delta, sd, horizon):
    rng = np.random.default_rng(1)
    plan = planning.labels_to_decide(delta, sd, 0.05, np.random.default_rng(2))
    measured = []
    for stream in rng.normal(delta, sd, (150, horizon)).clip(-1, 1):
        test = PairedComparison(0.05)
        test.update_many(stream)
        measured.append(test.decided_at or np.inf)
    assert np.median(measured) == pytest.approx(plan.median, rel=0.2)
    assert np.quantile(measured, 0.9, method="higher") == pytest.approx(plan.most, rel=0.25)


def test_the_unit_of_the_loss_does_not_matter():
    one = planning.labels_to_decide(0.02, 0.1, 0.05, np.random.default_rng(3))
    other = planning.labels_to_decide(2.0, 10.0, 0.05, np.random.default_rng(3), loss_range=100.0)
    assert one == pytest.approx(other)


def test_a_difference_too_small_for_the_smallest_bet_is_said_to_be_out_of_reach():
    plan = planning.labels_to_decide(0.0005, 0.3, 0.05, np.random.default_rng(4))
    assert plan.median == np.inf
    assert plan.fixed_sample < np.inf


def test_fixed_sample_labels_are_the_textbook_ones():
    # 6.18 sd^2 / delta^2 at 80 % power, 8.56 at 90 %
    assert planning.fixed_sample_labels(1.0, 1.0, 0.05, 0.8) == pytest.approx(6.18, abs=0.005)
    assert planning.fixed_sample_labels(1.0, 1.0, 0.05, 0.9) == pytest.approx(8.56, abs=0.005)


def test_pairing_saves_two_over_one_minus_the_correlation():
    cost = planning.paired_versus_arms(0.01, 0.3, 0.3, 0.95, 0.05)
    assert cost.ratio == pytest.approx(2 / 0.05)
    assert cost.arms == pytest.approx(cost.paired * cost.ratio)
    assert planning.paired_versus_arms(0.01, 0.3, 0.2, 0.0, 0.05).ratio == pytest.approx(2.0)


@pytest.mark.parametrize(("m", "risk"), [(0.0592, 0.0868), (0.1, 0.15), (0.06, 0.3)])
def test_detection_delay_is_that_of_the_detector(m, risk):
    rng = np.random.default_rng(5)
    delays = []
    for _ in range(60):
        detector = MeanShiftCusum(m, 1e4)
        detector.update_many((rng.random(20_000) < risk).astype(float))
        delays.append(detector.alarmed_at)
    assert np.mean(delays) == pytest.approx(planning.detection_delay(m, risk, 1e4), rel=0.25)


def test_a_risk_within_the_bound_is_never_detected_in_expectation():
    assert planning.detection_delay(0.1, 0.1, 1e4) == np.inf
    assert planning.detection_delay(0.1, 0.05, 1e4) == np.inf


def test_run_length_and_days():
    assert planning.run_length(1_000, 100) == 100_000
    assert planning.run_length(1_000, 100, streams=20) == 2_000_000
    assert planning.days(1_800, 600) == 3.0
    with pytest.raises(UsageError):
        planning.run_length(0.0, 10)


def test_what_peeking_costs():
    """Trap: a fixed-n test at 5 %, looked at 1, 10 and 100 times, errs at 5, 20 and 37 %."""
    rng = np.random.default_rng(6)
    rates = [planning.looks_error(looks, rng) for looks in (1, 10, 100)]
    assert rates == pytest.approx([0.049, 0.198, 0.366], abs=0.03)
