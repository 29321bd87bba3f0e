"""Immutable versions of a table, named by what the table says (``data.digests``), not by how it is spelled.

::

    snapshots/<digest>/manifest.json    schema, digests of the blocks in order, where they came from, when
    snapshots/blocks/<SHA-256>.parquet  65,536 rows, stored once for all the snapshots that have them

A snapshot exists when its manifest does, and that comes last: a crash leaves whole snapshots only. What a
dead writer left behind is removed by the next one. Snapshots of format 1, which hold all rows in a
``data.parquet`` of their own, are read as before.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import msgspec
import polars as pl

from slipway.base.errors import IntegrityError, NotFoundError, SourceError, StoreError
from slipway.base.failpoint import failpoint
from slipway.base.files import file_digest, sync_directory
from slipway.base.layout import Layout
from slipway.data.blocks import BlockWriter, block_key, is_intact
from slipway.data.digests import BLOCK_ROWS, Schema, combined_digest, schema_of, table_digest
from slipway.data.manifests import BLOCKS, DATA, MANIFEST, Manifest, block_paths, load_manifest
from slipway.data.stored import iter_snapshot, load_snapshot
from slipway.data.tables import canonical

__all__ = [
    "BLOCK_ROWS",
    "Manifest",
    "Snapshot",
    "iter_snapshot",
    "load_manifest",
    "load_snapshot",
    "table_digest",
    "take_snapshot",
    "take_stream",
]

_PARTIAL = ".partial"
#: Blocks hashed, compressed and written at the same time, some of them waiting for the disk; with one more
#: in the queue they bound the memory.
_WORKERS = 4


@dataclass(frozen=True)
class Snapshot:
    """A stored table."""

    digest: str
    rows: int
    path: Path


def take_snapshot(
    layout: Layout,
    df: pl.DataFrame,
    source: str,
    *,
    taken_us: int | None = None,
    file: Path | None = None,
) -> Snapshot:
    """Store a table under its digest, once. See ``take_stream``.

    Raises:
        SourceError: a column of lists or structs.
        StoreError: the folder cannot be written; nothing of the snapshot is left.
    """
    return take_stream(layout, [df], source, taken_us=taken_us, file=file)


def take_stream(
    layout: Layout,
    batches: Iterable[pl.DataFrame],
    source: str,
    *,
    taken_us: int | None = None,
    file: Path | None = None,
) -> Snapshot:
    """Store a table that comes in parts, of which never more than a few blocks are held at a time.

    A crash at any point leaves either the whole snapshot or none; leftovers are removed by the next call.
    Processes may call this at the same time; they write one after another.

    Args:
        layout: of the project.
        batches: parts of the table in order, at least one; they are brought to canonical form. The first
            decides names and types; a part may be wholly missing where another has values.
        source: where the rows came from, for the manifest.
        taken_us: now, in microseconds since 1970 UTC, for the manifest.
        file: the source, where it is a file: its size and last change go into the manifest.

    Raises:
        SourceError: a column of lists or structs, no part at all, or parts of different columns.
        StoreError: the folder cannot be written; nothing of the snapshot is left.
    """
    folder = layout.snapshots
    try:
        (folder / BLOCKS).mkdir(parents=True, exist_ok=True)
        with _writer_lock(folder):
            _remove_leftovers(layout)
            with _partial_folder(folder) as partial, _discarding(layout, partial) as writer:
                schema, rows, blocks, files = _put_all(writer, _aligned(batches))
                digest = combined_digest(schema, rows, blocks)
                failpoint("snapshot.blocks")
                origin = _origin(source, taken_us, file)
                manifest = Manifest(
                    digest=digest,
                    rows=rows,
                    columns=schema,
                    block_rows=BLOCK_ROWS,
                    blocks=tuple(blocks),
                    files=tuple(files),
                    **origin,
                )
                _place(layout, manifest, writer, partial)
    except OSError as error:
        raise StoreError(
            expected="room and permission to store a snapshot",
            got=error.strerror or type(error).__name__,
            where=str(folder),
            next_step="free disk space or mend the permissions, then run the command again",
        ) from None
    return Snapshot(digest, rows, folder / digest)


def _aligned(batches: Iterable[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The parts in canonical form, all in the types of the first."""
    first: pl.Schema | None = None
    for batch in batches:
        table = canonical(batch)
        if first is None:
            first = table.schema
        if table.schema != first:
            empty = [name for name, kind in first.items() if _all_missing(table, name, kind)]
            table = table.with_columns(pl.lit(None, first[name]).alias(name) for name in empty)
        if table.schema != first:
            raise SourceError(
                expected="parts of a table with the columns and types of the first",
                got="a part with others",
                next_step="give the columns their types before they are handed over",
            )
        yield table
    if first is None:
        raise SourceError(expected="a table", got="no part of one", next_step="check the source")


def _all_missing(table: pl.DataFrame, name: str, kind: pl.DataType) -> bool:
    return name in table.columns and table[name].dtype != kind and table[name].null_count() == table.height


