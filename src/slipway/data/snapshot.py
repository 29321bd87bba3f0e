"""Immutable versions of a table, named by what the table says and not by how its file spells it.

Digest (format 1): SHA-256 over the schema, the number of rows and the digests of blocks of 65,536 rows. A
block's digest covers, column after column, which cells are missing and the cells: numbers as 8 bytes little
endian with missing ones zero, booleans as one byte, text as the byte lengths followed by the UTF-8 bytes.
The same rows in the same order and types so have one digest, whatever the file format, compression or chunks;
appended rows leave the digests of whole blocks as they were.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from slipway.base.errors import IntegrityError, NotFoundError, StoreError
from slipway.base.failpoint import failpoint
from slipway.base.files import file_digest, sync_directory
from slipway.base.layout import Layout
from slipway.data.tables import TYPE_NAMES, canonical

BLOCK_ROWS = 65_536
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class Snapshot:
    """A stored table."""

    digest: str
    rows: int
    path: Path


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json`` beside the data."""

    digest: str
    rows: int
    #: Name and type (int, float, bool, text) of each column, in order.
    columns: tuple[tuple[str, str], ...]
    #: Where the rows came from, as the first one to take this snapshot said.
    source: str
    #: SHA-256 of ``data.parquet``.
    file_sha256: str
    block_rows: int
    blocks: tuple[str, ...]
    format: int = 1


def table_digest(df: pl.DataFrame) -> str:
    """The logical digest of a table, in hexadecimal.

    Raises:
        SourceError: a column of lists or structs.
    """
    return _digests(canonical(df))[0]


def take_snapshot(layout: Layout, df: pl.DataFrame, source: str) -> Snapshot:
    """Store a table under its digest, once.

    A crash at any point leaves either the whole snapshot or none; leftovers are removed by the next call.
    Processes may call this at the same time.

    Args:
        layout: of the project.
        df: the table; it is brought to canonical form first.
        source: where the rows came from, for the manifest.

    Raises:
        SourceError: a column of lists or structs.
        StoreError: the folder cannot be written; nothing of the snapshot is left.
    """
    table = canonical(df)
    digest, blocks = _digests(table)
    final = layout.snapshots / digest
    try:
        layout.snapshots.mkdir(parents=True, exist_ok=True)
        with _writer_lock(layout.snapshots):
            _remove_leftovers(layout.snapshots)
            if not _intact(layout, digest):
                shutil.rmtree(final, ignore_errors=True)
                _write(table, digest, blocks, source, final)
    except (OSError, pl.exceptions.ComputeError) as error:
        # Polars wraps what the operating system says while it writes the Parquet file.
        raise StoreError(
            expected="room and permission to store a snapshot",
            got=getattr(error, "strerror", None) or "a file that cannot be written whole",
            where=str(layout.snapshots),
            next_step="free disk space or mend the permissions, then run the command again",
        ) from None
    return Snapshot(digest, table.height, final)


def load_snapshot(layout: Layout, digest: str) -> pl.DataFrame:
    """The table behind a digest, verified.

    Raises:
        NotFoundError: there is no such snapshot.
        IntegrityError: the stored rows are not those that the digest names.
    """
    path = layout.snapshots / digest / "data.parquet"
    try:
        with path.open("rb") as file:
            table = pl.read_parquet(file)
    except FileNotFoundError:
        raise NotFoundError(
            expected="a stored snapshot",
            got="none of that digest",
            where=str(layout.snapshots),
            next_step="train again from the source",
        ) from None
    except (pl.exceptions.PolarsError, OSError):
        raise _changed(path) from None
    plain = all(series.dtype.base_type() in TYPE_NAMES for series in table.get_columns())
    if not plain or _digests(table)[0] != digest:
        raise _changed(path)
    return table


