"""Sealing: a segment that is final and consumed whole becomes Parquet, once, and then goes.

Files under ``log/parquet``: ``predictions``, ``shadows``, ``dropped`` and ``outcomes``, partitioned by date
(UTC, of the frame), for SQL and other readers; and ``frames``, the payloads as the gateway wrote them, from
which the log is replayed bit for bit. All are named after the segment.

Order of steps, each of which may be cut short and repeated: write the files under other names and rename
them (1), record them in the database (2), delete the segment and record that (3). Until (2) readers look at
the segment, and after it at the files, so no row is seen twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from slipway.base.errors import IntegrityError, SlipwayError, StoreError
from slipway.base.failpoint import failpoint
from slipway.base.files import sync_directory, write_atomic
from slipway.base.layout import Layout
from slipway.store.database import Database
from slipway.store.intake import (
    IntakeBatch,
    Progress,
    batches,
    mark_deleted,
    mark_sealed,
    sealed_segments,
    segment_progress,
)
from slipway.store.segments import Segment, decode_checked, list_segments, read_payloads
from slipway.store.tabulation import ArrowTable, FrameTables

FRAMES_SCHEMA = pa.schema([("intake_seq", pa.int64()), ("frame", pa.binary())])

#: Frames per row group: a replay that starts late skips whole groups.
_ROW_GROUP = 16_384


def seal_ready(layout: Layout, db: Database) -> list[str]:
    """Seal every segment that is ready, and delete those that were sealed before.

    Called by one process at a time, the controller.

    Returns:
        Names of the segments sealed now.

    Raises:
        IntegrityError, StoreError: one segment could not be sealed; it is left as it is, the others are done.
    """
    sealed: list[str] = []
    failures: list[SlipwayError] = []
    for segment in list_segments(layout.segments):
        try:
            if _seal_one(layout, db, segment):
                sealed.append(segment.name)
        except SlipwayError as error:
            failures.append(error)
    failures += _delete_sealed(layout, db)
    if failures:
        raise failures[0]
    return sealed


def _seal_one(layout: Layout, db: Database, segment: Segment) -> bool:
    if not segment.final:
        return False
    with db.read() as tx:
        progress = segment_progress(tx, segment.name)
        runs = list(batches(tx, segment=segment.name))
    if progress is not None and progress.sealed:
        return False
    if next(read_payloads(segment.path, progress.consumed if progress else 0), None) is not None:
        return False
    if progress is None:  # its writer died before the first frame was whole
        segment.path.unlink()
        return False
    files = seal_segment(layout, segment, runs)
    with db.write() as tx:
        mark_sealed(tx, segment.name, _by_kind(layout, files))
    failpoint("seal.marked")
    return True


def seal_segment(layout: Layout, segment: Segment, runs: Sequence[IntakeBatch]) -> list[Path]:
    """Write a segment's Parquet files; the same segment gives the same files however often it is done.

    Args:
        layout: the project.
        segment: final, and consumed whole.
        runs: its batches in order, which number the frames.

    Returns:
        The files, ``frames`` first.

    Raises:
        IntegrityError: the segment's bytes are damaged, or are not those that were consumed.
        StoreError: the disk is full or broken.
    """
    failpoint("seal.begin")
    numbers: list[int] = []
    payloads: list[bytes] = []
    by_date: dict[str, FrameTables] = defaultdict(FrameTables)
    for seq, payload in numbered_payloads(segment.path, runs):
        frame = decode_checked(payload, f"{segment.name}, frame {seq}")
        numbers.append(seq)
        payloads.append(bytes(payload))
        by_date[_date(frame.time)].add(seq, frame)
    frames = pa.Table.from_arrays(
        [pa.array(numbers, pa.int64()), pa.array(payloads, pa.binary())], schema=FRAMES_SCHEMA
    )
    written = [_write(frames_path(layout, segment.name), frames)]
    for date, collected in sorted(by_date.items()):
        for kind, table in collected.tables().items():
            path = layout.parquet / kind / f"date={date}" / f"{segment.name}.parquet"
            written.append(_write(path, table))
    failpoint("seal.written")
    return written


def numbered_payloads(path: Path, runs: Sequence[IntakeBatch]) -> Iterator[tuple[int, memoryview]]:
    """Yield ``(seq, payload)`` of the consumed frames of a segment, from the first of these batches on.

    Raises:
        IntegrityError: the bytes are damaged, or hold other frames than were consumed.
        FileNotFoundError: the segment has been sealed meanwhile.
    """
    if not runs:
        return
    numbers = chain.from_iterable(range(run.after_seq + 1, run.last_seq + 1) for run in runs)
    end = runs[0].start
    for frame_end, payload in read_payloads(path, runs[0].start, runs[-1].stop):
        seq = next(numbers, None)
        if seq is None:
            break
        yield seq, payload
        end = frame_end
    if end != runs[-1].stop or next(numbers, None) is not None:
        raise IntegrityError(
            expected=f"{sum(run.events for run in runs)} frames up to byte {runs[-1].stop}",
            got=f"others, up to byte {end}",
            where=path.name,
            next_step="restore the file from a copy: rows that were consumed are missing from it",
        )


def frames_path(layout: Layout, segment: str) -> Path:
    """Where a sealed segment's payloads lie."""
    return layout.parquet / "frames" / f"{segment}.parquet"


def _delete_sealed(layout: Layout, db: Database) -> list[SlipwayError]:
    """Remove the segments that are in Parquet, also those of a run that was killed; returns what failed."""
    with db.read() as tx:
        waiting = sealed_segments(tx)
    gone: list[str] = []
    failures: list[SlipwayError] = []
    for progress in waiting:
        try:
            _delete(layout, progress)
            gone.append(progress.segment)
        except IntegrityError as error:
            failures.append(error)
    if gone:
        sync_directory(layout.segments)
        failpoint("seal.deleted")
        with db.write() as tx:
            mark_deleted(tx, gone)
        failpoint("seal.done")
    return failures


def _delete(layout: Layout, progress: Progress) -> None:
    """Remove the segment, after a last look whether its frames are really in Parquet."""
    path = frames_path(layout, progress.segment)
    rows = pq.read_metadata(path).num_rows if path.is_file() else 0
    if rows != progress.events:
        raise IntegrityError(
            expected=f"{progress.events} frames in the Parquet of a sealed segment",
            got=str(rows),
            where=path.name,
            next_step="restore that file from a copy; the segment is kept",
        )
    (layout.segments / f"{progress.segment}.seg").unlink(missing_ok=True)


def _write(path: Path, table: ArrowTable) -> Path:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP)
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in (path.parent.parent, path.parent.parent.parent):
                sync_directory(folder)
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of an attempt that was killed
            leftover.unlink()
        write_atomic(path, sink.getvalue().to_pybytes())
    except OSError as error:
        raise StoreError(
            expected="a writable Parquet folder",
            got=error.strerror or type(error).__name__,
            where=path.name,
            next_step="free space on the disk; the segment is kept, and sealed at the next try",
        ) from None
    failpoint("seal.file")
    return path


def _by_kind(layout: Layout, files: Sequence[Path]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in files:
        place = path.relative_to(layout.parquet)
        found[place.parts[0]].append(place.as_posix())
    return dict(found)


def _date(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d")
