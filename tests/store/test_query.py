"""SQL: one log whether sealed or open, the last outcome by event time, and no way to write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from store_logs import DAY, NOON, consume, outcomes, prediction, shadow, write_log

from slipway.base.errors import NotFoundError
from slipway.base.layout import Layout
from slipway.store.database import Database
from slipway.store.frames import Frame, encode_frame
from slipway.store.ledger import append
from slipway.store.query import connect
from slipway.store.registry import add_version, start_run
from slipway.store.sealing import seal_ready
from slipway.store.segments import SegmentWriter


def ask(layout: Layout, sql: str) -> list[tuple[Any, ...]]:
    connection = connect(layout)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def log(layout: Layout, db: Database, frames: list[Frame], worker: str = "w0", *, seal: bool = False) -> None:
    writer = SegmentWriter(layout.segments, worker, 1 << 20)
    for frame in frames:
        writer.append(encode_frame(frame))
    writer.close()
    if seal:
        consume(layout, db)
        assert len(seal_ready(layout, db)) == 1


def test_an_empty_project_has_empty_views(layout: Layout, db: Database) -> None:
    for view in ("predictions", "shadows", "dropped", "outcomes", "labelled", "decisions", "versions"):
        assert ask(layout, f"SELECT count(*) FROM {view}") == [(0,)]


def test_a_project_without_database_is_told_so_and_gets_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="slipway train"):
        connect(Layout(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_sealed_consumed_and_fresh_rows_are_one_table(layout: Layout, db: Database) -> None:
    log(layout, db, [prediction(1, [{"age": 4, "town": None}]), shadow(1)], seal=True)
    log(layout, db, [prediction(2, [{"age": 5.5, "town": "x", "new": True}]), outcomes([1, 2], [0, 1])], "w1")
    consume(layout, db, at_most=1, rounds=1)
    rows = ask(
        layout, "SELECT intake_seq, prediction_id[-1:], f_age, f_town, f_new, output[1] FROM predictions"
    )
    assert rows == [(1, "1", 4.0, None, None, 0.1 + 1 / 7), (3, "2", 5.5, "x", True, 0.1 + 2 / 7)]
    assert ask(layout, "SELECT intake_seq, number FROM outcomes") == [(None, 0.0), (None, 1.0)]
    assert ask(layout, "SELECT version, outcome FROM labelled ORDER BY time, prediction_id") == [
        ("loan@1", "0"),
        ("loan@1", "1"),
    ]


def test_a_column_whose_type_changed_takes_the_wider_one(layout: Layout, db: Database) -> None:
    for worker, value in (("w0", 1), ("w1", "one"), ("w2", True), ("w3", None)):
        log(layout, db, [prediction(1, [{"a": value}])], worker, seal=True)
    assert [row[0] for row in ask(layout, "SELECT f_a FROM predictions")] == ["1.0", "one", "true", None]


def test_names_that_differ_only_in_case_lose_nothing(layout: Layout, db: Database) -> None:
    log(layout, db, [prediction(1, [{"a": 2, "A": "other case"}])], "w4", seal=True)
    (row,) = ask(layout, "SELECT COLUMNS('(?i)f_a.*') FROM predictions")
    assert row == ("other case", 2.0)


def test_the_last_outcome_by_event_time_counts(layout: Layout, db: Database) -> None:
    log(layout, db, [prediction(1, [{"a": 1}] * 4)])
    later = [
        outcomes([1, 2, 3], ["first", "first", "first"], NOON, NOON),
        outcomes([1], ["late truth"], NOON + 1, NOON + DAY),
        outcomes([1], ["late news of old"], NOON + 2, NOON - DAY),
        outcomes([2], ["corrected"], NOON + 3),
        outcomes([3, 3], ["same time", "same frame"], NOON, NOON),
    ]
    log(layout, db, list(later), "w1", seal=False)
    consume(layout, db)
    expected = [("1", "late truth"), ("2", "corrected"), ("3", "same frame")]
    query = "SELECT prediction_id[-1:], outcome FROM labelled ORDER BY 1"
    assert ask(layout, query) == expected
    seal_ready(layout, db)
    assert ask(layout, query) == expected


def test_decisions_and_versions_are_there(layout: Layout, db: Database) -> None:
    with db.write() as tx:
        append(tx, "promoted", {"version": "loan@1", "e_value": 31.5}, NOON)
        start_run(tx, "r", "train", {}, NOON)
        add_version(tx, "loan", "r", "abc", {"brier": 0.25}, {}, {})
    assert ask(layout, "SELECT kind, payload ->> 'version', year(time) FROM decisions") == [
        ("promoted", "loan@1", 2023)
    ]
    assert ask(layout, "SELECT version, digest, (metrics ->> 'brier')::DOUBLE FROM versions") == [
        ("loan@1", "abc", 0.25)
    ]


@pytest.fixture
def opened(layout: Layout, db: Database) -> Iterator[duckdb.DuckDBPyConnection]:
    write_log(layout, 2)
    consume(layout, db)
    seal_ready(layout, db)
    connection = connect(layout)
    yield connection
    connection.close()


def files(layout: Layout) -> dict[Path, bytes]:
    found = [path for path in sorted(layout.parquet.rglob("*")) if path.is_file()]
    return {path: path.read_bytes() for path in [*found, layout.database]}


def test_no_statement_reaches_a_file(layout: Layout, opened: duckdb.DuckDBPyConnection) -> None:
    before = files(layout)
    sealed = next(path for path in before if path.suffix == ".parquet")
    assert sealed.is_file()
    for statement in (
        f"COPY (SELECT 1) TO '{sealed}'",
        f"COPY (SELECT 1) TO '{layout.root}/new.csv'",
        f"COPY predictions FROM '{sealed}'",
        f"EXPORT DATABASE '{layout.root}/export'",
        f"ATTACH '{layout.database}' AS other",
        f"ATTACH '{layout.root}/new.db' AS other",
        f"SELECT * FROM read_parquet('{sealed}')",
        f"SELECT * FROM '{sealed}'",
        f"SELECT * FROM read_text('{layout.config}')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "SET temp_directory = '/tmp'",
        "INSERT INTO predictions SELECT * FROM predictions",
        "DELETE FROM outcomes",
        "UPDATE decisions SET kind = 'x'",
        "SELECT * FROM layout",
    ):
        with pytest.raises(duckdb.Error):
            opened.execute(statement).fetchall()
    assert files(layout) == before
    assert not (layout.root / "new.csv").exists()
    assert opened.execute("SELECT count(*) FROM predictions").fetchall() == [(4,)]


def test_nothing_spills_next_to_the_project(
    layout: Layout, opened: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(layout.root)
    opened.execute("SELECT count(*) FROM (SELECT DISTINCT range AS n FROM range(2000000))").fetchall()
    assert {path.name for path in layout.root.iterdir()} == {".slipway"}
