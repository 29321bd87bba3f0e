"""A source held against its contract: streamed where its format lets it be, else read whole."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
import polars as pl

from slipway.base.config import Data
from slipway.data.check import CheckReport, check_lazy, check_table
from slipway.data.columnar import PARQUET_MARK
from slipway.data.contract import Contract
from slipway.data.locations import locate
from slipway.data.reading import Reading
from slipway.data.source import read_source


def check_source(
    source: Path | str, data: Data, contract: Contract, *, now: datetime | None = None
) -> tuple[CheckReport, Reading]:
    """Hold a source against a contract.

    A local Parquet file is streamed, so that it need not fit into memory; any other source is read first.

    Args:
        source: a path or URL.
        data: how to read it.
        contract: what it must look like.
        now: see ``check_lazy``.

    Returns:
        The report, and how the source was read; the table of a streamed one is left empty.

    Raises:
        As ``read_source`` and ``check_lazy``.
    """
    frame = _scan(source, data)
    if frame is not None:
        try:
            report = check_lazy(frame, contract, now=now)
        except (pl.exceptions.PolarsError, OSError):
            report = None  # a damaged file: reading it says what is wrong with it
        if report is not None and report.rows:
            return report, Reading(pl.DataFrame(), msgspec.structs.replace(data, format="parquet"))
    reading = read_source(source, data)
    return check_table(reading.table, contract, now=now), reading


def _scan(source: Path | str, data: Data) -> pl.LazyFrame | None:
    """A whole local Parquet file, unread; None for every other source."""
    place = locate(source)
    if place.scheme or data.trailing_dots or not Path(place.given).is_file():
        return None
    try:
        with Path(place.given).open("rb") as file:
            whole = file.read(len(PARQUET_MARK)) == PARQUET_MARK
    except OSError:
        return None
    return pl.scan_parquet(place.given, glob=False) if whole else None
