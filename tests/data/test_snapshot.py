"""Snapshots: named by their rows alone, whole or absent whatever kills the writer, verified when read."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from slipway.base.config import Data
from slipway.base.errors import IntegrityError, NotFoundError, StoreError
from slipway.base.layout import Layout
from slipway.data.snapshot import (
    BLOCK_ROWS,
    load_manifest,
    load_snapshot,
    table_digest,
    take_snapshot,
)
from slipway.data.source import read_table

SMALL = pl.DataFrame(
    {"n": [1, None, 3], "f": [0.5, 1.5, None], "b": [True, None, False], "s": ["é", "", None]}
)


def test_the_digest_of_format_1_does_not_change():
    assert table_digest(SMALL) == "547e12e78e2eafcabc905b2c7cbffcc5492cc17906ea02f64d85a3c1dad0f6c0"


def test_csv_and_parquet_of_the_same_rows_agree(tmp_path):
    frame = pl.DataFrame(
        {"n": [1, 2, None], "f": [0.5, 1.25, 3.0], "s": ["a", None, "c, d"], "b": [True, False, True]}
    )
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    parquet.write_table(frame.to_arrow(), tmp_path / "u.parquet", row_group_size=1, compression="none")
    digests = {
        table_digest(read_table(tmp_path / name, Data(source="x")))
        for name in ("t.csv", "t.parquet", "u.parquet")
    }
    assert len(digests) == 1


tables = st.integers(1, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "n": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n),
            "f": st.lists(st.none() | st.floats(allow_nan=False), min_size=n, max_size=n),
            "s": st.lists(st.none() | st.text(max_size=5), min_size=n, max_size=n),
            "b": st.lists(st.none() | st.booleans(), min_size=n, max_size=n),
        }
    )
)
SCHEMA = {"n": pl.Int64, "f": pl.Float64, "s": pl.String, "b": pl.Boolean}


@given(tables, st.integers(0, 12))
def test_chunks_and_arrow_trips_do_not_count(columns, cut):
    whole = pl.DataFrame(columns, schema=SCHEMA)
    chunked = pl.concat([whole.head(cut), whole.slice(cut)], rechunk=False)
    arrow = pl.from_arrow(pa.Table.from_batches(whole.to_arrow().to_batches(max_chunksize=2)))
    assert table_digest(chunked) == table_digest(whole)
    assert table_digest(arrow) == table_digest(whole)


@given(tables, tables)
def test_different_tables_differ(left, right):
    one, two = pl.DataFrame(left, schema=SCHEMA), pl.DataFrame(right, schema=SCHEMA)
    negative_zero = any(value == 0 for value in [*left["f"], *right["f"]])
    if not negative_zero:
        assert (table_digest(one) == table_digest(two)) == one.equals(two)


def test_order_names_types_and_nulls_count():
    digests = [
        table_digest(pl.DataFrame(columns))
        for columns in (
            {"a": [1, 2]},
            {"a": [2, 1]},
            {"b": [1, 2]},
            {"a": [1.0, 2.0]},
            {"a": ["1", "2"]},
            {"a": [0, None]},
            {"a": [0, 0]},
            {"a": ["", None]},
            {"a": ["ab", "c"]},
            {"a": ["a", "bc"]},
            {"a": [True, True]},
        )
    ]
    assert len(set(digests)) == len(digests)


def test_appended_rows_leave_whole_blocks_alone(tmp_path):
    layout = Layout(tmp_path)
    long = pl.DataFrame({"a": pl.int_range(BLOCK_ROWS * 2 + 5, eager=True)})
    first = take_snapshot(layout, long.head(BLOCK_ROWS + 9), "x")
    second = take_snapshot(layout, long, "x")
    old, new = load_manifest(layout, first.digest), load_manifest(layout, second.digest)
    assert old.blocks[0] == new.blocks[0]
    assert old.blocks[1] != new.blocks[1]
    assert len(new.blocks) == 3


def test_taking_and_loading(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "loans.csv")
    assert made.rows == 3
    assert made.path == layout.snapshots / made.digest
    assert load_snapshot(layout, made.digest).equals(SMALL)
    manifest = load_manifest(layout, made.digest)
    assert manifest.columns == (("n", "int"), ("f", "float"), ("b", "bool"), ("s", "text"))
    assert (manifest.source, manifest.rows, manifest.format) == ("loans.csv", 3, 1)


def test_taking_twice_writes_once(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "first")
    before = (made.path / "data.parquet").stat().st_mtime_ns
    assert take_snapshot(layout, SMALL, "second") == made
    assert (made.path / "data.parquet").stat().st_mtime_ns == before
    assert load_manifest(layout, made.digest).source == "first"


def test_writers_at_the_same_time(tmp_path):
    layout = Layout(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda i: take_snapshot(layout, SMALL.with_columns(i=pl.lit(i % 3)), "x"), range(12))
        )
    assert len({snapshot.digest for snapshot in made}) == 3
    assert all(load_snapshot(layout, snapshot.digest).height == 3 for snapshot in made)


@pytest.mark.parametrize("place", ["snapshot.data", "snapshot.manifest", "snapshot.renamed"])
def test_killed_at_any_step_and_started_again(tmp_path, place):
    code = (
        "import sys, polars as pl; from pathlib import Path;"
        "from slipway.base.layout import Layout; from slipway.data.snapshot import take_snapshot;"
        "print(take_snapshot(Layout(Path(sys.argv[1])), pl.DataFrame({'a': [1, 2]}), 'x').digest)"
    )
    layout = Layout(tmp_path)
    command = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(command, env={**os.environ, "SLIPWAY_FAILPOINT": place}, check=False)
    assert killed.returncode == -9
    for folder in layout.snapshots.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            load_snapshot(layout, folder.name)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    digest = done.stdout.strip()
    assert load_snapshot(layout, digest)["a"].to_list() == [1, 2]
    assert sorted(path.name for path in layout.snapshots.iterdir()) == sorted([".lock", digest])


def test_damage_is_found_and_mended_by_taking_again(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "x")
    for damage in (SMALL.with_columns(n=pl.lit(9)), SMALL.reverse()):
        damage.write_parquet(made.path / "data.parquet")
        with pytest.raises(IntegrityError, match="changed or broken"):
            load_snapshot(layout, made.digest)
    (made.path / "data.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(IntegrityError):
        load_snapshot(layout, made.digest)
    assert take_snapshot(layout, SMALL, "x") == made
    assert load_snapshot(layout, made.digest).equals(SMALL)
    (made.path / "manifest.json").write_text("{}")
    with pytest.raises(IntegrityError):
        load_manifest(layout, made.digest)


def test_no_such_snapshot(tmp_path):
    layout = Layout(tmp_path)
    with pytest.raises(NotFoundError):
        load_snapshot(layout, "0" * 64)
    with pytest.raises(NotFoundError):
        load_manifest(layout, "0" * 64)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / ".slipway").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="store a snapshot"):
        take_snapshot(Layout(tmp_path), SMALL, "x")


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """A limit on the size of files stands in for the full disk."""
    code = (
        "import resource, signal, sys, numpy as np, polars as pl; from pathlib import Path;"
        "from slipway.base.layout import Layout; from slipway.data.snapshot import take_snapshot;"
        "from slipway.base.errors import StoreError;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "frame = pl.DataFrame({'a': np.random.default_rng(0).random(100_000)})\n"
        "try: take_snapshot(Layout(Path(sys.argv[1])), frame, 'x')\n"
        "except StoreError as error: print(error.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "store", done.stderr
    assert [path.name for path in Layout(tmp_path).snapshots.iterdir()] == [".lock"]
