"""Segments of the prediction log: append-only files of frames, one writer each, durable in groups.

File: 8 bytes of magic and version, then frames, then an end marker once the writer is done::

    frame   u32 length, u32 CRC-32 of length and payload, payload     (little-endian, length > 0)
    end     u32 0, u32 CRC-32 of that 0, 16 fixed bytes that no text in a payload can contain

The writer holds an advisory lock on its file for as long as it lives, and a file gets its final name only
when locked and headed. A segment without end marker whose lock is free belongs to a dead writer: whatever
follows its last whole frame was never answered.

The gateway imports this module, so it uses the standard library and msgspec only.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from slipway.base.clock import Clock, SystemClock
from slipway.base.errors import IntegrityError, StoreError, UsageError
from slipway.base.failpoint import failpoint
from slipway.base.files import sync_data, sync_directory
from slipway.store.frames import Frame, decode_frame

MAGIC = b"SLIPSEG\x01"
HEADER_BYTES = len(MAGIC)
#: Largest payload: far above any request body, far below what a flipped length bit would claim.
MAX_PAYLOAD = 256 * 1024 * 1024
END_MARKER = struct.pack("<II", 0, zlib.crc32(bytes(4))) + b"\xff\xfesegment end\xfe\xff\xff"

#: With this flag a write returns when the disk has it: one call where write and fdatasync are two, and a
#: thread that comes back once. 0 where the flag does not exist, or promises less than ``sync_data`` does.
_SYNCED_WRITES = os.O_DSYNC if sys.platform == "linux" else 0
_OPEN = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | _SYNCED_WRITES

_FRAME = struct.Struct("<II")
_WINDOW = 1024 * 1024
_NAME = re.compile(r"(\d{16})-([A-Za-z0-9_]+)-(\d{4,})")
#: How a payload of frames.py starts: a msgpack array whose first element is the one-letter tag.
_PAYLOAD_START = re.compile(rb"[\x90-\x9f]\xa1[psdo]")


@dataclass(frozen=True)
class Segment:
    """One segment file. The properties look at the disk each time they are read."""

    path: Path

    @property
    def name(self) -> str:
        """The name under which the segment is recorded: the file's, without suffix."""
        return self.path.stem

    @property
    def size(self) -> int:
        """Bytes now."""
        return self.path.stat().st_size

    @property
    def closed(self) -> bool:
        """Whether the writer put the end marker."""
        return is_closed(self.path)

    @property
    def abandoned(self) -> bool:
        """Whether the writer is gone without an end marker, so that a torn tail is final."""
        return not _locked(self.path) and not self.closed

    @property
    def final(self) -> bool:
        """Whether no byte will be added. Ask before reading: what is read afterwards is then all."""
        return not _locked(self.path) or self.closed


def list_segments(directory: Path) -> list[Segment]:
    """The segments in a folder, oldest first; other files are passed over."""
    if not directory.is_dir():
        return []
    paths = (path for path in directory.iterdir() if path.suffix == ".seg" and _NAME.fullmatch(path.stem))
    return [Segment(path) for path in sorted(paths)]


def is_closed(path: Path) -> bool:
    """Whether the file ends with the end marker."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size < HEADER_BYTES + len(END_MARKER):
            return False
        return os.pread(file.fileno(), len(END_MARKER), size - len(END_MARKER)) == END_MARKER


def sync_segment(path: Path) -> int:
    """Force what is in the file now to disk, and say how many bytes that is.

    A reader that records its progress calls this first: else a power cut could take back bytes that
    the writer has not yet forced out, but the reader has already counted.

    Raises:
        StoreError: the disk refuses.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            sync_data(file.fileno())
            return size
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _store_error("a log segment that can be forced to disk", error, path) from None


def read_frames(path: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Frame]]:
    """Read the whole frames from byte ``start`` on.

    Args:
        path: the segment file.
        start: 0, or an end offset that an earlier read yielded.
        stop: do not go past this byte; default: the end of the file as it is now.

    Yields:
        ``(end, frame)``: the offset behind the frame, and the frame.

    Raises:
        IntegrityError: the bytes were damaged after they were written. A tail that a dying or still
            working writer left incomplete is no damage: reading stops before it.
        FileNotFoundError: the segment is not there (any more).
    """
    for end, payload in read_payloads(path, start, stop):
        yield end, decode_checked(payload, f"{path.name}, frame that ends at byte {end}")


