"""SQL over the project: the whole prediction log, outcomes, decisions and versions, read only.

DuckDB runs in memory and is shut off from the file system; sealed files reach it as Arrow datasets that
this process opened, so there is nothing a statement could overwrite. Frames of segments that are not sealed
yet are read at the start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, repeat

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from slipway.base.errors import NotFoundError, StoreError
from slipway.base.layout import Layout
from slipway.store.database import Database, Transaction, open_database
from slipway.store.documents import dump_document
from slipway.store.intake import IntakeBatch, batches, progress
from slipway.store.ledger import entries
from slipway.store.registry import list_versions
from slipway.store.segments import list_segments, read_frames
from slipway.store.tabulation import SCHEMAS, FrameTables

#: Sealing may delete a segment between our look at the database and at the disk; then we look again.
_ATTEMPTS = 10

_LABELLED = """
CREATE VIEW labelled AS
SELECT p.*, o.value AS outcome, o.number AS outcome_number, o.event_time AS outcome_event_time,
       o.time AS outcome_time
FROM predictions p
JOIN (
    SELECT * FROM outcomes
    QUALIFY row_number() OVER (
        PARTITION BY prediction_id
        ORDER BY coalesce(event_time, time) DESC, time DESC, intake_seq DESC NULLS FIRST, row DESC
    ) = 1
) o USING (prediction_id)
"""

#: In this order: after the first, DuckDB opens no file; after the last, nothing can be switched back.
_SHUT = (
    "SET temp_directory = ''",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)

_DECISIONS = pa.schema(
    [
        ("seq", pa.int64()),
        ("time", pa.timestamp("us")),
        ("kind", pa.string()),
        ("intake_seq", pa.int64()),
        ("payload", pa.string()),
        ("hash", pa.string()),
    ]
)
_VERSIONS = pa.schema(
    [
        ("version", pa.string()),
        ("model", pa.string()),
        ("number", pa.int32()),
        ("created", pa.timestamp("us")),
        ("run_id", pa.string()),
        ("digest", pa.string()),
        ("metrics", pa.string()),
        ("risk", pa.string()),
        ("lineage", pa.string()),
    ]
)


def connect(layout: Layout) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the views of a project, as it is at this moment.

    Views: ``predictions``, ``shadows``, ``dropped`` and ``outcomes`` (columns in ``tabulation.SCHEMAS``),
    ``labelled`` (each prediction that has an outcome, with the last one by event time), ``decisions`` (the
    ledger; ``payload`` is JSON) and ``versions``. All times are UTC.

    Raises:
        NotFoundError: the project has no database yet.
        IntegrityError, StoreError: the log or the database cannot be read.
    """
    if not layout.database.exists():
        raise NotFoundError(
            expected="a project with something to query",
            got="one where nothing was trained or served",
            where=str(layout.root),
            next_step="train a first version with `slipway train`",
        )
    connection = duckdb.connect(":memory:")
    db = open_database(layout)
    try:
        tables = _log_parts(layout, db)
        with db.read() as tx:
            tables["decisions"] = [_decisions(tx)]
            tables["versions"] = [_versions(tx)]
    finally:
        db.close()
    for name, parts in tables.items():
        _create_view(connection, name, parts)
    connection.execute(_LABELLED)
    for statement in _SHUT:
        connection.execute(statement)
    return connection


#: What one view is made of: tables in memory, and datasets of sealed files that have equal columns.
_Parts = list[object]


def _log_parts(layout: Layout, db: Database) -> dict[str, _Parts]:
    for _ in range(_ATTEMPTS):
        try:
            return _look(layout, db)
        except FileNotFoundError:
            continue
    raise StoreError(
        expected="a log that holds still for a moment",
        got="segments that vanish while they are read",
        where=str(layout.segments),
        next_step="try again",
    )


def _look(layout: Layout, db: Database) -> dict[str, _Parts]:
    names = {segment.name for segment in list_segments(layout.segments)}
    with db.read() as tx:
        known = progress(tx)
        runs = {one.segment: list(batches(tx, segment=one.segment)) for one in known if not one.sealed}
    collected = FrameTables()
    for name in sorted((names | set(runs)) - {one.segment for one in known if one.sealed}):
        _collect(layout, name, runs.get(name, []), collected)
    tables = collected.tables()
    parts: dict[str, _Parts] = {}
    for kind, schema in SCHEMAS.items():
        files = [file for one in known for file in one.files.get(kind, [])]
        parts[kind] = [schema.empty_table(), *_datasets(layout, files)]
        if kind in tables:
            parts[kind].append(tables[kind])
    return parts


def _collect(layout: Layout, name: str, runs: Sequence[IntakeBatch], into: FrameTables) -> None:
    numbers = chain.from_iterable(range(run.after_seq + 1, run.last_seq + 1) for run in runs)
    frames = (frame for _, frame in read_frames(layout.segments / f"{name}.seg"))
    for seq, frame in zip(chain(numbers, repeat(None)), frames, strict=False):
        into.add(seq, frame)


def _datasets(layout: Layout, files: Sequence[str]) -> _Parts:
    """One dataset per set of columns, because a dataset has one type per column."""
    groups: dict[pa.Schema, list[str]] = defaultdict(list)
    for file in files:
        path = layout.parquet / file
        groups[pq.read_schema(path).remove_metadata()].append(str(path))
    return [ds.dataset(paths, schema=schema, format="parquet") for schema, paths in groups.items()]


def _create_view(connection: duckdb.DuckDBPyConnection, name: str, parts: Sequence[object]) -> None:
    sources = [f"_{name}_{number}" for number in range(len(parts))]
    for source, part in zip(sources, parts, strict=True):
        connection.register(source, part)
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {source}" for source in sources)
    connection.execute(f"CREATE VIEW {name} AS {union}")


def _decisions(tx: Transaction) -> object:
    rows = [
        {
            "seq": entry.seq,
            "time": entry.time,
            "kind": entry.kind,
            "intake_seq": entry.intake_seq,
            "payload": dump_document(entry.payload),
            "hash": entry.hash,
        }
        for entry in entries(tx)
    ]
    return pa.Table.from_pylist(rows, schema=_DECISIONS)


def _versions(tx: Transaction) -> object:
    rows = [
        {
            "version": str(one.name),
            "model": one.name.model,
            "number": one.name.number,
            "created": one.created_us,
            "run_id": one.run_id,
            "digest": one.digest,
            "metrics": dump_document(one.metrics),
            "risk": dump_document(one.risk),
            "lineage": dump_document(one.lineage),
        }
        for one in list_versions(tx)
    ]
    return pa.Table.from_pylist(rows, schema=_VERSIONS)
