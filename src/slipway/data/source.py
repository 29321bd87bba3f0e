"""Reading a source, wherever it lies and whatever its format, into a canonical table."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from slipway.base.config import Data, Format
from slipway.base.errors import ConfigError, SourceError, StoreError
from slipway.base.layout import Layout
from slipway.data.columnar import ARROW_MARK, PARQUET_MARK, read_arrow, read_parquet
from slipway.data.delimited import read_delimited
from slipway.data.json_lines import read_json_lines
from slipway.data.locations import Location, locate, rooted
from slipway.data.queries import read_query
from slipway.data.reading import Reader, Reading
from slipway.data.remote import fetch
from slipway.data.tables import canonical, matching
from slipway.data.workbooks import read_workbook

READERS: dict[Format, Reader] = {
    "csv": read_delimited,
    "jsonl": read_json_lines,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "excel": read_workbook,
}

#: First bytes that say what a file is, whatever the settings and its name say.
_MARKS: dict[bytes, Format] = {
    PARQUET_MARK: "parquet",
    ARROW_MARK: "arrow",
    b"PK\x03\x04": "excel",
    b"\xd0\xcf\x11\xe0": "excel",
}
_SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
    ".xls": "excel",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_COMPRESSIONS: dict[bytes, str] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_CHUNK = 4 * 1024 * 1024
_OBJECT_LINE = re.compile(rb"\s*\{")


def source_path(layout: Layout, data: Data) -> Path | str:
    """Where the source of a project lies: a path (a relative one starts at the project folder) or a URL."""
    return rooted(data.source, layout.root)


def read_source(source: Path | str, data: Data) -> Reading:
    """Read a table from a file, an object store, a web server or a database.

    The first bytes decide on the format, and for text the settings, then the name.

    Returns:
        A canonical table (see ``slipway.data.tables``) with at least one row, the plan with everything
        filled in that was found, and the rows set aside.

    Raises:
        SourceError: no such file, object or table, no permission, empty, no rows, an unknown or broken
            format, another encoding, repeated column names, or too many rows that cannot be read.
        ConfigError: an environment variable that is not set, or a password written out in a URL.
        StoreError: no room for the temporary copy of a remote or compressed source.
    """
    place = locate(source)
    if place.is_database:
        reading = read_query(place, data)
    else:
        with _local(place) as path:
            reading = _reader(path, data, place)(path, data, place.shown)
    table = reading.table
    if table.height == 0 or table.width == 0:
        raise SourceError(
            expected="a table with rows",
            got=f"{table.width} column names and no rows",
            where=place.shown,
            next_step="check the query" if place.is_database else "check how the file was exported",
        )
    plain = canonical(table, exclude=data.exclude, where=place.shown)
    return reading._replace(table=_without_dots(plain, data))


def read_table(source: Path | str, data: Data) -> pl.DataFrame:
    """The table of ``read_source``, for callers that do not show how it was read.

    Rows that cannot be read are left out as long as their share is at most ``data.max_bad_rows``.
    """
    return read_source(source, data).table


def _without_dots(table: pl.DataFrame, data: Data) -> pl.DataFrame:
    dotted = matching(data.trailing_dots, table.columns)
    for pattern in data.trailing_dots:
        if not matching([pattern], table.columns):
            raise ConfigError(
                expected="data.trailing_dots to name columns of the table",
                got=repr(pattern),
                where="slipway.toml",
                next_step="correct the name",
            )
    return table.with_columns(
        pl.col(name).str.strip_suffix(".") for name in dotted if table.schema[name] == pl.String
    )


@contextmanager
def _local(place: Location) -> Generator[Path]:
    """The source as an uncompressed file; what had to be copied is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        path = Path(place.given)
        if place.is_object:
            path = Path(folder) / "fetched"
            fetch(place, path)
        start = _first_bytes(path, place.shown)
        for mark, codec in _COMPRESSIONS.items():
            if start.startswith(mark):
                path = _unpacked(path, Path(folder) / "unpacked", codec, place.shown)
                _first_bytes(path, place.shown)
        yield path


def _first_bytes(path: Path, where: str) -> bytes:
    """The first 16 bytes of a readable file that is not empty."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise _unreadable(where, error) from None
    if not start:
        raise SourceError(
            expected="a table", got="an empty file", where=where, next_step="check how it was exported"
        )
    return start


def _unreadable(where: str, error: OSError) -> SourceError:
    problems: dict[type[OSError], tuple[str, str]] = {
        FileNotFoundError: ("no such file", "check the path"),
        IsADirectoryError: ("a folder", "name one file in it"),
        NotADirectoryError: ("a path through a file", "check the path"),
        PermissionError: ("no permission to read it", "change its permissions (chmod u+r)"),
    }
    got, step = problems.get(type(error), (f"{error.strerror}", "check the disk"))
    return SourceError(expected="a file with a table", got=got, where=where, next_step=step)


def _unpacked(path: Path, target: Path, codec: str, where: str) -> Path:
    """An uncompressed copy."""
    try:
        with (
            pa.OSFile(str(path)) as packed,
            pa.CompressedInputStream(packed, codec) as stream,
            target.open("wb") as file,
        ):
            while chunk := stream.read(_CHUNK):
                file.write(chunk)
    except OSError as error:
        if error.errno is not None:
            raise StoreError(
                expected="room for an uncompressed copy",
                got=f"{error.strerror}",
                where=tempfile.gettempdir(),
                next_step="make room, or set TMPDIR to another disk",
            ) from None
        raise SourceError(
            expected=f"a whole {codec} archive",
            got="one that is cut off or damaged",
            where=where,
            next_step="copy or export it again",
        ) from None
    return target


def _reader(path: Path, data: Data, place: Location) -> Reader:
    """The reader for what the file is."""
    with path.open("rb") as file:
        start = file.read(4096)
    for mark, kind in _MARKS.items():
        if start.startswith(mark):
            return READERS[kind]
    if start.startswith(b"SQLite format 3"):
        raise SourceError(
            expected="a file with a table",
            got="a SQLite database",
            where=place.shown,
            next_step=f"name it as sqlite:///{path.name} with a query (--query, data.query)",
        )
    return READERS[data.format or _text_format(start, place)]


def _text_format(start: bytes, place: Location) -> Format:
    suffixes = [suffix.lower() for suffix in Path(place.shown).suffixes]
    while suffixes and suffixes[-1] in (".gz", ".zst", ".zstd"):
        suffixes.pop()
    named = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if named is not None:
        return named
    first = start.partition(b"\n")[0]
    if suffixes[-1:] == [".json"] and start.lstrip().startswith(b"["):
        raise SourceError(
            expected="one JSON object in each line",
            got="one JSON array",
            where=place.shown,
            next_step="write one object a line, as `jq -c '.[]'` does",
        )
    if _OBJECT_LINE.match(first):
        try:
            msgspec.json.decode(first, type=dict)
        except msgspec.DecodeError:
            return "jsonl" if suffixes[-1:] == [".json"] else "csv"
        return "jsonl"
    return "csv"
