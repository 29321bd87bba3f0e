"""Bulk work on the join table against bare sqlite3 statements: `python -m benchmarks store.joins`."""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.results import record
from slipway.base.layout import Layout
from slipway.store.database import open_database
from slipway.store.joins import Join, get_many, put_many, update_many

ROWS, ROUNDS = 50_000, 5


def _ours(folder: Path) -> dict[str, float]:
    database = open_database(Layout(folder))
    outputs: dict[str, list[float] | None] = {"loan@1": [0.1234567], "loan@2": None}
    rows = [Join(k.to_bytes(6, "big") + os.urandom(10), "loan", k, k, "loan@1", outputs) for k in range(ROWS)]
    with database.write() as tx:
        start = time.perf_counter()
        put_many(tx, rows)
        put = time.perf_counter()
        found = list(get_many(tx, [row.id for row in rows]).values())
        got = time.perf_counter()
        for row in found:
            row.outputs = {"loan@1": [0.1234567], "loan@2": [0.2345678]}
            row.outcome, row.state = (1,), 1
        changed = time.perf_counter()
        update_many(tx, found)
        end = time.perf_counter()
    database.close()
    return {"put": ROWS / (put - start), "get": ROWS / (got - put), "update": ROWS / (end - changed)}


def _bare_insert(folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute(
        "create table t (id blob primary key, a text, b int, c int, d text, e text) without rowid"
    )
    rows = [
        (k.to_bytes(6, "big") + os.urandom(10), "loan", k, k, "loan@1", '{"loan@1":[0.1234567]}')
        for k in range(ROWS)
    ]
    start = time.perf_counter()
    connection.execute("begin immediate")
    connection.executemany("insert into t values (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("commit")
    seconds = time.perf_counter() - start
    connection.close()
    return ROWS / seconds


def main() -> None:
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append({**_ours(Path(folder)), "bare_sqlite_insert": _bare_insert(Path(folder))})
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    ratio = statistics.median(one["put"] / one["bare_sqlite_insert"] for one in rounds)
    measured = {"rows": ROWS, "rows_per_second": medians, "put_over_bare_insert": ratio}
    record("joins", "python -m benchmarks store.joins", ("sqlalchemy",), measured)
    print(measured)


if __name__ == "__main__":
    main()
