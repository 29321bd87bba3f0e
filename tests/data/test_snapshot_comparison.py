"""Comparing snapshots: counts as a plain count of rows gives them, schema changes, shifts."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import DataError, NotFoundError
from slipway.base.layout import Layout
from slipway.data.comparison import compare
from slipway.data.snapshot import BLOCK_ROWS, take_snapshot


@pytest.fixture
def compared(tmp_path_factory):
    def run(old, new, key=()):
        layout = Layout(tmp_path_factory.mktemp("compare"))
        digests = [take_snapshot(layout, table, "x").digest for table in (old, new)]
        return compare(layout, *digests, key=key)

    return run


SCHEMA = {"n": pl.Int64, "s": pl.String, "f": pl.Float64}
rows = st.lists(
    st.tuples(
        st.none() | st.integers(0, 3), st.none() | st.sampled_from("ab"), st.none() | st.sampled_from([0.5])
    ),
    max_size=12,
)


@given(rows, rows)
def test_rows_by_content_are_counted_as_often_as_they_are_there(tmp_path_factory, old, new):
    layout = Layout(tmp_path_factory.mktemp("law"))
    tables = [pl.DataFrame(part, schema=SCHEMA, orient="row") for part in (old, new)]
    made = compare(layout, *[take_snapshot(layout, table, "x").digest for table in tables])
    a, b = Counter(old), Counter(new)
    assert made.rows == (len(old), len(new))
    assert (made.added, made.removed) == ((b - a).total(), (a - b).total())
    assert made.same == (a & b).total()
    assert made.changed is None
    for column in made.columns:
        assert 0 <= column.distance <= 1
        assert column.changed is None


@given(st.data())
def test_rows_by_key(tmp_path_factory, data):
    layout = Layout(tmp_path_factory.mktemp("law"))
    values = st.tuples(st.none() | st.integers(0, 1), st.sampled_from("ab"))
    old, new = (data.draw(st.dictionaries(st.integers(0, 9), values)) for _ in "ab")
    schema = {"id": pl.Int64, "x": pl.Int64, "s": pl.String}
    tables = [
        pl.DataFrame([(k, *v) for k, v in part.items()], schema=schema, orient="row") for part in (old, new)
    ]
    made = compare(layout, *[take_snapshot(layout, table, "x").digest for table in tables], key=["id"])
    both = old.keys() & new.keys()
    assert (made.added, made.removed) == (len(new.keys() - both), len(old.keys() - both))
    assert made.changed == sum(old[k] != new[k] for k in both)
    assert made.same == sum(old[k] == new[k] for k in both)
    changed = {column.name: column.changed for column in made.columns}
    assert changed == {
        "id": 0,
        "x": sum(old[k][0] != new[k][0] for k in both),
        "s": sum(old[k][1] != new[k][1] for k in both),
    }


def test_shared_blocks_count_but_are_not_read(tmp_path):
    layout = Layout(tmp_path)
    long = pl.DataFrame({"a": pl.int_range(BLOCK_ROWS * 2 + 5, eager=True)})
    first = take_snapshot(layout, long.head(BLOCK_ROWS + 9), "x").digest
    second = take_snapshot(layout, long, "x").digest
    made = compare(layout, first, second)
    assert (made.added, made.removed, made.same) == (BLOCK_ROWS - 4, 0, BLOCK_ROWS + 9)
    back = compare(layout, second, first)
    assert (back.added, back.removed, back.same) == (0, BLOCK_ROWS - 4, BLOCK_ROWS + 9)


def test_schema_changes(compared):
    old = pl.DataFrame({"id": [1, 2], "a": [1, 2], "gone": ["x", "y"], "b": [True, None]})
    new = pl.DataFrame({"id": [1, 2], "a": [1.0, 2.5], "b": ["true", None], "here": [1, 2]})
    made = compared(old, new, ["id"])
    assert made.columns_added == ("here",)
    assert made.columns_removed == ("gone",)
    assert made.columns_retyped == (("a", "int", "float"), ("b", "bool", "text"))
    assert {column.name: column.changed for column in made.columns} == {"id": 0, "a": 1, "b": 0}
    assert made.changed == 1
    assert compared(old.select("a"), new.select("here")).same == 2  # nothing in common, so nothing differs


def test_shifts_stand_out_of_chance(compared):
    rng = np.random.default_rng(0)
    n = 4000

    def table(shift, weights):
        return pl.DataFrame(
            {
                "steady": rng.normal(size=n),
                "moved": rng.normal(shift, size=n),
                "level": rng.choice(["a", "b", "c"], n, p=weights),
                "name": [f"n{at}" for at in rng.integers(0, 10**9, n)],
                "holes": pl.Series(np.where(rng.uniform(size=n) < shift / 2, np.nan, 1.0)).fill_nan(None),
            }
        )

    made = compared(table(0.0, [0.5, 0.3, 0.2]), table(1.0, [0.2, 0.3, 0.5]))
    found = {column.name: column for column in made.columns}
    assert found["steady"].distance < 2 * found["steady"].by_chance
    assert found["moved"].distance == pytest.approx(0.38, abs=0.03)  # 2 Phi(1/2) - 1, less what bins hide
    assert found["moved"].mean == pytest.approx((0.0, 1.0), abs=0.05)
    assert found["level"].distance == pytest.approx(0.3, abs=0.03)
    assert found["level"].distance > 10 * found["level"].by_chance
    assert found["level"].distinct == (3, 3)
    assert found["level"].mean == (None, None)
    assert found["name"].distance < 0.02
    assert found["holes"].missing == pytest.approx((0.0, 0.5), abs=0.03)
    assert found["holes"].distance == pytest.approx(0.5, abs=0.03)


def test_what_chance_gives_is_about_right(compared):
    rng = np.random.default_rng(1)
    names = [f"c{at}" for at in range(60)]
    old, new = (pl.DataFrame({name: rng.normal(size=500) for name in names}) for _ in "ab")
    made = compared(old, new)
    ratio = np.mean([column.distance / column.by_chance for column in made.columns])
    assert ratio == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [(["b"], NotFoundError, "lacks"), (["a"], DataError, "2 rows with the key of another")],
)
def test_keys_that_cannot_be(compared, key, error, message):
    with pytest.raises(error) as caught:
        compared(pl.DataFrame({"a": [1, 1, 1], "b": [1, 2, 3]}), pl.DataFrame({"a": [1, 2, 3]}), key)
    assert message in caught.value.message


def test_empty_constant_and_infinite_columns(compared):
    empty = pl.DataFrame({"a": [1.0, 2.0]}).head(0)
    made = compared(empty, pl.DataFrame({"a": [float("inf"), 1.0]}))
    assert (made.added, made.columns[0].distance, made.columns[0].mean) == (2, 1.0, (None, None))
    assert compared(pl.DataFrame({"a": [5, 5]}), pl.DataFrame({"a": [5, 5, 5]})).columns[0].distance == 0
    assert compared(pl.DataFrame({"a": [5, 5]}), pl.DataFrame({"a": [5, 7]})).columns[0].distance == 0.5
