"""A table against its contract: what rejects, what is flagged, and that no value is quoted."""

import polars as pl
import pytest

from slipway.base.config import Data
from slipway.base.errors import ContractError
from slipway.data.check import check_table
from slipway.data.contract import Column, Contract
from slipway.data.inference import Hints, infer
from slipway.data.source import read_table

CONTRACT = Contract(
    columns=(
        Column(name="age", type="int", min=18, max=99, max_missing=0.1),
        Column(name="rate", type="float"),
        Column(name="job", type="category", allowed=("clerk", "cook")),
        Column(name="since", type="datetime"),
        Column(name="key", type="text", required=True),
        Column(name="old", type="int", role="ignore"),
        Column(name="y", type="int", role="target"),
    ),
    min_rows=3,
    max_rows=8,
)
GOOD = {
    "age": [20, 30, 40, 50],
    "rate": [0.1, 0.2, 0.3, None],
    "job": ["clerk", "cook", "cook", None],
    "since": ["2020-01-01", "2020-01-01 10:00:00", None, "2020-01-02T00:00:00Z"],
    "key": ["a", "b", "c", "d"],
    "y": [0, 1, 0, 1],
}


def findings(drop=(), **changes):
    made = {**GOOD, **changes}
    report = check_table(pl.DataFrame({k: v for k, v in made.items() if k not in drop}), CONTRACT)
    return report, [(f.column, f.rule, f.severity, f.rows) for f in report.findings]


def test_a_good_table_passes():
    report, found = findings()
    assert report.passed
    assert found == []
    assert (report.rows, report.columns) == (4, 6)
    report.require()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"age": [17, 100, 20, 30]}, ("age", "range", "flag", 2)),
        ({"age": [None, 20, 30, 40]}, ("age", "missing", "flag", 1)),
        ({"age": [None] * 4}, ("age", "empty", "reject", 4)),
        ({"age": [20.5, 30, 40, 50]}, ("age", "type", "reject", 4)),
        ({"age": ["20", "30", "40", "50"]}, ("age", "type", "reject", 4)),
        ({"rate": [float("inf"), 1.0, -float("inf"), 0.0]}, ("rate", "finite", "reject", 2)),
        ({"job": ["clerk", "judge", "judge", "king"]}, ("job", "levels", "flag", 3)),
        ({"since": ["2020-01-01", "soon", None, "01/02/2020"]}, ("since", "datetime", "reject", 2)),
        ({"key": ["a", None, "c", "d"]}, ("key", "required", "reject", 1)),
        ({"extra": [1, 2, 3, 4]}, ("extra", "columns", "flag", 4)),
        ({"drop": ("job",)}, ("job", "columns", "reject", 4)),
        ({"drop": ("y",)}, ("y", "columns", "reject", 4)),
        ({"y": [None] * 4}, ("y", "empty", "reject", 4)),
    ],
)
def test_each_rule(changes, expected):
    report, found = findings(**changes)
    assert found == [expected]
    assert report.passed == (expected[2] == "flag")
    assert "\n" not in report.findings[0].message


def test_forms_that_lose_nothing_are_no_finding():
    assert findings(age=[20.0, 30.0, 40.0, 50.0], rate=[1, 2, 3, 4])[1] == []


def test_row_bounds():
    for rows, count in ((2, 1), (3, 0), (8, 0), (9, 1)):
        table = pl.DataFrame({name: (values * 3)[:rows] for name, values in GOOD.items()})
        report = check_table(table, CONTRACT)
        assert sum(f.rule == "rows" for f in report.findings) == count


def test_require_says_the_first_reason_and_the_count():
    report, _ = findings(age=["secret"] * 4, key=[None] * 4, drop=("y",))
    with pytest.raises(ContractError) as caught:
        report.require("loans.csv")
    assert "(and 2 more findings)" in caught.value.got
    assert "'y' of loans.csv" in caught.value.where
    assert all("secret" not in finding.message for finding in report.findings)


def test_elec2_constants_and_their_change_are_flagged(shared):
    """The three columns that stand still for 17,424 rows are named, and their change is seen."""
    names = tuple("date day period nswprice nswdemand vicprice vicdemand transfer".split())  # noqa: SIM905
    df = read_table(shared / "elec2" / "elec2_data.dat", Data(source="x", columns=names))
    labels = read_table(
        shared / "elec2" / "elec2_label.dat", Data(source="x", columns=("up",), separator=",")
    )
    df = df.with_columns(labels["up"])
    made = infer(df.head(10_000), "up", Hints())
    constant = {c.name for c in made.contract.columns if c.reason == "the same value in every row"}
    assert constant == {"vicprice", "vicdemand", "transfer"}
    assert check_table(df.head(10_000), made.contract).findings == ()
    assert check_table(df.slice(17_424), made.contract).passed


def test_car_loan_monitoring_keeps_the_contract(shared, loan_table):
    """The drift of the second period stays within the ranges: it is the monitors' to find."""
    contract = infer(read_table(loan_table, Data(source="x")), "repaid", Hints(exclude=("y_pred*",))).contract
    later = shared / "car_loan" / "monitoring_synthetic_car_loan.parquet"
    report = check_table(read_table(later, Data(source="x")), contract)
    assert report.passed
    assert report.findings == ()
