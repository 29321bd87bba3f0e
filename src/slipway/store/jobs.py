"""Work that must be done once although processes die: a row per job, found again by its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from slipway.base.errors import ConflictError, NotFoundError
from slipway.store.database import Transaction
from slipway.store.documents import Document, dump_document, load_document, load_optional
from slipway.store.tables import jobs

Status = Literal["waiting", "running", "done", "failed"]

#: A running job goes back to waiting when its process died.
_NEXT: dict[Status, frozenset[Status]] = {
    "waiting": frozenset({"running", "failed"}),
    "running": frozenset({"running", "waiting", "done", "failed"}),
    "done": frozenset(),
    "failed": frozenset(),
}


@dataclass(frozen=True)
class Job:
    """One job as it is now. ``created`` is in microseconds since 1970 UTC; ``attempts`` counts starts."""

    id: int
    kind: str
    key: str
    status: Status
    payload: Document
    result: Document | None
    created: int
    attempts: int


def add_job(tx: Transaction, kind: str, key: str, payload: Mapping[str, object], created: int) -> Job:
    """Add a waiting job, or return the one that has this key already, whatever its state."""
    known = find_job(tx, key)
    if known is not None:
        return known
    tx.execute(
        insert(jobs).values(
            kind=kind, key=key, status="waiting", payload=dump_document(payload), created=created, attempts=0
        )
    )
    return _one(tx, key)


def find_job(tx: Transaction, key: str) -> Job | None:
    """The job with this key."""
    row = tx.execute(select(jobs).where(jobs.c.key == key)).one_or_none()
    return None if row is None else _job(row)


def list_jobs(tx: Transaction, kind: str | None = None, status: Status | None = None) -> Iterator[Job]:
    """The jobs in the order they were added, of one kind or status or of all."""
    query = select(jobs).order_by(jobs.c.id)
    if kind is not None:
        query = query.where(jobs.c.kind == kind)
    if status is not None:
        query = query.where(jobs.c.status == status)
    for row in tx.execute(query):
        yield _job(row)


def start_job(tx: Transaction, key: str) -> Job:
    """Mark a job as running and count the attempt; also for one whose process died while it ran.

    Raises:
        NotFoundError: no such job.
        ConflictError: it is over.
    """
    job = _move(tx, key, "running")
    tx.execute(update(jobs).where(jobs.c.id == job.id).values(attempts=jobs.c.attempts + 1))
    return _one(tx, key)


def requeue_job(tx: Transaction, key: str) -> Job:
    """Put a running job back to wait.

    Raises:
        NotFoundError, ConflictError: as ``start_job``; also when it is not running.
    """
    return _move(tx, key, "waiting")


def finish_job(tx: Transaction, key: str, result: Mapping[str, object], *, failed: bool = False) -> Job:
    """Close a job with its result; it never changes again.

    Raises:
        NotFoundError, ConflictError: as ``start_job``; also ``done`` without having run.
    """
    job = _move(tx, key, "failed" if failed else "done")
    tx.execute(update(jobs).where(jobs.c.id == job.id).values(result=dump_document(result)))
    return _one(tx, key)


def _move(tx: Transaction, key: str, status: Status) -> Job:
    job = _one(tx, key)
    if status not in _NEXT[job.status]:
        raise ConflictError(
            expected=f"a job that can become {status}",
            got=f"one that is {job.status}",
            where=f"job {key}",
            next_step="look at it with `slipway status`",
        )
    tx.execute(update(jobs).where(jobs.c.id == job.id).values(status=status))
    return _one(tx, key)


def _one(tx: Transaction, key: str) -> Job:
    job = find_job(tx, key)
    if job is None:
        raise NotFoundError(expected="a known job", got="none with this key", where=f"job {key}")
    return job


def _job(row: Row[Any]) -> Job:
    return Job(
        row.id,
        row.kind,
        row.key,
        row.status,
        load_document(row.payload),
        load_optional(row.result),
        row.created,
        row.attempts,
    )
