"""The language of rules: what reads, what is refused, and one meaning for a row and for a table."""

from datetime import datetime

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipway.base.errors import ConfigError
from slipway.data.closures import compile_closure
from slipway.data.expressions import parse_expression
from slipway.data.tablerules import compile_table_rule
from slipway.data.tables import moments

KINDS = {
    "a": "number",
    "b": "number",
    "n": "number",
    "Marital Status": "text",
    "job": "text",
    "old": "truth",
    "new": "truth",
    "start": "time",
    "end": "time",
}
NAMES = tuple(KINDS)
DTYPES = {
    "number": pl.Float64,
    "text": pl.String,
    "truth": pl.Boolean,
    "time": pl.String,
}


def on_row(text, row):
    return compile_closure(parse_expression(text, KINDS), NAMES)([row.get(name) for name in NAMES])


def on_table(text, rows):
    columns = {name: pl.Int64 if name == "n" else DTYPES[kind] for name, kind in KINDS.items()}
    df = pl.DataFrame([[row.get(name) for name in NAMES] for row in rows], schema=columns, orient="row")
    values = {
        name: pl.col(name).map_batches(moments, return_dtype=pl.Datetime("us"))
        if kind == "time"
        else pl.col(name)
        for name, kind in KINDS.items()
    }
    made = compile_table_rule(parse_expression(text, KINDS), values)
    return df.select(made.alias("rule"))["rule"].to_list()


@pytest.mark.parametrize(
    ("text", "row", "holds"),
    [
        ("a <= 0.5 * b", {"a": 1, "b": 2}, True),
        ("a <= 0.5 * b", {"a": 1.5, "b": 2}, False),
        ("a <= 0.5 * b", {"a": 1.5}, None),
        ("a - 1 - 1 == 0 and b / 4 / 2 == 1", {"a": 2, "b": 8}, True),
        ("2 + a * 3 == 8", {"a": 2}, True),
        ("(2 + a) * 3 == 12", {"a": 2}, True),
        ("-a < 3 and - -a > 1", {"a": 2}, True),
        ("0 <= a < b", {"a": 2, "b": 2}, False),
        ("a / b > 0", {"a": 1, "b": 0}, None),
        ("a / b is missing", {"a": 1, "b": 0}, True),
        ("a * 1e308 is missing", {"a": 100.0}, True),
        ("job in ('cook', \"clerk's\")", {"job": "clerk's"}, True),
        ("job not in ('cook')", {"job": "cook"}, False),
        ("job in ('cook')", {}, None),
        ("a in (1, -2.5)", {"a": -2.5}, True),
        ("`Marital Status` == job", {"Marital Status": "x", "job": "x"}, True),
        ("not old or new", {"old": True, "new": False}, False),
        ("not old or new", {"old": True, "new": None}, None),
        ("not old or new", {"old": None, "new": True}, True),
        ("old and new", {"old": None, "new": False}, False),
        ("old == true", {"old": True}, True),
        ("end is missing or end >= start", {"start": "2020-01-01"}, True),
        ("end - start <= 30", {"start": "2020-01-01", "end": "2020-01-31T00:00:00.000001"}, False),
        ("end - '2020-01-01' == 0.5", {"end": "2020-01-01T12:00:00"}, True),
        ("start < '2020-01-01T02:00:00+02:00'", {"start": "2020-01-01"}, False),
        ("start in ('2020-01-01')", {"start": "2020-01-01 00:00:00"}, True),
        ("n == 9007199254740992", {"n": 2**53 + 1}, True),
        ("a is not missing and not (a == 1)", {"a": 2}, True),
    ],
)
def test_meaning(text, row, holds):
    assert on_row(text, row) is holds
    assert on_table(text, [row]) == [holds]


