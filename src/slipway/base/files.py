"""Files that are whole or absent: atomic replacement, durable directories, digests, one lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from slipway.base.errors import ConflictError


def write_atomic(path: Path, content: bytes) -> None:
    """Replace ``path`` so that a reader, or a crash, sees the old bytes or the new, never a part.

    Raises:
        OSError: the disk is full or not writable; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_data(fd: int) -> None:
    """Return when the disk has what was written to ``fd``.

    Raises:
        OSError: the disk refuses.
    """
    # macOS: fsync leaves the bytes in the drive's own cache
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fdatasync(fd)
    else:
        fcntl.fcntl(fd, full)


def sync_directory(path: Path) -> None:
    """Make renames and new files in ``path`` survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def exclusive_lock(path: Path, what: str) -> Generator[None]:
    """Hold an advisory lock for as long as the block runs; the kernel frees it if the process dies.

    Raises:
        ConflictError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                expected=f"one {what} for this project",
                got="another that is running",
                where=str(path.parent),
                next_step="stop it first, or use another project folder",
            ) from None
        yield


def is_locked(path: Path) -> bool:
    """Whether another open file holds the advisory lock of ``exclusive_lock`` on ``path``."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
