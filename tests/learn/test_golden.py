"""Golden rows cover the awkward: null, absent, unseen, extreme; and ordinary rows come from the table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from slipway.data.contract import Column, Contract
from slipway.learn.encoding import fit_encoder
from slipway.learn.golden import ORDINARY, awkward_rows, golden_rows, json_rows


def test_golden_rows_hold_every_awkward_case(
    make_table: Callable[..., pl.DataFrame], make_contract: Callable[..., Contract]
):
    df, contract = make_table(100), make_contract()
    encoder = fit_encoder(df, contract)
    golden = golden_rows(df, contract, encoder, seed=0)
    assert len(golden.rows) == len(golden.matrix)
    assert {} in golden.rows
    for name in encoder.columns:
        assert any(name not in row and len(row) == 4 for row in golden.rows)
        assert any(row.get(name, "absent") is None for row in golden.rows)
    assert any(row.get("income") == 1e15 for row in golden.rows)
    assert any(row.get("age") == -(10**15) for row in golden.rows)
    assert (golden.matrix[:, encoder.names.index("job")] == 4.0).any()  # a level never seen
    assert any(row.get("joined") == "1970-01-01T00:00:00Z" for row in golden.rows)


def test_ordinary_rows_are_rows_of_the_table(
    make_table: Callable[..., pl.DataFrame], make_contract: Callable[..., Contract]
):
    df, contract = make_table(100), make_contract()
    golden = golden_rows(df, contract, fit_encoder(df, contract), seed=3)
    everything = json_rows(df, contract)
    assert all(row in everything for row in golden.rows[:ORDINARY])
    again = golden_rows(df, contract, fit_encoder(df, contract), seed=3)
    assert again.rows == golden.rows
    assert np.array_equal(again.matrix, golden.matrix, equal_nan=True)


def test_a_table_smaller_than_the_sample_gives_all_its_rows(
    make_table: Callable[..., pl.DataFrame], make_contract: Callable[..., Contract]
):
    df, contract = make_table(5), make_contract()
    assert golden_rows(df, contract, fit_encoder(df, contract), 0).rows[:5] == json_rows(df, contract)


def test_wide_tables_get_a_bounded_number_of_rows():
    columns = tuple(Column(name=f"x{at}", type="float") for at in range(1000))
    contract = Contract(columns=(*columns, Column(name="target", type="float", role="target")))
    rows = awkward_rows([{column.name: 1.0 for column in columns}], contract)
    assert 100 < len(rows) < 300
