"""How delimited text is cut into fields: what the settings fix, and what its first lines show."""

from __future__ import annotations

import codecs
import csv
import re
from typing import NamedTuple

from slipway.base.config import Data
from slipway.base.errors import SourceError

#: In order of preference: a comma plus a space separates by the comma.
_DELIMITERS = (",", "\t", ";", "|", " ")
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_LINES = 200
_CHUNK = 4 * 1024 * 1024


class Dialect(NamedTuple):
    """How to cut the text into fields."""

    delimiter: str
    quoted: bool
    #: Lines before the header or the first record.
    skipped: int
    #: What a line starts with that is no row, wherever it stands; empty: there are none.
    comment: str


def utf8(content: bytes, encoding: str, where: str) -> bytes:
    """The text as UTF-8 without a byte-order mark.

    Raises:
        SourceError: no such encoding, or bytes that it does not have.
    """
    try:
        plain = codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        raise SourceError(
            expected="an encoding such as utf-8, latin-1, cp1252 or utf-16",
            got=repr(encoding),
            where="data.encoding",
            next_step="leave it out for UTF-8",
        ) from None
    if plain:
        content = content.removeprefix(codecs.BOM_UTF8)
        _refuse_other_encodings(content, where)
        return content
    try:
        return content.decode(encoding).removeprefix("\ufeff").encode()
    except (UnicodeError, TypeError) as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content.count(b"\n", 0, at) + 1
        raise SourceError(
            expected=f"{encoding} text",
            got="bytes of another encoding",
            where=f"{where}, line {line}" if at else where,
            next_step="correct data.encoding (--encoding)",
        ) from None


def _refuse_other_encodings(content: bytes, where: str) -> None:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:_SAMPLE_BYTES]:
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise SourceError(
            expected="UTF-8 text",
            got="UTF-16 text" if utf16 else "zero bytes, so no text",
            where=where,
            next_step="name its encoding: --encoding utf-16" if utf16 else "check the kind of file",
        )
    at = _not_utf8(content)
    if at is not None:
        line = content.count(b"\n", 0, at) + 1
        raise SourceError(
            expected="UTF-8 text",
            got="bytes of another encoding, perhaps Windows-1252",
            where=f"{where}, line {line}",
            next_step="name its encoding: --encoding cp1252 (or latin-1), data.encoding",
        )


def _not_utf8(content: bytes) -> int | None:
    """Offset of the first byte that is no UTF-8; the text is never decoded whole."""
    if content.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(content), _CHUNK):
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(content[at : at + _CHUNK], final=at + _CHUNK >= len(content))
        except UnicodeDecodeError as error:
            return at - waiting + error.start
    return None


def find_dialect(content: bytes, data: Data, where: str) -> Dialect:
    """The dialect of UTF-8 text: what the settings leave open follows from the first lines.

    Raises:
        SourceError: no lines, one field only, or a quote that does not close.
    """
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
    comment = data.comment or ""
    if data.comment is None and data.header is None:
        comment = _comment(lines, fixed, where)
    skipped = _skipped(lines, fixed, comment)
    lines = [line for line in lines[skipped:] if line.strip() and not _starts(line, comment)]
    if not lines:
        raise SourceError(
            expected="a header line and rows",
            got="blank lines only",
            where=where,
            next_step="check how it was exported",
        )
    delimiter = fixed or _sniffed(lines[:_SAMPLE_LINES], where)
    quoted = _quoted(content, delimiter, where) if data.quoted is None else data.quoted
    return Dialect(delimiter, quoted, skipped, comment)


def _starts(line: str, comment: str) -> bool:
    return bool(comment) and line.startswith(comment)


def _comment(lines: list[str], delimiter: str | None, where: str) -> str:
    """``#`` when the text opens with lines of it that are no header."""
    opening: list[str] = []
    rest = [line for line in lines if line.strip()]
    while rest and rest[0].startswith("#"):
        opening.append(rest.pop(0))
    if not opening or not rest:
        return ""
    cut = delimiter or _sniffed(rest[:_SAMPLE_LINES], where)
    widths = [_sample_widths([line], cut) for line in (opening[-1], rest[0])]
    return "" if widths[0] == widths[1] and len(opening) == 1 else "#"


def _skipped(lines: list[str], delimiter: str | None, comment: str) -> int:
    """Leading blank and comment lines; with ``|`` as separator it starts no comment."""
    for at, line in enumerate(lines):
        remark = line.startswith("|") and delimiter != "|" and line.count("|") == 1
        if line.strip() and not remark and not _starts(line, comment):
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
    raise one_field(where)


def one_field(where: str) -> SourceError:
    """The error for text that no separator cuts."""
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
        return True
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
                next_step="double the quotes inside a value, or set data.quoted = false if they are text",
            )
    return found
