"""The log again, in exactly the order in which the controller consumed it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from slipway.base.errors import IntegrityError
from slipway.base.layout import Layout
from slipway.store.database import Transaction
from slipway.store.frames import Frame
from slipway.store.intake import IntakeBatch, Progress, batches, position, progress
from slipway.store.sealing import frames_path, numbered_payloads
from slipway.store.segments import decode_checked

#: A batch is handed over when it has this many frames or payload bytes.
_BATCH_FRAMES = 1000
_BATCH_BYTES = 4 * 1024 * 1024

_Numbered = Iterator[tuple[int, bytes | memoryview]]


@dataclass(frozen=True)
class Batch:
    """Neighbouring frames; ``frames[i]`` has the number ``after_seq + 1 + i``."""

    after_seq: int
    frames: list[Frame]

    @property
    def last_seq(self) -> int:
        """Number of the last frame."""
        return self.after_seq + len(self.frames)


@dataclass(frozen=True)
class _Source:
    """One segment's frames: in the segment while it is there, else in Parquet."""

    layout: Layout
    progress: Progress
    runs: Sequence[IntakeBatch]
    after_seq: int

    def read(self) -> _Numbered:
        return filter(partial(_later, self.after_seq), self._read_all())

    def _read_all(self) -> _Numbered:
        name = self.progress.segment
        try:
            if not self.progress.sealed:
                yield from numbered_payloads(self.layout.segments / f"{name}.seg", self.runs)
                return
        except FileNotFoundError:  # sealed since the transaction read about it
            pass
        yield from _sealed_payloads(frames_path(self.layout, name), self.after_seq)


def iter_events(
    layout: Layout, tx: Transaction, after_seq: int = 0, until: int | None = None
) -> Iterator[Batch]:
    """Replay the consumed frames with ``after_seq < seq <= until``.

    Frames come in the order of consumption, whether their segments are sealed or not; where batches end is
    no part of the promise. The transaction is used before this returns, and not while the log is read.

    Args:
        layout: the project.
        tx: any transaction.
        after_seq: number of the frame after which to start; 0 is the beginning.
        until: number of the last frame; default: all that had been consumed at ``tx``.

    Raises:
        IntegrityError: (while iterating) frames are damaged or missing.
    """
    last = position(tx) if until is None else min(until, position(tx))
    sources: list[_Source] = []
    for one in progress(tx, after_seq):
        if one.first_seq <= last:
            runs = [] if one.sealed else list(batches(tx, after_seq, one.segment))
            sources.append(_Source(layout, one, runs, after_seq))
    return _batched(_merged(sources, after_seq), after_seq, last)


def _batched(numbered: _Numbered, after_seq: int, last: int) -> Iterator[Batch]:
    frames: list[Frame] = []
    start, size = after_seq, 0
    for seq, payload in islice(numbered, max(last - after_seq, 0)):
        expected = start + len(frames) + 1
        if seq != expected:
            raise _missing(expected)
        frames.append(decode_checked(payload, f"frame {seq} of the log"))
        size += len(payload)
        if len(frames) >= _BATCH_FRAMES or size >= _BATCH_BYTES:
            yield Batch(start, frames)
            frames, start, size = [], seq, 0
    if frames:
        yield Batch(start, frames)
    if start + len(frames) < last:
        raise _missing(start + len(frames) + 1)


def _merged(sources: Sequence[_Source], after_seq: int) -> _Numbered:
    """Merge by number. A source is opened when its first frame is due: there may be thousands."""
    waiting = iter(sources)
    coming = next(waiting, None)
    heap: list[tuple[int, int, bytes | memoryview, _Numbered]] = []
    due = after_seq + 1
    while True:
        while coming is not None and (not heap or coming.progress.first_seq <= due):
            _push(heap, coming.read(), coming.progress.first_seq)
            coming = next(waiting, None)
        if not heap:
            return
        seq, rank, payload, reader = heapq.heappop(heap)
        yield seq, payload
        due = seq + 1
        _push(heap, reader, rank)


def _push(heap: list[tuple[int, int, bytes | memoryview, _Numbered]], reader: _Numbered, rank: int) -> None:
    following = next(reader, None)
    if following is not None:
        heapq.heappush(heap, (following[0], rank, following[1], reader))


def _sealed_payloads(path: Path, after_seq: int) -> _Numbered:
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise IntegrityError(
            expected="the Parquet of a sealed segment",
            got="no such file",
            where=path.name,
            next_step="restore it from a copy",
        ) from None
    with file:
        for group in range(file.num_row_groups):
            last = file.metadata.row_group(group).column(0).statistics.max
            if last > after_seq:
                table = file.read_row_group(group)
                yield from zip(table["intake_seq"].to_pylist(), table["frame"].to_pylist(), strict=True)


def _later(after_seq: int, numbered: tuple[int, bytes | memoryview]) -> bool:
    return numbered[0] > after_seq


def _missing(seq: int) -> IntegrityError:
    return IntegrityError(
        expected=f"frame {seq} of the log",
        got="a gap",
        where="log",
        next_step="restore the missing segment or Parquet file from a copy",
    )
