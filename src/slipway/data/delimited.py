"""Delimited text: CSV, TSV and their relatives, read strictly.

Every record must have as many fields as the header; one that has not is set aside with its line number.
Nothing else is skipped but blank lines and comment lines (starting with ``|`` before the header or the first
record, or with the setting's prefix anywhere).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import polars as pl
import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as arrow_csv

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.dialects import Dialect, find_dialect, one_field, utf8
from slipway.data.reading import Reading, Rejected, refuse_many, without_markers
from slipway.data.tables import typed

#: Arrow refuses a record longer than its block.
_BLOCK = 16 * 1024 * 1024
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")


#: Texts that people write for a missing number, beside the settings' defaults.
_USUAL_MARKERS = frozenset(
    {"-", "--", ".", "..", "*", "n/a", "na", "none", "None", "NONE", "#N/A", "missing", "unknown"}
)
_DEFAULT_MARKERS = Data(source="").missing


_INK = re.compile(rb"[^ \t\r\n\f\v]")


class _Body(NamedTuple):
    """Where the records of a text start, and what their columns are called."""

    names: list[str]
    start: int
    #: Whether the first record was the header.
    header: bool


class _Record(NamedTuple):
    """One record as ``csv`` cuts it: its fields, its last line counted from the first, and its bytes."""

    fields: list[str]
    line: int
    start: int
    end: int


def read_delimited(path: Path, data: Data, where: str) -> Reading:
    """Read delimited text; ``data`` fixes what it names, the first lines show the rest.

    Returns:
        A table of typed columns; text is stripped of blanks at its ends.

    Raises:
        SourceError: with the line number where there is one.
    """
    content = utf8(path.read_bytes(), data.encoding, where)
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    dialect = find_dialect(content, data, where)
    body = _body(content, dialect, data, where)
    text, rejected = _records(content, body, dialect, data, where)
    # Text takes several times the room of the values in it: each form goes as soon as the next is made.
    del content
    missing = data.missing
    if data.header is None and missing == _DEFAULT_MARKERS:
        missing = _markers(text, missing)
    columns: list[pl.Series] = []
    while text.num_columns:
        name, cells = text.column_names[0], text.column(0)
        text = text.remove_column(0)
        columns.append(typed(without_markers(pl.Series(name, cells, dtype=pl.String), missing)))
    plan = msgspec.structs.replace(
        data,
        format="csv",
        header=body.header,
        separator=dialect.delimiter,
        quoted=dialect.quoted,
        comment=dialect.comment or data.comment,
        missing=missing,
    )
    return Reading(pl.DataFrame(columns), plan, rejected)


def _body(content: bytes, dialect: Dialect, data: Data, where: str) -> _Body:
    """Column names, and the offset at which the records start."""
    at = 0
    for _ in range(dialect.skipped):
        at = content.index(b"\n", at) + 1
    record = next(_parsed(content, at, dialect), _Record([""], 1, 0, 0))
    first, after = record.fields, _after_lines(content, at, record.line)
    if data.columns:
        _refuse_repeated(list(data.columns), "data.columns", dialect.skipped)
        if len(first) != len(data.columns):
            raise _ragged(len(data.columns), len(first), where, dialect.skipped + 1)
        header = _repeats(first, data.columns) if data.header is None else data.header
        return _Body(list(data.columns), after if header else at, header)
    if len(first) < 2:
        raise one_field(where)
    if data.header is False:
        return _Body([f"column_{n}" for n, _ in enumerate(first, start=1)], at, header=False)
    names = [name.strip() for name in first]
    if data.header is None:
        _refuse_numbers(names, where, dialect.skipped)
    names = [name or f"unnamed_{position}" for position, name in enumerate(names, start=1)]
    _refuse_repeated(names, where, dialect.skipped)
    return _Body(names, after, header=True)


def _repeats(first: list[str], names: tuple[str, ...]) -> bool:
    """Whether the first record is a header: most of the names given stand in it too."""
    return sum(field.strip() == name for field, name in zip(first, names, strict=True)) * 2 > len(names)


def _after_lines(content: bytes, at: int, lines: int) -> int:
    for _ in range(lines):
        end = content.find(b"\n", at)
        at = len(content) if end < 0 else end + 1
    return at


def _parsed(content: bytes, at: int, dialect: Dialect) -> Iterator[_Record]:
    """Each record from the offset on; slow. Ends early at what ``csv`` cannot parse."""
    quoting = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    end = at

    def lines() -> Iterator[str]:
        nonlocal end
        for match in _LINE.finditer(content, at):
            end = match.end()
            yield match[0].decode("utf-8")

    start = at
    reader = csv.reader(lines(), delimiter=dialect.delimiter, quoting=quoting)
    try:
        for fields in reader:
            yield _Record(fields, reader.line_num, start, end)
            start = end
    except csv.Error:
        return


def _refuse_numbers(names: list[str], where: str, skipped: int) -> None:
    numbers = sum(_NUMBER.fullmatch(name) is not None for name in names)
    if numbers >= max(1, len(names) / 4):
        raise SourceError(
            expected="a header line with the names of the columns",
            got=f"{numbers} numbers among {len(names)} fields",
            where=f"{where}, line {skipped + 1}",
            next_step="name the columns of a file without header (--columns a,b,c or data.columns)",
        )


def _refuse_repeated(names: list[str], where: str, skipped: int) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise SourceError(
            expected="different names for all columns",
            got=f"{', '.join(map(repr, repeated[:5]))} more than once",
            where=where if where == "data.columns" else f"{where}, line {skipped + 1}",
            next_step="rename the repeated columns in the file, or give all names anew (--columns a,b,c)",
        )


def _records(
    content: bytes, body: _Body, dialect: Dialect, data: Data, where: str
) -> tuple[Any, tuple[Rejected, ...]]:
    """All records as an Arrow table of text columns, and those that have another number of fields."""
    if not _INK.search(content, body.start):
        return _no_rows(body.names), ()
    rejected: list[Rejected] = []
    rest = content
    at = body.start
    if dialect.comment and content.find(b"\n" + dialect.comment.encode(), max(at - 1, 0)) >= 0:
        rest, at = _sift(content, body, dialect, data, where, rejected), 0
    try:
        table = _arrow(rest, at, body.names, dialect)
    except pa.ArrowInvalid:
        rest = _sift(content, body, dialect, data, where, rejected)
        if not rejected:
            raise _unparsed(where) from None
        try:
            table = _arrow(rest, 0, body.names, dialect)
        except pa.ArrowInvalid:
            raise _unparsed(where) from None
    return table, tuple(rejected)


def _no_rows(names: list[str]) -> Any:
    return pa.table({name: pa.array([], pa.string()) for name in names})


def _arrow(content: bytes, at: int, names: list[str], dialect: Dialect) -> Any:
    if not _INK.search(content, at):
        return _no_rows(names)
    quoted = dialect.quoted and b'"' in content
    return arrow_csv.read_csv(
        pa.BufferReader(pa.py_buffer(content).slice(at)),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )


def _sift(
    content: bytes, body: _Body, dialect: Dialect, data: Data, where: str, rejected: list[Rejected]
) -> bytes:
    """The records that have the right number of fields; the others join ``rejected``, comments go.

    Raises:
        SourceError: too many have another number of fields.
    """
    before = content.count(b"\n", 0, body.start)
    comment = dialect.comment.encode()
    most = data.max_bad_rows * (content.count(b"\n", body.start) + 1)
    width, rows, kept, end = len(body.names), 0, bytearray(), body.start
    rejected.clear()
    for record in _parsed(content, body.start, dialect):
        raw, end = content[record.start : record.end], record.end
        if not record.fields or (comment and raw.startswith(comment)):
            continue
        if len(record.fields) == width:
            rows += 1
            kept += raw
            continue
        text = raw.decode("utf-8").rstrip("\r\n")
        rejected.append(
            Rejected(before + record.line, f"{width} fields in each line", f"{len(record.fields)}", text)
        )
        if len(rejected) > max(most, 1000):
            break
    refuse_many(rejected, rows, data, where)
    if _INK.search(content, end):
        raise _unparsed(where)
    return bytes(kept)


def _unparsed(where: str) -> SourceError:
    return SourceError(
        expected="text in rows and columns",
        got="text that does not parse",
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


def _markers(text: Any, missing: tuple[str, ...]) -> tuple[str, ...]:
    """The settings' markers, and texts that stand alone among the numbers of a column."""
    found: set[str] = set()
    usual = pa.array(sorted(_USUAL_MARKERS))
    arrow = cast(Any, compute)  # its functions are made at import, so that no checker knows them
    for name in text.column_names:
        column = text.column(name)
        if not arrow.any(arrow.is_in(arrow.utf8_trim_whitespace(column), value_set=usual)).as_py():
            continue
        cells = without_markers(pl.Series(name, column, dtype=pl.String), missing).drop_nulls()
        odd = cells.filter(cells.cast(pl.Float64, strict=False).is_null()).unique().to_list()
        if len(odd) == 1 and odd[0] in _USUAL_MARKERS and cells.n_unique() > 2:
            found.add(odd[0])
    return (*missing, *sorted(found))
