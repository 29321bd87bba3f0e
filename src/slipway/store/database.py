"""The metadata database: SQLite in WAL mode, one writer at a time, migrated when it is opened."""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from slipway.base.errors import StoreError
from slipway.base.layout import Layout
from slipway.store.tables import SCHEMA

#: What the functions of this package take: a connection inside a transaction.
Transaction = Connection

#: Longer than any transaction here; a waiter that times out means a stuck process.
_BUSY_SECONDS = 30.0


class Database:
    """Transactions on the metadata tables; may be shared between threads.

    Rules: all writes go through ``write``; transactions are short (no model is fitted and no file read
    inside one); what a transaction wrote is on disk when its block ends, or not at all.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    @contextmanager
    def write(self) -> Generator[Transaction]:
        """A transaction that holds the only write lock from its start, so that what it reads stays true.

        Raises:
            StoreError: locked for 30 s, disk full, damaged. Nothing of the block is then kept.
        """
        with self._transaction("BEGIN IMMEDIATE") as tx:
            yield tx

    @contextmanager
    def read(self) -> Generator[Transaction]:
        """A transaction that sees one moment of the database and blocks nobody.

        Raises:
            StoreError: not readable.
        """
        with self._transaction("BEGIN") as tx:
            yield tx

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Generator[Transaction]:
        with (
            _plain_errors(self._name),
            self._engine.connect().execution_options(slipway_begin=begin) as tx,
            tx.begin(),
        ):
            yield tx


def open_database(layout: Layout) -> Database:
    """Open the project's database; make it, or bring it to this version's tables, where needed.

    Raises:
        StoreError: it cannot be opened, or a newer version of Slipway made it.
    """
    path = layout.database
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path.name, error.strerror or type(error).__name__) from None
    database = Database(_engine(path), path.name)
    try:
        if not _is_current(database, path):
            with (layout.state / "migration.lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _migrate(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _engine(path: Path) -> Engine:
    # isolation_level None leaves BEGIN to us: the driver would begin late, and only before some statements.
    engine = create_engine(
        _url(path),
        connect_args={"isolation_level": None, "timeout": _BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


def _set_pragmas(connection: object, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()  # pyright: ignore[reportAttributeAccessIssue]  (a DBAPI connection has no type)
    # FULL: in WAL mode NORMAL would let a power cut undo a promotion that gateways already follow.
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["slipway_begin"])


def _is_current(database: Database, path: Path) -> bool:
    """Whether the tables are those of this code; keeps Alembic unimported in the common case."""
    if not path.exists():
        return False
    with database.read() as tx:
        found = _revision(tx)
    if found is not None and found > SCHEMA:
        raise StoreError(
            expected=f"tables of schema {SCHEMA} or older",
            got=f"schema {found}",
            where=path.name,
            next_step="use the version of Slipway that made this project, or a newer one",
        )
    return found == SCHEMA


def _revision(tx: Transaction) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.scalar(text("SELECT version_num FROM alembic_version"))


def _migrate(database: Database, path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    if _is_current(database, path):
        return
    config = Config()
    # The parser behind Config gives % a meaning of its own.
    folder = str(Path(__file__).with_name("migrations")).replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    _use_wal(path)
    with database.write() as tx:
        config.attributes["connection"] = tx
        command.upgrade(config, SCHEMA)


def _use_wal(path: Path) -> None:
    """Let readers go on beside the writer. The mode is the file's, and cannot change in a transaction."""
    engine = create_engine(_url(path), connect_args={"timeout": _BUSY_SECONDS})
    try:
        with _plain_errors(path.name), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    finally:
        engine.dispose()


@contextmanager
def _plain_errors(name: str) -> Generator[None]:
    """Turn a driver's error into ours. Its own text would quote the statement's values."""
    try:
        yield
    except DBAPIError as error:
        reason = getattr(error.orig, "sqlite_errorname", None) or type(error.orig).__name__
        raise _unusable(name, str(reason)) from None


def _unusable(name: str, reason: str) -> StoreError:
    return StoreError(
        expected="a usable metadata database",
        got=reason,
        where=name,
        next_step="check free space and permissions, and that no other process is stuck",
    )