def load_manifest(layout: Layout, digest: str) -> Manifest:
    """What is known of a snapshot without reading its rows.

    Raises:
        NotFoundError: there is no such snapshot.
        IntegrityError: the manifest does not read.
    """
    path = layout.snapshots / digest / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise NotFoundError(
            expected="a stored snapshot", got="none of that digest", where=str(layout.snapshots)
        ) from None
    except msgspec.DecodeError:
        raise _changed(path) from None


def _intact(layout: Layout, digest: str) -> bool:
    """Whether the snapshot is there with the bytes that were written; a damaged one is written anew."""
    try:
        manifest = load_manifest(layout, digest)
        return file_digest(layout.snapshots / digest / "data.parquet") == manifest.file_sha256
    except (NotFoundError, IntegrityError, FileNotFoundError):
        return False


def _changed(path: Path) -> IntegrityError:
    return IntegrityError(
        expected="the rows that the snapshot's name is the digest of",
        got="a changed or broken file",
        where=str(path),
        next_step="restore the file from a backup, or train again from the source",
    )


def _write(table: pl.DataFrame, digest: str, blocks: list[str], source: str, final: Path) -> None:
    partial = final.with_name(f"{_PARTIAL}{digest}")
    try:
        partial.mkdir()
        data = partial / "data.parquet"
        with data.open("wb") as file:
            table.write_parquet(file, compression="zstd", row_group_size=BLOCK_ROWS)
            file.flush()
            os.fsync(file.fileno())
        failpoint("snapshot.data")
        manifest = Manifest(
            digest=digest,
            rows=table.height,
            columns=_schema(table),
            source=source,
            file_sha256=file_digest(data),
            block_rows=BLOCK_ROWS,
            blocks=tuple(blocks),
        )
        with (partial / "manifest.json").open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
            file.flush()
            os.fsync(file.fileno())
        sync_directory(partial)
        failpoint("snapshot.manifest")
        partial.rename(final)
        failpoint("snapshot.renamed")
        sync_directory(final.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def _writer_lock(folder: Path) -> Generator[None]:
    """One writer at a time, so that any partial folder found is a dead writer's."""
    with (folder / ".lock").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(folder: Path) -> None:
    for partial in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(partial)


def _schema(table: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    return tuple((series.name, TYPE_NAMES[series.dtype.base_type()]) for series in table.get_columns())


def _digests(table: pl.DataFrame) -> tuple[str, list[str]]:
    """The digest of a canonical table, and those of its blocks."""
    blocks = [_block_digest(table.slice(start, BLOCK_ROWS)) for start in range(0, table.height, BLOCK_ROWS)]
    head = {"format": 1, "columns": _schema(table), "rows": table.height, "block_rows": BLOCK_ROWS}
    digest = hashlib.sha256(msgspec.json.encode(head, order="deterministic"))
    for block in blocks:
        digest.update(bytes.fromhex(block))
    return digest.hexdigest(), blocks


def _block_digest(block: pl.DataFrame) -> str:
    digest = hashlib.sha256()
    for series in block.get_columns():
        digest.update(np.packbits(series.is_null().to_numpy()).tobytes())
        for part in _CELLS[TYPE_NAMES[series.dtype.base_type()]](series):
            digest.update(part)
    return digest.hexdigest()


def _numbers(series: pl.Series) -> list[bytes]:
    dtype = "<i8" if series.dtype == pl.Int64 else "<f8"
    return [np.ascontiguousarray(series.fill_null(0).to_numpy(), dtype=dtype).tobytes()]


def _booleans(series: pl.Series) -> list[bytes]:
    return [series.fill_null(value=False).to_numpy().astype(np.uint8).tobytes()]


def _texts(series: pl.Series) -> list[bytes]:
    filled = series.fill_null("")
    lengths = np.ascontiguousarray(filled.str.len_bytes().to_numpy(), dtype="<u4").tobytes()
    joined: Any = filled.str.join("").item() if len(filled) else ""
    return [lengths, str(joined).encode()]


_CELLS: dict[str, Callable[[pl.Series], list[bytes]]] = {
    "int": _numbers,
    "float": _numbers,
    "bool": _booleans,
    "text": _texts,
}
