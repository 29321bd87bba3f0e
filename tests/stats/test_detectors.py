"""Mean-shift e-detectors: run length without a change, delay after one, and the recursions themselves."""

import numpy as np
import pytest

from slipway.base.errors import UsageError
from slipway.stats.banks import DetectorBank
from slipway.stats.bounds import upper_risk_bound
from slipway.stats.clusters import cluster_means
from slipway.stats.detectors import MeanShiftCusum, MeanShiftShiryaevRoberts


def plain_recursion(losses, m, bets, restart):
    """M_t = L_t restart(M_{t-1}) per bet, and their mean, as printed in the paper."""
    grid = np.geomspace(0.02, 0.5, bets) / m
    values, path = np.zeros(bets), []
    for x in losses:
        values = (1.0 + grid * (x - m)) * restart(values)
        path.append(values.mean())
    return np.array(path)


@pytest.mark.parametrize(
    ("kind", "restart"),
    [(MeanShiftCusum, lambda m: np.maximum(m, 1.0)), (MeanShiftShiryaevRoberts, lambda m: m + 1.0)],
)
def test_the_value_is_the_papers_recursion(kind, restart):
    losses = np.random.default_rng(1).random(300) ** 4
    detector = kind(0.2, 50.0, bets=5)
    for x, value in zip(losses, plain_recursion(losses, 0.2, 5, restart), strict=True):
        detector.update(x)
        assert np.exp(detector.log_value) == pytest.approx(value, rel=1e-9)
    path = plain_recursion(losses, 0.2, 5, restart)
    alarm = int(np.argmax(path >= 50.0)) + 1 if (path >= 50.0).any() else None
    assert detector.alarmed_at == alarm


@pytest.mark.parametrize("kind", [MeanShiftCusum, MeanShiftShiryaevRoberts])
def test_the_run_length_holds_at_the_border_of_the_hypothesis(kind):
    rng = np.random.default_rng(2)
    run_length, horizon = 100.0, 1_500
    alarms = []
    for _ in range(250):
        detector = kind(0.1, run_length)
        detector.update_many((rng.random(horizon) < 0.1).astype(float))
        alarms.append(detector.alarmed_at or horizon)
    assert np.mean(alarms) >= run_length
    # sharp enough to be of use: the theory is not off by more than a few times for the sum over restarts
    if kind is MeanShiftShiryaevRoberts:
        assert np.mean(alarms) <= 5.0 * run_length


def test_cusum_is_never_above_shiryaev_roberts():
    losses = np.random.default_rng(3).random(2_000)
    cusum, sr = MeanShiftCusum(0.5, 1e3), MeanShiftShiryaevRoberts(0.5, 1e3)
    for x in losses:
        cusum.update(x)
        sr.update(x)
        assert cusum.log_value <= sr.log_value + 1e-9


def test_an_alarm_keeps_its_label_and_its_change_point():
    rng = np.random.default_rng(4)
    losses = np.concatenate([rng.random(3_000) < 0.05, rng.random(400) < 0.2, rng.random(9_000) < 0.02])
    detector = MeanShiftCusum(0.06, 1e4)
    detector.update_many(losses.astype(float))
    assert detector.alarmed
    assert 3_000 < detector.alarmed_at < 3_300
    assert abs(detector.change_point - 3_000) < 60
    assert detector.n == losses.size
    assert detector.log_value < np.log(1e4)  # back to health, and yet the alarm stands


def test_trap_a_run_length_is_not_a_bound_on_ever_alarming():
    """An e-detector promises a mean time between false alarms: on a long stream one is certain to come."""
    rng = np.random.default_rng(5)
    alarmed = 0
    for _ in range(40):
        detector = MeanShiftShiryaevRoberts(0.1, 20.0)
        detector.update_many((rng.random(2_000) < 0.1).astype(float))
        alarmed += detector.alarmed
    assert alarmed >= 38


def test_trap_the_held_out_mean_is_no_bound_of_the_risk():
    """With the mean of a small holdout as m the alarms come early; with its upper bound they do not."""
    rng = np.random.default_rng(6)
    early = {"mean": 0, "bound": 0}
    for _ in range(60):
        holdout = (rng.random(300) < 0.1).astype(float)
        live = (rng.random(10_000) < 0.1).astype(float)
        for name, m in (("mean", holdout.mean()), ("bound", upper_risk_bound(holdout, 0.025))):
            detector = MeanShiftCusum(float(m), 1e4)
            detector.update_many(live)
            early[name] += detector.alarmed
    assert early["mean"] >= 12
    assert early["bound"] <= 1


def test_the_leading_component_names_the_restart():
    bank = DetectorBank(2, 1e3)
    bank.scan(np.array([[-1.0, 0.1], [-1.0, -0.3], [2.0, 0.1], [2.0, 0.1]]))
    assert bank.leader == 0
    assert bank.change_point == 2
    assert bank.log_value == pytest.approx(np.log((np.exp(4.0) + np.exp(0.2)) / 2))


def test_the_change_point_is_one_of_the_restarts():
    rng = np.random.default_rng(7)
    detector = MeanShiftCusum(0.06, 1e4)
    for _ in range(20):
        detector.update_many((rng.random(200) < 0.06).astype(float))
        assert detector.change_point in detector.restarts
        assert np.all(np.diff(detector.restarts) > 0)
        assert detector.restarts[-1] <= detector.n


def test_a_detector_before_its_first_label():
    detector = MeanShiftCusum(0.1, 10.0)
    assert detector.log_value == -np.inf
    assert (detector.n, detector.alarmed, detector.alarmed_at, detector.change_point) == (0, False, None, 0)


@pytest.mark.parametrize("bad", [{"m": 0.0}, {"m": 1.0}, {"run_length": 1.0}, {"bets": 0}, {"bets": 2.5}])
def test_bad_arguments_are_refused(bad):
    with pytest.raises(UsageError):
        MeanShiftCusum(**{"m": 0.1, "run_length": 100.0} | bad)


def test_days_as_clusters_keep_the_monitor_silent_on_a_stream_that_hangs_together(elec2):
    """Elec2, persistence forecast: 48 rows a day are one loss a day, and no alarm comes in 744 days."""
    labels = elec2().labels
    wrong = np.concatenate([[0.0], np.abs(np.diff(labels))])
    assert 1.0 - wrong.mean() == pytest.approx(0.8533, abs=5e-5)
    days = cluster_means(wrong, np.arange(wrong.size) // 48)
    reference, live = days[:200], days[200:]
    detector = MeanShiftCusum(upper_risk_bound(reference, 0.025), run_length=10_000)
    detector.update_many(live)
    assert not detector.alarmed
    assert detector.n == 744
