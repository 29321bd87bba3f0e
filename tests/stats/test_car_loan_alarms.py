"""The published sequential results on the car loan data, whose change is at row 25,000."""

import numpy as np
import polars as pl
import pytest

from slipway.stats.bounds import mean_interval, upper_risk_bound
from slipway.stats.categorical import BinDrift
from slipway.stats.detectors import MeanShiftCusum, MeanShiftShiryaevRoberts
from slipway.stats.multiplicity import e_bh

UPPER = 0.0592347
CHANGE = 25_000


def test_reference_risk_bound_to_the_printed_digits(car_loan):
    losses = car_loan("reference").errors
    assert 1.0 - losses.mean() == pytest.approx(0.94364, abs=1e-9)
    assert upper_risk_bound(losses, 0.025) == pytest.approx(UPPER, abs=5e-8)
    assert car_loan("reference").brier.mean() == pytest.approx(0.04557, abs=5e-6)
    low, high = mean_interval(losses, 0.05)
    assert low < losses.mean() < high == pytest.approx(UPPER, abs=5e-8)


@pytest.mark.parametrize(
    ("kind", "slack", "run_length", "row"),
    [
        (MeanShiftCusum, 0.0, 1e3, 26_926),
        (MeanShiftCusum, 0.0, 1e4, 27_119),
        (MeanShiftCusum, 0.0, 1e5, 27_705),
        (MeanShiftShiryaevRoberts, 0.0, 1e3, 249),
        (MeanShiftShiryaevRoberts, 0.0, 1e4, 7_166),
        (MeanShiftShiryaevRoberts, 0.0, 1e5, 26_088),
        (MeanShiftShiryaevRoberts, 0.005, 1e4, 26_076),
        (MeanShiftShiryaevRoberts, 0.005, 1e5, 27_690),
    ],
)
def test_detectors_alarm_at_the_published_rows(car_loan, kind, slack, run_length, row):
    bound = upper_risk_bound(car_loan("reference").errors, 0.025) + slack
    detector = kind(bound, run_length)
    detector.update_many(car_loan("monitoring").errors)
    assert detector.alarmed_at == row
    if row > CHANGE:
        assert abs(detector.change_point - CHANGE) < 500


def test_cusum_is_silent_on_all_rows_before_the_change(car_loan):
    for run_length in (1e4, 1e5):
        detector = MeanShiftCusum(UPPER, run_length)
        detector.update_many(car_loan("reference").errors)
        detector.update_many(car_loan("monitoring").errors[:CHANGE])
        assert not detector.alarmed
        assert detector.n == 75_000


def bins_of(reference: pl.Series, series: pl.Series) -> tuple[np.ndarray, int]:
    if reference.dtype == pl.String:
        levels = reference.unique().sort().to_list()
        return np.array([levels.index(cell) for cell in series]), len(levels)
    edges = np.unique(np.quantile(reference.to_numpy(), np.arange(0.1, 0.95, 0.1)))
    return np.searchsorted(edges, series.to_numpy(), side="right"), edges.size + 1


def test_drift_alarms_on_the_features_that_move_and_on_no_other(car_loan):
    reference, monitoring = car_loan("reference").frame, car_loan("monitoring").frame
    detectors = {}
    for column in ("car_value", "loan_length", "salary_range", "debt_to_income_ratio", "driver_tenure"):
        rows, size = bins_of(reference[column], reference[column])
        shares = np.bincount(rows, minlength=size) / rows.size
        detectors[column] = BinDrift(shares.tolist(), rows.size, tolerance=0.01, run_length=1e6)
        detectors[column].update_many(bins_of(reference[column], monitoring[column])[0])
    moved = {name for name, detector in detectors.items() if detector.alarmed}
    assert moved == {"car_value", "loan_length", "salary_range"}
    for name in moved:
        assert CHANGE < detectors[name].alarmed_at <= CHANGE + 300
        assert abs(detectors[name].change_point - CHANGE) <= 50
    names = list(detectors)
    kept = e_bh([detectors[name].e_value for name in names], alpha=1.0 / detectors["car_value"].threshold)
    assert {names[index] for index in kept} == moved
    assert all(detectors[name].log_value < np.log(20) for name in set(names) - moved)
