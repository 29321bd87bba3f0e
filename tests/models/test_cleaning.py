"""Cleaning steps: what each does, and that a column and a row give the same bits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import ContractError, IntegrityError
from slipway.data.steps import Blank, BlankTimes, Imply, Replace, Rescale, Swap
from slipway.models.cleaning import Cleaner
from slipway.models.encoder import CategoryColumn, DatetimeColumn, Encoder, NumberColumn

STEPS = (
    Swap(columns=("a", "b"), ranges=((0.0, 10.0), (20.0, 30.0))),
    Rescale(column="a", above=100.0, factor=0.001),
    Rescale(column="whole", below=1.0, factor=1000.0, whole=True),
    Blank(column="b", min=-5.0, max=1e6),
    Replace(column="job", values={"nurze": "nurse", "1": "one", "": "empty"}),
    Imply(column="city", by="job", values={"nurse": "Ulm", "one": "Bonn"}),
    BlankTimes(column="day", earliest="1901-01-01", latest="2099-12-31T23:59:59"),
)
NAMES = ("a", "b", "whole", "job", "city", "day", "rest")


def mended(**cells):
    """One row, by column and by row, which must agree."""
    cleaner = Cleaner(STEPS)
    row = [cells.get(name) for name in NAMES]
    cleaner.row(NAMES)(row)
    by_column = cleaner.columns({name: [cells.get(name)] for name in NAMES}, 1)
    assert [by_column[name][0] for name in NAMES] == row
    return {name: value for name, value in zip(NAMES, row, strict=True) if value is not None}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 25.0, "b": 5.0}, {"a": 5.0, "b": 25.0}),
        ({"a": 5.0, "b": 25.0}, {"a": 5.0, "b": 25.0}),
        ({"a": 25.0}, {"a": 25.0}),
        ({"a": 5000}, {"a": 5.0}),
        ({"a": 100.0}, {"a": 100.0}),
        ({"a": True, "b": True}, {"a": True, "b": True}),
        ({"whole": 0.0345}, {"whole": 34}),
        ({"b": 2e6}, {}),
        ({"b": -5.0}, {"b": -5.0}),
        ({"b": math.inf}, {}),
        ({"b": 10**400}, {"b": 10**400}),
        ({"job": "nurze", "city": "Rome"}, {"job": "nurse", "city": "Ulm"}),
        ({"job": "nurse"}, {"job": "nurse"}),
        ({"job": 1.0, "city": "x"}, {"job": "one", "city": "Bonn"}),
        ({"job": "", "city": "x"}, {"job": "empty", "city": "x"}),
        ({"city": "x"}, {"city": "x"}),
        ({"day": "1900-12-31"}, {}),
        ({"day": "2100-01-01T01:00:00+02:00"}, {"day": "2100-01-01T01:00:00+02:00"}),
        ({"day": "soon"}, {"day": "soon"}),
        ({"rest": 1e9}, {"rest": 1e9}),
        ({}, {}),
    ],
)
def test_what_each_step_does(before, after):
    assert mended(**before) == after


def test_absent_columns_stay_absent():
    made = Cleaner(STEPS).columns({"job": ["nurze"], "other": [1]}, 1)
    assert made == {"job": ["nurse"], "other": [1]}
    assert Cleaner(()).columns({"x": [1, 2]}, 2) == {"x": [1, 2]}
    assert Cleaner(STEPS).columns({"a": []}, 0) == {"a": []}


ENCODER = Encoder(
    [
        NumberColumn("a"),
        NumberColumn("b"),
        NumberColumn("whole"),
        CategoryColumn("job", ("nurse", "one")),
        CategoryColumn("city", ("Bonn", "Ulm")),
        DatetimeColumn("day"),
    ],
    STEPS,
)
numbers = st.none() | st.floats() | st.integers(-(2**70), 2**70) | st.integers(-10, 40)
levels = st.none() | st.sampled_from(["nurze", "nurse", "Rome", "", "1"]) | st.integers(0, 2)
days = st.none() | st.datetimes().map(lambda day: day.isoformat())
rows = st.lists(st.tuples(numbers, numbers, numbers, levels, levels, days), max_size=6)


@given(rows)
def test_a_table_and_its_rows_give_the_same_bits(made):
    columns = {name: [row[at] for row in made] for at, name in enumerate(ENCODER.columns)}
    whole = ENCODER.encode(columns, len(made))
    alone = np.array([ENCODER.encode_row(row) for row in made], dtype=np.float64).reshape(whole.shape)
    assert whole.tobytes() == alone.tobytes()
    # a training table holds its numbers as float64 arrays, a request whatever JSON had
    arrays = {
        name: np.array([math.nan if value is None else float(value) for value in columns[name]])
        for name in ("a", "b", "whole")
    }
    assert ENCODER.encode({**columns, **arrays}, len(made)).tobytes() == whole.tobytes()


@given(rows)
def test_the_caller_keeps_the_raw_values(made):
    before = [list(row) for row in made]
    given_rows = [list(row) for row in made]
    for row in given_rows:
        ENCODER.encode_row(row)
    assert str(given_rows) == str(before)


def test_steps_on_strangers_and_columns_of_another_length_are_refused():
    with pytest.raises(IntegrityError, match="1 other columns"):
        Encoder([NumberColumn("x")], (Blank(column="z", max=1.0),))
    with pytest.raises(ContractError, match="expected 2 values, got 1"):
        ENCODER.encode({"a": [1.0], "b": [1.0, 2.0]}, 2)
    with pytest.raises(ContractError, match="a number"):
        ENCODER.encode_row(["text", 1, 1, None, None, None])


def test_encoders_with_other_steps_differ():
    plain = Encoder(ENCODER.specs)
    assert plain != ENCODER
    assert Encoder.from_json(ENCODER.to_json(), STEPS) == ENCODER
    assert hash(plain) == hash(ENCODER)
