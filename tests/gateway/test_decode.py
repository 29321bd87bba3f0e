"""Bodies: every defect has its status and a message that repeats nothing of the row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.base.errors import ContractError, MalformedError, SlipwayError, TooLargeError
from slipway.data.contract import Column, Contract
from slipway.gateway.decode import MAX_ROWS, RowDecoder, decode_outcomes, merge_contracts

CONTRACT = Contract(
    columns=(
        Column(name="age", type="float", min=0, max=120),
        Column(name="visits", type="int"),
        Column(name="member", type="bool"),
        Column(name="job", type="category", allowed=("clerk", "nurse")),
        Column(name="id", type="text", role="ignore", reason="names the row"),
        Column(name="repaid", type="int", role="target"),
    )
)
STRICT = RowDecoder(CONTRACT, strict=True)
LENIENT = RowDecoder(CONTRACT, strict=False)
FULL = {"age": 41.5, "visits": 3, "member": True, "job": "nurse"}


def body(*rows: object) -> bytes:
    return json.dumps({"rows": rows}).encode()


def refused(content: bytes, decoder: RowDecoder = STRICT) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        decoder.decode(content)
    return caught.value


def test_a_row_comes_out_in_contract_order():
    assert STRICT.columns == ("age", "visits", "member", "job")
    rows = STRICT.decode(body(dict(reversed(FULL.items()))))
    assert rows.values == [(41.5, 3, True, "nurse")]
    assert rows.flags == [0]
    assert STRICT.decode(json.dumps({"row": FULL}).encode()) == rows


def test_null_and_absent_are_the_same():
    rows = STRICT.decode(body({"age": 1}, {"age": 1, "visits": None, "member": None, "job": None}))
    assert rows.values[0] == rows.values[1] == (1, None, None, None)


def test_columns_known_but_not_read_are_accepted():
    assert STRICT.decode(body({**FULL, "repaid": 1, "id": {"any": ["thing", 1]}})).values == [
        (41.5, 3, True, "nurse")
    ]


def test_broken_flag_rules_are_counted_and_answered():
    assert STRICT.decode(body({**FULL, "age": 500, "job": "pilot"}, FULL)).flags == [2, 0]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", MalformedError),
        (b"{", MalformedError),
        (b'{"rows": [{"age": NaN}]}', MalformedError),
        (b'{"rows": [{"age": Infinity}]}', MalformedError),
        (b'{"rows": [{"age": -Infinity}]}', MalformedError),
        (b'{"rows": [{"job": "\xff\xfe"}]}', MalformedError),
        (b'{"rows": [{"job": "\\ud800"}]}', MalformedError),
        (b'\xef\xbb\xbf{"rows": [{"age": 1}]}', MalformedError),
        (b'{"rows": [{"age": 1}]} trailing', MalformedError),
        (b'{"rows": [{"age": 1, "age": 2}]}', MalformedError),
        (b'{"rows": [{"age": 1, "age": null}]}', MalformedError),
        (b'{"rows": [{"age": null, "age": 1}]}', MalformedError),
        (b'{"rows": [{"age": 1, "\\u0061ge": 2}]}', MalformedError),
        (b'{"rows": [{"age": 1}], "rows": [{"age": 2}]}', MalformedError),
        (b'{"rows": [{"id": {"a": 1, "a": 2}, "age": 1}]}', MalformedError),
        (b'{"rows": [{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}", MalformedError),
        (b'{"rows": ' + b'{"rows":' * 50_000, ContractError),
        (b'{"rows": [{"age": 1e999}]}', ContractError),
        (b'{"rows": [{"visits": 123456789012345678901234567890}]}', ContractError),
        (b'{"rows": [{"visits": 1.5}]}', ContractError),
        (b'{"rows": [{"age": "41"}]}', ContractError),
        (b'{"rows": [{"age": true}]}', ContractError),
        (b'{"rows": [{"member": 1}]}', ContractError),
        (b'{"rows": [{"job": 7}]}', ContractError),
        (b'{"rows": [{"job": ["clerk"]}]}', ContractError),
        (b'{"rows": [{}]}', ContractError),
        (b'{"rows": [[1, 2, 3, 4]]}', ContractError),
        (b'{"rows": [null]}', ContractError),
        (b'{"rows": null}', ContractError),
        (b"[]", ContractError),
        (b"{}", ContractError),
        (b'{"rows": []}', ContractError),
        (b'{"row": {"age": 1}, "rows": [{"age": 1}]}', ContractError),
        (b'{"instances": [{"age": 1}]}', ContractError),
    ],
)
def test_a_defective_body_is_refused(content: bytes, kind: type[SlipwayError]):
    error = refused(content)
    assert type(error) is kind
    assert error.expected
    assert error.got
    assert error.where


def test_an_error_names_the_place_and_repeats_no_value():
    error = refused(body(FULL, {**FULL, "age": "secret-41"}))
    assert "rows[1].age" in error.message
    assert "secret" not in error.message
    wide = refused(body({**FULL, **{f"secret{n}": n for n in range(200)}}))
    assert "rows[0]" in wide.message
    assert "secret" not in wide.message


def test_a_lenient_decoder_leaves_unknown_columns_unread():
    wide = body({**FULL, **{f"x{n}": n for n in range(200)}})
    assert LENIENT.decode(wide).values == [(41.5, 3, True, "nurse")]
    assert isinstance(refused(b'{"rows": [{"x": 1, "age": 1, "x": 2}]}', LENIENT), MalformedError)


def test_more_rows_than_a_request_may_have():
    content = b'{"rows": [' + b",".join([b'{"age":1}'] * (MAX_ROWS + 1)) + b"]}"
    assert isinstance(refused(content), TooLargeError)


CELLS: dict[str, st.SearchStrategy[Any]] = {
    "age": st.none() | st.floats(0, 120) | st.integers(0, 120),
    "visits": st.none() | st.integers(-(2**62), 2**62),
    "member": st.none() | st.booleans(),
    "job": st.none() | st.text(),
}


#: Hypothesis builds its table of characters once per machine, which takes a second.
FIRST_TEXT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@FIRST_TEXT
@given(
    st.lists(st.fixed_dictionaries({}, optional=CELLS).filter(lambda row: row != {}), min_size=1, max_size=5),
    st.sampled_from([(",", ":"), (", ", ": "), (",\n", " : ")]),
    st.booleans(),
)
def test_what_json_says_is_what_is_decoded(rows: list[dict[str, Any]], separators: Any, ascii_only: bool):
    content = json.dumps({"rows": rows}, separators=separators, ensure_ascii=ascii_only).encode()
    decoded = STRICT.decode(content)
    assert decoded.values == [tuple(row.get(name) for name in STRICT.columns) for row in rows]


@FIRST_TEXT
@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode()))
def test_no_bytes_crash_a_decoder(content: bytes):
    for decode in (STRICT.decode, LENIENT.decode, decode_outcomes):
        with pytest.raises(SlipwayError):
            decode(content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"outcomes": []}',
        b"{}",
        b'{"outcomes": [{"id": "x"}]}',
        b'{"outcomes": [{"value": 1}]}',
        b'{"outcomes": [{"id": 1, "value": 1}]}',
        b'{"outcomes": [{"id": "x", "value": [1]}]}',
        b'{"outcomes": [{"id": "x", "value": 1, "why": 2}]}',
        b'{"outcomes": [{"id": "x", "value": 1, "time": "2024-05-31T09:30:00"}]}',
        b'{"outcomes": [{"id": "x", "value": 1, "time": "yesterday"}]}',
        b'{"outcomes": [{"id": "x", "value": 1, "time": 1700000000000}]}',
    ],
)
def test_defective_outcomes_are_refused(content: bytes):
    with pytest.raises(ContractError):
        decode_outcomes(content)


def test_an_outcome_with_a_key_twice_is_malformed():
    with pytest.raises(MalformedError):
        decode_outcomes(b'{"outcomes": [{"id": "x", "value": 1, "value": 0}]}')


def test_a_shadow_may_read_columns_that_the_champion_does_not():
    income = Column(name="income", type="float", required=True)
    number = Column(name="id", type="text")
    newer = Contract(columns=(*CONTRACT.columns[:4], number, income, CONTRACT.columns[5]))
    merged = merge_contracts(CONTRACT, [newer])
    decoder = RowDecoder(merged, strict=True)
    assert decoder.columns == ("age", "visits", "member", "job", "id", "income")
    assert decoder.decode(body(FULL)).values == [(41.5, 3, True, "nurse", None, None)]
    assert merge_contracts(CONTRACT, []) == CONTRACT
