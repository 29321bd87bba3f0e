"""Tables from databases: the same rows from each, and every fault in one line without a secret."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from slipway.base.config import Data, load_config
from slipway.base.errors import ConfigError, SourceError
from slipway.data.project import InitOptions, init_project
from slipway.data.source import read_source, read_table, source_path

QUERY = "select * from loans order by age"
ROWS = {"age": [30, 41, 52], "rate": [0.5, None, 2.0], "job": ["cook", "clerk", None]}
TABLE = "create table loans (age int, rate double precision, job varchar(20))"
INSERT = "insert into loans values (30, 0.5, 'cook'), (41, null, 'clerk'), (52, 2.0, null)"


def refusal(url, query=QUERY, kind=SourceError, **settings):
    with pytest.raises(kind) as caught:
        read_source(url, Data(source=url, query=query, **settings))
    error = caught.value
    assert "\n" not in error.message
    assert "geheim" not in error.message
    assert error.next_step
    return error


@pytest.fixture
def sqlite(tmp_path):
    path = tmp_path / "loans.db"
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
        connection.execute(INSERT)
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture
def duck(tmp_path):
    path = tmp_path / "loans.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLE)
        connection.execute(INSERT)
    return f"duckdb:///{path}"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def programs():
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path(shutil.which("initdb") or "").parent]
    return next((folder for folder in folders if (folder / "initdb").is_file()), None)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A server of its own on the loopback, with a password; its URL names the variable that holds it."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("no PostgreSQL server on this machine")
    folder = tmp_path_factory.mktemp("postgres")
    # The server refuses to run as root; another user then owns the folder and must reach it.
    as_user: dict[str, str] = {}
    if os.geteuid() == 0:
        as_user = {"user": "nobody"}
        shutil.chown(folder, "nobody")
        for parent in (folder.parent, folder.parent.parent):
            parent.chmod(0o711)
    data, port = folder / "data", free_port()
    (folder / "password").write_text("ge:h@e/im")
    made = subprocess.run(
        [bin_folder / "initdb", "-D", data, "-A", "scram-sha-256", "-U", "ada", "-N",
         f"--pwfile={folder}/password"],
        capture_output=True, text=True, check=False, cwd=folder, **as_user,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    server = subprocess.Popen(
        [bin_folder / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **as_user,
    )  # fmt: skip
    try:
        ready = [bin_folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "30"]
        for _ in range(200):
            if subprocess.run(ready, check=False).returncode == 0:
                break
            assert server.poll() is None
        url = f"postgresql://ada:${{SLIPWAY_TEST_PASSWORD}}@127.0.0.1:{port}/postgres"
        sql = [
            TABLE,
            INSERT,
            "create table kinds as select 1.25::numeric n, '{\"a\": 1}'::jsonb j, true t, "
            "date '2020-01-02' d, timestamptz '2020-01-02 03:04:05+00' z, "
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid u, "
            "interval '1 day' i",
            "create role eve login password 'geheim'",
        ]
        subprocess.run(
            [bin_folder / "psql", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "ada", "postgres",
             *(part for one in sql for part in ("-c", one))],
            check=True, env={**os.environ, "PGPASSWORD": "ge:h@e/im"},
        )  # fmt: skip
        yield url
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv("SLIPWAY_TEST_PASSWORD", "ge:h@e/im")


@pytest.mark.parametrize("name", ["sqlite", "duck"])
def test_rows_come_typed_from_a_database_file(name, request):
    url = request.getfixturevalue(name)
    assert read_table(url, Data(source=url, query=QUERY)).to_dict(as_series=False) == ROWS


def test_rows_come_typed_from_postgresql(postgres, password):
    assert read_table(postgres, Data(source=postgres, query=QUERY)).to_dict(as_series=False) == ROWS
    made = read_table(postgres, Data(source=postgres, query="select * from kinds", exclude=("i",)))
    assert made.to_dict(as_series=False) == {
        "n": [1.25],
        "j": ['{"a": 1}'],
        "t": [True],
        "d": ["2020-01-02"],
        "z": ["2020-01-02T03:04:05+00:00"],
        "u": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    }
    assert "'i'" in refusal(postgres, "select * from kinds").got


def test_other_databases_come_through_sqlalchemy(sqlite):
    url = sqlite.replace("sqlite:", "sqlite+pysqlite:")
    assert read_table(url, Data(source=url, query=QUERY)).to_dict(as_series=False) == ROWS
    assert refusal(url, "select x from loans").got == "no such column 'x'"
    assert "scheme 'nosuch'" in refusal("nosuch://host/db").got
    assert "package" in refusal("mysql+pymysql://ada@127.0.0.1/db").got


@pytest.mark.parametrize("name", ["sqlite", "duck"])
@pytest.mark.parametrize(
    ("query", "got"),
    [
        ("select zilch from loans", "no such column 'zilch'"),
        ("select * from nowhere", "no such table 'nowhere'"),
        ("selct", "a query that does not parse"),
        ("delete from loans", "a query that writes"),
        ("select * from loans where age > 1000", "3 column names and no rows"),
        ("select age, rate as age from loans", "'age' more than once"),
        (None, "none"),
        (" ", "none"),
    ],
)
def test_a_query_that_fails_says_why(name, query, got, request):
    assert refusal(request.getfixturevalue(name), query).got == got


def test_database_files_that_are_none(tmp_path):
    for scheme in ("sqlite", "duckdb", "sqlite+pysqlite"):
        assert refusal(f"{scheme}:///{tmp_path}/absent.db").got == "no such file"
        assert not (tmp_path / "absent.db").exists()
        (tmp_path / "text.db").write_text("age,rate\n1,2\n" * 100)
        assert refusal(f"{scheme}:///{tmp_path}/text.db").got == "a file that is no such database"


def test_values_of_several_types_become_one(sqlite):
    with sqlite3.connect(sqlite.removeprefix("sqlite:///")) as connection:
        connection.execute("create table mixed (a, b)")
        connection.executemany("insert into mixed values (?, ?)", [(i, "t") for i in range(3000)])
        connection.execute("insert into mixed values (1.5, 7)")
    connection.close()
    made = read_table(sqlite, Data(source=sqlite, query="select * from mixed"))
    assert made.schema == {"a": pl.Float64, "b": pl.String}


@pytest.mark.parametrize(
    ("change", "query", "got"),
    [
        (("ada:${SLIPWAY_TEST_PASSWORD}", "ada:${SLIPWAY_TEST_WRONG}"), QUERY, "a wrong user or password"),
        (("ada:${SLIPWAY_TEST_PASSWORD}", "eve:${SLIPWAY_TEST_WRONG}"), QUERY, "no permission to read it"),
        (("/postgres", "/nowhere"), QUERY, "no such database"),
        (("127.0.0.1", "nohost.invalid"), QUERY, "a server that cannot be reached"),
        (("", ""), "select zilch from loans", "no such column 'zilch'"),
        (("", ""), "select * from nowhere", "no such table 'nowhere'"),
        (("", ""), "selct", "a query that does not parse"),
        (("", ""), "select cast('geheim' as int)", "a query that fails (22P02)"),
    ],
)
def test_faults_of_postgresql_in_one_line(postgres, password, monkeypatch, change, query, got):
    monkeypatch.setenv("SLIPWAY_TEST_WRONG", "geheim")
    error = refusal(postgres.replace(*change) if change[0] else postgres, query)
    assert error.got == got
    assert "ada" not in error.message


def test_a_query_that_writes_is_undone(postgres, password):
    data = Data(source=postgres, query="delete from loans returning age")
    assert read_table(postgres, data).height == 3
    assert read_table(postgres, Data(source=postgres, query=QUERY)).height == 3


def test_a_server_that_is_gone():
    error = refusal(f"postgresql://ada@127.0.0.1:{free_port()}/db")
    assert error.got == "a server that cannot be reached"


def test_secrets_come_from_the_environment_only(monkeypatch):
    monkeypatch.delenv("SLIPWAY_TEST_PASSWORD", raising=False)
    error = refusal("postgresql://ada:${SLIPWAY_TEST_PASSWORD}@127.0.0.1/db", kind=ConfigError)
    assert "SLIPWAY_TEST_PASSWORD" in error.expected
    assert "written out" in refusal("postgresql://ada:geheim@127.0.0.1/db", kind=ConfigError).got


def test_a_project_on_a_database_keeps_query_and_path(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    with sqlite3.connect(folder / "loans.db") as connection:
        connection.execute("create table t (x, y)")
        connection.executemany("insert into t values (?, ?)", [(i / 7, i % 2) for i in range(200)])
    connection.close()
    url, query = f"sqlite:///{folder}/loans.db", "select x,\n  y from t"
    report = init_project(url, "y", folder, InitOptions(query=query))
    config = load_config(report.layout.config)
    assert config.project.name == "loans"
    assert (config.data.source, config.data.query) == ("sqlite:///loans.db", query)
    moved = folder.rename(tmp_path / "elsewhere")
    layout = type(report.layout)(moved)
    assert read_table(source_path(layout, config.data), config.data).equals(report.reading.table)


def test_drivers_are_imported_only_where_they_read():
    names = [
        "adbc_driver_manager",
        "adbc_driver_sqlite",
        "adbc_driver_postgresql",
        "fastexcel",
        "obstore",
        "pandas",
    ]
    code = f"import sys, slipway.data.project; print([n for n in {names} if n in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
