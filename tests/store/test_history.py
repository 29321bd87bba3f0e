"""History: the order of consumption, from segments, from Parquet, and from any mixture of the two."""

from __future__ import annotations

import pytest
from store_logs import consume, prediction, replay, write_log

from slipway.base.errors import IntegrityError
from slipway.base.layout import Layout
from slipway.store.database import Database
from slipway.store.frames import encode_frame
from slipway.store.history import iter_events
from slipway.store.sealing import frames_path, seal_ready
from slipway.store.segments import SegmentWriter, list_segments


def test_the_order_is_the_same_before_in_the_middle_of_and_after_sealing(
    layout: Layout, db: Database
) -> None:
    write_log(layout, 6, max_bytes=2000)
    consumed = consume(layout, db, at_most=3, rounds=4)
    assert replay(layout, db) == consumed
    seal_ready(layout, db)
    assert replay(layout, db) == consumed
    consumed += consume(layout, db, at_most=2)
    assert replay(layout, db) == consumed
    seal_ready(layout, db)
    assert list_segments(layout.segments) == []
    assert replay(layout, db) == consumed
    assert len(consumed) == 48


@pytest.mark.parametrize("seal", [False, True])
def test_any_range_can_be_asked_for(layout: Layout, db: Database, seal: bool) -> None:
    write_log(layout, 4, max_bytes=1200)
    consumed = consume(layout, db, at_most=2)
    if seal:
        seal_ready(layout, db)
    for after in range(0, 34, 3):
        assert replay(layout, db, after) == consumed[after:]
        for until in (0, after, after + 1, after + 5, 99):
            assert replay(layout, db, after, until) == consumed[after:until]


def test_frames_that_were_not_consumed_are_not_history(layout: Layout, db: Database) -> None:
    write_log(layout, 2, max_bytes=1 << 20)
    assert replay(layout, db) == []
    consumed = consume(layout, db, at_most=3, rounds=1)
    assert len(consumed) == 6
    assert replay(layout, db) == consumed


def test_sealing_while_a_replay_runs_does_not_disturb_it(layout: Layout, db: Database) -> None:
    write_log(layout, 6, max_bytes=1200)
    consumed = consume(layout, db, at_most=3)
    with db.read() as tx:
        batches = iter_events(layout, tx)
    seal_ready(layout, db)
    assert list_segments(layout.segments) == []
    assert [frame for batch in batches for frame in batch.frames] == consumed


def test_batches_are_bounded_in_frames_and_bytes(layout: Layout, db: Database) -> None:
    writer = SegmentWriter(layout.segments, "w0", 1 << 30)
    for n in range(2500):
        writer.append(encode_frame(prediction(n, [{"a": 1}])))
    for n in range(5):
        writer.append(encode_frame(prediction(9000 + n, [{"a": "x" * 3_000_000}])))
    writer.close()
    consume(layout, db, at_most=10_000)
    with db.read() as tx:
        sizes = [len(batch.frames) for batch in iter_events(layout, tx)]
    assert sizes == [1000, 1000, 502, 2, 1]


def test_a_missing_file_is_a_named_gap(layout: Layout, db: Database) -> None:
    write_log(layout, 6, max_bytes=1200)
    consume(layout, db, at_most=3)
    names = [segment.name for segment in list_segments(layout.segments)]
    seal_ready(layout, db)
    frames_path(layout, names[1]).unlink()
    with pytest.raises(IntegrityError, match=names[1]):
        replay(layout, db)
