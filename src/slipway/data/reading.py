"""What reading a source gives: a table, the plan that was followed, and the rows that could not be read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import polars as pl

from slipway.base.config import Data
from slipway.base.errors import SourceError, StoreError
from slipway.base.files import write_atomic
from slipway.base.layout import Layout


class Rejected(NamedTuple):
    """A row that could not be read."""

    #: Of the file, counted from 1: the line at which the row ends.
    line: int
    expected: str
    got: str
    #: The row as it stands in the file: for the quarantine file only, never for a message.
    text: str


class Reading(NamedTuple):
    """A table and how it was read."""

    table: pl.DataFrame
    #: The settings with everything that was found from the content filled in.
    plan: Data
    rejected: tuple[Rejected, ...] = ()


class Reader(Protocol):
    """Reads one kind of file.

    It takes the file, the settings (which win over what the content suggests), and the name of the source for
    messages. Rows that cannot be read are handed back, or end in a ``SourceError`` when they are too many.
    """

    def __call__(self, path: Path, data: Data, where: str) -> Reading:
        """Read the file."""
        ...


def refuse_many(rejected: Sequence[Rejected], rows: int, data: Data, where: str) -> None:
    """Refuse a table of which too large a share of the rows cannot be read.

    Args:
        rejected: in order.
        rows: those that can be read.
        data: ``max_bad_rows`` is the largest share that may be set aside.
        where: name of the source.

    Raises:
        SourceError: names the first row, and counts the others.
    """
    if len(rejected) > data.max_bad_rows * (rows + len(rejected)):
        raise _rejection(rejected, where)


def _rejection(rejected: Sequence[Rejected], where: str) -> SourceError:
    """The error that names the first of the rows that cannot be read."""
    first, others = rejected[0], len(rejected) - 1
    return SourceError(
        expected=first.expected,
        got=first.got + (f", and {others:,} other lines that cannot be read" if others else ""),
        where=f"{where}, line {first.line}",
        next_step="mend the line; quote values that contain the separator"
        if "fields" in first.expected
        else "mend the line, or how the file is exported",
    )


def quarantine(layout: Layout, reading: Reading) -> Path | None:
    """Write the rows that could not be read to the project's quarantine; none, no file.

    One JSON object a row with ``line``, ``reason`` and ``text``. The name follows from the content, so that
    reading the same source again writes the same file.

    Raises:
        StoreError: the folder cannot be written.
    """
    if not reading.rejected:
        return None
    encoder = msgspec.json.Encoder()
    lines = [
        encoder.encode(
            {"line": row.line, "reason": f"expected {row.expected}, got {row.got}", "text": row.text}
        )
        for row in reading.rejected
    ]
    content = b"\n".join(lines) + b"\n"
    path = layout.quarantine / f"{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
    try:
        layout.quarantine.mkdir(parents=True, exist_ok=True)
        layout.quarantine.chmod(0o700)
        write_atomic(path, content)
    except OSError as error:
        raise StoreError(
            expected="a folder to set unreadable rows aside in",
            got=error.strerror or type(error).__name__,
            where=str(layout.quarantine),
            next_step="mend its permissions, or make room on the disk",
        ) from None
    return path


def without_markers(series: pl.Series, missing: Sequence[str]) -> pl.Series:
    """A text column stripped of blanks at its ends, with null for each text that means no value."""
    text = series.str.strip_chars(" \t\r")
    return text.set(text.is_in(list(missing)), None)
