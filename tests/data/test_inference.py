"""What the first contract guesses, and how it refuses a target that cannot be learned."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.config import Data
from slipway.base.errors import DataError, TargetError, UsageError
from slipway.data.check import check_table
from slipway.data.inference import Hints, infer
from slipway.data.source import read_table

N = 200


def table(**columns):
    made = {"x": [i % 7 / 2 for i in range(N)], "y": [i % 2 for i in range(N)]}
    return pl.DataFrame({**made, **columns})


def column(df, name, **hints):
    found = infer(df, "y", Hints(**hints)).contract.column(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("labels", "task", "classes", "kind"),
    [
        ([0, 1], "binary", (0, 1), "int"),
        ([0.0, 1.0], "binary", (0, 1), "int"),
        ([True, False], "binary", (False, True), "bool"),
        (["no", "yes"], "binary", ("no", "yes"), "category"),
        ([0.25, 0.75], "binary", (0.25, 0.75), "float"),
        (["a", "b", "c"], "multiclass", ("a", "b", "c"), "category"),
        ([1, 2, 3, 4, 5], "multiclass", (1, 2, 3, 4, 5), "int"),
        (list(range(40)), "regression", (), "int"),
        ([i / 3 for i in range(9)], "regression", (), "float"),
    ],
)
def test_tasks(labels, task, classes, kind):
    made = infer(table(y=[labels[i % len(labels)] for i in range(N)]), "y")
    assert made.task == task
    assert made.classes == classes
    assert list(map(type, made.classes)) == list(map(type, classes))
    assert made.contract.target.type == kind


def test_task_can_be_given():
    assert infer(table(y=[i % 5 for i in range(N)]), "y", Hints(task="regression")).task == "regression"
    with pytest.raises(TargetError, match="numbers for a regression"):
        infer(table(y=["a", "b"] * (N // 2)), "y", Hints(task="regression"))
    with pytest.raises(TargetError, match="two labels for a binary task, got 5"):
        infer(table(y=[i % 5 for i in range(N)]), "y", Hints(task="binary"))


@pytest.mark.parametrize(
    ("target", "labels", "message"),
    [
        ("y", [None] * N, "no value in any row"),
        ("y", [1] * N, "the same one in every row"),
        ("y", [1, None] * (N // 2), "the same one in every row"),
        ("y", [f"name {i}" for i in range(N)], "at most 100 classes, got 200"),
        ("Y", [0, 1] * (N // 2), "did you mean 'y'"),
        ("outcome", [0, 1] * (N // 2), "the columns are 'x', 'y'"),
    ],
)
def test_targets_that_cannot_be_learned(target, labels, message):
    with pytest.raises(TargetError) as caught:
        infer(table(y=pl.Series(labels)), target)
    assert message in caught.value.message
    assert caught.value.next_step
    assert "name 1" not in caught.value.message


def test_number_ranges_have_slack_and_cross_no_sign():
    ages = column(table(age=[20 + i % 50 for i in range(N)]), "age")
    assert (ages.type, ages.min, ages.max, ages.max_missing) == ("int", 16, 73, 0.0)
    flags = column(table(flag=[i % 2 for i in range(N)]), "flag")
    assert (flags.type, flags.min, flags.max) == ("int", 0, 1)
    rates = column(table(rate=[i / N for i in range(N)]), "rate")
    assert (rates.type, rates.min, rates.max) == ("float", 0.0, 1.095)
    losses = column(table(loss=[-1000.0 * (1 + i) for i in range(N)]), "loss")
    assert losses.max == 0.0
    assert losses.min == -220_000.0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30, unique=True))
def test_the_inferred_contract_accepts_its_own_table(values):
    df = pl.DataFrame({"x": values * 2, "k": ["a", "b"] * len(values), "y": [0, 1] * len(values)})
    report = check_table(df, infer(df, "y").contract)
    assert report.passed
    assert report.findings == ()


def test_missing_shares():
    half = column(table(a=[None if i % 2 else i % 10 for i in range(N)]), "a")
    assert half.max_missing == 0.8
    assert column(table(), "x").max_missing == 0.0


def test_categories_ids_text_and_constants():
    df = table(
        color=["red", "green"] * (N // 2),
        city=[f"city {i % 120}" for i in range(N)],
        token=[f"t{i}" for i in range(N)],
        note=[f"the customer said thing {i} twice" for i in range(N)],
        row=list(range(N)),
        customer_id=[(i * 37) % 1009 for i in range(N)],
        one=["same"] * N,
        gone=[None] * N,
        on=[True, False] * (N // 2),
        code=[i % 9 for i in range(N)],
    )
    made = infer(df, "y")
    kinds = {c.name: (c.type, c.role) for c in made.contract.columns}
    assert kinds["color"] == ("category", "feature")
    assert column(df, "color").allowed == ("green", "red")
    assert kinds["city"] == ("category", "feature")
    assert column(df, "city").allowed is None
    assert kinds["on"] == ("bool", "feature")
    assert kinds["code"] == ("int", "feature")
    reasons = {c.name: c.reason for c in made.contract.columns if c.role == "ignore"}
    assert set(reasons) == {"token", "note", "row", "customer_id", "one", "gone"}
    assert reasons["gone"] == "every value is missing"
    assert reasons["row"] == "a row number"
    assert all(any(repr(name) in note for note in made.notes) for name in reasons)


def test_time_columns():
    days = [f"2020-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(N)]
    sorted_days = infer(table(when=days), "y").contract
    assert sorted_days.time is not None
    assert sorted_days.time.name == "when"
    shuffled = days[::2] + days[1::2]
    assert infer(table(born=shuffled[::-1]), "y").contract.time is None
    assert column(table(born=shuffled[::-1]), "born").type == "datetime"
    told = infer(table(created_date=shuffled[::-1]), "y").contract.time
    assert told is not None
    assert told.name == "created_date"
    several = infer(table(a_date=shuffled[::-1], b_date=shuffled[::-1]), "y")
    assert several.contract.time is None
    assert any("set data.time" in note for note in several.notes)
    assert column(table(step=list(range(N))), "step", time="step").role == "time"


def test_group_and_exclude_hints():
    df = table(customer=[f"c{i // 2}" for i in range(N)], p_a=[i % 3 for i in range(N)], p_b=[1.5, 2.5] * 100)
    made = infer(df, "y", Hints(group="customer", exclude=("p_*",)))
    assert made.contract.group is not None
    assert made.contract.group.name == "customer"
    assert {c.name for c in made.contract.columns if c.role == "ignore"} == {"p_a", "p_b"}


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"time": "tim"}, "a time column other than the target, got 'tim'"),
        ({"group": "y"}, "a group column other than the target"),
        ({"exclude": ("z*",)}, "'z*', which fits no column"),
        ({"exclude": ("*",)}, "is or covers the target"),
    ],
)
def test_hints_that_fit_no_column(hints, message):
    with pytest.raises(UsageError) as caught:
        infer(table(), "y", Hints(**hints))
    assert message in caught.value.message


def test_a_table_without_features_is_refused():
    with pytest.raises(DataError, match="at least one column that a model can read"):
        infer(table().drop("x").with_columns(one=pl.lit(1)), "y")


def test_unlabelled_rows_are_told():
    labels = [None if i < 10 else i % 2 for i in range(N)]
    assert any("10 rows have no 'y'" in note for note in infer(table(y=labels), "y").notes)


def test_car_loan(loan_table):
    made = infer(read_table(loan_table, Data(source="x")), "repaid", Hints(exclude=("y_pred*",)))
    kinds = {c.name: (c.type, c.role) for c in made.contract.columns}
    assert (made.task, made.classes) == ("binary", (0, 1))
    assert kinds == {
        "car_value": ("float", "feature"),
        "salary_range": ("category", "feature"),
        "debt_to_income_ratio": ("float", "feature"),
        "loan_length": ("float", "feature"),
        "repaid_loan_on_prev_car": ("bool", "feature"),
        "size_of_downpayment": ("category", "feature"),
        "driver_tenure": ("float", "feature"),
        "repaid": ("int", "target"),
        "timestamp": ("datetime", "time"),
        "y_pred_proba": ("float", "ignore"),
        "y_pred": ("int", "ignore"),
    }


@pytest.mark.parametrize(
    ("file", "target", "task", "time"),
    [
        ("bike_sharing/hour.csv", "cnt", "regression", "dteday"),
        ("nursery/nursery.data", "assessment", "multiclass", None),
        ("student_dropout/students_dropout_academic_success.csv", "target", "multiclass", None),
    ],
)
def test_shared_tables(shared, file, target, task, time):
    df = read_table(shared / file, Data(source="x"))
    made = infer(df, target)
    assert made.task == task
    assert (made.contract.time.name if made.contract.time else None) == time
    assert check_table(df, made.contract).findings == ()


def test_sms_says_that_text_is_not_read(shared):
    with pytest.raises(DataError, match="free text"):
        infer(read_table(shared / "sms_spam" / "SMSSpamCollection", Data(source="x")), "Label")


def test_ids_are_unique_and_open_categories_have_a_longest_text():
    rows = 600
    table = pl.DataFrame(
        {
            "customer_id": [(at * 7919) % 1000 + 5000 for at in range(rows)],
            "code": [f"k{at:04d}" for at in range(rows)],
            "town": [f"town {at % 150}" for at in range(rows)],
            "y": [at % 2 for at in range(rows)],
        }
    )
    contract = infer(table, "y").contract
    code, town, key = (contract.column(name) for name in ("code", "town", "customer_id"))
    assert (code.role, code.unique) == ("ignore", True)
    assert (key.role, key.unique) == ("ignore", True)
    assert (town.role, town.allowed, town.max_length) == ("feature", None, 16)
    assert check_table(table, contract).findings == ()
    doubled = check_table(pl.concat([table, table.head(3)]), contract)
    assert [(f.column, f.rule, f.rows) for f in doubled.findings] == [
        ("customer_id", "unique", 3),
        ("code", "unique", 3),
    ]
    long = check_table(table.with_columns(town=pl.lit("x" * 17)), contract)
    assert [(f.column, f.rule, f.severity) for f in long.findings] == [("town", "length", "flag")]