def decode_checked(payload: bytes | memoryview, where: str) -> Frame:
    """The frame in a payload whose checksum was good.

    Raises:
        IntegrityError: another version of Slipway wrote it.
    """
    try:
        return decode_frame(payload)
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise IntegrityError(
            expected="a frame of this version of Slipway",
            got="a payload with a good checksum and another structure",
            where=where,
            next_step="read this log with the version of Slipway that wrote it",
        ) from None


def read_payloads(path: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, memoryview]]:
    """As ``read_frames``, without decoding: yields ``(end, payload)``."""
    with path.open("rb", buffering=0) as file:
        fd = file.fileno()
        _check_header(os.pread(fd, HEADER_BYTES, 0), path)
        size = os.fstat(fd).st_size
        limit = size if stop is None else min(stop, size)
        at = max(start, HEADER_BYTES)
        window_bytes = _WINDOW
        while at < limit:
            window = memoryview(os.pread(fd, min(limit - at, window_bytes), at))
            used = 0
            for used, payload in _whole_frames(window):
                yield at + used, payload
            if used:
                at, window_bytes = at + used, _WINDOW
                continue
            need = _claimed_bytes(window)
            if len(window) < need <= limit - at:
                window_bytes = need
                continue
            if not limit - at < need <= size - at:
                _check_tail(os.pread(fd, size - at, at), at, path)
            return


