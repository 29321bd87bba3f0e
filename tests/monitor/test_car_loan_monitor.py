"""On the car-loan data the change of row 25,000 is found, at once and in the right features only."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from slipway.base.config import Monitor
from slipway.models.reference import RiskReference, fit_reference
from slipway.monitor.watch import Watch

DATA = Path(__file__).resolve().parents[2] / "examples" / "car_loan"
CHANGE = 25_000
FEATURES = (
    "car_value",
    "salary_range",
    "debt_to_income_ratio",
    "loan_length",
    "repaid_loan_on_prev_car",
    "size_of_downpayment",
    "driver_tenure",
)


def table(name):
    return pl.read_parquet(DATA / f"{name}_synthetic_car_loan.parquet")


def kind(frame, name):
    return "category" if frame[name].dtype == pl.String else "number"


def watch(false_alarms):
    """Monitors of a model trained on the reference; its held-out error is the published one."""
    frame = table("reference")
    columns = {name: frame[name].to_list() for name in FEATURES}
    reference = fit_reference(columns, {name: kind(frame, name) for name in FEATURES}, rows_per_day=165.0)
    risk = RiskReference(n=50_000, mean=0.05636, upper=0.0592347, alpha=0.025, loss_range=1.0)
    return Watch("loan@1", reference, risk, Monitor(false_alarms=false_alarms), start=-1)


@pytest.mark.parametrize("false_alarms", ["1 per 90d", "1 per 1000000 rows"])
def test_drift_is_found_within_a_few_hundred_rows_and_not_where_nothing_moves(false_alarms):
    frame = table("monitoring")
    columns = {name: frame[name].to_list() for name in FEATURES}
    alarms = watch(false_alarms).absorb_rows(columns, np.arange(len(frame), dtype=np.int64))
    named = [name for _, alarm in alarms for name in alarm.features]
    assert "car_value" in named
    assert not {"debt_to_income_ratio", "driver_tenure"} & set(named)
    assert CHANGE < alarms[0][1].n <= CHANGE + 200
    assert alarms[0][1].change == pytest.approx(CHANGE, abs=100)
    moved = next(alarm for _, alarm in alarms if "car_value" in alarm.features)
    assert moved.n <= CHANGE + 500
    assert moved.change == pytest.approx(CHANGE, abs=100)


def test_the_risk_alarm_comes_after_the_change_and_points_to_it():
    frame = table("monitoring")
    losses = (frame["y_pred"] != frame["repaid"]).to_numpy().astype(float)
    found = watch("1 per 10000 rows").absorb_losses(losses, np.arange(len(frame), dtype=np.int64))
    assert found is not None
    index, alarm = found
    # the row of the published detector at this run length, counted from 1
    assert index + 1 == 27_119
    assert alarm.n == 27_119
    assert CHANGE - 1500 < alarm.change < 27_119
