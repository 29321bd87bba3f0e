"""Snapshots: named by their rows alone, whole or absent whatever kills the writer, verified when read."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from slipway.base.config import Data
from slipway.base.errors import ConflictError, IntegrityError, NotFoundError, SourceError, StoreError
from slipway.base.files import file_digest
from slipway.base.layout import Layout
from slipway.data.manifests import find_snapshot, load_manifest, stored_bytes
from slipway.data.snapshot import BLOCK_ROWS, load_snapshot, table_digest, take_snapshot, take_stream
from slipway.data.source import read_table
from slipway.data.stored import iter_snapshot, snapshot_column

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


def files(layout):
    """Names in the folder of blocks, with the time of their last change."""
    return {path.name: path.stat().st_mtime_ns for path in (layout.snapshots / "blocks").iterdir()}


def entries(layout):
    return sorted(path.name for path in layout.snapshots.iterdir())


def test_appended_data_shares_its_blocks(tmp_path):
    layout = Layout(tmp_path)
    long = pl.DataFrame({"a": pl.int_range(BLOCK_ROWS * 3 + 5, eager=True)})
    first = take_snapshot(layout, long.head(BLOCK_ROWS * 2 + 9), "x")
    before = files(layout)
    second = take_snapshot(layout, long, "x")
    old, new = load_manifest(layout, first.digest), load_manifest(layout, second.digest)
    assert old.blocks[:2] == new.blocks[:2]
    assert old.blocks[2] != new.blocks[2]
    after = files(layout)
    assert len(before) == 3
    assert len(after) == 5
    assert before.items() <= after.items()
    assert load_snapshot(layout, first.digest).equals(long.head(BLOCK_ROWS * 2 + 9))
    assert load_snapshot(layout, second.digest).equals(long)


def test_equal_blocks_of_one_table_are_stored_once(tmp_path):
    layout = Layout(tmp_path)
    table = pl.DataFrame({"a": [7] * (BLOCK_ROWS * 4)})
    made = take_snapshot(layout, table, "x")
    assert len(files(layout)) == 1
    assert load_snapshot(layout, made.digest).equals(table)


def test_the_same_cells_under_other_columns_are_another_block(tmp_path):
    layout = Layout(tmp_path)
    for frame in (pl.DataFrame({"a": [0, 0]}), pl.DataFrame({"b": [0, 0]}), pl.DataFrame({"a": [0.0, 0.0]})):
        made = take_snapshot(layout, frame, "x")
        assert load_snapshot(layout, made.digest).equals(frame)
    assert len(files(layout)) == 3


def test_taking_and_loading(tmp_path):
    layout = Layout(tmp_path)
    source = tmp_path / "loans.csv"
    source.write_text("n\n1\n")
    made = take_snapshot(layout, SMALL, "loans.csv", taken_us=7, file=source)
    assert made.rows == 3
    assert made.path == layout.snapshots / made.digest
    assert load_snapshot(layout, made.digest).equals(SMALL)
    manifest = load_manifest(layout, made.digest)
    assert manifest.columns == (("n", "int"), ("f", "float"), ("b", "bool"), ("s", "text"))
    assert (manifest.source, manifest.rows, manifest.format) == ("loans.csv", 3, 2)
    assert (manifest.taken_us, manifest.source_bytes) == (7, 4)
    assert manifest.source_modified_us == source.stat().st_mtime_ns // 1000


def test_no_rows_have_a_snapshot_too(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL.head(0), "x")
    assert made.digest == table_digest(SMALL.head(0))
    assert load_snapshot(layout, made.digest).equals(SMALL.head(0))
    assert list(iter_snapshot(layout, made.digest)) == []
    assert snapshot_column(layout, made.digest, "s").dtype == pl.String


def test_taking_twice_writes_once(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "first")
    before = files(layout)
    assert take_snapshot(layout, SMALL, "second") == made
    assert files(layout) == before
    assert load_manifest(layout, made.digest).source == "first"


def write_format_1(layout, table):
    """A snapshot as releases before format 2 wrote it."""
    digest = table_digest(table)
    folder = layout.snapshots / digest
    folder.mkdir(parents=True)
    table.write_parquet(folder / "data.parquet", compression="zstd", row_group_size=BLOCK_ROWS)
    manifest = {
        "digest": digest,
        "rows": table.height,
        "columns": [["n", "int"], ["f", "float"], ["b", "bool"], ["s", "text"]],
        "source": "old.csv",
        "file_sha256": file_digest(folder / "data.parquet"),
        "block_rows": BLOCK_ROWS,
        "blocks": ["0" * 64],
        "format": 1,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return digest


def test_snapshots_of_format_1_are_read_and_kept(tmp_path):
    layout = Layout(tmp_path)
    digest = write_format_1(layout, SMALL)
    assert load_snapshot(layout, digest).equals(SMALL)
    assert pl.concat(iter_snapshot(layout, digest)).equals(SMALL)
    assert snapshot_column(layout, digest, "s").equals(SMALL["s"])
    assert take_snapshot(layout, SMALL, "new.csv").digest == digest
    assert load_manifest(layout, digest).source == "old.csv"
    assert files(layout) == {}
    (layout.snapshots / digest / "data.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(IntegrityError):
        load_snapshot(layout, digest)
    take_snapshot(layout, SMALL, "new.csv")
    assert load_manifest(layout, digest).format == 2
    assert load_snapshot(layout, digest).equals(SMALL)


@given(tables, st.lists(st.integers(0, 12), max_size=3))
def test_parts_give_the_snapshot_of_the_whole(tmp_path_factory, columns, cuts):
    layout = Layout(tmp_path_factory.mktemp("parts"))
    whole = pl.DataFrame(columns, schema=SCHEMA)
    edges = [0, *sorted(cuts), whole.height]
    parts = [whole.slice(start, max(stop - start, 0)) for start, stop in pairwise(edges)]
    made = take_stream(layout, iter(parts), "x")
    assert (made.digest, made.rows) == (table_digest(pl.concat(parts)), sum(part.height for part in parts))
    assert load_snapshot(layout, made.digest).equals(pl.concat(parts))


def test_a_part_may_be_wholly_missing_but_of_no_other_type(tmp_path):
    layout = Layout(tmp_path)
    parts = [pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [None, None]})]
    made = take_stream(layout, parts, "x")
    assert load_snapshot(layout, made.digest)["a"].to_list() == [1, 2, None, None]
    before = entries(layout), files(layout)
    for odd in ({"a": ["x"]}, {"b": [1]}, {"a": [1], "b": [1]}):
        with pytest.raises(SourceError, match="types of the first"):
            take_stream(layout, [pl.DataFrame({"a": [1] * BLOCK_ROWS}), pl.DataFrame(odd)], "x")
    with pytest.raises(SourceError, match="no part"):
        take_stream(layout, [], "x")
    assert (entries(layout), files(layout)) == before


def test_a_source_that_breaks_off_leaves_nothing(tmp_path):
    def broken():
        yield pl.DataFrame({"a": pl.int_range(BLOCK_ROWS * 8, eager=True)})
        raise SourceError(expected="more rows", got="a closed connection")

    layout = Layout(tmp_path)
    with pytest.raises(SourceError, match="closed connection"):
        take_stream(layout, broken(), "x")
    assert entries(layout) == [".lock", "blocks"]
    assert files(layout) == {}


def test_a_stream_is_never_held_whole(tmp_path):
    """256 MB of rows pass through; the process may grow by less than half of that."""
    code = (
        "import resource, sys, numpy as np, polars as pl; from pathlib import Path;"
        "from slipway.base.layout import Layout; from slipway.data.snapshot import take_stream\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "def part(i): return pl.DataFrame({c: np.random.default_rng(i).random(65536) for c in 'abcd'})\n"
        "layout = Layout(Path(sys.argv[1])); take_stream(layout, (part(i) for i in range(12)), 'warm')\n"
        "before = peak(); take_stream(layout, (part(i) for i in range(128)), 'x'); print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 128 * 1024


def test_writers_at_the_same_time(tmp_path):
    layout = Layout(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda i: take_snapshot(layout, SMALL.with_columns(i=pl.lit(i % 3)), "x"), range(12))
        )
    assert len({snapshot.digest for snapshot in made}) == 3
    assert all(load_snapshot(layout, snapshot.digest).height == 3 for snapshot in made)


PLACES = ["snapshot.block", "snapshot.block:2", "snapshot.blocks", "snapshot.manifest", "snapshot.renamed"]


@pytest.mark.parametrize("place", PLACES)
def test_killed_at_any_step_and_started_again(tmp_path, place):
    code = (
        "import sys, polars as pl; from pathlib import Path;"
        "from slipway.base.layout import Layout; from slipway.data.snapshot import take_snapshot;"
        "frame = pl.DataFrame({'a': pl.int_range(int(sys.argv[2]), eager=True)});"
        "print(take_snapshot(Layout(Path(sys.argv[1])), frame, 'x').digest)"
    )
    layout = Layout(tmp_path)
    whole = pl.DataFrame({"a": pl.int_range(BLOCK_ROWS * 2 + 5, eager=True)})
    first = take_snapshot(layout, whole.head(BLOCK_ROWS), "x")
    command = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(
        [*command, str(whole.height)], env={**os.environ, "SLIPWAY_FAILPOINT": place}, check=False
    )
    assert killed.returncode == -9
    there = [path.parent.name for path in layout.snapshots.glob("*/manifest.json")]
    assert set(there) == {first.digest, *([table_digest(whole)] if place == "snapshot.renamed" else [])}
    for digest in there:
        load_snapshot(layout, digest)
    # another table is taken next: what the killed one brought is gone, unless its snapshot came about
    other = take_snapshot(layout, pl.DataFrame({"b": [1]}), "x")
    assert entries(layout) == sorted([".lock", "blocks", other.digest, *there])
    assert len(files(layout)) == 2 + 2 * (place == "snapshot.renamed")
    done = subprocess.run([*command, str(whole.height)], capture_output=True, text=True, check=True)
    assert load_snapshot(layout, done.stdout.strip()).equals(whole)
    assert len(files(layout)) == 4


def test_leftovers_stay_while_a_damaged_manifest_may_need_them(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "x")
    (made.path / "manifest.json").write_text("{")
    (layout.snapshots / ".partial").mkdir()
    take_snapshot(layout, SMALL.reverse(), "x")
    assert len(files(layout)) == 2


def test_damage_is_found_and_mended_by_taking_again(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "x")
    (block,) = (layout.snapshots / "blocks").iterdir()
    whole = block.read_bytes()
    for damage in (SMALL.with_columns(n=pl.lit(9)), SMALL.reverse(), SMALL.head(2), SMALL.rename({"n": "m"})):
        damage.write_parquet(block)
        with pytest.raises(IntegrityError, match="changed or broken"):
            load_snapshot(layout, made.digest)
    for content in (b"PAR1 no more", whole[:-9], b""):
        block.write_bytes(content)
        with pytest.raises(IntegrityError):
            load_snapshot(layout, made.digest)
        with pytest.raises(IntegrityError):
            snapshot_column(layout, made.digest, "n")
    assert take_snapshot(layout, SMALL, "x") == made
    assert load_snapshot(layout, made.digest).equals(SMALL)
    block.unlink()
    with pytest.raises(IntegrityError):
        load_snapshot(layout, made.digest)
    assert take_snapshot(layout, SMALL, "x") == made
    assert load_snapshot(layout, made.digest).equals(SMALL)


@given(st.data())
def test_no_flipped_bit_goes_unseen(tmp_path_factory, data):
    layout = Layout(tmp_path_factory.mktemp("bits"))
    made = take_snapshot(layout, SMALL, "x")
    path = data.draw(st.sampled_from(sorted(layout.snapshots.glob("*/*"))))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(IntegrityError):
        assert load_snapshot(layout, made.digest).equals(SMALL)


def test_a_damaged_manifest(tmp_path):
    layout = Layout(tmp_path)
    made = take_snapshot(layout, SMALL, "x")
    manifest = made.path / "manifest.json"
    document = json.loads(manifest.read_text())
    for damage in (
        "{}",
        "{",
        json.dumps({**document, "rows": 70_000}),
        json.dumps({**document, "digest": ""}),
    ):
        manifest.write_text(damage)
        with pytest.raises(IntegrityError):
            load_manifest(layout, made.digest)
    for damage in ({"rows": 2}, {"blocks": ["0" * 64]}, {"columns": document["columns"][::-1]}):
        manifest.write_text(json.dumps({**document, **damage}))
        with pytest.raises(IntegrityError):
            load_snapshot(layout, made.digest)
    assert take_snapshot(layout, SMALL, "x") == made
    assert load_snapshot(layout, made.digest).equals(SMALL)


def test_a_snapshot_is_found_by_the_beginning_of_its_name(tmp_path):
    layout = Layout(tmp_path)
    made = [take_snapshot(layout, pl.DataFrame({"a": [i]}), "x").digest for i in range(17)]
    assert [find_snapshot(layout, digest) for digest in made] == made
    with pytest.raises(ConflictError, match="more of its letters"):
        find_snapshot(layout, "")
    with pytest.raises(NotFoundError, match="slipway data list"):
        find_snapshot(layout, "xyz")
    assert set(stored_bytes(layout, load_manifest(layout, made[0]))) < set(files(layout))


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
    assert [path.name for path in Layout(tmp_path).snapshots.glob("*/*")] == []
    assert entries(Layout(tmp_path)) == [".lock", "blocks"]
