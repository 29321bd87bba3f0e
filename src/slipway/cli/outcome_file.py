"""Outcomes that come as a file: into the same log that the gateway writes, whether or not it runs."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from slipway.base.clock import Clock
from slipway.base.config import Data
from slipway.base.errors import ContractError, NotFoundError, SourceError
from slipway.base.ids import PredictionIds, id_bytes
from slipway.base.vocabulary import Value
from slipway.cli.project import Opened
from slipway.data.source import read_table
from slipway.models.bundle import Bundle
from slipway.models.losses import ClassIndex
from slipway.store.frames import Outcomes, encode_frame
from slipway.store.secrets import installation_key
from slipway.store.segments import SegmentWriter

_FRAME_ROWS = 1_000


class Accepted(msgspec.Struct, frozen=True):
    """How many outcomes were written to the log."""

    accepted: int
    file: str


def add_outcomes(opened: Opened, bundle: Bundle, file: Path, clock: Clock) -> Accepted:
    """Write the outcomes of a CSV or Parquet file to the log: all of them, or none.

    Args:
        opened: the project.
        bundle: the version that answers, which knows the labels.
        file: a table with columns ``id`` and ``value``, and perhaps ``time`` (RFC 3339, or seconds since
            1970): when the outcome became true.
        clock: says when the outcomes were received.

    Raises:
        SourceError: the file cannot be read, or lacks a column.
        NotFoundError: an id that was not issued here for this endpoint.
        ContractError: a value that is no label of the model, or a time that is none.
    """
    layout, endpoint = opened.layout, opened.config.project.name
    classes = None if bundle.task == "regression" else ClassIndex(bundle.classes)
    table = read_table(file, Data(source=str(file), max_bad_rows=0.0))
    for name in ("id", "value"):
        if name not in table.columns:
            raise SourceError(
                expected="the columns id and value, and perhaps time",
                got=f"{len(table.columns)} columns without {name!r}",
                where=file.name,
                next_step="take the ids from the answers, or from `slipway sql`",
            )
    ids = _ids(table["id"].cast(pl.String).to_list(), PredictionIds(installation_key(layout), endpoint))
    values = _values(table["value"].to_list(), classes)
    times = _times(table["time"].to_list() if "time" in table.columns else [None] * len(ids))
    now = clock.now_us()
    writer = SegmentWriter(layout.segments, "file", opened.config.serve.segment_bytes)
    try:
        for start in range(0, len(ids), _FRAME_ROWS):
            part = slice(start, start + _FRAME_ROWS)
            frame = Outcomes(now, endpoint, b"".join(ids[part]), values[part], times[part])
            writer.append(encode_frame(frame))
        writer.flush()
    finally:
        writer.close()
    return Accepted(len(ids), file.name)


def _ids(texts: list[str | None], issued: PredictionIds) -> list[bytes]:
    ids = [id_bytes(text or "") for text in texts]
    wrong = [row for row, one in enumerate(ids, 1) if one is None or not issued.issued(one)]
    if wrong:
        raise NotFoundError(
            expected="ids of predictions that this project answered",
            got=f"{len(wrong)} of {len(ids)} that are not, the first in row {wrong[0]}",
            where="column id",
            next_step="take the ids from the answers, or from the view predictions of `slipway sql`",
        )
    return [one for one in ids if one is not None]


def _values(values: list[Any], classes: ClassIndex | None) -> list[Value]:
    def known(value: Any) -> bool:
        if classes is not None:
            return classes(value) is not None
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

    wrong = [row for row, value in enumerate(values, 1) if not known(value)]
    if wrong:
        raise ContractError(
            expected="labels that the model was trained on" if classes else "finite numbers",
            got=f"{len(wrong)} of {len(values)} other values, the first in row {wrong[0]}",
            where="column value",
            next_step="correct them; nothing of the file was taken",
        )
    return values


def _times(times: list[Any]) -> list[int | None]:
    return [None if time is None else _microseconds(time, row) for row, time in enumerate(times, 1)]


def _microseconds(time: Any, row: int) -> int:
    try:
        if isinstance(time, str):
            time = dt.datetime.fromisoformat(time)
        if isinstance(time, dt.datetime):
            time = (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()
        return int(float(time) * 1e6)
    except (ValueError, TypeError, OverflowError):
        raise ContractError(
            expected="RFC 3339 times, or seconds since 1970",
            got="something else",
            where=f"column time, row {row}",
            next_step="correct it; nothing of the file was taken",
        ) from None
