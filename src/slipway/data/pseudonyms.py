"""Pseudonyms: a keyed hash in place of a value, the same in every table of an installation.

A pseudonym is ``p``, the number of its key, ``_`` and 30 hexadecimal digits: the first 120 bits of
HMAC-SHA-256 of the value's text. Without the key nobody can test a guess; whoever has it can, so
pseudonymised data is still personal data. Keys lie in ``.slipway/keys``, readable by their owner only; one
that is lost cannot be made again, and with it goes the way to join later tables with earlier ones.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from slipway.base.errors import IntegrityError, StoreError, UsageError
from slipway.base.failpoint import failpoint
from slipway.base.files import sync_directory
from slipway.base.layout import Layout

KEY_BYTES = 32
#: Bytes of the hash that are kept: no two of 10^12 values share them but with probability under 10^-12.
_KEPT = 15
_KEY_NAME = re.compile(r"pseudonyms-(\d{1,6})\.key")


class Pseudonyms:
    """Makes pseudonyms with one key.

    Args:
        key: 32 bytes.
        version: number of the key, at least 1; it stands in each pseudonym.

    >>> Pseudonyms(bytes(32), 1)("some text")
    'p1_4afbf337c2877ee03e63cb034e9f9b'
    """

    def __init__(self, key: bytes, version: int) -> None:
        # Copied for each value: the key's own two blocks are hashed once, not for every cell.
        self._keyed = hmac.new(key, digestmod="sha256")
        self.version = version

    def __call__(self, value: str) -> str:
        """The pseudonym of a text."""
        hashed = self._keyed.copy()
        hashed.update(value.encode())
        return f"p{self.version}_{hashed.digest()[:_KEPT].hex()}"

    def __repr__(self) -> str:
        return f"Pseudonyms(version={self.version})"


def load_pseudonyms(layout: Layout, *, new_key: bool = False) -> Pseudonyms:
    """The newest key of a project; the first call makes one.

    Processes that call at the same time get the same key.

    Args:
        layout: the project.
        new_key: make another key and use it from now on: its pseudonyms cannot be joined with earlier ones.

    Raises:
        IntegrityError: a key file does not hold 32 bytes.
        StoreError: the folder of keys cannot be written.
    """
    newest = _newest(layout.keys)
    if newest == 0 or new_key:
        newest += 1
        try:
            _create(layout.keys / f"pseudonyms-{newest}.key")
        except OSError as error:
            raise StoreError(
                expected="a folder of keys that can be written",
                got=error.strerror or type(error).__name__,
                where=layout.keys.name,
                next_step="check its permissions and free space",
            ) from None
    path = layout.keys / f"pseudonyms-{newest}.key"
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise IntegrityError(
            expected=f"{KEY_BYTES} bytes",
            got=str(len(key)),
            where=path.name,
            next_step="restore the file from a copy; a new key gives other pseudonyms",
        )
    return Pseudonyms(key, newest)


def _newest(folder: Path) -> int:
    names = (_KEY_NAME.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return max((int(match[1]) for match in names if match), default=0)


def _create(path: Path) -> None:
    """Write a key beside ``path``, then link it there: the first one to link wins, and is whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, os.urandom(KEY_BYTES))
        os.fsync(fd)
        failpoint("pseudonyms.key_written")
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        sync_directory(path.parent)


def pseudonymise(df: pl.DataFrame, columns: Sequence[str], pseudonyms: Pseudonyms) -> pl.DataFrame:
    """The table with the columns' values replaced; missing ones stay missing, equal ones stay equal.

    Whole numbers and text are hashed as they are written: 17 and "17" have one pseudonym.

    Args:
        df: a canonical table.
        columns: text, whole numbers or truth values.
        pseudonyms: makes them.

    Raises:
        UsageError: no column, one that the table lacks, or one of numbers with fractions, whose text is
            not certain.
    """
    absent = [name for name in columns if name not in df.columns]
    if absent or not columns:
        raise UsageError(
            expected="columns of the table",
            got=f"{absent[0]!r}, which it lacks" if absent else "none",
            where="columns to pseudonymise",
            next_step="name them as the table's header does",
        )
    return df.with_columns(_replaced(df[name], pseudonyms) for name in dict.fromkeys(columns))


def _replaced(series: pl.Series, pseudonyms: Pseudonyms) -> pl.Series:
    if series.dtype.is_float():
        raise UsageError(
            expected="text or whole numbers",
            got="numbers with fractions",
            where=f"column {series.name!r}",
            next_step="store the column as text when it is a code",
        )
    texts = series.cast(pl.String)
    distinct = texts.drop_nulls().unique()
    made = [pseudonyms(value) for value in distinct.to_list()]
    found = pl.DataFrame({series.name: distinct, "pseudonym": pl.Series(made, dtype=pl.String)})
    joined = texts.to_frame().join(found, on=series.name, how="left", maintain_order="left")
    return joined["pseudonym"].alias(series.name)
