"""The tables, as SQLAlchemy Core sees them. ``migrations`` makes them; a test holds the two equal.

Rules of the shared state: every write happens in ``Database.write``; ledger entries are never changed;
JSON columns hold text written by ``slipway.store.documents``; times are microseconds since 1970 UTC;
``seq`` columns count the frames consumed from the log, from 1.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

#: The migration that this code needs.
SCHEMA = "0001"

metadata = MetaData()

ledger = Table(
    "ledger",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("intake_seq", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

#: One row: how long the ledger is and how it ends, so that a missing tail shows.
ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("entries", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

#: One row per log segment that has been read from. ``files`` is set when it is sealed; ``deleted`` when the
#: segment itself is gone.
segments = Table(
    "segments",
    metadata,
    Column("name", Text, primary_key=True),
    Column("consumed", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("files", Text, nullable=False),
    Index("segments_deleted", "deleted"),
    Index("segments_last_seq", "last_seq"),
)

#: The order in which bytes of the log were consumed; rows go when their segment is sealed.
batches = Table(
    "batches",
    metadata,
    Column("last_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", Text, ForeignKey("segments.name"), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stop", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Index("batches_segment", "segment"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("manifest", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("lineage", Text, nullable=False),
    Column("result", Text, nullable=True),
    Column("started_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger, nullable=True),
)

versions = Table(
    "versions",
    metadata,
    Column("model", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("risk", Text, nullable=False),
    Column("lineage", Text, nullable=False),
    UniqueConstraint("model", "run_id", name="versions_of_a_run"),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("name", Text, primary_key=True),
    Column("champion", Text, nullable=True),
    Column("challenger", Text, nullable=True),
    Column("reverse", Text, nullable=True),
    Column("state", Text, nullable=False),
    Column("rollout_id", Integer, ForeignKey("rollouts.id"), nullable=True),
    Column("serial", BigInteger, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("challenger", Text, nullable=False),
    Column("champion", Text, nullable=True),
    Column("state", Text, nullable=False),
    Column("alpha", Float, nullable=False),
    Column("margin", Float, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger, nullable=True),
    Column("guard_state", Text, nullable=False),
    Column("verdict", Text, nullable=True),
    Index("rollouts_endpoint", "endpoint"),
)

#: Answered rows waiting for their outcome, or joined with it. Ids rise with time, so the table grows at
#: its end; without a row id the key is the table, which halves the work of an insert.
predictions = Table(
    "predictions",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("outputs", LargeBinary, nullable=False),
    Column("outcome", LargeBinary, nullable=True),
    Column("event_time", BigInteger, nullable=True),
    Column("state", Integer, nullable=False),
    sqlite_with_rowid=False,
)

states = Table(
    "states",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Index("alarms_endpoint", "endpoint"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("result", Text, nullable=True),
    Column("created", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    UniqueConstraint("key", name="jobs_key"),
)

#: Numbers that only rise, such as the serial of the plan.
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
