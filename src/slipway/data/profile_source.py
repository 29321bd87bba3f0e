"""A source file as a frame that can be streamed, and the texts in it that mean missing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.source import read_table
from slipway.data.tables import typed


class Streamed(NamedTuple):
    """A table to be read in batches.

    Args:
        frame: Parquet is scanned, delimited text is read whole.
        markers: cells of each text that was read as missing, by column.
    """

    frame: pl.LazyFrame
    markers: dict[str, dict[str, int]]


def stream_table(path: Path, data: Data) -> Streamed:
    """Open a source for profiling.

    Raises:
        SourceError: as ``slipway.data.source.read_table``.
    """
    if _is_parquet(path):
        return Streamed(_scanned(path), {})
    raw = read_table(path, msgspec.structs.replace(data, missing=("",)))
    columns: list[pl.Series] = []
    markers: dict[str, dict[str, int]] = {}
    for series in raw.get_columns():
        columns.append(series)
        if series.dtype != pl.String:
            continue
        marked = series.is_in([marker for marker in data.missing if marker])
        if bool(marked.any()):
            counted = series.filter(marked).value_counts(name="rows of it")
            markers[series.name] = {str(marker): int(n) for marker, n in counted.iter_rows()}
            columns[-1] = typed(series.set(marked, None))
    return Streamed(pl.DataFrame(columns).lazy(), markers)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1" and file.seek(0, 2) >= 12
    except OSError:
        return False


def _scanned(path: Path) -> pl.LazyFrame:
    frame = pl.scan_parquet(path, glob=False)
    try:
        schema = frame.collect_schema()
        rows = int(frame.select(pl.len()).collect().item()) if schema else 0
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(path, error) from None
    if rows == 0:
        raise SourceError(
            expected="a table with rows",
            got=f"{len(schema)} column names and no rows",
            where=str(path),
            next_step="check how the file was exported",
        )
    return frame


def unreadable(where: Path | str, error: Exception) -> SourceError:
    """The error of a Parquet file that does not decode."""
    return SourceError(
        expected="a whole Parquet file",
        got=f"one that does not decode ({type(error).__name__})",
        where=str(where),
        next_step="copy or export it again",
    )
