"""What a table says, as a digest: one for the same rows in the same order and types, however spelled.

Format 1 of the digest: SHA-256 over the schema, the number of rows and the digests of blocks of 65,536 rows.
A block's digest covers, column after column, which cells are missing and the cells: numbers as 8 bytes little
endian with missing ones zero, booleans as one byte, text as the byte lengths followed by the UTF-8 bytes.
File format, compression and chunks do not count; appended rows leave the digests of whole blocks alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from slipway.data.tables import TYPE_NAMES, canonical

BLOCK_ROWS = 65_536

#: What a digest takes without a copy of it.
Buffer = bytes | memoryview
#: Name and type (int, float, bool, text) of each column, in order.
Schema = tuple[tuple[str, str], ...]


def table_digest(df: pl.DataFrame) -> str:
    """The logical digest of a table, in hexadecimal.

    Raises:
        SourceError: a column of lists or structs.
    """
    table = canonical(df)
    blocks = [block_digest(table.slice(start, BLOCK_ROWS)) for start in range(0, table.height, BLOCK_ROWS)]
    return combined_digest(schema_of(table), table.height, blocks)


def schema_of(table: pl.DataFrame) -> Schema:
    """The schema of a canonical table."""
    return tuple((series.name, TYPE_NAMES[series.dtype.base_type()]) for series in table.get_columns())


def is_canonical(table: pl.DataFrame) -> bool:
    """Whether the table has columns of the four canonical types only."""
    return all(series.dtype.base_type() in TYPE_NAMES for series in table.get_columns())


def combined_digest(schema: Schema, rows: int, blocks: Sequence[str]) -> str:
    """The digest of a canonical table from those of its blocks."""
    head = {"format": 1, "columns": schema, "rows": rows, "block_rows": BLOCK_ROWS}
    digest = hashlib.sha256(msgspec.json.encode(head, order="deterministic"))
    for block in blocks:
        digest.update(bytes.fromhex(block))
    return digest.hexdigest()


def block_digest(block: pl.DataFrame) -> str:
    """The digest of at most ``BLOCK_ROWS`` rows of a canonical table; names and types do not go in."""
    digest = hashlib.sha256()
    for series in block.get_columns():
        # where no cell is missing the bits need no look at the cells
        known = series.null_count() == 0
        digest.update(bytes(-(-len(series) // 8)) if known else np.packbits(series.is_null().to_numpy()).data)
        for part in _CELLS[TYPE_NAMES[series.dtype.base_type()]](series):
            digest.update(part)
    return digest.hexdigest()


def _numbers(series: pl.Series) -> list[Buffer]:
    dtype = "<i8" if series.dtype == pl.Int64 else "<f8"
    return [np.ascontiguousarray(series.fill_null(0).to_numpy(), dtype=dtype).data]


def _booleans(series: pl.Series) -> list[Buffer]:
    return [series.fill_null(value=False).to_numpy().astype(np.uint8).data]


def _texts(series: pl.Series) -> list[Buffer]:
    filled = series.fill_null("")
    lengths = np.ascontiguousarray(filled.str.len_bytes().to_numpy(), dtype="<u4")
    joined: Any = filled.str.join("").item() if len(filled) else ""
    return [lengths.data, str(joined).encode()]


_CELLS: dict[str, Callable[[pl.Series], list[Buffer]]] = {
    "int": _numbers,
    "float": _numbers,
    "bool": _booleans,
    "text": _texts,
}
