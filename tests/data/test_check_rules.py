"""Rules beyond type and range, on tables of every stored type, and the same verdict on one row."""

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import ContractError, SourceError
from slipway.data.check import check_lazy, check_table
from slipway.data.contract import Column, Contract, Rule
from slipway.data.rowcheck import compile_row_check

TARGET = Column(name="y", type="int", role="target")


def check(values, rules=(), now=None, dtype=None, **column):
    contract = Contract(columns=(Column(name="x", **column), TARGET), rules=rules)
    x = values if isinstance(values, pl.Series) else pl.Series(values, dtype=dtype, strict=False)
    table = pl.DataFrame({"x": x, "y": [1] * len(x)})
    report = check_table(table, contract, now=now)
    assert check_lazy(table.lazy(), contract, now=now) == report
    return [(f.rule, f.severity, f.rows) for f in report.findings]


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ({"type": "text", "min_length": 2}, ["é", "éé", None, ""], [("length", "flag", 2)]),
        ({"type": "text", "max_length": 1}, ["a", "ab", None], [("length", "flag", 1)]),
        ({"type": "text", "pattern": r"\d+"}, ["12", "1a", "a1", "1\n", None], [("pattern", "flag", 3)]),
        ({"type": "text", "pattern": "a*"}, ["a" * 256, "a" * 257], [("pattern", "flag", 1)]),
        ({"type": "category", "pattern": "a|b"}, ["a", "ab"], [("pattern", "flag", 1)]),
        ({"type": "int", "unique": True}, [1, 2, 3, None, None], []),
        ({"type": "int", "unique": True}, [3, 1, 2], []),
        ({"type": "int", "unique": True}, [1, 2, 1, 1], [("unique", "flag", 2)]),
        ({"type": "text", "unique": True}, ["b", "a", None, "a"], [("unique", "flag", 1)]),
        ({"type": "float", "unique": True}, [1.5, float("nan"), float("nan"), 1.0], []),
        ({"type": "float", "unique": True}, [1.5, 1.5], [("unique", "flag", 1)]),
        ({"type": "float", "max": 1}, [0.0, 2.0, float("nan")], [("range", "flag", 1)]),
        ({"type": "int", "min": 0, "severity": {"range": "reject"}}, [-1, 1], [("range", "reject", 1)]),
        ({"type": "int", "min": 0, "severity": {"range": "warn"}}, [-1, 1], [("range", "warn", 1)]),
        (
            {"type": "int", "max_missing": 0, "severity": {"missing": "reject"}},
            [None, 1],
            [("missing", "reject", 1)],
        ),
        ({"type": "int", "tags": ("forbidden",)}, [1, 2], [("forbidden", "reject", 2)]),
        ({"type": "int", "tags": ("deprecated",)}, [1, 2], [("deprecated", "reject", 2)]),
        (
            {"type": "int", "tags": ("deprecated",), "severity": {"deprecated": "warn"}},
            [1, 2],
            [("deprecated", "warn", 2)],
        ),
        ({"type": "int", "tags": ("sensitive", "personal")}, [1, 2], []),
    ],
)
def test_each_rule_and_its_weight(column, values, found):
    assert check(values, **column) == found


def test_a_forbidden_feature_says_why_and_an_ignored_one_is_fine():
    banned = Column(name="x", type="int", tags=("forbidden",), reason="the works council said no")
    other = Column(name="z", type="int")
    table = pl.DataFrame({"x": [1], "z": [1], "y": [1]})
    with pytest.raises(ContractError, match="the works council said no"):
        check_table(table, Contract(columns=(banned, other, TARGET))).require()
    ignored = Column(name="x", type="int", tags=("forbidden",), role="ignore")
    assert check_table(table, Contract(columns=(ignored, other, TARGET))).findings == ()


def test_of_an_ignored_column_only_uniqueness_is_judged():
    key = Column(name="x", type="int", role="ignore", unique=True, min=0, max_missing=0, required=True)
    contract = Contract(columns=(key, Column(name="z", type="int"), TARGET))

    def found(x):
        table = pl.DataFrame({"x": x, "z": [1] * len(x), "y": [1] * len(x)}, strict=False)
        return [(f.rule, f.severity, f.rows) for f in check_table(table, contract).findings]

    assert found([-3, 4, None, None]) == []
    assert found([4, 4, 5]) == [("unique", "flag", 1)]
    assert found(["b", "a", "b"]) == [("unique", "flag", 1)]
    assert found([1.5, float("nan"), float("nan")]) == []
    assert found([[1], [1]]) == []


