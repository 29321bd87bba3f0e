"""Where the shared data sets lie."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

ADULT = (
    "age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,"
    "capital-gain,capital-loss,hours-per-week,native-country,label"
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the data sets; a clone without it skips these tests."""
    folder = Path(os.environ.get("SLIPWAY_SHARED") or REPOSITORY.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip("data sets not found: set SLIPWAY_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def adult_columns() -> tuple[str, ...]:
    """The names a user gives, because the file has no header."""
    return tuple(ADULT.split(","))


@pytest.fixture(scope="session")
def loan_table() -> Path:
    """The car-loan reference table, from the example folder or the shared data."""
    name = "reference_synthetic_car_loan.parquet"
    here = REPOSITORY / "examples" / "car_loan" / name
    away = Path(os.environ.get("SLIPWAY_SHARED") or REPOSITORY.parent / "shared") / "data" / "car_loan" / name
    for path in (here, away):
        if path.is_file():
            return path
    pytest.skip("the car-loan table is neither in examples/car_loan nor in the shared data")
