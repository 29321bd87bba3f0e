"""The encoder fitted from a contract: every kind of column, rare levels, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from slipway.base.errors import ConfigError, ContractError
from slipway.data.contract import Column, Contract
from slipway.learn.encoding import MAX_LEVELS, RARE, feature_columns, fit_encoder, reference_kinds
from slipway.learn.golden import json_rows
from slipway.models.encoder import CategoryColumn


def test_every_kind_of_column_is_encoded_as_its_json_row_is(
    make_table: Callable[..., pl.DataFrame], make_contract: Callable[..., Contract]
):
    df, contract = make_table(200), make_contract()
    encoder = fit_encoder(df, contract)
    assert encoder.columns == ("income", "age", "member", "job", "joined")
    matrix = encoder.encode(feature_columns(df, contract), df.height)
    rows = [encoder.encode_row([row[name] for name in encoder.columns]) for row in json_rows(df, contract)]
    assert np.array_equal(matrix, np.array(rows), equal_nan=True)
    assert np.isnan(matrix[:, 0]).sum() == df["income"].null_count() > 0


def test_rare_levels_share_the_code_of_unseen_ones():
    df = pl.DataFrame({"job": ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + [None], "target": [0.0] * 11})
    contract = Contract(
        columns=(Column(name="job", type="category"), Column(name="target", type="float", role="target"))
    )
    encoder = fit_encoder(df, contract)
    assert encoder.specs == (CategoryColumn("job", ("a", "b")),)
    codes = encoder.encode({"job": ["a", "b", "c", "never", None]}, 5)[:, 0]
    assert codes[:4].tolist() == [0.0, 1.0, 2.0, 2.0]
    assert np.isnan(codes[4])


def test_only_the_most_frequent_levels_are_kept():
    levels = [f"l{at:04d}" for at in range(MAX_LEVELS + 1)]
    cells = levels * RARE + levels[1:]  # the first level is the least frequent one
    df = pl.DataFrame({"job": cells, "target": [0.0] * len(cells)})
    contract = Contract(
        columns=(Column(name="job", type="category"), Column(name="target", type="float", role="target"))
    )
    assert fit_encoder(df, contract).specs == (CategoryColumn("job", tuple(levels[1:])),)


def test_free_text_as_a_feature_is_refused_with_a_way_out():
    contract = Contract(
        columns=(Column(name="note", type="text"), Column(name="target", type="float", role="target"))
    )
    with pytest.raises(ConfigError, match=r"got type 'text' in contract.toml, column 'note'; set role"):
        fit_encoder(pl.DataFrame({"note": ["x"], "target": [0.0]}), contract)


def test_a_missing_feature_is_refused(
    make_table: Callable[..., pl.DataFrame], make_contract: Callable[..., Contract]
):
    with pytest.raises(ContractError, match="a table without 'age'"):
        fit_encoder(make_table(20).drop("age"), make_contract())


def test_what_can_be_watched_in_bins(make_contract: Callable[..., Contract]):
    kinds = {"income": "number", "age": "number", "member": "category", "job": "category"}
    assert reference_kinds(make_contract()) == kinds
