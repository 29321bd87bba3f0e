"""A source against its contract: a Parquet file is streamed, and damage is named as by reading."""

import polars as pl
import pytest

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.contract import Column, Contract
from slipway.data.scans import check_source

CONTRACT = Contract(
    columns=(Column(name="x", type="int", max=5), Column(name="y", type="int", role="target"))
)
TABLE = pl.DataFrame({"x": [1, 2, 9], "y": [0, 1, 0]})


def test_the_same_report_for_each_format(tmp_path):
    parquet, csv = tmp_path / "[odd] *.parquet", tmp_path / "t.csv"
    TABLE.write_parquet(parquet)
    TABLE.write_csv(csv)
    streamed, reading = check_source(parquet, Data(source="x"), CONTRACT)
    assert (reading.table.height, reading.plan.format, reading.rejected) == (0, "parquet", ())
    read, whole = check_source(str(csv), Data(source="x"), CONTRACT)
    assert whole.table.height == 3
    assert streamed == read
    assert [(f.rule, f.rows) for f in streamed.findings] == [("range", 1)]


def test_damage_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    TABLE.write_parquet(path)
    content = path.read_bytes()
    with pytest.raises(SourceError, match="no such file"):
        check_source(tmp_path / "none.parquet", Data(source="x"), CONTRACT)
    for damaged, got in (
        (content[:-9], "cut off"),
        (b"PAR1" + b"\xff" * 60 + content[64:], "does not decode"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=got):
            check_source(path, Data(source="x"), CONTRACT)
    TABLE.clear().write_parquet(path)
    with pytest.raises(SourceError, match="no rows"):
        check_source(path, Data(source="x"), CONTRACT)