def _in_blocks(batches: Iterable[pl.DataFrame]) -> Generator[pl.DataFrame]:
    """The same rows, ``BLOCK_ROWS`` at a time; one empty block where there are no rows."""
    rest = pl.DataFrame()
    for batch in batches:
        table = pl.concat([rest, batch], rechunk=False) if rest.height else batch
        whole = table.height - table.height % BLOCK_ROWS
        for start in range(0, whole, BLOCK_ROWS):
            yield table.slice(start, BLOCK_ROWS)
        # what is left over must not keep all of the batch alive, nor grow into thousands of chunks
        rest = table.slice(whole).rechunk()
    yield rest


def _put_all(
    writer: BlockWriter, batches: Iterator[pl.DataFrame]
) -> tuple[Schema, int, list[str], list[str]]:
    """Store every block; returns schema, number of rows, and the digests of the blocks and of their files."""
    schema: Schema = ()
    rows = 0
    made: list[tuple[str, str]] = []
    waiting: deque[Future[tuple[str, str]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for block in _in_blocks(batches):
            schema = schema_of(block)
            if not block.height:
                continue
            rows += block.height
            waiting.append(pool.submit(writer.put, block))
            if len(waiting) > _WORKERS:
                made.append(waiting.popleft().result())
        made += [future.result() for future in waiting]
    return schema, rows, [digest for digest, _ in made], [file for _, file in made]


class _Origin(TypedDict):
    source: str
    taken_us: int | None
    source_bytes: int | None
    source_modified_us: int | None


def _origin(source: str, taken_us: int | None, file: Path | None) -> _Origin:
    facts = file.stat() if file is not None and file.is_file() else None
    return _Origin(
        source=source,
        taken_us=taken_us,
        source_bytes=facts.st_size if facts else None,
        source_modified_us=facts.st_mtime_ns // 1000 if facts else None,
    )


def _place(layout: Layout, manifest: Manifest, writer: BlockWriter, partial: Path) -> None:
    """Make the snapshot exist; its blocks do."""
    if _intact(layout, manifest.digest):
        # blocks that mended it stay; those of another release's compression, or for format 1, are not needed
        writer.keep(block_paths(layout, load_manifest(layout, manifest.digest)))
        writer.discard()
        return
    final = layout.snapshots / manifest.digest
    shutil.rmtree(final, ignore_errors=True)
    folder = partial / "snapshot"
    folder.mkdir()
    with (folder / MANIFEST).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    sync_directory(folder)
    sync_directory(layout.snapshots / BLOCKS)
    failpoint("snapshot.manifest")
    folder.rename(final)
    writer.keep(block_paths(layout, manifest))
    failpoint("snapshot.renamed")
    sync_directory(layout.snapshots)


def _intact(layout: Layout, digest: str) -> bool:
    """Whether the snapshot is there, with the bytes that were written."""
    try:
        manifest = load_manifest(layout, digest)
        if manifest.format == 1:
            return file_digest(layout.snapshots / digest / DATA) == manifest.file_sha256
    except (NotFoundError, IntegrityError, FileNotFoundError):
        return False
    named = combined_digest(manifest.columns, manifest.rows, manifest.blocks) == digest
    return named and all(map(is_intact, set(block_paths(layout, manifest))))


@contextmanager
def _writer_lock(folder: Path) -> Generator[None]:
    """One writer at a time, so that a partial folder that is found is a dead writer's."""
    with (folder / ".lock").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _partial_folder(folder: Path) -> Generator[Path]:
    """A folder that is there for as long as something may be unfinished."""
    partial = folder / _PARTIAL
    partial.mkdir()
    sync_directory(folder)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _discarding(layout: Layout, partial: Path) -> Generator[BlockWriter]:
    """A writer whose new blocks go when the snapshot does not come about."""
    known = {
        block_key(manifest.columns, block): file
        for manifest in _manifests(layout)
        if manifest is not None
        for block, file in zip(manifest.blocks, manifest.files, strict=False)
    }
    writer = BlockWriter(layout.snapshots / BLOCKS, partial, known)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise


def _manifests(layout: Layout) -> Generator[Manifest | None]:
    """Those of all snapshots; None for a damaged one."""
    for found in layout.snapshots.glob(f"*/{MANIFEST}"):
        try:
            yield load_manifest(layout, found.parent.name)
        except IntegrityError:
            yield None


def _remove_leftovers(layout: Layout) -> None:
    """Remove what a dead writer left: its partial folder, and blocks that no snapshot has."""
    leftovers = list(layout.snapshots.glob(f"{_PARTIAL}*"))
    if not leftovers:
        return
    needed: set[Path] = set()
    for manifest in _manifests(layout):
        # which blocks a damaged manifest names is not known: all are kept
        kept = (layout.snapshots / BLOCKS).iterdir() if manifest is None else block_paths(layout, manifest)
        needed.update(kept)
    for path in (layout.snapshots / BLOCKS).iterdir():
        if path not in needed:
            path.unlink()
    for partial in leftovers:
        shutil.rmtree(partial)
