"""Blocks of rows, each a Parquet file named by the SHA-256 of its bytes; snapshots share them.

A file's bytes are held against its name before anything decodes them, because decoders do not survive every
damaged byte; the rows are then held against the digest that the snapshot names them by.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import polars as pl

from slipway.base.errors import IntegrityError
from slipway.base.failpoint import failpoint
from slipway.base.files import file_digest
from slipway.data.digests import BLOCK_ROWS, Schema, block_digest, is_canonical, schema_of


def block_key(schema: Schema, digest: str) -> str:
    """What a block says: the same cells under other columns are another block."""
    return digest + msgspec.json.encode(schema).decode()


def block_path(folder: Path, file: str) -> Path:
    """Where the block lies whose bytes have that SHA-256."""
    return folder / f"{file}.parquet"


def read_block(path: Path, schema: Schema, rows: int, digest: str) -> pl.DataFrame:
    """The rows of a block, held against their digest.

    Raises:
        IntegrityError: the file is gone or changed, or its rows are not those that the digest names.
    """
    try:
        block = pl.read_parquet(read_bytes(path))
    except pl.exceptions.PolarsError:
        raise changed(path) from None
    fits = is_canonical(block) and schema_of(block) == schema and block.height == rows
    if not fits or block_digest(block) != digest:
        raise changed(path)
    return block


def read_bytes(path: Path) -> bytes:
    """The bytes of a block's file, held against its name.

    Raises:
        IntegrityError: the file is gone or changed.
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise changed(path) from None
    if hashlib.sha256(content).hexdigest() != path.stem:
        raise changed(path)
    return content


def is_intact(path: Path) -> bool:
    """Whether a block's file is there with the bytes that were written."""
    try:
        return file_digest(path) == path.stem
    except FileNotFoundError:
        return False


def changed(path: Path) -> IntegrityError:
    """What to say of stored rows that are no longer those of their name."""
    return IntegrityError(
        expected="the rows that the snapshot's name is the digest of",
        got="a changed or broken file",
        where=str(path),
        next_step="restore the file from a backup, or train again from the source",
    )


class BlockWriter:
    """Stores blocks for one snapshot under the writer lock; threads may call ``put`` at the same time.

    Args:
        folder: of all blocks, exists.
        partial: a folder on the same file system for files that are not whole yet.
        known: files of the blocks that other snapshots have, by ``block_key``.
    """

    def __init__(self, folder: Path, partial: Path, known: Mapping[str, str]) -> None:
        self._folder = folder
        self._partial = partial
        self._known = known
        #: Files that were not there before.
        self.made: set[Path] = set()

    def put(self, block: pl.DataFrame) -> tuple[str, str]:
        """Store a block of a canonical table unless an undamaged one is there.

        Returns:
            The digest of its rows and that of its file.

        Raises:
            OSError: the disk is full or not writable.
        """
        digest = block_digest(block)
        known = self._known.get(block_key(schema_of(block), digest))
        if known is not None and is_intact(block_path(self._folder, known)):
            return digest, known
        content = io.BytesIO()
        # lz4 costs two thirds of zstd's time; statistics say nothing to readers of whole blocks
        table = block.rechunk()
        table.write_parquet(content, compression="lz4", statistics=False, row_group_size=BLOCK_ROWS)
        file = hashlib.sha256(content.getbuffer()).hexdigest()
        path = block_path(self._folder, file)
        if not is_intact(path):
            self._write(content, path)
        return digest, file

    def keep(self, paths: Iterable[Path]) -> None:
        """A snapshot has these blocks now: they are not this writer's to remove."""
        self.made.difference_update(paths)

    def discard(self) -> None:
        """Remove the blocks that this writer brought."""
        for path in self.made:
            path.unlink(missing_ok=True)
        self.made.clear()

    def _write(self, content: io.BytesIO, path: Path) -> None:
        if not path.exists():
            self.made.add(path)
        # two equal blocks of one table may be written at the same time: each to a file of its own
        temporary = self._partial / f"{path.name}.{os.urandom(4).hex()}"
        with temporary.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        failpoint("snapshot.block")