@pytest.mark.parametrize(
    ("text", "expected", "got"),
    [
        ("", "a column, a literal or '('", "the end"),
        ("a = 1", "an operator", "'=', which is written '==' at character 3"),
        ("a <= salary", "columns of the contract", "'salary' at character 6"),
        ("a <= 1 b", "the end, or an operator", "'b' at character 8"),
        ("a <=", "a column, a literal or '('", "the end"),
        ("(a <= 1", "')'", "the end"),
        ("a", "something true or false", "a number"),
        ("a and old", "something true or false", "a number"),
        ("not a", "something true or false", "a number"),
        ("1 < 2", "at least one column", "reads none"),
        ("a == 'x'", "two values of one kind", "a number and a text"),
        ("job < 'x'", "numbers or times beside '<'", "a text"),
        ("job + 1 == 2", "numbers on both sides of '+'", "a text"),
        ("start + 1 == end", "numbers on both sides of '+'", "a time"),
        ("start - 1 > 2", "a time on both sides of '-'", "a time and a number"),
        ("start > 'soon'", "an ISO 8601 time", "another text"),
        ("job in ('x', 3)", "literals after 'in'", "a number"),
        ("job in ('x', job)", "literals after 'in'", "a text"),
        ("a in ()", "a column, a literal", "')' at character 7"),
        ("a is null", "'missing'", "'null' at character 6"),
        ("a < 1e999", "a 64-bit float holds", "character 5"),
        ("a < 1; import os", "an operator", "';' at character 6"),
        ("a.__class__ == 1", "an operator", "'.' at character 2"),
        ("missing == 1", "a column, a literal or '('", "'missing'"),
        ("(" * 60 + "old" + ")" * 60, "levels of parentheses", "more"),
        ("not " * 60 + "old", "levels of parentheses", "more"),
        ("old or " * 400 + "old", "at most 2000 characters", "2803"),
    ],
)
def test_what_does_not_read_is_placed(text, expected, got):
    with pytest.raises(ConfigError) as caught:
        parse_expression(text, KINDS, "rule 'r'")
    assert expected in caught.value.expected
    assert got in caught.value.got
    assert caught.value.where == "rule 'r'"
    assert "\n" not in caught.value.message


def test_a_long_chain_is_judged():
    text = " or ".join(["a == 1"] * 200)
    assert on_row(text, {"a": 1}) is True
    assert on_table(text, [{"a": 2}]) == [False]


literals = st.floats(-1e9, 1e9).map(repr) | st.sampled_from(["0", "1", "2.5", "1e300"])
days = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda when: when.isoformat())
near = st.sampled_from(["2020-01-01", "2020-01-31", "2020-01-01T00:00:00.000001"])
numbers = st.recursive(
    st.sampled_from(["a", "b", "n"]) | literals,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner)
        | st.builds("-{}".format, inner)
        | st.just("(end - start)")
    ),
    max_leaves=6,
)
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
truths = st.recursive(
    st.builds("{} {} {}".format, numbers, signs, numbers)
    | st.builds("{} in (1, 2.5, {})".format, numbers, literals)
    | st.builds("{} {} {}".format, st.sampled_from(["start", "end"]), signs, st.just("start"))
    | st.builds("end {} '{}'".format, signs, near)
    | st.builds("job {} '{}'".format, st.sampled_from(["==", "!="]), st.sampled_from(["x", "y"]))
    | st.sampled_from(["job in ('x', 'ü')", "`Marital Status` == job", "old", "new", "job not in ('x')"])
    | st.builds(
        "{} is {}missing".format, st.sampled_from(NAMES[4:]) | numbers, st.sampled_from(["", "not "])
    ),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("not ({})".format, inner)
        | st.builds("({}) {} ({})".format, inner, st.sampled_from(["==", "!="]), inner)
    ),
    max_leaves=5,
)
cells = {
    "number": st.floats(allow_infinity=False, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, 2.5]),
    "text": st.sampled_from(["x", "y", "ü", ""]),
    "truth": st.booleans(),
    "time": near | days,
}
rows = st.fixed_dictionaries(
    {
        name: st.none() | (st.integers(-(2**63), 2**63 - 1) if name == "n" else cells[kind])
        for name, kind in KINDS.items()
    }
)


@settings(max_examples=300, deadline=None)
@given(
    truths.filter(lambda text: any(name in text for name in ("a", "b", "n", "d"))),
    st.lists(rows, min_size=1, max_size=4),
)
@example("a / b == a / b", [{"a": 1.0, "b": -0.0}, {"a": 0.0, "b": 0.0}])
def test_a_row_and_a_table_are_judged_alike(text, table):
    try:
        parse_expression(text, KINDS)
    except ConfigError:
        return  # a rule about no column
    assert on_table(text, table) == [on_row(text, row) for row in table]
