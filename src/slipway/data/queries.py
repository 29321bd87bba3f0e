"""Tables from databases: one query, read over ADBC, or over SQLAlchemy where there is no ADBC driver.

Nothing is ever committed: a query that writes is refused or undone.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.locations import Location, database_file
from slipway.data.reading import Reading
from slipway.data.tables import matching

_CONNECT_SECONDS = 10
#: SQLite has types per value; the driver takes the type of a column from so many rows.
_SQLITE_ROWS = "1000000"


def read_query(place: Location, data: Data) -> Reading:
    """The rows that the database gives for ``data.query``.

    Raises:
        SourceError: no query, no such database, wrong password, unreachable, or a query that fails.
        ConfigError: see ``Location.filled``.
    """
    if not data.query or not data.query.strip():
        raise SourceError(
            expected="a query for the database",
            got="none",
            where=place.shown,
            next_step="give one: --query 'select * from loans' (data.query)",
        )
    ask = _ASKERS.get(place.scheme, _ask_sqlalchemy)
    path = database_file(place)
    if path is not None and not path.is_file():
        raise SourceError(
            expected="a database file", got="no such file", where=place.shown, next_step="check the path"
        )
    made = ask(place, data)
    return Reading(made, data)


def _ask_sqlite(place: Location, data: Data) -> pl.DataFrame:
    from adbc_driver_sqlite import dbapi

    path = _file(place)
    return _adbc(
        lambda: dbapi.connect(f"{path.resolve().as_uri()}?mode=ro"),
        place,
        data,
        {"adbc.sqlite.query.batch_rows": _SQLITE_ROWS},
    )


def _ask_duckdb(place: Location, data: Data) -> pl.DataFrame:
    from adbc_driver_duckdb import driver_path
    from adbc_driver_manager import dbapi

    options = {"path": str(_file(place).resolve()), "access_mode": "READ_ONLY"}
    return _adbc(
        lambda: dbapi.connect(driver=driver_path(), entrypoint="duckdb_adbc_init", db_kwargs=options),
        place,
        data,
    )


def _ask_postgresql(place: Location, data: Data) -> pl.DataFrame:
    from adbc_driver_postgresql import dbapi

    url = place.filled()
    if "connect_timeout" not in url:
        url += f"{'&' if urlsplit(url).query else '?'}connect_timeout={_CONNECT_SECONDS}"
    return _adbc(lambda: dbapi.connect(url), place, data)


def _file(place: Location) -> Path:
    path = database_file(place)
    if path is None:
        raise SourceError(
            expected=f"{place.scheme}:///path/of/the/file.db",
            got="an address with options",
            where=place.shown,
            next_step="leave out what stands after ?",
        )
    return path


def _adbc(
    connect: Callable[[], Any], place: Location, data: Data, options: dict[str, str] | None = None
) -> pl.DataFrame:
    from adbc_driver_manager import Error

    try:
        with closing(connect()) as connection, connection.cursor(adbc_stmt_kwargs=options or {}) as cursor:
            cursor.execute(data.query)
            table = cursor.fetch_arrow_table()
    except (Error, OSError, pa.ArrowException) as error:
        raise _explained(error, str(getattr(error, "sqlstate", None) or ""), place) from None
    _refuse_repeated(table.column_names, place)
    columns = [
        made for name in table.column_names if (made := _column(name, table[name], data, place)) is not None
    ]
    return pl.DataFrame(columns)


def _column(name: str, values: Any, data: Data, place: Location) -> pl.Series | None:
    """One column in a type that Polars has; None when it has none and may be left out."""
    kind = getattr(values.type, "type_name", "")
    if isinstance(values.type, pa.UuidType):
        texts = [
            None if cell is None else str(uuid.UUID(bytes=cell)) for cell in _storage(values).to_pylist()
        ]
        return pl.Series(name, texts, dtype=pl.String)
    try:
        series = pl.Series(name, pl.from_arrow(_storage(values)))
    except (pl.exceptions.PolarsError, pa.ArrowException):
        if matching(data.exclude, [name]):
            return None
        raise SourceError(
            expected="columns of numbers, text, booleans or times",
            got=f"column {name!r} of type {values.type}",
            where=place.shown,
            next_step="cast it in the query, or exclude it (data.exclude, --exclude)",
        ) from None
    return series.cast(pl.Float64) if kind == "numeric" else series


def _storage(values: Any) -> Any:
    """The plain values under an extension type: numeric, json, uuid."""
    if not isinstance(values.type, pa.BaseExtensionType):
        return values
    return pa.chunked_array([chunk.storage for chunk in values.chunks], values.type.storage_type)


def _ask_sqlalchemy(place: Location, data: Data) -> pl.DataFrame:
    from sqlalchemy import create_engine, exc, text

    try:
        engine = create_engine(place.filled(), hide_parameters=True)
    except (exc.ArgumentError, exc.NoSuchModuleError):
        raise SourceError(
            expected="the URL of a database, an object or a file",
            got=f"the unknown scheme {place.scheme!r}",
            where=place.shown,
            next_step="install its SQLAlchemy dialect, or correct the URL",
        ) from None
    except ModuleNotFoundError as error:
        raise SourceError(
            expected=f"the driver of {place.scheme}",
            got=f"no package {error.name!r}",
            where=place.shown,
            next_step=f"pip install {error.name}",
        ) from None
    try:
        with engine.connect() as connection:
            result = connection.execute(text(str(data.query)))
            names = list(result.keys()) if result.returns_rows else []
            _refuse_repeated(names, place)
            rows = [tuple(row) for row in result] if names else []
    except exc.SQLAlchemyError as error:
        raise _explained(error, str(getattr(error, "code", "")), place) from None
    finally:
        engine.dispose()
    return pl.DataFrame(
        [pl.Series(name, [row[at] for row in rows], strict=False) for at, name in enumerate(names)]
    )


def _refuse_repeated(names: list[str], place: Location) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated or not names:
        raise SourceError(
            expected="a query that gives columns of different names",
            got=f"{', '.join(map(repr, repeated[:5]))} more than once" if repeated else "no columns",
            where=place.shown,
            next_step="name the columns in the query: select a.id as a_id, ...",
        )


_ASKERS: dict[str, Callable[[Location, Data], pl.DataFrame]] = {
    "sqlite": _ask_sqlite,
    "duckdb": _ask_duckdb,
    "postgresql": _ask_postgresql,
    "postgres": _ask_postgresql,
}

#: What the databases' errors look like (text, or SQLSTATE), what happened, and what to do. A name in a group
#: comes from the query, so that it may be shown; the rest of the text may quote a value of a row.
_PROBLEMS: tuple[tuple[str, str, str], ...] = (
    (
        r"password authentication failed|Access denied|\b28P01\b|\b28000\b",
        "a wrong user or password",
        "check the variables that the URL names",
    ),
    (r"database \"[^\"]*\" does not exist|\b3D000\b", "no such database", "check its name"),
    (
        r"translate host|Name or service|No route|is unreachable|refused|timeout expired|Failed to connect",
        "a server that cannot be reached",
        "check host, port and network",
    ),
    (
        r"not a database|not a valid DuckDB|sqlite_scanner",
        "a file that is no such database",
        "check the path",
    ),
    (
        r"no such table: ([\w.]+)|relation \"([\w.]+)\" does not|Table with name ([\w.]+)|\b42P01\b",
        "no such table",
        "correct the query",
    ),
    (
        r"no such column: ([\w.]+)|column \"([\w.]+)\" (?:does )?not|\b42703\b",
        "no such column",
        "correct the query",
    ),
    (r"syntax error|Parser Error|\b42601\b", "a query that does not parse", "correct the query"),
    (r"permission denied|\b42501\b", "no permission to read it", "ask for the right to select"),
    (r"readonly|read-only|\b25006\b", "a query that writes", "select only"),
    (r"Type mismatch in column", "a column with values of several types", "cast it in the query"),
    (r"locked", "a database that another program holds", "try again when it is done"),
)


def _explained(error: Exception, state: str, place: Location) -> SourceError:
    text = f"{error} {state}"
    for pattern, got, step in _PROBLEMS:
        found = re.search(pattern, text)
        if found:
            name = next((group for group in found.groups() if group), None)
            return SourceError(
                expected="rows for the query",
                got=f"{got} {name!r}" if name else got,
                where=place.shown,
                next_step=step,
            )
    code = f" ({state})" if state else f" ({type(error).__name__})"
    return SourceError(
        expected="rows for the query",
        got=f"a query that fails{code}",
        where=place.shown,
        next_step="try it in the database's own client",
    )
