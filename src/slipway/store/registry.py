"""Snapshots, runs, versions, endpoints, rollouts. Records are what the row was when it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, Select, func, insert, select, update

from slipway.base.errors import ConflictError, NotFoundError
from slipway.base.vocabulary import State, VersionName
from slipway.store.database import Transaction
from slipway.store.documents import Document, dump_document, load_document, load_optional
from slipway.store.tables import counters, endpoints, rollouts, runs, snapshots, versions

RunStatus = Literal["running", "registered", "refused", "failed"]

_PLAN = "plan"


@dataclass(frozen=True)
class SnapshotRecord:
    """An immutable version of a table."""

    digest: str
    rows: int
    source: str
    manifest: Document


@dataclass(frozen=True)
class RunRecord:
    """One execution of the training pipeline. Times in microseconds since 1970 UTC."""

    id: str
    origin: str
    status: RunStatus
    lineage: Document
    result: Document | None
    started_us: int
    finished_us: int | None


@dataclass(frozen=True)
class VersionRecord:
    """A registered model version; ``created_us`` is when its run started."""

    name: VersionName
    run_id: str
    digest: str
    metrics: Document
    risk: Document
    lineage: Document
    created_us: int


@dataclass(frozen=True)
class EndpointRecord:
    """Who answers (champion) and who scores unseen: the challenger, or the former champion (reverse)."""

    name: str
    champion: VersionName | None
    challenger: VersionName | None
    reverse: VersionName | None
    state: State
    rollout_id: int | None
    #: Serial of the plan that brought this state; set by ``save_endpoint``.
    serial: int = 0


@dataclass(frozen=True)
class RolloutRecord:
    """One attempt to take a challenger to champion. ``opened_at`` and ``closed_at`` count consumed frames."""

    id: int
    endpoint: str
    challenger: VersionName
    champion: VersionName | None
    state: State
    alpha: float
    margin: float
    opened_at: int
    closed_at: int | None
    guard_state: Document
    verdict: Document | None


def add_snapshot(
    tx: Transaction, digest: str, rows: int, source: str, manifest: Mapping[str, object]
) -> SnapshotRecord:
    """Record a snapshot; one that is known already stays as it was first recorded."""
    query = select(snapshots).where(snapshots.c.digest == digest)
    if tx.execute(query).one_or_none() is None:
        tx.execute(
            insert(snapshots).values(
                digest=digest, rows=rows, source=source, manifest=dump_document(manifest)
            )
        )
    row = tx.execute(query).one()
    return SnapshotRecord(row.digest, row.rows, row.source, load_document(row.manifest))


def list_snapshots(tx: Transaction) -> list[SnapshotRecord]:
    """All snapshots, by the first run that used each."""
    query = (
        select(snapshots)
        .outerjoin(runs, runs.c.lineage.contains(snapshots.c.digest))
        .group_by(snapshots.c.digest)
        .order_by(func.min(runs.c.started_us), snapshots.c.digest)
    )
    return [
        SnapshotRecord(row.digest, row.rows, row.source, load_document(row.manifest))
        for row in tx.execute(query)
    ]


def start_run(
    tx: Transaction, run_id: str, origin: str, lineage: Mapping[str, object], time_us: int
) -> RunRecord:
    """Record a run that starts; one that is known is returned as it is, so that a retry is harmless."""
    if tx.scalar(select(runs.c.id).where(runs.c.id == run_id)) is None:
        tx.execute(
            insert(runs).values(
                id=run_id,
                origin=origin,
                status="running",
                lineage=dump_document(lineage),
                started_us=time_us,
            )
        )
    return get_run(tx, run_id)


def finish_run(
    tx: Transaction, run_id: str, status: RunStatus, result: Mapping[str, object], time_us: int
) -> RunRecord:
    """Close a run with its result.

    Raises:
        NotFoundError: no such run.
    """
    values = {"status": status, "result": dump_document(result), "finished_us": time_us}
    tx.execute(update(runs).where(runs.c.id == run_id).values(values))
    return get_run(tx, run_id)


def get_run(tx: Transaction, run_id: str) -> RunRecord:
    """One run.

    Raises:
        NotFoundError: no such run.
    """
    row = tx.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFoundError(expected="a known run", got=run_id, next_step="start it first")
    return _run(row)


def list_runs(tx: Transaction) -> list[RunRecord]:
    """All runs, oldest first."""
    return [_run(row) for row in tx.execute(select(runs).order_by(runs.c.started_us, runs.c.id))]


def add_version(
    tx: Transaction,
    model: str,
    run_id: str,
    digest: str,
    metrics: Mapping[str, object],
    risk: Mapping[str, object],
    lineage: Mapping[str, object],
) -> VersionName:
    """Register a bundle under the model's next number; the same run gets the same number again.

    Raises:
        ConflictError: the run registered another bundle before.
        NotFoundError: no such run.
    """
    get_run(tx, run_id)
    mine = (versions.c.model == model, versions.c.run_id == run_id)
    known = tx.execute(select(versions).where(*mine)).one_or_none()
    if known is not None:
        if known.digest != digest:
            raise ConflictError(
                expected=f"the bundle that run {run_id} registered",
                got="another one",
                where=f"{model}@{known.number}",
                next_step="start a new run",
            )
        return VersionName(model, known.number)
    last = tx.scalar(select(func.max(versions.c.number)).where(versions.c.model == model)) or 0
    tx.execute(
        insert(versions).values(
            model=model,
            number=last + 1,
            run_id=run_id,
            digest=digest,
            metrics=dump_document(metrics),
            risk=dump_document(risk),
            lineage=dump_document(lineage),
        )
    )
    return VersionName(model, last + 1)


def get_version(tx: Transaction, name: VersionName) -> VersionRecord:
    """One version.

    Raises:
        NotFoundError: no such version.
    """
    query = _versions().where(versions.c.model == name.model, versions.c.number == name.number)
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            expected="a registered version", got=str(name), next_step="list them with `slipway versions`"
        )
    return _version(row)


def list_versions(tx: Transaction, model: str | None = None) -> list[VersionRecord]:
    """The versions of one model or of all, by number."""
    query = _versions().order_by(versions.c.model, versions.c.number)
    if model is not None:
        query = query.where(versions.c.model == model)
    return [_version(row) for row in tx.execute(query)]


def get_endpoint(tx: Transaction, name: str) -> EndpointRecord | None:
    """One endpoint, or None."""
    row = tx.execute(select(endpoints).where(endpoints.c.name == name)).one_or_none()
    return None if row is None else _endpoint(row)


def list_endpoints(tx: Transaction) -> list[EndpointRecord]:
    """All endpoints, by name."""
    return [_endpoint(row) for row in tx.execute(select(endpoints).order_by(endpoints.c.name))]


def save_endpoint(tx: Transaction, record: EndpointRecord) -> EndpointRecord:
    """Write an endpoint and raise the serial of the plan; returns the record with that serial."""
    serial = _raise_counter(tx, _PLAN)
    values = {
        "champion": _text(record.champion),
        "challenger": _text(record.challenger),
        "reverse": _text(record.reverse),
        "state": record.state,
        "rollout_id": record.rollout_id,
        "serial": serial,
    }
    done = tx.execute(update(endpoints).where(endpoints.c.name == record.name).values(values))
    if done.rowcount == 0:
        tx.execute(insert(endpoints).values(name=record.name, **values))
    return EndpointRecord(
        record.name,
        record.champion,
        record.challenger,
        record.reverse,
        record.state,
        record.rollout_id,
        serial,
    )


def plan_serial(tx: Transaction) -> int:
    """How often endpoints were changed: the serial of the plan that belongs to this moment."""
    return tx.scalar(select(counters.c.value).where(counters.c.name == _PLAN)) or 0


def open_rollout(
    tx: Transaction,
    *,
    endpoint: str,
    challenger: VersionName,
    champion: VersionName | None,
    state: State,
    alpha: float,
    margin: float,
    opened_at: int,
) -> RolloutRecord:
    """Record a rollout that begins; its id is given by the database."""
    done = tx.execute(
        insert(rollouts).values(
            endpoint=endpoint,
            challenger=str(challenger),
            champion=_text(champion),
            state=state,
            alpha=alpha,
            margin=margin,
            opened_at=opened_at,
            guard_state="{}",
        )
    )
    return get_rollout(tx, int(done.inserted_primary_key[0]))  # pyright: ignore[reportOptionalSubscript]  (one row)


def get_rollout(tx: Transaction, rollout_id: int) -> RolloutRecord:
    """One rollout.

    Raises:
        NotFoundError: no such rollout.
    """
    row = tx.execute(select(rollouts).where(rollouts.c.id == rollout_id)).one_or_none()
    if row is None:
        raise NotFoundError(expected="a known rollout", got=str(rollout_id))
    return _rollout(row)


def list_rollouts(tx: Transaction, endpoint: str | None = None) -> list[RolloutRecord]:
    """The rollouts of one endpoint or of all, oldest first."""
    query = select(rollouts).order_by(rollouts.c.id)
    if endpoint is not None:
        query = query.where(rollouts.c.endpoint == endpoint)
    return [_rollout(row) for row in tx.execute(query)]


def save_rollout(tx: Transaction, record: RolloutRecord) -> None:
    """Write what changes in a rollout: its state, when it closed, the guard's state and the verdict.

    Raises:
        NotFoundError: no such rollout.
    """
    values = {
        "state": record.state,
        "closed_at": record.closed_at,
        "guard_state": dump_document(record.guard_state),
        "verdict": None if record.verdict is None else dump_document(record.verdict),
    }
    if tx.execute(update(rollouts).where(rollouts.c.id == record.id).values(values)).rowcount == 0:
        raise NotFoundError(expected="a known rollout", got=str(record.id))


def _raise_counter(tx: Transaction, name: str) -> int:
    raised = update(counters).where(counters.c.name == name).values(value=counters.c.value + 1)
    if tx.execute(raised).rowcount == 0:
        tx.execute(insert(counters).values(name=name, value=1))
    return tx.scalar(select(counters.c.value).where(counters.c.name == name)) or 0


def _text(name: VersionName | None) -> str | None:
    return None if name is None else str(name)


def _name(text: str | None) -> VersionName | None:
    return None if text is None else VersionName.parse(text)


def _run(row: Row[Any]) -> RunRecord:
    return RunRecord(
        row.id,
        row.origin,
        row.status,
        load_document(row.lineage),
        load_optional(row.result),
        row.started_us,
        row.finished_us,
    )


def _versions() -> Select[Any]:
    return select(versions, runs.c.started_us).join(runs, runs.c.id == versions.c.run_id)


def _version(row: Row[Any]) -> VersionRecord:
    return VersionRecord(
        VersionName(row.model, row.number),
        row.run_id,
        row.digest,
        load_document(row.metrics),
        load_document(row.risk),
        load_document(row.lineage),
        row.started_us,
    )


def _endpoint(row: Row[Any]) -> EndpointRecord:
    return EndpointRecord(
        row.name,
        _name(row.champion),
        _name(row.challenger),
        _name(row.reverse),
        row.state,
        row.rollout_id,
        row.serial,
    )


def _rollout(row: Row[Any]) -> RolloutRecord:
    return RolloutRecord(
        row.id,
        row.endpoint,
        VersionName.parse(row.challenger),
        _name(row.champion),
        row.state,
        row.alpha,
        row.margin,
        row.opened_at,
        row.closed_at,
        load_document(row.guard_state),
        load_optional(row.verdict),
    )
