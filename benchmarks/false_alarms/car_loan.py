"""The car loan periods: 50,000 reference rows, then 50,000 of which the inputs move at row 25,000."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.false_alarms.streams import Cells, Kind, Table

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "car_loan"
CHANGE = 25_000
#: Features that do not move; every alarm on them is false.
QUIET = ("debt_to_income_ratio", "size_of_downpayment", "driver_tenure")
KINDS: dict[str, Kind] = {
    "car_value": "number",
    "salary_range": "category",
    "debt_to_income_ratio": "number",
    "loan_length": "number",
    "repaid_loan_on_prev_car": "category",
    "size_of_downpayment": "category",
    "driver_tenure": "number",
}


def _read(period: str) -> pl.DataFrame:
    return pl.read_parquet(FOLDER / f"{period}_synthetic_car_loan.parquet")


def _cells(frame: pl.DataFrame, column: str) -> Cells:
    if KINDS[column] == "number":
        return frame[column].cast(pl.Float64).to_numpy()
    return np.array([str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in frame[column]])


def inputs() -> Table:
    """The seven features."""
    reference, monitoring = _read("reference"), _read("monitoring")
    return Table(
        name="car-loan",
        kinds=KINDS,
        reference={column: _cells(reference, column) for column in KINDS},
        stream={column: _cells(monitoring, column) for column in KINDS},
    )


def answers() -> Table:
    """Labels, hard answers and scores of the model that the data set comes with."""
    columns = {"label": "repaid", "answer": "y_pred", "score": "y_pred_proba"}
    parts = [
        {name: frame[column].cast(pl.Float64).to_numpy() for name, column in columns.items()}
        for frame in (_read("reference"), _read("monitoring"))
    ]
    kinds: dict[str, Kind] = dict.fromkeys(columns, "number")
    return Table(name="car-loan-answers", kinds=kinds, reference=parts[0], stream=parts[1])


def losses(cells: dict[str, Cells], kind: str) -> NDArray[np.float64]:
    """(n,) losses in [0, 1]: ``brier`` or ``error`` (0 or 1)."""
    other = cells["score"] if kind == "brier" else cells["answer"]
    return (cells["label"] - other) ** 2


def rows_per_day() -> float:
    """Traffic in the reference period, from its time column."""
    times = _read("reference")["timestamp"].str.to_datetime()
    first, last = times.min(), times.max()
    days = (last - first).total_seconds() / 86_400  # pyright: ignore[reportOperatorIssue, reportAttributeAccessIssue, reportOptionalOperand]
    return (len(times) - 1) / days


def shift(table: Table, column: str, rows: slice) -> float:
    """Largest change of a share over the monitor's bins between the reference and some rows of the stream."""
    from slipway.models.reference import fit_reference

    feature = fit_reference({column: table.reference[column]}, {column: table.kinds[column]}).features[0]
    index = feature.bin(table.stream[column][rows])
    shares = np.bincount(index, minlength=len(feature.shares)) / index.size
    return float(np.abs(shares - np.array(feature.shares)).max())
