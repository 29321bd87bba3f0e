"""Reading a source file into a canonical table."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.base.layout import Layout
from slipway.data.delimited import read_delimited
from slipway.data.tables import canonical

_PARQUET = b"PAR1"

#: First bytes of files that people mistake for tables, with what to do about it.
_FOREIGN: dict[bytes, tuple[str, str]] = {
    b"\x1f\x8b": ("a gzip archive", "unpack it with gunzip"),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", "unpack it with zstd -d"),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"SQLite format 3": ("a SQLite database", "export the table as CSV or Parquet"),
    b"ARROW1": ("an Arrow file", "save it as Parquet"),
}


def source_path(layout: Layout, data: Data) -> Path:
    """Where the source of a project lies; a relative path starts at the project folder."""
    return layout.root / data.source


def read_table(path: Path, data: Data) -> pl.DataFrame:
    """Read a CSV (any delimiter) or Parquet file; the content decides which, not the name.

    Returns:
        A canonical table (see ``slipway.data.tables``) with at least one row.

    Raises:
        SourceError: no such file, a folder, no permission, empty, no rows, an unknown or broken format,
            not UTF-8, repeated column names, or a line with the wrong number of fields.
    """
    content_start = _first_bytes(path)
    named_parquet = path.suffix.lower() in (".parquet", ".pq")
    if content_start.startswith(_PARQUET) or named_parquet:
        table = _read_parquet(path)
    else:
        _refuse_foreign(content_start, path)
        table = read_delimited(path, data)
    if table.height == 0:
        raise SourceError(
            expected="a table with rows",
            got=f"{table.width} column names and no rows",
            where=str(path),
            next_step="check how the file was exported",
        )
    return canonical(table, exclude=data.exclude, where=str(path))


def _first_bytes(path: Path) -> bytes:
    """The first 16 bytes of a readable file that is not empty."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise _unreadable(path, error) from None
    if not start:
        raise SourceError(
            expected="a table", got="an empty file", where=str(path), next_step="check how it was exported"
        )
    return start


def _unreadable(path: Path, error: OSError) -> SourceError:
    problems: dict[type[OSError], tuple[str, str]] = {
        FileNotFoundError: ("no such file", "check the path"),
        IsADirectoryError: ("a folder", "name one file in it"),
        NotADirectoryError: ("a path through a file", "check the path"),
        PermissionError: ("no permission to read it", "change its permissions (chmod u+r)"),
    }
    got, step = problems.get(type(error), (f"{error.strerror}", "check the disk"))
    return SourceError(expected="a CSV or Parquet file", got=got, where=str(path), next_step=step)


def _refuse_foreign(start: bytes, path: Path) -> None:
    for magic, (got, step) in _FOREIGN.items():
        if start.startswith(magic):
            raise SourceError(expected="a CSV or Parquet file", got=got, where=str(path), next_step=step)


def _read_parquet(path: Path) -> pl.DataFrame:
    with path.open("rb") as file:
        start = file.read(4)
        size = file.seek(0, 2)
        file.seek(max(size - 4, 0))
        end = file.read(4)
        file.seek(0)
        if start != _PARQUET:
            raise _broken_parquet(path, "a file without the Parquet mark at its start")
        if end != _PARQUET or size < 12:
            raise _broken_parquet(path, "a Parquet file that is cut off")
        try:
            return pl.read_parquet(file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken_parquet(path, f"one that does not decode ({type(error).__name__})") from None


def _broken_parquet(path: Path, got: str) -> SourceError:
    return SourceError(
        expected="a whole Parquet file",
        got=got,
        where=str(path),
        next_step="copy or export it again, or name it .csv when it is text",
    )
