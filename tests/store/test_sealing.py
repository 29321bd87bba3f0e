"""Sealing: exactly once, whatever is killed in between, and the log stays the same log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from store_logs import consume, outcomes, prediction, replay, sample, write_log

from slipway.base.errors import IntegrityError, StoreError
from slipway.base.layout import Layout
from slipway.store.database import Database, open_database
from slipway.store.frames import encode_frame
from slipway.store.intake import batches, offsets, position, segment_progress
from slipway.store.query import connect
from slipway.store.sealing import frames_path, seal_ready, seal_segment
from slipway.store.segments import END_MARKER, SegmentWriter, list_segments


def parquet(layout: Layout) -> dict[str, bytes]:
    return {
        str(path.relative_to(layout.parquet)): path.read_bytes()
        for path in sorted(layout.parquet.rglob("*"))
        if path.is_file()
    }


def counts(layout: Layout) -> dict[str, int]:
    connection = connect(layout)
    kinds = ("predictions", "shadows", "dropped", "outcomes", "labelled")
    found = {kind: connection.execute(f"SELECT count(*) FROM {kind}").fetchall()[0][0] for kind in kinds}
    connection.close()
    return found


def test_sealed_segments_become_partitioned_parquet_and_go(layout: Layout, db: Database) -> None:
    write_log(layout, 10)
    consumed = consume(layout, db)
    names = [segment.name for segment in list_segments(layout.segments)]
    assert len(names) > 4
    assert seal_ready(layout, db) == names
    assert list_segments(layout.segments) == []
    files = parquet(layout)
    assert {name.split("/")[0] for name in files} == {
        "frames",
        "predictions",
        "shadows",
        "dropped",
        "outcomes",
    }
    assert {name.split("/")[1] for name in files if "date=" in name} == {"date=2023-11-15", "date=2023-11-16"}
    assert replay(layout, db) == consumed
    assert set(counts(layout).values()) == {20}
    with db.read() as tx:
        assert (list(batches(tx)), offsets(tx), position(tx)) == ([], {}, 80)
    assert seal_ready(layout, db) == []
    assert parquet(layout) == files


def test_a_segment_that_is_live_or_not_consumed_whole_is_left(layout: Layout, db: Database) -> None:
    writer = SegmentWriter(layout.segments, "w0", 1 << 20)
    for frame in sample(1):
        writer.append(encode_frame(frame))
    writer.flush()
    consume(layout, db)
    assert seal_ready(layout, db) == []  # consumed, but the writer lives
    writer.append(encode_frame(outcomes([1], [1])))
    writer.close()
    assert seal_ready(layout, db) == []  # closed, but one frame was not consumed
    consume(layout, db)
    assert len(seal_ready(layout, db)) == 1


def test_a_torn_tail_of_a_dead_writer_is_not_waited_for(layout: Layout, db: Database) -> None:
    write_log(layout, 1, max_bytes=1 << 20)
    first, second = list_segments(layout.segments)
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[: len(whole) // 2])
    second.path.write_bytes(second.path.read_bytes()[:8])  # died before its first frame was whole
    consumed = consume(layout, db)
    assert seal_ready(layout, db) == [first.name]
    assert list_segments(layout.segments) == []
    assert replay(layout, db) == consumed
    assert 0 < len(consumed) < 4


def test_rows_carry_their_order_ids_and_features(layout: Layout, db: Database) -> None:
    rows = [
        {"age": 41, "town": "x", "ok": True, "none": None},
        {"age": 2.5, "town": 7, "ok": None, "none": None},
    ]
    writer = SegmentWriter(layout.segments, "w0", 1 << 20)
    writer.append(encode_frame(prediction(5, rows)))
    writer.append(encode_frame(prediction(9, [{"town": "y", "new": 1}])))
    writer.close()
    consume(layout, db)
    with db.read() as tx:
        runs = list(batches(tx))
    files = seal_segment(layout, list_segments(layout.segments)[0], runs)
    table = pq.read_table(files[1]).to_pylist()
    assert [(row["intake_seq"], row["row"]) for row in table] == [(1, 0), (1, 1), (2, 0)]
    assert table[0]["prediction_id"] == "00000000-0000-0000-0000-000000000005"
    assert [row["f_age"] for row in table] == [41.0, 2.5, None]
    assert [row["f_town"] for row in table] == ["x", "7", "y"]
    assert [row["f_ok"] for row in table] == [True, None, None]
    assert [row["f_new"] for row in table] == [None, None, 1.0]
    assert [row["f_none"] for row in table] == [None, None, None]
    assert table[0]["shadows"] == ["loan@2"]
    assert int(table[0]["time"].timestamp()) != 0


def test_damage_found_while_sealing_keeps_the_segment_and_seals_the_others(
    layout: Layout, db: Database
) -> None:
    write_log(layout, 10)
    consume(layout, db)
    victim, *others = list_segments(layout.segments)
    damaged = bytearray(victim.path.read_bytes())
    damaged[40] ^= 1
    victim.path.write_bytes(damaged)
    with pytest.raises(IntegrityError, match=victim.name):
        seal_ready(layout, db)
    assert [segment.name for segment in list_segments(layout.segments)] == [victim.name]
    with db.read() as tx:
        assert all(getattr(segment_progress(tx, other.name), "sealed", False) for other in others)
    damaged[40] ^= 1
    victim.path.write_bytes(damaged)
    assert seal_ready(layout, db) == [victim.name]


def test_consumed_rows_that_vanished_are_noticed(layout: Layout, db: Database) -> None:
    write_log(layout, 1, max_bytes=1 << 20)
    consume(layout, db)
    segment = list_segments(layout.segments)[0]
    with db.read() as tx:
        runs = list(batches(tx, segment=segment.name))
    segment.path.write_bytes(segment.path.read_bytes()[: runs[-1].stop - 1])
    with pytest.raises(IntegrityError, match="rows that were consumed are missing"):
        seal_ready(layout, db)
    with pytest.raises(IntegrityError, match="rows that were consumed are missing"):
        replay(layout, db)


def test_a_frame_that_contradicts_itself_is_not_sealed(layout: Layout, db: Database) -> None:
    writer = SegmentWriter(layout.segments, "w0", 1 << 20)
    writer.append(encode_frame(outcomes([1, 2], ["only one"])))
    writer.close()
    consume(layout, db)
    with pytest.raises(IntegrityError, match="2 values in each part") as caught:
        seal_ready(layout, db)
    assert "only one" not in str(caught.value)


def test_a_segment_is_not_deleted_when_its_parquet_has_gone(layout: Layout, db: Database) -> None:
    write_log(layout, 1, max_bytes=1 << 20)
    consume(layout, db)
    segment = list_segments(layout.segments)[0]
    content = segment.path.read_bytes()
    assert seal_and_die(layout, "seal.deleted") == -9
    segment.path.write_bytes(content)  # as if the deletion had not reached the disk
    with db.read() as tx:
        assert offsets(tx)[segment.name] == replay_end(content)  # so that it is not consumed again
    path = frames_path(layout, segment.name)
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(IntegrityError, match="the segment is kept"):
        seal_ready(layout, db)
    path.write_bytes(kept)
    assert seal_ready(layout, db) == []
    assert list_segments(layout.segments) == []


def test_a_parquet_folder_that_cannot_be_written_is_a_store_error(layout: Layout, db: Database) -> None:
    write_log(layout, 1, max_bytes=1 << 20)
    consumed = consume(layout, db)
    layout.parquet.rmdir()
    layout.parquet.write_bytes(b"")
    with pytest.raises(StoreError, match="the segment is kept"):
        seal_ready(layout, db)
    layout.parquet.unlink()
    layout.parquet.mkdir()
    assert len(seal_ready(layout, db)) == 2
    assert replay(layout, db) == consumed


def replay_end(content: bytes) -> int:
    return len(content) - len(END_MARKER)


SEAL = """
import sys
import time
from pathlib import Path
from slipway.base.layout import Layout
from slipway.store.database import open_database
from slipway.store.sealing import seal_ready
layout = Layout(Path(sys.argv[1]))
seal_ready(layout, open_database(layout))
"""


def seal_and_die(layout: Layout, place: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", SEAL, str(layout.root)],
        env={**os.environ, "SLIPWAY_FAILPOINT": place},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


def test_sealing_killed_anywhere_repeats_harmlessly(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    db = open_database(layout)
    write_log(layout, 3, max_bytes=1 << 20)
    consumed = consume(layout, db)
    expected = {"predictions": 6, "shadows": 6, "dropped": 6, "outcomes": 6, "labelled": 6}
    kills = 0
    # Each attempt dies one step later than the one before, and starts from what that one left behind.
    for step in range(1, 60):
        if seal_and_die(layout, f"*:{step}") == 0:
            break
        kills += 1
        assert replay(layout, db) == consumed
        assert counts(layout) == expected
    assert kills >= 12
    assert list_segments(layout.segments) == []
    assert counts(layout) == expected
    assert list(layout.parquet.rglob(".*")) == []
    assert len(parquet(layout)) == 2 * (1 + 4 * 2)
    db.close()


@pytest.mark.parametrize(
    "place", ["seal.file:1", "seal.file:4", "seal.written", "seal.marked", "seal.deleted"]
)
def test_files_are_the_same_bytes_after_a_kill_and_without_one(tmp_path: Path, place: str) -> None:
    results: list[dict[str, bytes]] = []
    for name in ("whole", "killed"):
        layout = Layout(tmp_path / name)
        layout.create()
        db = open_database(layout)
        write_log(layout, 3, max_bytes=1 << 20)
        consume(layout, db)
        if name == "killed":
            assert seal_and_die(layout, place) == -9
        seal_ready(layout, db)
        db.close()
        results.append(parquet(layout))
    assert results[0] == results[1]


def test_a_half_written_file_of_a_killed_attempt_is_cleared(layout: Layout, db: Database) -> None:
    write_log(layout, 1, max_bytes=1 << 20)
    consume(layout, db)
    path = frames_path(layout, list_segments(layout.segments)[0].name)
    path.parent.mkdir()
    leftover = path.with_name(f".{path.name}.4711.tmp")
    leftover.write_bytes(b"half")
    seal_ready(layout, db)
    assert not leftover.exists()
    assert path.exists()
