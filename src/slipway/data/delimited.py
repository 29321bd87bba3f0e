"""Delimited text: CSV, TSV and their relatives, read strictly.

Every record must have as many fields as the header. Nothing is skipped but blank lines and comment lines
(starting with ``|``) before the header or the first record.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.tables import typed

#: In order of preference: a comma plus a space separates by the comma.
_DELIMITERS = (",", "\t", ";", "|", " ")
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_LINES = 200
#: Arrow refuses a record longer than its block.
_BLOCK = 16 * 1024 * 1024
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Dialect(NamedTuple):
    """How to cut the text into fields."""

    delimiter: str
    quoted: bool
    #: Lines before the header or the first record.
    skipped: int


def read_delimited(path: Path, data: Data) -> pl.DataFrame:
    """Read delimited UTF-8 text; ``data`` may fix the separator, names and missing-value markers.

    Returns:
        A table of typed columns; text is stripped of blanks at its ends.

    Raises:
        SourceError: with the line number where there is one.
    """
    where = str(path)
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    _refuse_other_encodings(content, where)
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    dialect = _dialect(content, data, where)
    names, body_at = _names(content, dialect, data, where)
    table = _records(content, body_at, names, dialect, where)
    return pl.DataFrame([typed(_with_nulls(series, data.missing)) for series in table.get_columns()])


def _refuse_other_encodings(content: bytes, where: str) -> None:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:_SAMPLE_BYTES]:
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise SourceError(
            expected="UTF-8 text",
            got="UTF-16 text" if utf16 else "zero bytes, so no text",
            where=where,
            next_step="save it as UTF-8 (iconv -f UTF-16 -t UTF-8)" if utf16 else "check the kind of file",
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            expected="UTF-8 text",
            got="bytes of another encoding, perhaps Windows-1252",
            where=f"{where}, line {line}",
            next_step="convert it with `iconv -f WINDOWS-1252 -t UTF-8 FILE`",
        ) from None


def _dialect(content: bytes, data: Data, where: str) -> Dialect:
    sample = content[:_SAMPLE_BYTES].decode("utf-8", errors="ignore")
    lines = sample.split("\n")
    if len(content) > _SAMPLE_BYTES:
        lines = lines[:-1]
    fixed = None if data.separator is None else (data.separator.strip(" ") or " ")
    if fixed is not None and len(fixed) != 1:
        raise SourceError(
            expected="a separator of one character",
            got=f"{len(fixed)}",
            where="data.separator",
            next_step="leave it out to have it found",
        )
    skipped = _skipped(lines, fixed)
    lines = [line for line in lines[skipped:] if line.strip()][:_SAMPLE_LINES]
    if not lines:
        raise SourceError(
            expected="a header line and rows",
            got="blank lines only",
            where=where,
            next_step="check how it was exported",
        )
    delimiter = fixed or _sniffed(lines, where)
    return Dialect(delimiter, _quoted(content, delimiter, where), skipped)


def _skipped(lines: list[str], delimiter: str | None) -> int:
    """Leading blank and comment lines; with ``|`` as separator it starts no comment."""
    for at, line in enumerate(lines):
        comment = line.startswith("|") and delimiter != "|" and line.count("|") == 1
        if line.strip() and not comment:
            return at
    return len(lines)


def _sniffed(lines: list[str], where: str) -> str:
    """The delimiter that cuts the sample into the same number of fields as its first line."""
    fallback: tuple[int, str] = (1, "")
    for delimiter in _DELIMITERS:
        widths = _sample_widths(lines, delimiter)
        first = widths[0] if widths else 1
        if first > 1 and widths.count(first) >= 0.9 * len(widths):
            return delimiter
        fallback = max(fallback, (first, delimiter), key=lambda found: found[0])
    if fallback[1]:
        return fallback[1]
    raise _one_field(where)


def _one_field(where: str) -> SourceError:
    return SourceError(
        expected="at least two columns, separated by a comma, tab, semicolon, bar or blank",
        got="one field in the first line",
        where=where,
        next_step="set data.separator (--separator)",
    )


def _sample_widths(lines: list[str], delimiter: str) -> list[int]:
    """Fields in each record of the sample; none when it does not parse so."""
    try:
        return [len(fields) for fields in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return []


def _quoted(content: bytes, delimiter: str, where: str) -> bool:
    """Whether fields are quoted: every field that opens with a quote must close with one.

    Text separated by tabs often has quotes that mean nothing; there an unclosed one turns quoting off.
    """
    if b'"' not in content:
        return False
    cut = re.escape(delimiter).encode()
    field = re.compile(rb'(?:^|%b)"(?:((?:[^"]|"")*+"(?=%b|\r?$))|)' % (cut, cut), re.MULTILINE)
    found = False
    for match in field.finditer(content):
        found = True
        if match[1] is None:
            if delimiter == "\t":
                return False
            line = content.count(b"\n", 0, match.start() + 1) + 1
            raise SourceError(
                expected="a closing quote after each opening one",
                got="a field that opens with a quote and does not close",
                where=f"{where}, line {line}",
                next_step="double the quotes inside a value, and quote the whole value",
            )
    return found


def _names(content: bytes, dialect: Dialect, data: Data, where: str) -> tuple[list[str], int]:
    """Column names, and the offset at which the records start."""
    at = 0
    for _ in range(dialect.skipped):
        at = content.index(b"\n", at) + 1
    first, lines = _first_record(content, at, dialect)
    if data.columns:
        _refuse_repeated(list(data.columns), "data.columns", dialect.skipped)
        if len(first) != len(data.columns):
            raise _ragged(len(data.columns), len(first), where, dialect.skipped + 1)
        return list(data.columns), _after_header(content, at, lines, first, data.columns)
    if len(first) < 2:
        raise _one_field(where)
    names = [name.strip() for name in first]
    numbers = sum(_NUMBER.fullmatch(name) is not None for name in names)
    if numbers >= max(1, len(names) / 4):
        raise SourceError(
            expected="a header line with the names of the columns",
            got=f"{numbers} numbers among {len(names)} fields",
            where=f"{where}, line {dialect.skipped + 1}",
            next_step="name the columns of a file without header (--columns a,b,c or data.columns)",
        )
    names = [name or f"unnamed_{position}" for position, name in enumerate(names, start=1)]
    _refuse_repeated(names, where, dialect.skipped)
    return names, _after_lines(content, at, lines)


def _after_header(content: bytes, at: int, lines: int, first: list[str], names: tuple[str, ...]) -> int:
    """Where records start when the names are given: after the first line if it has most of the names too."""
    same = sum(field.strip() == name for field, name in zip(first, names, strict=True))
    return _after_lines(content, at, lines) if same * 2 > len(names) else at


def _after_lines(content: bytes, at: int, lines: int) -> int:
    for _ in range(lines):
        end = content.find(b"\n", at)
        at = len(content) if end < 0 else end + 1
    return at


def _first_record(content: bytes, at: int, dialect: Dialect) -> tuple[list[str], int]:
    """The fields of the first record, and how many lines it takes."""
    return next(_parsed(content, at, dialect), ([""], 1))


def _parsed(content: bytes, at: int, dialect: Dialect) -> Iterator[tuple[list[str], int]]:
    """Fields of each record and the number of its last line, counted from the offset; slow."""
    quoting = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    text = io.TextIOWrapper(io.BytesIO(content[at:]), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=dialect.delimiter, quoting=quoting)
    try:
        for fields in reader:
            yield fields, reader.line_num
    except csv.Error:
        return


def _refuse_repeated(names: list[str], where: str, skipped: int) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise SourceError(
            expected="different names for all columns",
            got=f"{', '.join(map(repr, repeated[:5]))} more than once",
            where=where if where == "data.columns" else f"{where}, line {skipped + 1}",
            next_step="rename the repeated columns in the file, or give all names anew (--columns a,b,c)",
        )


def _records(content: bytes, at: int, names: list[str], dialect: Dialect, where: str) -> pl.DataFrame:
    """All records as text columns."""
    if not content[at:].strip():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    body = pa.py_buffer(content).slice(at)
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quoted else False,
                newlines_in_values=dialect.quoted,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _explained(error, content, at, names, dialect, where) from None
    made = pl.from_arrow(table)
    assert isinstance(made, pl.DataFrame)
    return made


def _explained(
    error: Exception, content: bytes, at: int, names: list[str], dialect: Dialect, where: str
) -> SourceError:
    """Find the line that Arrow could not read."""
    before = content.count(b"\n", 0, at)
    for fields, line in _parsed(content, at, dialect):
        if fields and len(fields) != len(names):
            return _ragged(len(names), len(fields), where, before + line)
    return SourceError(
        expected="text in rows and columns",
        got=f"text that does not parse ({type(error).__name__})",
        where=where,
        next_step="look for an unclosed quote or a line of many megabytes",
    )


def _ragged(expected: int, got: int, where: str, line: int) -> SourceError:
    return SourceError(
        expected=f"{expected} fields in each line",
        got=f"{got}",
        where=f"{where}, line {line}",
        next_step="mend the line; quote values that contain the separator",
    )


def _with_nulls(series: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    text = series.str.strip_chars(" \t\r")
    return text.set(text.is_in(list(missing)), None)
