"""Differences of contracts: each is found once, goes the right way, and none is found where there is none."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.data.amendments import amendments
from slipway.data.contract import Column, Contract, Rule

BASE = {
    "float": Column(name="x", type="float", min=0, max=10, max_missing=0.1, unit="EUR", tags=("personal",)),
    "category": Column(
        name="x", type="category", allowed=("a", "b"), pattern="a|b", max_length=3, owner="risk"
    ),
    "datetime": Column(name="x", type="datetime", max_age="7d", severity={"age": "warn"}),
}
OTHERS = (Column(name="z", type="int"), Column(name="y", type="int", role="target"))


def contract(*columns, **fields):
    return Contract(columns=(*columns, *OTHERS), **fields)


@pytest.mark.parametrize(
    ("kind", "change", "found"),
    [
        ("float", {"min": -1}, ("loosened", "min", "0", "-1")),
        ("float", {"min": 1}, ("tightened", "min", "0", "1")),
        ("float", {"min": None}, ("loosened", "min", "0", "")),
        ("float", {"min": 0.0}, ("changed", "min", "0", "0.0")),
        ("float", {"max": 9.5}, ("tightened", "max", "10", "9.5")),
        ("float", {"max": 11}, ("loosened", "max", "10", "11")),
        ("float", {"max_missing": 0.2}, ("loosened", "max_missing", "0.1", "0.2")),
        ("float", {"max_missing": None}, ("loosened", "max_missing", "0.1", "")),
        ("float", {"required": True}, ("tightened", "required", "false", "true")),
        ("float", {"unique": True}, ("tightened", "unique", "false", "true")),
        ("float", {"unit": "USD"}, ("changed", "unit", '"EUR"', '"USD"')),
        ("float", {"type": "int"}, ("changed", "type", '"float"', '"int"')),
        ("float", {"role": "ignore"}, ("changed", "role", '"feature"', '"ignore"')),
        (
            "float",
            {"tags": ("personal", "forbidden")},
            ("tightened", "tags", '["personal"]', '["personal", "forbidden"]'),
        ),
        ("float", {"tags": ()}, ("changed", "tags", '["personal"]', "")),
        ("float", {"severity": {"range": "reject"}}, ("tightened", "severity.range", '"flag"', '"reject"')),
        (
            "float",
            {"severity": {"deprecated": "warn"}},
            ("loosened", "severity.deprecated", '"reject"', '"warn"'),
        ),
        ("float", {"severity": {"range": "flag"}}, ("changed", "severity", "", '{range = "flag"}')),
        ("float", {"description": "sum"}, ("changed", "description", "", '"sum"')),
        ("category", {"allowed": ("a", "b", "c")}, ("loosened", "allowed", '["a", "b"]', '["a", "b", "c"]')),
        ("category", {"allowed": ("a",)}, ("tightened", "allowed", '["a", "b"]', '["a"]')),
        ("category", {"allowed": ("a", "c")}, ("changed", "allowed", '["a", "b"]', '["a", "c"]')),
        ("category", {"allowed": ("b", "a")}, ("changed", "allowed", '["a", "b"]', '["b", "a"]')),
        ("category", {"allowed": None}, ("loosened", "allowed", '["a", "b"]', "")),
        ("category", {"pattern": None}, ("loosened", "pattern", '"a|b"', "")),
        ("category", {"pattern": "a"}, ("changed", "pattern", '"a|b"', '"a"')),
        ("category", {"max_length": 4}, ("loosened", "max_length", "3", "4")),
        ("category", {"min_length": 1}, ("tightened", "min_length", "", "1")),
        ("datetime", {"max_age": "12h"}, ("tightened", "max_age", '"7d"', '"12h"')),
        ("datetime", {"max_age": "1w"}, ("changed", "max_age", '"7d"', '"1w"')),
        ("datetime", {"severity": {}}, ("tightened", "severity.age", '"warn"', '"flag"')),
    ],
)
def test_each_key_goes_its_way(kind, change, found):
    old, new = contract(BASE[kind]), contract(msgspec.structs.replace(BASE[kind], **change))
    (one,) = amendments(old, new)
    assert (one.kind, one.key, one.before, one.after) == found
    assert one.where == "column x"
    opposite = {"loosened": "tightened", "tightened": "loosened", "changed": "changed"}
    (back,) = amendments(new, old)
    assert (back.kind, back.before, back.after) == (opposite[one.kind], one.after, one.before)


def test_columns_rules_and_rows():
    old = contract(
        Column(name="x", type="int"), rules=(Rule(name="r", expr="x > 0"), Rule(name="s", expr="x > 1"))
    )
    new = contract(
        Column(name="w", type="text"),
        min_rows=10,
        max_rows=20,
        rules=(Rule(name="r", expr="z > 0", severity="reject"), Rule(name="t", expr="z > 1")),
    )
    assert [(one.kind, one.where, one.key) for one in amendments(old, new)] == [
        ("tightened", "rows", "min"),
        ("tightened", "rows", "max"),
        ("added", "column w", ""),
        ("removed", "column x", ""),
        ("changed", "rule r", "expr"),
        ("tightened", "rule r", "severity"),
        ("added", "rule t", ""),
        ("removed", "rule s", ""),
    ]


def test_order_counts():
    x = Column(name="x", type="int")
    one, other = Contract(columns=(x, *OTHERS)), Contract(columns=(*OTHERS, x))
    assert [(a.where, a.key) for a in amendments(one, other)] == [("columns", "order")]


names = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)


@st.composite
def contracts(draw):
    made = [
        Column(
            name=name,
            type=draw(st.sampled_from(["int", "float"])),
            min=draw(st.sampled_from([None, 0, 0.0, 1])),
            unique=draw(st.booleans()),
            severity=draw(
                st.dictionaries(st.sampled_from(["range", "age"]), st.sampled_from(["flag", "warn"]))
            ),
        )
        for name in draw(names)
    ]
    return contract(*made, min_rows=draw(st.integers(1, 2)))


@settings(deadline=None)
@given(contracts(), contracts())
def test_none_exactly_when_equal(one, other):
    same = msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(
        other, order="deterministic"
    )
    assert (amendments(one, other) == ()) == same
    assert len(amendments(one, other)) == len(amendments(other, one))