def test_uniqueness_over_many_batches(tmp_path):
    """Rising values need no second look; others are counted, wherever the repeats lie."""
    contract = Contract(columns=(Column(name="x", type="int", unique=True), TARGET))
    rising = pl.DataFrame({"x": range(300_000), "y": [1] * 300_000})
    for name, table, repeats in (
        ("rising", rising, 0),
        ("falling", rising.reverse(), 0),
        ("twice", pl.concat([rising, rising.head(5)]), 5),
    ):
        path = tmp_path / f"{name}.parquet"
        table.write_parquet(path, row_group_size=10_000)
        found = check_lazy(pl.scan_parquet(path), contract).findings
        assert [f.rows for f in found] == [repeats] * (repeats > 0)


NOW = datetime(2020, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "old"),
    [
        (["2020-01-01", "2020-01-03T00:00:00.000001", None], False),
        (["2020-01-01", "2020-01-03"], False),
        (["2020-01-01", "2020-01-02T23:59:59.999999"], True),
        (["2020-01-03T01:30:00+02:00"], True),
        ([date(2020, 1, 2)], True),
        ([date(2020, 1, 3)], False),
        ([datetime(2020, 1, 3, 1, tzinfo=timezone(timedelta(hours=2)))], True),
        ([datetime(2020, 1, 3)], False),
    ],
)
def test_age_of_the_newest_time(values, old):
    found = check(values, type="datetime", max_age="7d", now=NOW)
    assert found == ([("age", "flag", len(values))] if old else [])
    assert check(values, type="datetime", max_age="7d") == []


@pytest.mark.parametrize(
    ("values", "column", "found"),
    [
        (pl.Series([1, 2], dtype=pl.UInt8), {"type": "int", "max": 1}, [("range", "flag", 1)]),
        (pl.Series([1, 2**53 + 1]), {"type": "float"}, [("type", "reject", 2)]),
        (pl.Series([1, 2**53]), {"type": "float", "max": 1}, [("range", "flag", 1)]),
        (
            pl.Series([1.0, float("nan")]),
            {"type": "int", "max": 0, "max_missing": 0},
            [("missing", "flag", 1), ("range", "flag", 1)],
        ),
        (pl.Series([1.5, None]), {"type": "int"}, [("type", "reject", 2)]),
        (pl.Series([1e300]), {"type": "int"}, [("type", "reject", 1)]),
        (pl.Series([1.5, 2.5], dtype=pl.Float32), {"type": "float", "max": 2}, [("range", "flag", 1)]),
        (
            pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 1)),
            {"type": "float", "max": 2},
            [("range", "flag", 1)],
        ),
        (
            pl.Series(["a", "b"], dtype=pl.Categorical),
            {"type": "category", "allowed": ("a",)},
            [("levels", "flag", 1)],
        ),
        (
            pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])),
            {"type": "category", "allowed": ("a",)},
            [("levels", "flag", 1)],
        ),
        (pl.Series([1, 2]), {"type": "category", "allowed": ("1",)}, [("levels", "flag", 1)]),
        (pl.Series([1.5, float("nan")]), {"type": "category", "allowed": ("1.5",)}, []),
        (pl.Series([True, False]), {"type": "category", "allowed": ("true",)}, [("levels", "flag", 1)]),
        (pl.Series([True]), {"type": "int"}, [("type", "reject", 1)]),
        (pl.Series([None, None]), {"type": "int"}, [("empty", "reject", 2)]),
        (pl.Series([None, None]), {"type": "category", "allowed": ("a",)}, [("empty", "reject", 2)]),
        (pl.Series([None, None], dtype=pl.String), {"type": "int"}, [("empty", "reject", 2)]),
        (pl.Series([date(2020, 1, 1)]), {"type": "category", "allowed": ("2020-01-01",)}, []),
        (pl.Series([datetime(2020, 1, 1)]), {"type": "text", "max_length": 3}, [("length", "flag", 1)]),
        (pl.Series([1, 2], dtype=pl.UInt64), {"type": "int", "unique": True}, []),
    ],
)
def test_every_stored_type(values, column, found):
    assert check(values, **column) == found


def test_integers_beyond_64_bits_are_a_fault_of_the_source():
    with pytest.raises(SourceError, match="1 larger ones in column 'x'"):
        check(pl.Series([2**63, 1], dtype=pl.UInt64), type="int")


