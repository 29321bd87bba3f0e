"""Secrets of an installation: made once, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path

from slipway.base.errors import IntegrityError
from slipway.base.files import sync_directory
from slipway.base.layout import Layout

KEY_BYTES = 32


def installation_key(layout: Layout) -> bytes:
    """The 32 random bytes that prediction ids are keyed with; made at the first call.

    Processes that call at the same time get the same key. Losing the file means that outcomes of
    predictions answered so far are no longer accepted.

    Raises:
        IntegrityError: the file does not hold 32 bytes.
    """
    path = layout.keys / "ids.key"
    if not path.exists():
        _create(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise IntegrityError(
            expected=f"{KEY_BYTES} bytes",
            got=f"{len(key)}",
            where=path.name,
            next_step="restore the file from a copy; a new key disowns the predictions answered so far",
        )
    return key


def _create(path: Path) -> None:
    """Write a key beside ``path``, then link it there: the first one to link wins, and is whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, os.urandom(KEY_BYTES))
        os.fsync(fd)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        sync_directory(path.parent)
