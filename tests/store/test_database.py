"""The database: migrated once, one writer, all or nothing, errors that quote no value."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, insert, select, text

from slipway.base.errors import StoreError
from slipway.base.layout import Layout
from slipway.store import migrations
from slipway.store.database import Database, open_database
from slipway.store.tables import SCHEMA, counters, metadata


def count(db: Database) -> int:
    with db.read() as tx:
        return tx.scalar(select(func.count()).select_from(counters)) or 0


def test_the_migrations_make_the_tables_that_the_code_describes(db: Database) -> None:
    with db.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_last_migration_is_the_schema_of_the_code() -> None:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA]


def test_it_is_durable_concurrent_and_strict(db: Database) -> None:
    with db.read() as tx:
        pragmas = [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


def test_opening_a_current_database_does_not_import_alembic(layout: Layout, db: Database) -> None:
    code = (
        "import sys; from pathlib import Path; from slipway.base.layout import Layout;"
        "from slipway.store.database import open_database;"
        "open_database(Layout(Path(sys.argv[1]))).close();"
        "print(*sorted({'alembic', 'duckdb', 'pyarrow', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(layout.root)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_a_crowd_that_opens_a_new_project_migrates_it_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    code = (
        "import sys; from pathlib import Path; from slipway.base.layout import Layout;"
        "from slipway.store.database import open_database;"
        "db = open_database(Layout(Path(sys.argv[1]))); exec('with db.read() as tx: pass'); db.close()"
    )
    crowd = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in crowd] == [0] * 4
    db = open_database(layout)
    assert count(db) == 0
    db.close()


def test_a_block_that_raises_leaves_nothing_behind(db: Database) -> None:
    def stop() -> None:
        with db.write() as tx:
            tx.execute(insert(counters).values(name="a", value=1))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop()
    assert count(db) == 0


def test_a_writer_that_reads_first_still_loses_no_update(db: Database) -> None:
    with db.write() as tx:
        tx.execute(insert(counters).values(name="a", value=0))

    def work() -> None:
        for _ in range(25):
            with db.write() as tx:
                value = tx.scalar(select(counters.c.value)) or 0
                tx.execute(counters.update().values(value=value + 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert tx.scalar(select(counters.c.value)) == 100


def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(db: Database) -> None:
    with db.read() as reader:
        assert reader.scalar(select(func.count()).select_from(counters)) == 0
        with db.write() as tx:
            tx.execute(insert(counters).values(name="a", value=1))
        assert reader.scalar(select(func.count()).select_from(counters)) == 0
    assert count(db) == 1


def test_a_driver_error_becomes_ours_and_quotes_nothing(db: Database) -> None:
    rows = [{"name": "secret", "value": 1}] * 2
    with pytest.raises(StoreError, match="SQLITE_CONSTRAINT_PRIMARYKEY") as caught, db.write() as tx:
        tx.execute(insert(counters), rows)
    assert "secret" not in str(caught.value)
    assert count(db) == 0


def test_a_database_of_a_newer_slipway_is_refused_untouched(layout: Layout, db: Database) -> None:
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="schema 9999"):
        open_database(layout)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    layout.database.write_bytes(b"not a database at all, but long enough to have a header" * 40)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        open_database(layout)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / ".slipway").write_bytes(b"")
    with pytest.raises(StoreError, match="usable metadata database"):
        open_database(Layout(tmp_path))


KILLED = """
import sys
from pathlib import Path
from sqlalchemy import insert
from slipway.base.failpoint import failpoint
from slipway.base.layout import Layout
from slipway.store.database import open_database
from slipway.store.tables import counters
db = open_database(Layout(Path(sys.argv[1])))
for n in range(10):
    with db.write() as tx:
        tx.execute(insert(counters).values(name=f"a{n}", value=n))
        tx.execute(insert(counters).values(name=f"b{n}", value=n))
        failpoint("inside")
    print(n, flush=True)
"""


def test_a_killed_process_leaves_whole_transactions(layout: Layout, db: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(layout.root)],
        env={**os.environ, "SLIPWAY_FAILPOINT": "inside:7"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, len(done.stdout.split())) == (-9, 6)
    assert count(db) == 12


FULL = """
import resource, sys
from pathlib import Path
from sqlalchemy import insert
from slipway.base.errors import StoreError
from slipway.base.layout import Layout
from slipway.store.database import open_database
from slipway.store.tables import counters
layout = Layout(Path(sys.argv[1]))
db = open_database(layout)
with db.write() as tx:
    tx.execute(insert(counters).values(name="kept", value=1))
size = max(path.stat().st_size for path in layout.state.iterdir() if path.is_file())
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
try:
    with db.write() as tx:
        tx.execute(insert(counters), [{"name": f"{n:0100d}", "value": n} for n in range(5000)])
except StoreError as error:
    print(error.got)
"""


def test_a_full_disk_is_a_store_error_and_keeps_what_was_committed(layout: Layout, db: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(layout.root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
    assert count(db) == 1
