"""One row against the contract: the same meaning as in training, no coercion, no value in a message."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import ContractError
from slipway.data.contract import Column, Contract
from slipway.data.rowcheck import compile_row_check, decoding_error, row_type

CONTRACT = Contract(
    columns=(
        Column(name="Marital Status", type="category", allowed=("single", "married"), max_missing=0.0),
        Column(name="income", type="float", min=0, max=1000.5, max_missing=0.0),
        Column(name="children", type="int", min=0, max=20),
        Column(name="owner", type="bool"),
        Column(name="since", type="datetime"),
        Column(name="remark", type="text"),
        Column(name="wide", type="float"),
        Column(name="secret", type="text", role="ignore", reason="personal"),
        Column(name="bought", type="datetime", role="time"),
        Column(name="customer", type="category", role="group"),
        Column(name="repaid", type="int", role="target"),
    )
)
CHECK = compile_row_check(CONTRACT)
GOOD = {
    "Marital Status": "single",
    "income": 10.5,
    "children": 2,
    "owner": True,
    "since": "2018-01-01 00:00:00.000",
    "remark": "x",
    "wide": 1,
    "bought": "2018-01-01",
    "customer": "c1",
}
ROWS = msgspec.json.Decoder(list[row_type(CONTRACT)])
LOOSE_ROWS = msgspec.json.Decoder(list[row_type(CONTRACT, strict=False)])


def decoded(row, decoder=ROWS):
    return CHECK.values(decoder.decode(msgspec.json.encode([row]))[0])


def flags(**changes):
    """Flags of a good row with changes, the same through JSON and from a mapping."""
    row = {**GOOD, **changes}
    direct = CHECK.check(CHECK.values_of(row))
    assert CHECK.check(decoded(row)) == direct
    return direct


def refusal(**changes):
    with pytest.raises(ContractError) as caught:
        CHECK.check(CHECK.values_of({**GOOD, **changes}), at=7)
    assert "row 7" in caught.value.where
    assert "\n" not in caught.value.message
    return caught.value


def test_values_follow_the_contract_order():
    assert CHECK.columns == tuple(GOOD)
    assert decoded(dict(reversed(GOOD.items()))) == tuple(GOOD.values())
    assert flags() == 0


def test_numbers_stay_as_they_came():
    assert type(decoded({"income": 3})[1]) is int
    assert type(decoded({"income": 3.0})[1]) is float


@pytest.mark.parametrize("name", list(GOOD))
def test_null_and_an_absent_key_are_the_same(name):
    absent = {key: value for key, value in GOOD.items() if key != name}
    assert decoded(absent) == decoded({**GOOD, name: None})
    assert CHECK.values_of(absent) == CHECK.values_of({**GOOD, name: None})
    assert flags(**{name: None}) == (1 if name in ("Marital Status", "income") else 0)


def test_ranges_and_levels_are_flagged_not_refused():
    assert flags(income=-0.1) == 1
    assert flags(income=1000.5) == 0
    assert flags(income=1001) == 1
    assert flags(children=21, income=-1, **{"Marital Status": "widowed"}) == 3
    assert flags(children=5.0) == 0
    assert flags(children=-5.0) == 1
    assert flags(wide=1e300) == 0
    assert flags(remark="anything", customer="new") == 0


def test_nan_is_missing():
    values = list(CHECK.values_of(GOOD))
    values[1] = float("nan")
    assert CHECK.check(values) == 1
    values[1], values[2] = 0.0, float("nan")
    assert CHECK.check(values) == 0


@pytest.mark.parametrize(
    ("changes", "expected", "got"),
    [
        ({"income": "10"}, "a JSON number", "a string"),
        ({"income": True}, "a JSON number", "true or false"),
        ({"children": "2"}, "a JSON number without a fraction", "a string"),
        ({"children": False}, "a JSON number without a fraction", "true or false"),
        ({"children": 2.5}, "a JSON number without a fraction", "a number with a fraction"),
        ({"owner": 1}, "true or false", "a number"),
        ({"owner": "true"}, "true or false", "a string"),
        ({"Marital Status": 3}, "a JSON string", "a number"),
        ({"remark": ["x"]}, "a JSON string", "an array"),
        ({"since": "yesterday"}, "ISO 8601", "another string"),
        ({"since": 1514764800}, "ISO 8601", "a number"),
        ({"bought": "2018-13-01"}, "ISO 8601", "another string"),
        ({"income": 2**53 + 1}, "without rounding", "rounded"),
        ({"wide": 2**53 + 1}, "without rounding", "rounded"),
        ({"wide": 10**400}, "without rounding", "rounded"),
        ({"wide": 2**70}, "without rounding", "rounded"),
        ({"wide": float("inf")}, "without rounding", "not finite"),
        ({"children": 2**63}, "without rounding", "rounded"),
        ({"children": 1e300}, "without rounding", "rounded"),
        ({"children": float("-inf")}, "without rounding", "not finite"),
    ],
)
def test_wrong_types_are_refused_by_column(changes, expected, got):
    error = refusal(**changes)
    assert expected in error.expected
    assert got in error.got
    assert repr(next(iter(changes))) in error.where


def test_large_exact_integers_are_numbers():
    assert flags(wide=2**53 + 2) == 0
    assert flags(wide=-(2**63)) == 0


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.text(), st.none()))
def test_an_accepted_number_is_what_training_would_see(value):
    """Whatever passes in a float column equals its float64 form, or is missing."""
    try:
        CHECK.check(CHECK.values_of({**GOOD, "wide": value}))
    except ContractError:
        return
    assert value is None or float(value) == value or math.isnan(value)


def test_required_columns_refuse_null():
    contract = Contract(
        columns=(
            Column(name="x", type="float", required=True),
            Column(name="y", type="int", role="target"),
        )
    )
    check = compile_row_check(contract)
    assert check.check([1.0]) == 0
    assert check.values(row_type(contract)(2.0)) == (2.0,)
    with pytest.raises(ContractError, match="contract requires one"):
        check.check([None])


def test_known_columns_that_no_model_reads_are_left_unread():
    assert flags(secret={"a": [1]}, repaid=1) == 0


def test_unknown_columns_are_counted_never_named():
    row = {**GOOD, "jane@example.org": 1, "other": 2}
    assert CHECK.unknown(row) == 2
    with pytest.raises(ContractError) as caught:
        CHECK.values_of(row, at=3)
    assert caught.value.got == "2 that it does not know"
    assert caught.value.where == "row 3"
    with pytest.raises(msgspec.ValidationError) as raw:
        decoded(row)
    error = decoding_error(raw.value)
    assert "jane" not in error.message
    assert error.where == "[0]"
    assert decoded(row, LOOSE_ROWS) == tuple(GOOD.values())


@pytest.mark.parametrize(
    ("body", "where", "got"),
    [
        ('{"rows":[{"income":"12 Main St"}]}', "rows[0].income", "string"),
        ('{"rows":[{},{"owner":3}]}', "rows[1].owner", "number"),
        ('{"rows":[{"Marital Status":[]}]}', "rows[0].Marital Status", "array"),
        ('{"rows":[7]}', "rows[0]", "number"),
        ('{"rows":[{"income":1e999}]}', "rows[0].income", "does not"),
        ('{"row":[]}', "the body", "another shape"),
        ("[]", "the body", "array"),
    ],
)
def test_json_of_the_wrong_shape_is_placed(body, where, got):
    Body = msgspec.defstruct("Body", [("rows", list[row_type(CONTRACT)])])
    with pytest.raises(msgspec.ValidationError) as raw:
        msgspec.json.decode(body, type=Body)
    error = decoding_error(raw.value)
    assert error.where == where
    assert got in error.got
    assert "Main" not in error.message


def test_rows_of_a_request():
    rows = [CHECK.values_of(GOOD), CHECK.values_of({**GOOD, "income": -1}), CHECK.values_of({})]
    assert CHECK.check_rows(rows) == [0, 1, 2]
    with pytest.raises(ValueError, match="unpack"):
        CHECK.check(["single"])


def test_rules_that_the_contract_refuses():
    contract = Contract(
        columns=(
            Column(name="x", type="float", min=0, severity={"range": "reject"}),
            Column(name="c", type="category", allowed=("a",), severity={"levels": "reject"}),
            Column(name="t", type="text", pattern="[a-z]+", max_length=3, severity={"length": "warn"}),
            Column(name="z", type="int", max_missing=0, severity={"missing": "reject"}),
            Column(name="y", type="int", role="target"),
        )
    )
    check = compile_row_check(contract).check
    assert check([1.0, "a", "abcd", 1]) == 0
    assert check([1.0, "a", "abcD", 1]) == 1
    for row, name, rule in (
        ([-1.0, "a", "x", 1], "x", "range"),
        ([1.0, "secret", "x", 1], "c", "levels"),
        ([1.0, "a", "x", None], "z", "missing"),
    ):
        with pytest.raises(ContractError, match="which the contract refuses") as caught:
            check(row, at=5)
        assert caught.value.where == f"row 5, column {name!r}"
        assert repr(rule) in caught.value.expected
        assert "secret" not in caught.value.message


def test_names_and_words_of_a_contract_never_become_code():
    name = "x\n import os #\"'{}$cell"
    contract = Contract(
        columns=(
            Column(name=name, type="category", allowed=("'); raise SystemExit #", "$cell")),
            Column(name="y", type="int", role="target"),
        )
    )
    check = compile_row_check(contract)
    assert check.columns == (name,)
    assert check.check(["$cell"]) == 0
    assert check.check(["other"]) == 1
