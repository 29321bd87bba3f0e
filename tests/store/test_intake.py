"""Intake: a gapless, exactly-once order over the bytes of many segments."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.base.errors import ConflictError
from slipway.store.database import Database
from slipway.store.intake import IntakeBatch, append_batch, batches, offsets, position


def test_neighbouring_batches_merge_only_when_nothing_lies_between(db: Database) -> None:
    with db.write() as tx:
        assert [
            append_batch(tx, "a", 0, 50, 2),
            append_batch(tx, "a", 50, 70, 1),
            append_batch(tx, "b", 8, 90, 4),
            append_batch(tx, "a", 70, 80, 1),
        ] == [2, 3, 7, 8]
        assert list(batches(tx)) == [
            IntakeBatch("a", 8, 70, 3, 3),
            IntakeBatch("b", 8, 90, 4, 7),
            IntakeBatch("a", 70, 80, 1, 8),
        ]
        assert [batch.after_seq for batch in batches(tx)] == [0, 3, 7]
        assert [batch.last_seq for batch in batches(tx, after_seq=3)] == [7, 8]
        assert [batch.last_seq for batch in batches(tx, segment="a")] == [3, 8]
        assert offsets(tx) == {"a": 80, "b": 90}
        assert position(tx) == 8


@pytest.mark.parametrize(
    ("start", "stop", "events"), [(0, 90, 1), (40, 90, 1), (60, 90, 1), (50, 50, 1), (50, 90, 0)]
)
def test_bytes_are_consumed_once_and_without_gap(db: Database, start: int, stop: int, events: int) -> None:
    with db.write() as tx:
        append_batch(tx, "a", 0, 50, 2)
    with pytest.raises(ConflictError, match="from byte 50 on"), db.write() as tx:
        append_batch(tx, "a", start, stop, events)
    with db.read() as tx:
        assert (offsets(tx), position(tx)) == ({"a": 50}, 2)


steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(steps)
def test_the_recorded_order_is_the_order_of_consumption(
    db: Database, consumed: list[tuple[str, int]]
) -> None:
    with db.write() as tx:
        order: list[tuple[str, int]] = []
        at = dict.fromkeys("abc", 8)
        for segment, events in consumed:
            append_batch(tx, segment, at[segment], at[segment] + 10 * events, events)
            order += [(segment, at[segment] + 10 * n) for n in range(events)]
            at[segment] += 10 * events
        recorded = list(batches(tx))
        replayed = [(b.segment, b.start + 10 * n) for b in recorded for n in range(b.events)]
        assert replayed == order
        assert position(tx) == len(order)
        assert all(x.segment != y.segment for x, y in itertools.pairwise(recorded))
        tx.rollback()
