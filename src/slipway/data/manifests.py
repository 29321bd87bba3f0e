"""What is known of stored tables without reading their rows: ``manifest.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from slipway.base.errors import ConflictError, NotFoundError
from slipway.base.layout import Layout
from slipway.data.blocks import block_path, changed
from slipway.data.digests import BLOCK_ROWS, Schema

#: Names below a project's folder of snapshots: the blocks of all, and the files of one.
BLOCKS, MANIFEST, DATA = "blocks", "manifest.json", "data.parquet"
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``."""

    digest: str
    rows: int
    #: Name and type (int, float, bool, text) of each column, in order.
    columns: Schema
    #: Where the rows came from, as the first one to take this snapshot said.
    source: str
    #: When, in microseconds since 1970 UTC; None in snapshots of format 1.
    taken_us: int | None = None
    #: Size and last change of the source, where it is a file.
    source_bytes: int | None = None
    source_modified_us: int | None = None
    #: SHA-256 of ``data.parquet``, in format 1.
    file_sha256: str = ""
    block_rows: int
    #: Digests of the rows of each block, in order, and in format 2 those of the files they lie in.
    blocks: tuple[Sha256, ...]
    files: tuple[Sha256, ...] = ()
    format: Literal[1, 2] = 2


def load_manifest(layout: Layout, digest: str) -> Manifest:
    """What is known of a snapshot without reading its rows.

    Raises:
        NotFoundError: there is no such snapshot.
        IntegrityError: the manifest does not read.
    """
    path = layout.snapshots / digest / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise no_snapshot(layout, "none of that digest") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise changed(path) from None
    blocks = -(-manifest.rows // BLOCK_ROWS)
    files = blocks if manifest.format == 2 else 0
    if (manifest.digest, len(manifest.blocks), len(manifest.files)) != (digest, blocks, files):
        raise changed(path)
    return manifest


def find_snapshot(layout: Layout, start: str) -> str:
    """The digest that begins with ``start``.

    Raises:
        NotFoundError: no snapshot's digest does.
        ConflictError: those of several do.
    """
    found = [path.parent.name for path in layout.snapshots.glob(f"*/{MANIFEST}")]
    found = [digest for digest in found if digest.startswith(start)]
    if not found:
        raise no_snapshot(layout, "none that begins so")
    if len(found) > 1:
        raise ConflictError(
            expected="the beginning of one snapshot's digest",
            got=f"that of {len(found)}",
            where=str(layout.snapshots),
            next_step="write more of its letters",
        )
    return found[0]


def stored_bytes(layout: Layout, manifest: Manifest) -> dict[str, int]:
    """Name and size of each file of rows that a snapshot needs; other snapshots may need it too."""
    if manifest.format == 1:
        path = layout.snapshots / manifest.digest / DATA
        return {f"{manifest.digest}/{DATA}": path.stat().st_size if path.exists() else 0}
    paths = block_paths(layout, manifest)
    return {path.name: path.stat().st_size for path in paths if path.exists()}


def no_snapshot(layout: Layout, got: str) -> NotFoundError:
    """What to say where a snapshot is not there."""
    return NotFoundError(
        expected="a stored snapshot",
        got=got,
        where=str(layout.snapshots),
        next_step="see `slipway data list`, or train again from the source",
    )


def block_paths(layout: Layout, manifest: Manifest) -> list[Path]:
    """The files of a snapshot of format 2, in the order of the rows."""
    folder = layout.snapshots / BLOCKS
    return [block_path(folder, file) for file in manifest.files]
