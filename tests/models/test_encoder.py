"""The encoder gives training and serving the same bits."""

import math
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.errors import ContractError, IntegrityError
from slipway.models.encoder import (
    BoolColumn,
    CategoryColumn,
    DatetimeColumn,
    Encoder,
    NumberColumn,
)

NUMBERS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1, 2**63, -(2**63)]),
)
CATEGORIES = st.one_of(
    st.none(), st.text(max_size=5), st.sampled_from(["a", "b", "1", "0.5", ""]), st.integers(-3, 3), NUMBERS
)
MOMENTS = st.one_of(
    st.none(),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(
        datetime(1900, 1, 1),
        datetime(2200, 1, 1),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=30))]),
    ).map(datetime.isoformat),
    st.dates().map(date.isoformat),
)
KINDS = {
    "number": (NumberColumn, NUMBERS),
    "bool": (BoolColumn, NUMBERS),
    "category": (lambda name: CategoryColumn(name, ("a", "b", "1", "0.5", "true")), CATEGORIES),
    "datetime": (DatetimeColumn, MOMENTS),
}


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    n = draw(st.integers(0, 6))
    specs = [KINDS[kind][0](f"c{at}") for at, kind in enumerate(kinds)]
    columns = {f"c{at}": [draw(KINDS[kind][1]) for _ in range(n)] for at, kind in enumerate(kinds)}
    return Encoder(specs), columns, n


def same_bits(left, right):
    left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    nan = np.isnan(left)
    return (
        left.shape == right.shape
        and np.array_equal(nan, np.isnan(right))
        and left[~nan].tobytes() == right[~nan].tobytes()
    )


@settings(max_examples=200, deadline=None)
@given(tables())
def test_a_row_gives_the_bits_of_the_matrix(table):
    encoder, columns, n = table
    matrix = encoder.encode(columns, n)
    assert matrix.shape == (n, len(encoder.names))
    assert matrix.flags.c_contiguous
    for row in range(n):
        encoded = encoder.encode_row([columns[name][row] for name in encoder.columns])
        assert all(type(value) is float for value in encoded)
        assert same_bits(encoded, matrix[row])


@settings(max_examples=100, deadline=None)
@given(tables())
def test_json_restores_the_same_encoder(table):
    encoder, columns, n = table
    content = encoder.to_json()
    restored = Encoder.from_json(content)
    assert restored == encoder
    assert hash(restored) == hash(encoder)
    assert restored.to_json() == content
    assert restored.names == encoder.names
    assert same_bits(restored.encode(columns, n), encoder.encode(columns, n))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=6), unique=True, max_size=8), st.text(max_size=6))
def test_each_level_has_its_own_code_and_all_others_share_one(levels, stranger):
    encoder = Encoder.from_json(Encoder([CategoryColumn("c", tuple(levels))]).to_json())
    codes = encoder.encode({"c": levels}, len(levels))[:, 0]
    assert codes.tolist() == list(range(len(levels)))
    expected = float(levels.index(stranger)) if stranger in levels else float(len(levels))
    assert encoder.encode_row([stranger]) == [expected]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_null_absent_and_nan_are_one_thing(kind):
    spec, _ = KINDS[kind]
    encoder = Encoder([spec("x"), NumberColumn("y")])
    null = encoder.encode({"x": [None, None], "y": [1.0, 2.0]}, 2)
    absent = encoder.encode({"y": [1.0, 2.0]}, 2)
    assert same_bits(null, absent)
    assert np.isnan(null[:, :-1]).all()
    if kind != "datetime":
        assert same_bits(encoder.encode({"x": [math.nan, None], "y": [1, 2]}, 2), null)


def test_numpy_columns_give_the_bits_of_lists():
    encoder = Encoder(
        [NumberColumn("f"), NumberColumn("i"), BoolColumn("b"), CategoryColumn("c", ("1", "2"))]
    )
    columns = {
        "f": np.array([0.1, math.nan, math.inf, -0.0]),
        "i": np.array([2**53 + 1, -1, 0, 7]),
        "b": np.array([True, False, True, True]),
        "c": np.array([1.0, 2.0, 3.0, math.nan]),
    }
    listed = {name: values.tolist() for name, values in columns.items()}
    assert same_bits(encoder.encode(columns, 4), encoder.encode(listed, 4))
    assert same_bits(encoder.encode({"f": columns["f"].astype(np.float32)}, 4)[0, 0], np.float32(0.1))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), st.datetimes()), max_size=5))
