"""Reads what gateways logged since last time, in an order close to that in which it happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from slipway.base.errors import IntegrityError
from slipway.base.layout import Layout
from slipway.store import intake
from slipway.store.database import Transaction
from slipway.store.frames import Frame, decode_frame
from slipway.store.segments import (
    END_MARKER,
    HEADER_BYTES,
    Segment,
    list_segments,
    read_payloads,
    sync_segment,
)


def read_offsets(layout: Layout, tx: Transaction) -> dict[str, int]:
    """How far each segment on disk was consumed, those included that are sealed and not yet deleted."""
    found = {one.name: intake.segment_progress(tx, one.name) for one in list_segments(layout.segments)}
    return {name: progress.consumed for name, progress in found.items() if progress is not None}


def lag_bytes(layout: Layout, tx: Transaction) -> int:
    """Bytes logged and not consumed."""
    consumed = read_offsets(layout, tx)
    lag = 0
    for segment in list_segments(layout.segments):
        left = segment.size - consumed.get(segment.name, HEADER_BYTES)
        lag += left - len(END_MARKER) * segment.closed
    return max(lag, 0)


@dataclass(frozen=True)
class Slice:
    """Neighbouring frames of one segment: bytes ``start`` to ``stop``."""

    segment: str
    start: int
    stop: int
    frames: list[Frame]


@dataclass
class _Stream:
    """What was read ahead of one worker's log."""

    segment: str
    start: int
    ends: list[int]
    frames: list[Frame]
    #: Whether there is more behind.
    more: bool
    #: Size at which the segment holds no more than ``frames``; 0 where it may.
    size: int = 0


class Intake:
    """Reads segments.

    Each worker writes segments of its own, one after the other. A round takes from every worker the
    frames up to one moment, so that an outcome rarely comes before its prediction, which another worker
    may have logged.

    Args:
        directory: the folder of segments.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        #: Size at which a segment had nothing more to read.
        self._read_at: dict[str, int] = {}
        #: Segments that cannot be read on, with the reason.
        self.damaged: dict[str, IntegrityError] = {}

    def read(self, offsets: Mapping[str, int], limit: int) -> list[Slice]:
        """Read up to about ``limit`` frames beyond ``offsets`` (by segment name; absent means unread).

        What is returned is on disk: a decision never rests on bytes that a power cut could take back.

        Raises:
            StoreError: the disk refuses.
        """
        queues: dict[str, list[Segment]] = {}
        for segment in list_segments(self._directory):
            if segment.name not in self.damaged and self._has_more(segment):
                queues.setdefault(_worker(segment.name), []).append(segment)
        share = max(1, limit // max(1, len(queues)))
        streams = [stream for queue in queues.values() if (stream := self._ahead(queue, offsets, share))]
        slices = _cut(streams)
        for stream in streams:
            if any(part.segment == stream.segment and part.stop == stream.ends[-1] for part in slices):
                self._read_at[stream.segment] = stream.size
        return slices

    def _has_more(self, segment: Segment) -> bool:
        try:
            return segment.size > self._read_at.get(segment.name, HEADER_BYTES)
        except FileNotFoundError:
            return False

    def _ahead(self, queue: list[Segment], offsets: Mapping[str, int], limit: int) -> _Stream | None:
        """Frames of the first segment in a worker's queue that has any."""
        for at, segment in enumerate(queue):
            start = offsets.get(segment.name, HEADER_BYTES)
            stream = _Stream(segment.name, start, [], [], at + 1 < len(queue))
            size, decode = 0, decode_frame
            try:
                size = sync_segment(segment.path)
                for end, payload in islice(read_payloads(segment.path, start, size), limit):
                    stream.frames.append(decode(payload))
                    stream.ends.append(end)
            except FileNotFoundError:
                continue
            except (msgspec.ValidationError, msgspec.DecodeError):
                self.damaged[segment.name] = _unreadable(segment.name)
            except IntegrityError as error:
                self.damaged[segment.name] = error
            if len(stream.frames) >= limit:
                stream.more = True
                return stream
            if stream.frames:
                stream.size = size
                return stream
            self._read_at[segment.name] = size
        return None


def _cut(streams: list[_Stream]) -> list[Slice]:
    """The part of each stream up to the earliest end of one that goes on."""
    horizon = min((stream.frames[-1].time for stream in streams if stream.more), default=None)
    slices: list[Slice] = []
    for stream in streams:
        count = len(stream.frames)
        if horizon is not None and len(streams) > 1 and stream.frames[-1].time > horizon:
            count = next(at for at, frame in enumerate(stream.frames) if frame.time > horizon)
        if count:
            slices.append(Slice(stream.segment, stream.start, stream.ends[count - 1], stream.frames[:count]))
    return slices


def _unreadable(segment: str) -> IntegrityError:
    return IntegrityError(
        expected="a frame of this version of Slipway",
        got="a payload with a good checksum and another structure",
        where=segment,
        next_step="read this log with the version of Slipway that wrote it",
    )


def _worker(name: str) -> str:
    """The writer in ``{created}-{worker}-{number}``."""
    return name.split("-")[1]
