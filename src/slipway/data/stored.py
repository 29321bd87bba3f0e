"""Reading snapshots back: whole, block by block, or one column."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import polars as pl

from slipway.base.errors import NotFoundError
from slipway.base.layout import Layout
from slipway.data.blocks import changed, read_block, read_bytes
from slipway.data.digests import BLOCK_ROWS, combined_digest, is_canonical, table_digest
from slipway.data.manifests import DATA, MANIFEST, Manifest, block_paths, load_manifest, no_snapshot
from slipway.data.tables import TYPE_NAMES

#: Blocks read and checked at the same time.
_WORKERS = min(4, os.cpu_count() or 1)


def load_snapshot(layout: Layout, digest: str) -> pl.DataFrame:
    """The table behind a digest, verified.

    Raises:
        NotFoundError: there is no such snapshot.
        IntegrityError: the stored rows are not those that the digest names.
    """
    manifest = _readable_manifest(layout, digest)
    if manifest is None or manifest.format == 1:
        return _load_whole(layout, digest)
    return pl.concat(iter_snapshot(layout, digest)) if manifest.blocks else _no_rows(manifest)


def iter_snapshot(layout: Layout, digest: str, leave_out: Collection[int] = ()) -> Generator[pl.DataFrame]:
    """The table behind a digest, verified block by block, a few blocks in memory at a time.

    Args:
        layout: of the project.
        digest: of the snapshot.
        leave_out: numbers of the blocks that are not wanted.

    Raises:
        NotFoundError: there is no such snapshot.
        IntegrityError: the stored rows are not those that the digest names.
    """
    manifest = load_manifest(layout, digest)
    if manifest.format == 1:
        for at, block in enumerate(_load_whole(layout, digest).iter_slices(BLOCK_ROWS)):
            if at not in leave_out:
                yield block
        return
    if combined_digest(manifest.columns, manifest.rows, manifest.blocks) != digest:
        raise changed(layout.snapshots / digest / MANIFEST)

    def read(part: tuple[int, Path]) -> pl.DataFrame:
        at, path = part
        rows = min(BLOCK_ROWS, manifest.rows - at * BLOCK_ROWS)
        return read_block(path, manifest.columns, rows, manifest.blocks[at])

    parts = [part for part in enumerate(block_paths(layout, manifest)) if part[0] not in leave_out]
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[pl.DataFrame]] = deque()
        for part in parts:
            waiting.append(pool.submit(read, part))
            if len(waiting) > _WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def snapshot_column(layout: Layout, digest: str, name: str) -> pl.Series:
    """One column, without decoding the others.

    Raises:
        NotFoundError: there is no such snapshot.
        IntegrityError: a file is gone or changed.
    """
    manifest = load_manifest(layout, digest)
    if manifest.format == 1:
        return _load_whole(layout, digest)[name]
    if not manifest.rows:
        return _no_rows(manifest)[name]
    try:
        parts = [pl.read_parquet(read_bytes(path), columns=[name]) for path in block_paths(layout, manifest)]
    except pl.exceptions.PolarsError:
        raise changed(layout.snapshots / digest) from None
    return pl.concat(parts)[name]


def _no_rows(manifest: Manifest) -> pl.DataFrame:
    types = {name: dtype for dtype, name in TYPE_NAMES.items()}
    return pl.DataFrame(schema={name: types[kind] for name, kind in manifest.columns})


def _readable_manifest(layout: Layout, digest: str) -> Manifest | None:
    """The manifest, or None where it is missing but rows of format 1 may be there."""
    try:
        return load_manifest(layout, digest)
    except NotFoundError:
        return None


def _load_whole(layout: Layout, digest: str) -> pl.DataFrame:
    """A snapshot of format 1, verified."""
    path = layout.snapshots / digest / DATA
    try:
        with path.open("rb") as file:
            table = pl.read_parquet(file)
    except (FileNotFoundError, NotADirectoryError):
        raise no_snapshot(layout, "none of that digest") from None
    except (pl.exceptions.PolarsError, OSError):
        raise changed(path) from None
    if not is_canonical(table) or table_digest(table) != digest:
        raise changed(path)
    return table