def _whole_frames(window: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield ``(end, payload)`` of the good frames at the front of ``window``; stop at anything else."""
    at = 0
    while at + 8 <= len(window):
        length, crc = _FRAME.unpack_from(window, at)
        end = at + 8 + length
        if not 0 < length <= MAX_PAYLOAD or end > len(window):
            return
        payload = window[at + 8 : end]
        if zlib.crc32(payload, zlib.crc32(window[at : at + 4])) != crc:
            return
        yield end, payload
        at = end


def _claimed_bytes(window: memoryview) -> int:
    """Bytes that the frame at the front says it has; 0 where it cannot be a frame."""
    if len(window) < 8:
        return 0
    length = int.from_bytes(window[:4], "little")
    return 8 + length if 0 < length <= MAX_PAYLOAD else 0


def _check_tail(tail: bytes, at: int, path: Path) -> None:
    """Tell a torn tail from damage: behind a torn tail there is neither a good frame nor the end marker."""
    if tail == END_MARKER:
        return
    if END_MARKER in (tail[-len(END_MARKER) :], tail[: len(END_MARKER)]) or _holds_frame(tail):
        raise IntegrityError(
            expected="a frame with a good checksum",
            got="damaged bytes with good ones behind them",
            where=f"{path.name} at byte {at}",
            next_step="restore the file from a copy, and check the disk; nothing was read past this byte",
        )


def _holds_frame(tail: bytes) -> bool:
    for match in _PAYLOAD_START.finditer(tail, 9):
        head = match.start() - 8
        length = int.from_bytes(tail[head : head + 4], "little")
        if next(_whole_frames(memoryview(tail)[head : head + 8 + min(length, MAX_PAYLOAD)]), None):
            return True
    return False


def _check_header(header: bytes, path: Path) -> None:
    if header != MAGIC:
        raise IntegrityError(
            expected="a log segment of format 1",
            got="other leading bytes",
            where=path.name,
            next_step="restore the file from a copy, or read it with the version of Slipway that wrote it",
        )


def _locked(path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class SegmentWriter:
    """Appends frames to segments of its own.

    ``append`` may be called from any thread while another one is in ``flush``: a frame appended before a
    ``flush`` begins is durable when that ``flush`` returns. No file exists before the first ``flush``
    with something to write.

    Args:
        directory: the folder of segments, which exists.
        worker: who writes, letters, digits and underscores; one living writer per name.
        max_bytes: size past which a segment is closed and the next one begun.
        clock: names the files.

    Raises:
        UsageError: the worker's name cannot be part of a file name.
    """

    def __init__(self, directory: Path, worker: str, max_bytes: int, clock: Clock | None = None) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_]+", worker):
            raise UsageError(expected="letters, digits and underscores", got=f"{worker!r}", where="worker")
        self._directory = directory
        self._worker = worker
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self._pending: list[bytes] = []
        self._pending_lock = threading.Lock()
        self._file_lock = threading.Lock()
        self._fd: int | None = None
        self._path = directory
        self._size = 0
        self._number = 0

    def append(self, payload: bytes) -> None:
        """Take a frame's payload (``frames.encode_frame``) for the next ``flush``.

        Raises:
            StoreError: empty, or longer than ``MAX_PAYLOAD``.
        """
        if not 0 < len(payload) <= MAX_PAYLOAD:
            raise StoreError(
                expected=f"a frame of 1 to {MAX_PAYLOAD} bytes", got=f"{len(payload)}", where="log segment"
            )
        with self._pending_lock:
            self._pending.append(payload)

    def flush(self) -> None:
        """Write what was appended, and return when the disk has it.

        Raises:
            StoreError: the disk is full or broken. The frames of this call are given up: none of them may
                be answered (those that reached the file whole stay there). Readers stop at the last whole
                frame, and the next call starts a new segment.
        """
        with self._file_lock:
            self._commit(close=False)

    def close(self) -> None:
        """Flush, put the end marker and give the segment up; a later ``flush`` starts a new one.

        Raises:
            StoreError: as ``flush``.
        """
        with self._file_lock:
            self._commit(close=True)

    def _commit(self, *, close: bool) -> None:
        with self._pending_lock:
            pending, self._pending = self._pending, []
        if not pending and (self._fd is None or not close):
            return
        frames = [_frame_bytes(payload) for payload in pending]
        try:
            fd = self._open() if self._fd is None else self._fd
            self._write(fd, frames, close=close)
        except OSError as error:
            self._give_up([len(frame) for frame in frames])
            raise _store_error("a writable log segment", error, self._path) from error

    def _write(self, fd: int, frames: list[bytes], *, close: bool) -> None:
        data = b"".join(frames)
        close = close or self._size + len(data) >= self._max_bytes
        _write_all(fd, data + END_MARKER if close else data)
        failpoint("segment.written")
        if not _SYNCED_WRITES:
            sync_data(fd)
        failpoint("segment.synced")
        self._size += len(data)
        if close:
            self._release()

    def _open(self) -> int:
        path = self._free_path()
        self._path = path
        for leftover in self._directory.glob(f".*-{self._worker}-*.seg.tmp"):  # ours, when we were killed
            leftover.unlink()
        temporary = path.with_name(f".{path.name}.tmp")
        fd = os.open(temporary, _OPEN, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(fd, MAGIC)
            os.fsync(fd)
            failpoint("segment.headed")
            temporary.rename(path)
            sync_directory(self._directory)
        except OSError:
            os.close(fd)
            for name in (temporary, path):
                name.unlink(missing_ok=True)
            raise
        failpoint("segment.created")
        self._fd, self._size = fd, HEADER_BYTES
        self._number += 1
        return fd

    def _free_path(self) -> Path:
        created = self._clock.now_us()
        while (path := self._directory / f"{created:016d}-{self._worker}-{self._number:04d}.seg").exists():
            created += 1
        return path

    def _give_up(self, lengths: list[int]) -> None:
        """After a failed write: cut the partial frame off, close if the disk lets us, and let go.

        Whole frames stay even though their rows are not answered: a reader may have taken them already.
        """
        fd = self._fd
        if fd is None:
            return
        written = os.fstat(fd).st_size
        end = self._size
        for length in lengths:
            if end + length > written:
                break
            end += length
        try:
            os.ftruncate(fd, end)
            _write_all(fd, END_MARKER)
            sync_data(fd)
        except OSError:
            with suppress(OSError):
                os.ftruncate(fd, end)
        self._release()

    def _release(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _frame_bytes(payload: bytes) -> bytes:
    length = len(payload).to_bytes(4, "little")
    return length + zlib.crc32(payload, zlib.crc32(length)).to_bytes(4, "little") + payload


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _store_error(expected: str, error: OSError, path: Path) -> StoreError:
    return StoreError(
        expected=expected,
        got=error.strerror or type(error).__name__,
        where=path.name,
        next_step="free space on the disk, or check its health",
    )