LOANS = Contract(
    columns=(
        Column(name="amount", type="float"),
        Column(name="income", type="int"),
        Column(name="begin", type="datetime"),
        Column(name="job", type="category", role="group"),
        Column(name="id", type="text", role="ignore"),
        TARGET,
    ),
    rules=(
        Rule(name="half", expr="amount <= 0.5 * income"),
        Rule(name="modern", expr="begin >= '2000-01-01'", severity="reject"),
        Rule(name="cooks", expr="job != 'cook' or income is not missing", severity="warn"),
        Rule(name="target", expr="y in (0, 1)"),
        Rule(name="gone", expr="id == 'a'"),
    ),
)


def test_rules_across_columns_on_a_table_and_on_rows():
    table = pl.DataFrame(
        {
            "amount": [1.0, 6.0, float("nan"), 6.0],
            "income": [10, 10, 10, None],
            "begin": ["2000-01-01", "1999-12-31", None, "2020-01-01"],
            "job": ["cook", "clerk", "cook", "cook"],
            "y": [0, 1, 2, 1],
        }
    )
    report = check_table(table, LOANS)
    assert [(f.rule, f.severity, f.rows) for f in report.findings] == [
        ("rule half", "flag", 1),
        ("rule modern", "reject", 1),
        ("rule cooks", "warn", 1),
        ("rule target", "flag", 1),
        ("rule gone", "warn", 0),
    ]
    assert "amount <= 0.5 * income" in report.findings[0].message
    row = compile_row_check(LOANS)
    assert row.check([1.0, 10, "2000-01-01", "cook"]) == 0
    assert row.check([6.0, 10, "2000-01-01", "cook"]) == 1
    assert row.check([6.0, None, "2000-01-01", "cook"]) == 0
    with pytest.raises(ContractError) as caught:
        row.check([6.0, 10, "1999-12-31", "cook"], at=3)
    assert caught.value.where == "row 3, rule 'modern'"
    assert "1999" not in caught.value.message


def test_a_rule_about_a_mistyped_column_waits_for_the_type():
    table = pl.DataFrame(
        {"amount": ["x"], "income": [1.5], "begin": ["2020-01-01"], "job": ["cook"], "y": [1]}
    )
    found = [(f.rule, f.severity) for f in check_table(table, LOANS).findings]
    assert found == [("type", "reject"), ("type", "reject"), ("rule half", "warn"), ("rule gone", "warn")]


cells = {
    "float": st.floats(-10, 10),
    "int": st.integers(-5, 5),
    "text": st.text(st.sampled_from("ab1é"), max_size=4),
    "bool": st.booleans(),
}


@st.composite
def columns(draw, name):
    kind = draw(st.sampled_from(["float", "int", "text", "category", "bool"]))
    words, number = kind in ("text", "category"), kind in ("float", "int")
    return Column(
        name=name,
        type=kind,
        max_missing=draw(st.sampled_from([None, 0.0])),
        min=draw(st.none() | st.integers(-5, 0)) if number else None,
        max=draw(st.none() | st.integers(0, 5)) if number else None,
        allowed=draw(st.sampled_from([None, ("a", "ab", "1")])) if kind == "category" else None,
        max_length=draw(st.none() | st.integers(1, 3)) if words else None,
        pattern=draw(st.sampled_from([None, "a.*", r"\d?[ab]+"])) if words else None,
        severity=draw(
            st.dictionaries(
                st.sampled_from(["missing", "range", "levels", "length", "pattern"]),
                st.sampled_from(["reject", "warn", "flag"]),
            )
        ),
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), columns("u"), columns("v"))
def test_a_table_of_one_row_is_judged_as_the_row(data, u, v):
    """Flags of a row are the flag findings of its table; a refused row is a table that may not train."""
    contract = Contract(columns=(u, v, TARGET))
    values = [data.draw(st.none() | cells["text" if c.type == "category" else c.type]) for c in (u, v)]
    dtypes = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean}
    table = pl.DataFrame(
        {"u": [values[0], None], "v": [values[1], None], "y": [1, 1]},
        schema={"u": dtypes.get(u.type, pl.String), "v": dtypes.get(v.type, pl.String), "y": pl.Int64},
    )[:1]
    findings = [f for f in check_table(table, contract).findings if f.rule != "empty"]
    if None in values:
        findings = [f for f in findings if f.rule != "missing"]
        for column, value in zip((u, v), values, strict=True):
            if value is None and column.max_missing == 0:
                findings.append(type("F", (), {"severity": column.weight("missing")}))
    try:
        flags = compile_row_check(contract).check(values)
    except ContractError:
        assert any(f.severity == "reject" for f in findings)
    else:
        assert all(f.severity != "reject" for f in findings)
        assert flags == sum(f.severity == "flag" for f in findings)
