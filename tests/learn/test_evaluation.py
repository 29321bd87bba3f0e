"""Held-out evidence: the live version on the same rows, the traffic that times tell of, the risk bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from slipway.base.layout import Layout
from slipway.data.contract import Column, Contract
from slipway.learn.evaluation import champion_losses, evaluate, reference, rows_per_day
from slipway.learn.golden import json_rows
from slipway.learn.latency import measure_latency
from slipway.learn.target import Target, read_target
from slipway.learn.training import train
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys

Make = Callable[..., Any]


def target(values: list[float], task: Any = "binary", classes: tuple[str, ...] = ("no", "yes")) -> Target:
    width = 1.0 if classes else float(np.ptp(values))
    return Target(task=task, classes=classes, values=np.array(values), loss_range=width)


@pytest.fixture
def champion(layout: Layout, make_table: Make, make_config: Make, make_contract: Make) -> Bundle:
    config = make_config(candidates=("linear",))
    result = train(layout, config, make_contract(), make_table())
    return load_bundle(layout.bundles / result.digest, result.digest, trusted_keys(layout), result.version)


def test_the_risk_is_the_mean_loss_and_a_bound_above_it():
    outputs = np.tile([[0.1], [0.8]], (50, 1))
    found = evaluate(target([0.0, 1.0] * 50), outputs, np.full((100, 1), 0.5))
    assert found.losses.tolist() == pytest.approx([0.01, 0.04] * 50)
    assert found.baseline_losses.tolist() == [0.25] * 100
    assert (found.risk.n, found.risk.mean) == (100, pytest.approx(0.025))
    assert 0.025 < found.risk.upper < 0.2


def test_absolute_errors_are_shares_of_the_range():
    found = evaluate(
        target([0.0, 50.0, 100.0], "regression", ()), np.array([[10.0], [50.0], [900.0]]), np.zeros((3, 1))
    )
    assert found.losses.tolist() == pytest.approx([0.1, 0.0, 1.0])
    assert found.risk.loss_range == 100.0


def test_the_live_version_is_scored_on_its_own_columns_and_classes(
    champion: Bundle, make_table: Make, make_config: Make, make_contract: Make
):
    df = make_table(seed=7)
    found = champion_losses(champion, df, read_target(df, make_config(), make_contract()))
    columns = {name: df[name].to_list() for name in champion.encoder.columns}
    expected = champion.losses(champion.predict(columns, df.height), df["target"].to_list())
    assert np.array_equal(found, expected)
    swapped = msgspec.structs.replace(make_config().project, positive="no")
    config = msgspec.structs.replace(make_config(), project=swapped)
    other = champion_losses(champion, df, read_target(df, config, make_contract()))
    assert np.array_equal(found, other)  # the order of the new version's classes plays no part


def test_rows_that_the_live_version_cannot_score_are_not_compared(champion: Bundle, make_table: Make):
    df = make_table(rows=2)
    assert champion_losses(champion, df, target([0.0, 9.0], "regression", ())) is None
    assert champion_losses(champion, df, target([0.0, 1.0], classes=("no", "perhaps"))) is None
    assert champion_losses(champion, df.drop("age"), target([0.0, 1.0])) is None


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2024-01-01T00:00:00", "2024-01-01T12:00:00", "2024-01-02T00:00:00"], 2.0),
        (["2024-01-03", "2024-01-01", None], 0.5),
        (["2024-01-01", "2024-01-01"], 10_000.0),
        (["2024-01-01"], 10_000.0),
        ([None, None], 10_000.0),
    ],
)
def test_traffic_is_read_from_the_times(times: list[str | None], expected: float):
    contract = Contract(
        columns=(
            Column(name="x", type="float"),
            Column(name="at", type="datetime", role="time"),
            Column(name="target", type="float", role="target"),
        )
    )
    assert rows_per_day(pl.DataFrame({"at": pl.Series(times, dtype=pl.String)}), contract) == expected


def test_without_times_the_traffic_is_a_guess_and_dates_are_not_binned(make_table: Make, make_contract: Make):
    found = reference(make_table(), make_contract())
    assert found.rows_per_day == 10_000.0
    assert [feature.name for feature in found.features] == ["income", "age", "member", "job"]


def test_latency_is_measured_with_the_given_clock(champion: Bundle, make_table: Make, make_contract: Make):
    ticks = iter(np.arange(0, 10, 0.001))
    found = measure_latency(
        champion, json_rows(make_table(rows=3), make_contract()), lambda: float(next(ticks))
    )
    assert found.calls == 400
    assert found.median_us == pytest.approx(1000.0)
    assert found.p99_us == pytest.approx(1000.0)
