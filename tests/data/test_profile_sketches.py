"""Sketches of a stream: exact while small, near when large, the same for every way of cutting batches."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.data.profile_sketches import CoMoments, Distinct, Repeats, RowSample, row_hashes


def some_hashes(seed: int, n: int, different: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, different, dtype=np.uint64)[rng.integers(0, different, n)]


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 20))
def test_few_different_values_are_counted_exactly_however_they_are_cut(values: list[int], cut: int) -> None:
    hashes = np.array(values, dtype=np.uint64) * np.uint64(2**57)
    sketch = Distinct(limit=64)
    for at in range(0, len(values), cut):
        sketch.add(hashes[at : at + cut])
    assert sketch.exact
    assert sketch.estimate == len(set(values))


@pytest.mark.parametrize("different", [20_000, 200_000])
def test_many_different_values_are_estimated_within_five_standard_errors(different: int) -> None:
    sketch = Distinct(limit=4096)
    hashes = some_hashes(1, 400_000, different)
    for part in np.array_split(hashes, 7):
        sketch.add(part)
    assert not sketch.exact
    truth = np.unique(hashes).size
    assert abs(sketch.estimate / truth - 1) < 5 / np.sqrt(4096)


def test_repeated_rows_are_counted_then_estimated() -> None:
    hashes = some_hashes(2, 100_000, 80_000)
    truth = hashes.size - np.unique(hashes).size
    exact, near = Repeats(limit=200_000), Repeats(limit=20_000)
    for part in np.array_split(hashes, 9):
        exact.add(part)
        near.add(part)
    assert exact.exact
    assert exact.estimate == truth
    assert not near.exact
    assert abs(near.estimate / truth - 1) < 0.1


def test_row_hashes_know_the_order_of_the_cells() -> None:
    a, b = some_hashes(3, 1000, 1000), some_hashes(4, 1000, 1000)
    assert not (row_hashes([a, b]) == row_hashes([b, a])).any()
    assert (row_hashes([a, b]) == row_hashes([a.copy(), b.copy()])).all()


def test_equal_cells_side_by_side_do_not_cancel() -> None:
    a = some_hashes(5, 5000, 5000)
    assert np.unique(row_hashes([a, a])).size == np.unique(a).size


def test_a_sample_is_whole_when_the_table_is_small() -> None:
    kept = RowSample(np.random.default_rng(0), 100)
    for start in (0, 30):
        kept.add(pl.DataFrame({"x": range(start, start + 30)}))
    table, rows = kept.taken()
    assert table["x"].to_list() == list(range(60)) == rows.tolist()


def test_a_sample_is_uniform_ordered_and_of_the_wanted_size() -> None:
    kept = RowSample(np.random.default_rng(0), 2_000)
    for start in range(0, 100_000, 1_000):
        kept.add(pl.DataFrame({"x": range(start, start + 1_000)}))
    table, rows = kept.taken()
    assert table.height == 2_000
    assert table["x"].to_list() == rows.tolist() == sorted(rows.tolist())
    by_tenth = np.bincount(rows // 10_000, minlength=10)
    assert by_tenth.min() > 130
    assert by_tenth.max() < 270


@given(st.integers(0, 1000), st.integers(1, 50))
def test_co_moments_agree_with_numpy_over_pairwise_complete_rows(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(60, 3)) * [1.0, 1e3, 1e-3] + [0.0, 1e6, 5.0]
    matrix[:, 1] += matrix[:, 0] * 500
    matrix[rng.random((60, 3)) < 0.1] = np.nan
    made = CoMoments(3)
    for at in range(0, 60, cut):
        made.add(np.array(matrix[at : at + cut]))
    assert np.allclose(made.means(), np.nanmean(matrix, axis=0))
    assert np.allclose(made.deviations(), np.nanstd(matrix, axis=0, ddof=1))
    for i in range(3):
        for j in range(3):
            both = np.isfinite(matrix[:, i]) & np.isfinite(matrix[:, j])
            wanted = np.corrcoef(matrix[both, i], matrix[both, j])[0, 1]
            assert made.correlations()[i, j] == pytest.approx(wanted, abs=1e-6)


def test_a_constant_correlates_with_nothing() -> None:
    made = CoMoments(2)
    made.add(np.column_stack([np.full(10, 0.1), np.arange(10.0)]))
    assert np.isnan(made.correlations()[0, 1])
