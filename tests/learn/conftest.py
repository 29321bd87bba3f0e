"""A small table with every kind of column, projects made of it, and the shared data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from slipway.base.config import Bound, Config, Data, Project, Train
from slipway.base.layout import Layout
from slipway.data.contract import Column, Contract
from slipway.learn.problem import Problem

REPOSITORY = Path(__file__).resolve().parents[2]


def _signal(df: pl.DataFrame) -> np.ndarray:
    """What the target depends on: a number, a category, and an interaction that lines cannot follow."""
    income = df["income"].fill_null(0.0).to_numpy()
    age = df["age"].to_numpy()
    clerk = (df["job"] == "clerk").fill_null(value=False).to_numpy()
    return income / 2 + 2.0 * clerk + np.where((age > 45) == (income > 0), 1.5, -1.5)


def _target(df: pl.DataFrame, task: str, rng: np.random.Generator) -> list[Any]:
    signal = _signal(df)
    if task == "regression":
        return (100 + 10 * signal + rng.normal(0, 3, df.height)).tolist()
    if task == "binary":
        return np.where(signal + rng.logistic(0, 0.5, df.height) > 0.5, "yes", "no").tolist()
    noisy = signal + rng.normal(0, 0.3, df.height)
    return np.select([noisy < -1, noisy < 1.5], ["low", "mid"], "high").tolist()


@pytest.fixture
def make_table() -> Callable[..., pl.DataFrame]:
    """A seeded table of the kind that people have: gaps, levels, times, and a target to learn."""

    def make(rows: int = 400, task: str = "binary", seed: int = 0) -> pl.DataFrame:
        rng = np.random.default_rng(seed)
        income = rng.normal(0, 2, rows)
        dates = rng.integers(1, 9, (rows, 2))
        df = pl.DataFrame(
            {
                "income": np.where(rng.uniform(size=rows) < 0.1, np.nan, income),
                "age": rng.integers(18, 80, rows),
                "member": rng.uniform(size=rows) < 0.5,
                "job": rng.choice(["clerk", "nurse", "pilot", "baker"], rows),
                "joined": [f"20{year:02d}-0{month}-15T08:30:00" for year, month in dates],
                "day": [f"2024-01-{1 + at * 28 // rows:02d}" for at in range(rows)],
                "family": rng.integers(0, max(2, rows // 4), rows),
            }
        ).with_columns(pl.col("income").fill_nan(None))
        return df.with_columns(pl.Series("target", _target(df, task, rng)))

    return make


@pytest.fixture
def make_contract() -> Callable[..., Contract]:
    """The contract of that table; ``time`` and ``group`` say whether these columns have their role."""

    def make(task: str = "binary", *, time: bool = False, group: bool = False) -> Contract:
        return Contract(
            columns=(
                Column(name="income", type="float"),
                Column(name="age", type="int"),
                Column(name="member", type="bool"),
                Column(name="job", type="category"),
                Column(name="joined", type="datetime"),
                Column(name="day", type="datetime", role="time" if time else "ignore"),
                Column(name="family", type="int", role="group" if group else "ignore"),
                Column(name="target", type="float" if task == "regression" else "category", role="target"),
            )
        )

    return make


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """Settings for that table."""

    def make(task: Any = "binary", *, gates: dict[str, Bound] | None = None, **train: Any) -> Config:
        return Config(
            project=Project(name="loan", task=task, target="target"),
            data=Data(source="table.parquet"),
            train=Train(**({"budget": "20s"} | train)),
            gates=gates or {},
        )

    return make


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty project folder."""
    return Layout(tmp_path)


@pytest.fixture
def make_problem() -> Callable[..., Problem]:
    """An encoded problem: two numbers with an interaction, and one category code."""

    def make(rows: int = 300, classes: int = 2, seed: int = 0, **changes: Any) -> Problem:
        rng = np.random.default_rng(seed)
        numbers = rng.normal(size=(rows, 2))
        codes = rng.integers(0, 3, rows).astype(float)
        signal = np.where(numbers[:, 0] * numbers[:, 1] > 0, 1.0, -1.0) + codes + numbers[:, 0]
        matrix = np.column_stack([numbers, codes])
        matrix[rng.uniform(size=matrix.shape) < 0.05] = np.nan
        signal = signal + rng.normal(0, 0.3, rows)
        cuts = np.quantile(signal, np.arange(1, classes) / classes) if classes else []
        settings: dict[str, Any] = {
            "task": "regression" if not classes else "binary" if classes == 2 else "multiclass",
            "classes": classes,
            "matrix": matrix,
            "target": np.digitize(signal, cuts).astype(float) if classes else signal,
            "levels": {2: 3},
            "ordered": False,
            "groups": None,
            "loss_range": 1.0 if classes else float(np.ptp(signal)),
            "seed": seed,
        }
        return Problem(**(settings | changes))

    return make


def _shared_folder() -> Path:
    return Path(os.environ.get("SLIPWAY_SHARED") or REPOSITORY.parent / "shared") / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the data sets; a clone without it skips these tests."""
    if not _shared_folder().is_dir():
        pytest.skip("data sets not found: set SLIPWAY_SHARED to the folder that holds data/")
    return _shared_folder()


@pytest.fixture(scope="session")
def loan_table() -> Path:
    """The car-loan reference table, from the example folder or the shared data."""
    for folder in (REPOSITORY / "examples", _shared_folder()):
        path = folder / "car_loan" / "reference_synthetic_car_loan.parquet"
        if path.is_file():
            return path
    pytest.skip("the car-loan table is neither in examples/car_loan nor in the shared data")
