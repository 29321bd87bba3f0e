"""Frames from Python are tables like any other."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from slipway.base.errors import ConflictError, DataError, SourceError
from slipway.data.frames import from_frame
from slipway.data.project import InitOptions, init_project, load_project
from slipway.data.source import read_table, source_path

ROWS = {"age": [20 + i % 7 for i in range(60)], "job": ["cook", "clerk", None] * 20, "y": [0, 1] * 30}
FRAMES = {
    "polars": pl.DataFrame(ROWS),
    "lazy": pl.LazyFrame(ROWS),
    "pandas": pd.DataFrame(ROWS),
    "arrow": pa.table(ROWS),
}


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_becomes_a_project_that_reads_again(library, tmp_path):
    assert from_frame(FRAMES[library]).to_dict(as_series=False) == ROWS
    report = init_project(FRAMES[library], "y", tmp_path, InitOptions(name="loans"))
    config, contract = load_project(report.layout)
    assert (config.data.source, config.data.format, config.project.name) == (
        "loans.parquet",
        "parquet",
        "loans",
    )
    assert read_table(source_path(report.layout, config.data), config.data).to_dict(as_series=False) == ROWS
    assert [column.name for column in contract.features] == ["age", "job"]
    with pytest.raises(ConflictError):
        init_project(FRAMES[library], "y", tmp_path)


def test_nothing_is_written_for_a_frame_that_cannot_be_a_project(tmp_path):
    with pytest.raises(DataError):
        init_project(pl.DataFrame({"y": [0, 1] * 9}), "y", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    tmp_path.joinpath("table.parquet").write_bytes(b"mine")
    with pytest.raises(ConflictError, match="table of this name"):
        init_project(FRAMES["polars"], "y", tmp_path)
    assert tmp_path.joinpath("table.parquet").read_bytes() == b"mine"


def test_a_named_index_of_pandas_is_a_column():
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="who"))
    assert from_frame(frame).to_dict(as_series=False) == {"who": ["x", "y"], "a": [1, 2]}
    assert from_frame(frame.rename_axis(None)).columns == ["a"]
    assert from_frame(pd.DataFrame({0: [1], 1: [2]})).columns == ["0", "1"]


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        ([1, 2], "a list"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' more than once"),
        (pd.DataFrame({"a": [1, "x", object()]}), "do not go together"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(frame, got):
    with pytest.raises(SourceError) as caught:
        from_frame(frame)
    assert got in caught.value.got
    assert "\n" not in caught.value.message