def test_datetime64_objects_and_text_give_the_same_parts(moments):
    encoder = Encoder([DatetimeColumn("t")])
    expected = encoder.encode({"t": moments}, len(moments))
    text = [None if moment is None else moment.isoformat() for moment in moments]
    array = np.array(moments, dtype="datetime64[us]")
    assert same_bits(encoder.encode({"t": text}, len(moments)), expected)
    assert same_bits(encoder.encode({"t": array}, len(moments)), expected)


def test_date_parts_are_in_utc():
    encoder = Encoder([DatetimeColumn("t"), NumberColumn("x")])
    assert encoder.names == ("t.year", "t.month", "t.day", "t.weekday", "t.hour", "t.epoch_day", "x")
    row = encoder.encode_row(["2024-02-29T23:30:00-01:00", 5])
    assert row == [2024.0, 3.0, 1.0, 4.0, 0.0, 19783.0, 5.0]
    assert encoder.encode_row(["2024-02-29", None])[:6] == [2024.0, 2.0, 29.0, 3.0, 0.0, 19782.0]


def test_equal_numbers_are_one_category_and_true_is_not_one():
    encoder = Encoder([CategoryColumn("c", ("1", "2.5", "true"))])
    assert [encoder.encode_row([value])[0] for value in (1, 1.0, "1", 2.5, "2.5", True, "true", False)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        2,
        3,
    ]
    assert encoder.encode_row([1e300]) == [3.0]
    assert encoder.encode_row([math.inf]) == [3.0]


def test_categorical_positions_count_matrix_columns():
    encoder = Encoder(
        [DatetimeColumn("t"), CategoryColumn("c", ()), NumberColumn("x"), CategoryColumn("d", ())]
    )
    assert encoder.categorical == (6, 8)
    assert encoder.columns == ("t", "c", "x", "d")


@pytest.mark.parametrize(
    ("spec", "bad", "words"),
    [
        (NumberColumn("pay"), "secret", "a number, got another type"),
        (NumberColumn("pay"), 10**400, "out of range"),
        (NumberColumn("pay"), [1], "another type"),
        (CategoryColumn("pay", ()), ["secret"], "text, a number or a boolean"),
        (CategoryColumn("pay", ()), {"secret": 1}, "another type"),
        (DatetimeColumn("pay"), "secret", "another form"),
        (DatetimeColumn("pay"), 17, "another type"),
        (DatetimeColumn("pay"), math.nan, "another type"),
        (DatetimeColumn("pay"), "0001-01-01T00:00:00+05:00", "another form"),
    ],
)
def test_a_wrong_type_is_refused_by_column_without_its_value(spec, bad, words):
    encoder = Encoder([NumberColumn("first"), spec])
    with pytest.raises(ContractError) as row:
        encoder.encode_row([1.0, bad])
    with pytest.raises(ContractError) as table:
        encoder.encode({"first": [1.0, 2.0], "pay": [None, bad]}, 2)
    for error in (row.value, table.value):
        assert words in error.message
        assert "column 'pay'" in error.message
        assert "secret" not in error.message
    assert "row 1" in table.value.message


def test_counts_that_do_not_agree_are_refused():
    encoder = Encoder([NumberColumn("a"), NumberColumn("b")])
    with pytest.raises(ContractError, match="expected 2 values, got 3"):
        encoder.encode_row([1, 2, 3])
    with pytest.raises(ContractError, match="expected 3 values, got 1 in column 'b'"):
        encoder.encode({"a": [1, 2, 3], "b": [1]}, 3)


def test_repeated_names_and_levels_are_refused():
    with pytest.raises(IntegrityError, match="columns of the encoder"):
        Encoder([NumberColumn("a"), BoolColumn("a")])
    with pytest.raises(IntegrityError, match="levels of column 'a'"):
        Encoder([CategoryColumn("a", ("x", "x"))])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"format": 2, "columns": []}',
        b'{"format": 1, "columns": [{"kind": "odd", "name": "a"}]}',
        b'{"format": 1, "columns": [], "more": 1}',
        b"\xff",
    ],
)
def test_a_broken_document_is_refused(content):
    with pytest.raises(IntegrityError, match="encoder"):
        Encoder.from_json(content)
