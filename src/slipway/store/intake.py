"""Which bytes of the log were consumed, and in which order.

Frames are numbered from 1 in the order in which the controller consumed them, over all segments: a frame's
``seq``. A batch is a run of neighbouring frames of one segment. What is recorded here, in the transaction
that consumed the frames, makes consumption exactly once, and lets the log be replayed in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from slipway.base.errors import ConflictError
from slipway.store.database import Transaction
from slipway.store.segments import HEADER_BYTES
from slipway.store.tables import batches as batch_table
from slipway.store.tables import segments


@dataclass(frozen=True)
class IntakeBatch:
    """Frames ``last_seq - events + 1`` to ``last_seq``: bytes ``start`` to ``stop`` of a segment."""

    segment: str
    start: int
    stop: int
    events: int
    last_seq: int

    @property
    def after_seq(self) -> int:
        """Frames consumed before this batch."""
        return self.last_seq - self.events


def append_batch(tx: Transaction, segment: str, start: int, stop: int, events: int) -> int:
    """Record that bytes ``start`` to ``stop`` of a segment, ``events`` frames, were consumed next.

    A batch that goes on where the last one ended is merged with it.

    Args:
        tx: the write transaction in which the frames took effect.
        segment: its name (``Segment.name``).
        start: where reading began; 0 at the first time.
        stop: end offset of the last frame read.
        events: number of frames, at least 1.

    Returns:
        ``position`` after this batch.

    Raises:
        ConflictError: another process consumed that segment meanwhile, or the batch is empty.
    """
    before = position(tx)
    row = tx.execute(select(segments).where(segments.c.name == segment)).one_or_none()
    consumed = row.consumed if row else HEADER_BYTES
    if max(start, HEADER_BYTES) != consumed or stop <= consumed or events < 1 or (row and row.sealed):
        raise ConflictError(
            expected=f"frames of the log from byte {consumed} on",
            got=f"{events} from byte {start} to {stop}",
            where=segment,
            next_step="run one controller per project",
        )
    last = before + events
    if row:
        grown = {"consumed": stop, "events": row.events + events, "last_seq": last}
        tx.execute(update(segments).where(segments.c.name == segment).values(grown))
    else:
        tx.execute(
            insert(segments).values(
                name=segment,
                consumed=stop,
                events=events,
                first_seq=before + 1,
                last_seq=last,
                sealed=False,
                deleted=False,
                files="{}",
            )
        )
    _append(tx, IntakeBatch(segment, consumed, stop, events, last))
    return last


def _append(tx: Transaction, batch: IntakeBatch) -> None:
    table = batch_table.c
    merged = tx.execute(
        update(batch_table)
        .where(table.last_seq == batch.after_seq, table.segment == batch.segment, table.stop == batch.start)
        .values(last_seq=batch.last_seq, stop=batch.stop, events=table.events + batch.events)
    )
    if merged.rowcount == 0:
        tx.execute(
            insert(batch_table).values(
                last_seq=batch.last_seq,
                segment=batch.segment,
                start=batch.start,
                stop=batch.stop,
                events=batch.events,
            )
        )


def batches(tx: Transaction, after_seq: int = 0, segment: str | None = None) -> Iterator[IntakeBatch]:
    """The batches of segments that are not sealed, in order, with a frame later than ``after_seq``."""
    query = select(batch_table).where(batch_table.c.last_seq > after_seq).order_by(batch_table.c.last_seq)
    if segment is not None:
        query = query.where(batch_table.c.segment == segment)
    for row in tx.execute(query):
        yield IntakeBatch(row.segment, row.start, row.stop, row.events, row.last_seq)


def offsets(tx: Transaction) -> dict[str, int]:
    """For each segment that was begun and may still be there: the byte from which to read on."""
    query = select(segments.c.name, segments.c.consumed).where(segments.c.deleted.is_(False))
    return {row.name: row.consumed for row in tx.execute(query)}


@dataclass(frozen=True)
class Progress:
    """How far a segment has been consumed; ``files`` are its Parquet files by kind, once it is sealed."""

    segment: str
    consumed: int
    events: int
    first_seq: int
    last_seq: int
    sealed: bool
    files: dict[str, list[str]]


def progress(tx: Transaction, after_seq: int = 0) -> list[Progress]:
    """The segments with a frame later than ``after_seq``, in the order of their first frames."""
    query = select(segments).where(segments.c.last_seq > after_seq).order_by(segments.c.first_seq)
    return [_progress(row) for row in tx.execute(query)]


def segment_progress(tx: Transaction, segment: str) -> Progress | None:
    """One segment, or None when nothing was consumed from it."""
    row = tx.execute(select(segments).where(segments.c.name == segment)).one_or_none()
    return None if row is None else _progress(row)


def mark_sealed(tx: Transaction, segment: str, files: dict[str, list[str]]) -> None:
    """Record that a segment now lives in Parquet, and drop its batches: its rows carry the order."""
    tx.execute(delete(batch_table).where(batch_table.c.segment == segment))
    where = (segments.c.name == segment, segments.c.sealed.is_(False))
    tx.execute(update(segments).where(*where).values(sealed=True, files=json.dumps(files)))


def sealed_segments(tx: Transaction) -> list[Progress]:
    """The segments that are sealed and not known to be deleted."""
    where = (segments.c.deleted.is_(False), segments.c.sealed.is_(True))
    return [_progress(row) for row in tx.execute(select(segments).where(*where).order_by(segments.c.name))]


def mark_deleted(tx: Transaction, names: Sequence[str]) -> None:
    """Record that sealed segments are gone: ``offsets`` no longer lists them."""
    for name in names:
        where = (segments.c.name == name, segments.c.sealed.is_(True))
        tx.execute(update(segments).where(*where).values(deleted=True))


def _progress(row: Row[Any]) -> Progress:
    return Progress(
        row.name, row.consumed, row.events, row.first_seq, row.last_seq, row.sealed, json.loads(row.files)
    )


def position(tx: Transaction) -> int:
    """Number of frames consumed in all; the ``seq`` of the last."""
    return tx.scalar(select(func.max(segments.c.last_seq))) or 0
