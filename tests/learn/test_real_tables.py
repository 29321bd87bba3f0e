"""Real tables, from file to registered version, with what is known to be reachable on them."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from slipway.base.layout import Layout
from slipway.data.project import InitOptions, init_project, load_project
from slipway.data.source import read_table
from slipway.learn.encoding import feature_columns
from slipway.learn.metrics import measure
from slipway.learn.registration import TrainResult
from slipway.learn.training import train
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys

ADULT = (
    "age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,"
    "capital-gain,capital-loss,hours-per-week,native-country,label"
)
LOAN = InitOptions(exclude=("y_pred*",), time="timestamp")


def trained(
    file: Path, target: str, folder: Path, options: InitOptions, budget: str, head: int | None = None
) -> TrainResult:
    init_project(file, target, folder, options)
    layout = Layout(folder)
    config, contract = load_project(layout)
    config = msgspec.structs.replace(config, train=msgspec.structs.replace(config.train, budget=budget))
    return train(layout, config, contract, None if head is None else read_table(file, config.data)[:head])


def values(result: TrainResult) -> dict[str, float]:
    return {metric.name: metric.value for metric in result.metrics}


def loaded(folder: Path, result: TrainResult) -> Bundle:
    layout = Layout(folder)
    return load_bundle(layout.bundles / result.digest, result.digest, trusted_keys(layout))


def test_car_loan_reaches_its_bar_in_time(loan_table: Path, tmp_path: Path):
    start = time.monotonic()
    result = trained(loan_table, "repaid", tmp_path, LOAN, "20s")
    assert time.monotonic() - start < 22
    assert result.passed
    assert (result.split, result.candidate, result.held_out_rows) == ("temporal", "lightgbm", 12_500)
    assert values(result)["brier"] < 0.048
    assert values(result)["auc"] > 0.968
    bundle = loaded(tmp_path, result)
    assert bundle.reference is not None
    assert bundle.reference.rows_per_day == pytest.approx(24 * 60 / (8 + 43.152 / 60), rel=1e-3)
    watched = {feature.name for feature in bundle.reference.features}
    assert {"car_value", "debt_to_income_ratio", "driver_tenure"} <= watched


def test_five_hundred_rows_of_it_give_a_weaker_model_that_passes(loan_table: Path, tmp_path: Path):
    result = trained(loan_table, "repaid", tmp_path, LOAN, "20s", head=500)
    assert result.passed
    assert 0.05 < values(result)["brier"] < 0.2


def test_adult_reaches_the_bar_of_its_test_file(shared: Path, tmp_path: Path):
    options = InitOptions(columns=tuple(ADULT.split(",")))
    result = trained(shared / "adult" / "adult.data", "label", tmp_path, options, "20s")
    assert result.passed
    config, contract = load_project(Layout(tmp_path))
    fresh = read_table(shared / "adult" / "adult.test", config.data)
    fresh = fresh.with_columns(pl.col("label").str.strip_chars("."))
    bundle = loaded(tmp_path, result)
    outputs = bundle.predict(feature_columns(fresh, contract), fresh.height)
    truth = np.array([bundle.class_index(label) for label in fresh["label"]], dtype=float)
    found = {metric.name: metric.value for metric in measure("binary", outputs, truth)}
    assert found["auc"] > 0.925
    assert found["accuracy"] > 0.87


def test_nursery_with_its_class_of_two_rows(shared: Path, tmp_path: Path):
    result = trained(shared / "nursery" / "nursery.data", "assessment", tmp_path, InitOptions(), "15s")
    assert result.passed
    assert len(loaded(tmp_path, result).classes) == 5
    assert values(result)["accuracy"] > 0.98


def test_bike_sharing_as_a_regression_over_time(shared: Path, tmp_path: Path):
    options = InitOptions(exclude=("casual", "registered", "instant"))
    result = trained(shared / "bike_sharing" / "hour.csv", "cnt", tmp_path, options, "20s")
    assert result.passed
    assert result.split == "temporal"
    assert values(result)["r2"] > 0.86
    assert values(result)["mae"] < 55
    assert loaded(tmp_path, result).meta.loss_range == 976.0
