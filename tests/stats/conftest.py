"""Reference data: shipped with the examples, or in the folder of shared data beside the repository."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

REPOSITORY = Path(__file__).parents[2]


def find(folder: str, name: str) -> Path:
    """Path of a reference file; skips the test where there is none."""
    shared = Path(os.environ.get("SLIPWAY_SHARED", REPOSITORY.parent / "shared"))
    for place in (REPOSITORY / "examples" / folder, shared / "data" / folder):
        if (place / name).is_file():
            return place / name
    pytest.skip(f"{name} is neither in examples/{folder} nor in $SLIPWAY_SHARED/data/{folder}")


class Scored(NamedTuple):
    """A period of the car loan data with the losses of its shipped predictions."""

    frame: pl.DataFrame
    labels: np.ndarray
    scores: np.ndarray
    errors: np.ndarray
    brier: np.ndarray


def read_car_loan(period: str) -> Scored:
    """50,000 rows of ``period``: "reference" or "monitoring"."""
    frame = pl.read_parquet(find("car_loan", f"{period}_synthetic_car_loan.parquet"))
    labels = frame["repaid"].cast(pl.Float64).to_numpy()
    scores = frame["y_pred_proba"].to_numpy()
    wrong = (labels != frame["y_pred"].cast(pl.Float64).to_numpy()).astype(np.float64)
    return Scored(frame, labels, scores, wrong, (labels - scores) ** 2)


@pytest.fixture(scope="session")
def car_loan() -> Callable[[str], Scored]:
    """Reader of the car loan periods."""
    cache: dict[str, Scored] = {}

    def read(period: str) -> Scored:
        if period not in cache:
            cache[period] = read_car_loan(period)
        return cache[period]

    return read


class Stream(NamedTuple):
    """Elec2: (45312, 8) features and (45312,) labels 0/1, one row each half hour."""

    features: np.ndarray
    labels: np.ndarray


@pytest.fixture(scope="session")
def elec2() -> Callable[[], Stream]:
    """Reader of the electricity stream."""

    def read() -> Stream:
        features = np.loadtxt(find("elec2", "elec2_data.dat"))
        return Stream(features, np.loadtxt(find("elec2", "elec2_label.dat")))

    return read
