"""A source as a frame that can be streamed, and the texts in it that mean missing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.columnar import PARQUET_MARK
from slipway.data.locations import locate
from slipway.data.reading import Reading
from slipway.data.source import read_source

#: Formats whose cells are text in the file, so that a text may stand for no value.
_TEXTUAL = ("csv", "jsonl", "excel")


class Streamed(NamedTuple):
    """A table to be read in batches.

    Args:
        frame: a Parquet file of this machine is scanned, other sources are read whole.
        markers: cells of each text that was read as missing, by column.
        set_aside: rows that could not be read.
    """

    frame: pl.LazyFrame
    markers: dict[str, dict[str, int]]
    set_aside: int = 0


def stream_table(source: Path | str, data: Data) -> Streamed:
    """Open a source for profiling.

    Raises:
        SourceError, ConfigError, StoreError: as ``slipway.data.source.read_source``.
    """
    place = locate(source)
    local = not (place.is_database or place.is_object)
    # a setting that changes cells is for the reader of whole tables
    if local and not data.trailing_dots and _is_parquet(Path(place.given)):
        return Streamed(_scanned(Path(place.given)), {})
    reading = read_source(source, data)
    markers = _markers(source, reading) if local and reading.plan.format in _TEXTUAL else {}
    return Streamed(reading.table.lazy(), markers, len(reading.rejected))


def _markers(source: Path | str, reading: Reading) -> dict[str, dict[str, int]]:
    """Cells of each marker: the file is read once more, this time with the markers left in."""
    wanted = [marker for marker in reading.plan.missing if marker]
    raw = read_source(source, msgspec.structs.replace(reading.plan, missing=("",))).table
    found: dict[str, dict[str, int]] = {}
    for series in raw.get_columns():
        if series.dtype != pl.String:
            continue
        marked = series.filter(series.is_in(wanted))
        if len(marked):
            counted = marked.value_counts(name="rows of it")
            found[series.name] = {str(marker): int(n) for marker, n in counted.iter_rows()}
    return found


def _is_parquet(path: Path) -> bool:
    """Whether a file bears the marks of Parquet at both ends; ``read_source`` speaks of all others."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            whole = file.seek(0, 2) >= 12 and file.seek(-4, 2) >= 0 and file.read(4) == PARQUET_MARK
    except OSError:
        return False
    return start == PARQUET_MARK and whole


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
