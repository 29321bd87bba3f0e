"""JSON lines: one object a line, its keys the columns."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.dialects import utf8
from slipway.data.reading import Reading, Rejected, refuse_many, without_markers

_LINE = re.compile(rb"[^\n]*\S[^\n]*")


def read_json_lines(path: Path, data: Data, where: str) -> Reading:
    """Read JSON lines; a key that an object lacks is a missing value. Lines that are no object are set aside.

    Raises:
        SourceError: too many lines are no objects, or a key has values of types that do not go together.
    """
    content = utf8(path.read_bytes(), data.encoding, where)
    rejected: tuple[Rejected, ...] = ()
    try:
        table = _table(content)
    except pl.exceptions.PolarsError:
        content, rejected = _sift(content, data, where)
        try:
            table = _table(content)
        except pl.exceptions.PolarsError:
            raise _mixed(content, where) from None
    table = table.with_columns(
        without_markers(series, data.missing) for series in table.get_columns() if series.dtype == pl.String
    )
    return Reading(table, msgspec.structs.replace(data, format="jsonl"), rejected)


def _table(content: bytes) -> pl.DataFrame:
    if not content.strip():
        return pl.DataFrame()
    return pl.read_ndjson(io.BytesIO(content), infer_schema_length=None)


def _sift(content: bytes, data: Data, where: str) -> tuple[bytes, tuple[Rejected, ...]]:
    """The lines that are objects, and the others."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    kept: list[bytes] = []
    rejected: list[Rejected] = []
    for number, line in _lines(content):
        try:
            decoder.decode(line)
            kept.append(line)
        except msgspec.ValidationError:
            rejected.append(
                Rejected(number, "one JSON object in each line", "another JSON value", _text(line))
            )
        except msgspec.DecodeError:
            got = "text that is no JSON"
            rejected.append(Rejected(number, "one JSON object in each line", got, _text(line)))
    refuse_many(rejected, len(kept), data, where)
    return b"\n".join(kept), tuple(rejected)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    number, counted = 1, 0
    for match in _LINE.finditer(content):
        number += content.count(b"\n", counted, match.start())
        counted = match.start()
        yield number, match[0]


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace")


def _mixed(content: bytes, where: str) -> SourceError:
    """Name the keys whose values are of several types."""
    kinds: dict[str, set[str]] = {}
    decoder = msgspec.json.Decoder(dict[str, Any])
    for _, line in _lines(content):
        for key, value in decoder.decode(line).items():
            if value is not None:
                kinds.setdefault(key, set()).add(_KINDS.get(type(value), "object"))
    mixed = sorted(key for key, found in kinds.items() if len(found) > 1)
    return SourceError(
        expected="values of one type under each key",
        got=f"several under {', '.join(map(repr, mixed[:5])) or 'nested keys'}",
        where=where,
        next_step="export the key as text, or as numbers only",
    )


_KINDS: dict[type, str] = {bool: "bool", int: "number", float: "number", str: "text", list: "list"}
