"""Columnar files, which know their types: Parquet and Arrow IPC."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.reading import Reading

PARQUET_MARK = b"PAR1"
ARROW_MARK = b"ARROW1"


def read_parquet(path: Path, data: Data, where: str) -> Reading:
    """Read a Parquet file.

    Raises:
        SourceError: it is no Parquet file, cut off, or does not decode.
    """
    with path.open("rb") as file:
        start = file.read(4)
        size = file.seek(0, 2)
        file.seek(max(size - 4, 0))
        end = file.read(4)
        file.seek(0)
        if start != PARQUET_MARK:
            raise _broken("Parquet", "a file without the Parquet mark at its start", where)
        if end != PARQUET_MARK or size < 12:
            raise _broken("Parquet", "a Parquet file that is cut off", where)
        try:
            table = pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken("Parquet", f"one that does not decode ({type(error).__name__})", where) from None
    return Reading(table, msgspec.structs.replace(data, format="parquet"))


def read_arrow(path: Path, data: Data, where: str) -> Reading:
    """Read an Arrow IPC file (also called Feather).

    Raises:
        SourceError: it is no such file, cut off, or does not decode.
    """
    with path.open("rb") as file:
        if file.read(len(ARROW_MARK)) != ARROW_MARK:
            raise _broken("Arrow", "a file without the Arrow mark at its start", where)
        file.seek(-min(len(ARROW_MARK), path.stat().st_size), 2)
        if file.read() != ARROW_MARK:
            raise _broken("Arrow", "an Arrow file that is cut off", where)
    try:
        with pa.memory_map(str(path)) as source:
            table = pl.from_arrow(pa.ipc.open_file(source).read_all())
    except (pa.ArrowException, OSError) as error:
        raise _broken("Arrow", f"one that does not decode ({type(error).__name__})", where) from None
    assert isinstance(table, pl.DataFrame)
    return Reading(table, msgspec.structs.replace(data, format="arrow"))


def _broken(kind: str, got: str, where: str) -> SourceError:
    return SourceError(
        expected=f"a whole {kind} file",
        got=got,
        where=where,
        next_step="copy or export it again, or name it .csv when it is text",
    )
