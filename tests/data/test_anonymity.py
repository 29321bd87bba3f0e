"""k-anonymity figures agree with counting by hand."""

from __future__ import annotations

from collections import Counter, defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import DataError, UsageError
from slipway.data.anonymity import anonymity, guess_quasi_identifiers

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["x", "y", None]), st.integers(0, 2)),
    min_size=1,
    max_size=60,
)


@given(ROWS)
def test_figures_are_those_of_a_plain_count(rows: list[tuple[int, str | None, int]]) -> None:
    df = pl.DataFrame(rows, schema={"age": pl.Int64, "town": pl.String, "ill": pl.Int64}, orient="row")
    found = anonymity(df, ["age", "town"], "ill")
    sizes = Counter(row[:2] for row in rows)
    values: dict[object, set[int]] = defaultdict(set)
    for row in rows:
        values[row[:2]].add(row[2])
    assert found.k == min(sizes.values())
    assert found.classes == len(sizes)
    assert found.unique == sum(n == 1 for n in sizes.values())
    assert found.under == {limit: sum(n for n in sizes.values() if n < limit) for limit in (2, 5, 10)}
    assert found.under[2] == found.unique
    assert found.unique_share == found.unique / len(rows)
    assert found.diversity == min(map(len, values.values()))
    towns = Counter(row[1] for row in rows)
    age = found.of_columns[0]
    assert age.column == "age"
    assert age.k_without == min(towns.values())
    assert age.unique_without == sum(n == 1 for n in towns.values())
    assert age.distinct == len({row[0] for row in rows})


def test_a_single_column_without_itself_is_one_class() -> None:
    (only,) = anonymity(pl.DataFrame({"age": [1, 1, 2]}), ["age"]).of_columns
    assert (only.unique_alone, only.unique_without, only.k_without) == (1, 0, 3)


def test_guesses_are_traits_that_vary_and_not_the_target() -> None:
    df = pl.DataFrame(
        {"age": [1, 2], "sex": ["f", "f"], "town": ["x", "y"], "loan": [1, 2], "income": [0, 1]}
    )
    assert guess_quasi_identifiers(df, ["income"]) == ["age", "town"]


@pytest.mark.parametrize(
    ("columns", "sensitive"), [([], None), (["age", "age"], None), (["nose"], None), (["age"], "age")]
)
def test_columns_that_cannot_be_are_refused(columns: list[str], sensitive: str | None) -> None:
    with pytest.raises(UsageError, match="different columns"):
        anonymity(pl.DataFrame({"age": [1]}), columns, sensitive)


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="with rows"):
        anonymity(pl.DataFrame({"age": pl.Series([], dtype=pl.Int64)}), ["age"])
