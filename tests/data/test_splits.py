"""Splits: every labelled row once, the promised structure, the same for the same seed."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.config import Data
from slipway.base.errors import ConfigError, DataError, TargetError
from slipway.data.contract import Column, Contract
from slipway.data.inference import infer
from slipway.data.source import read_table
from slipway.data.splits import split


def contract(target="int", **roles):
    columns = [Column(name="x", type="int"), Column(name="y", type=target, role="target")]
    kinds = {"time": "datetime", "group": "category"}
    columns += [Column(name=name, type=kinds[role], role=role) for name, role in roles.items()]
    return Contract(columns=tuple(columns))


def table(labels, **columns):
    return pl.DataFrame({"x": list(range(len(labels))), "y": labels, **columns})


@given(
    st.lists(st.sampled_from([0, 1, 2, None]), min_size=4, max_size=60),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_labelled_rows_lie_on_one_side_each(labels, share, seed):
    df = table(pl.Series(labels, dtype=pl.Int64))
    try:
        made = split(df, contract(), share, seed)
    except (DataError, TargetError):
        return
    rows = np.concatenate([made.train, made.test])
    assert sorted(rows) == [i for i, label in enumerate(labels) if label is not None]
    again = split(df, contract(), share, seed)
    assert np.array_equal(made.train, again.train)
    assert np.array_equal(made.test, again.test)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=2), st.floats(0.05, 0.95))
def test_each_class_is_on_both_sides_unless_it_has_one_row(sizes, share):
    labels = [name for name, n in sizes.items() for _ in range(n)]
    try:
        made = split(table(labels), contract("category"), share, 0)
    except DataError:
        assert all(n == 1 for n in sizes.values())
        return
    if made.kind == "random":
        return
    for name, n in sizes.items():
        in_test = sum(labels[i] == name for i in made.test)
        assert in_test <= n - 1
        assert in_test >= (n > 1)
        assert n == 1 or abs(in_test - n * share) <= 1


def test_stratified_share_and_seed():
    df = table([i % 4 == 0 for i in range(1000)])
    made = split(df, contract("bool"), 0.25, 0)
    assert made.kind == "stratified"
    assert len(made.test) == 250
    assert sum(df["y"].gather(made.test)) in (62, 63)
    assert not np.array_equal(made.test, split(df, contract("bool"), 0.25, 1).test)


def test_held_out_rows_stay_held_out_when_the_table_grows():
    for roles, extra in (({}, {}), ({"g": "group"}, {"g": [f"c{i // 2}" for i in range(1300)]})):
        grown = table([i % 4 == 0 for i in range(1300)], **extra)
        before = split(grown.head(1000), contract("bool", **roles), 0.25, 0)
        after = split(grown, contract("bool", **roles), 0.25, 0)
        moved = set(before.train.tolist()) & set(after.test.tolist())
        assert len(moved) <= 0.05 * len(before.train)


def test_quantities_split_at_random():
    made = split(table([i / 7 for i in range(100)]), contract("float"), 0.2, 0)
    assert made.kind == "random"
    assert len(made.test) == 20


def test_nursery_with_its_class_of_two_rows(shared):
    df = read_table(shared / "nursery" / "nursery.data", Data(source="x"))
    made = split(df, infer(df, "assessment").contract, 0.25, 0)
    for rows in (made.train, made.test):
        assert (df["assessment"].gather(rows) == "recommend").sum() == 1


@given(
    st.lists(st.none() | st.integers(0, 8), min_size=6, max_size=50),
    st.floats(0.1, 0.9),
)
def test_temporal_puts_no_instant_on_both_sides_and_tests_the_newest(days, share):
    times = pl.Series([None if day is None else f"2020-01-{day + 1:02d}" for day in days], dtype=pl.String)
    df = table([i % 2 for i in range(len(days))], t=times)
    try:
        made = split(df, contract(t="time"), share, 0)
    except (DataError, TargetError):
        return
    assert made.kind == "temporal"
    ranks = [-1 if day is None else day for day in days]
    train, test = ([ranks[i] for i in part] for part in (made.train, made.test))
    assert max(train) < min(test)
    assert train == sorted(train)
    assert test == sorted(test)


def test_temporal_goes_by_time_not_by_text():
    times = ["2020-01-01T03:00:00+05:00", "2020-01-01T00:00:00", "2019-12-31 23:00:00", "2020-01-01"] * 5
    made = split(table([0, 0, 1, 1] * 5, t=times), contract(t="time"), 0.5, 0)
    assert {i % 4 for i in made.test} == {1, 3}


def test_temporal_by_a_number():
    columns = (*contract().columns, Column(name="t", type="int", role="time"))
    made = split(table([0, 1] * 10, t=list(range(20))[::-1]), Contract(columns=columns), 0.25, 0)
    assert made.test.tolist() == [4, 3, 2, 1, 0]


@given(st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=6, max_size=60), st.floats(0.1, 0.9))
def test_groups_stay_together(groups, share):
    df = table([i % 2 for i in range(len(groups))], g=pl.Series(groups, dtype=pl.String))
    try:
        made = split(df, contract(g="group"), share, 3)
    except (DataError, TargetError):
        return
    assert made.kind == "grouped"
    train, test = ({groups[i] for i in part} - {None} for part in (made.train, made.test))
    assert not train & test


@pytest.mark.parametrize(
    ("df", "roles", "error", "message"),
    [
        (table([0, 1] * 5, t=["2020-01-01"] * 10), {"t": "time"}, DataError, "rows on both sides"),
        (table([0, 1] * 5, g=["a"] * 10), {"g": "group"}, DataError, "rows on both sides"),
        (table([None] * 10), {}, DataError, "0 to train and 0 to test"),
        (
            table([0] * 8 + [1] * 2, t=[f"2020-01-{i:02d}" for i in range(1, 11)]),
            {"t": "time"},
            TargetError,
            "after a temporal split",
        ),
        (table([0, 1] * 5), {"t": "time"}, DataError, "the time column 't'"),
    ],
)
def test_splits_that_cannot_be(df, roles, error, message):
    with pytest.raises(error) as caught:
        split(df.with_columns(pl.col("y").cast(pl.Int64)), contract(**roles), 0.2, 0)
    assert message in caught.value.message


def test_car_loan_tests_on_the_newest_quarter(loan_table):
    df = read_table(loan_table, Data(source="x"))
    made = split(df, infer(df, "repaid").contract, 0.25, 0)
    assert made.kind == "temporal"
    assert made.train.tolist() == list(range(37_500))
    assert made.test.tolist() == list(range(37_500, 50_000))


@given(
    st.lists(st.none() | st.integers(0, 27), min_size=6, max_size=50),
    st.floats(0.1, 0.9),
    st.integers(1, 10),
)
def test_a_gap_keeps_the_rows_just_before_the_held_out_ones_out(days, share, gap):
    times = pl.Series([None if day is None else f"2020-01-{day + 1:02d}" for day in days], dtype=pl.String)
    df = table([i % 2 for i in range(len(days))], t=times)
    try:
        made = split(df, contract(t="time"), share, 0, gap * 86_400.0)
    except (DataError, TargetError):
        return
    whole = split(df, contract(t="time"), share, 0)
    assert made.test.tolist() == whole.test.tolist()
    first = min(days[i] for i in made.test)
    assert made.train.tolist() == [i for i in whole.train if days[i] is None or days[i] <= first - gap]


def test_a_gap_of_hours_across_offsets():
    times = [f"2020-01-01T{hour:02d}:00:00+0{hour % 2}:00" for hour in range(2, 22)]
    made = split(table([0, 0, 1, 1] * 5, t=times), contract(t="time"), 0.25, 0, 5400.0)
    moments = [hour - hour % 2 for hour in range(2, 22)]
    assert min(moments[i] for i in made.test) - max(moments[i] for i in made.train) == 2
    assert len(made.train) + len(made.test) == 20
    assert len(split(table([0, 0, 1, 1] * 5, t=times), contract(t="time"), 0.25, 0, 9000.0).train) < 15


def test_a_gap_that_cannot_be():
    for columns, roles in (({}, {}), ({"g": ["a", "b"] * 10}, {"g": "group"})):
        with pytest.raises(ConfigError, match="no time column"):
            split(table([0, 1] * 10, **columns), contract(**roles), 0.2, 0, 60.0)
    numbered = Contract(columns=(*contract().columns, Column(name="t", type="int", role="time")))
    with pytest.raises(ConfigError, match="one of type int"):
        split(table([0, 1] * 10, t=list(range(20))), numbered, 0.2, 0, 60.0)
    days = [f"2020-01-{day:02d}" for day in range(1, 21)]
    with pytest.raises(DataError, match="0 to train"):
        split(table([0, 1] * 10, t=days), contract(t="time"), 0.2, 0, 30 * 86_400.0)
