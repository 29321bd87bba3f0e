"""Where everything stands, for people and machines."""

from __future__ import annotations

from typing import Any

import msgspec

from slipway.base.layout import Layout
from slipway.control import moves
from slipway.control.evidence import EndpointEvidence, Trial
from slipway.control.facts import BundleFacts, Facts
from slipway.control.intake import lag_bytes
from slipway.control.joining import Counts
from slipway.control.plan import read_plan
from slipway.monitor.watch import Watch
from slipway.rollout.verdict import Verdict
from slipway.store import alarms, intake, jobs, ledger, registry
from slipway.store.database import Database, Transaction, open_database
from slipway.store.registry import EndpointRecord


class TrialStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An open rollout and its evidence so far."""

    rollout: int
    kind: str
    baseline: str
    candidate: str
    #: Labelled pairs after which it closes.
    limit: int
    #: Whether a favourable verdict waits for ``slipway promote``.
    awaiting_approval: bool
    log_e_better: float
    log_e_worse: float
    verdict: Verdict


class MonitorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One monitor of the champion."""

    kind: str
    #: Labels (risk) or rows (drift) since the champion answers.
    n: int
    #: Current evidence: of the risk, or of the feature with most.
    e_value: float
    #: Value that raises an alarm: tolerated rows between two false ones.
    run_length: float
    alarmed: list[str]
    #: Mean loss of the labels seen, for risk.
    mean: float | None = None
    #: Bound that the mean must exceed, for risk.
    limit: float | None = None
    features: dict[str, float] = {}


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint."""

    name: str
    champion: str | None
    challenger: str | None
    #: The former champion while it scores in reverse shadow.
    reverse: str | None
    state: str
    trial: TrialStatus | None
    monitors: list[MonitorStatus]
    counts: dict[str, int]
    #: Rows whose label or output could not be scored.
    unusable: int
    alarms: list[dict[str, Any]]


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One retraining."""

    id: int
    kind: str
    key: str
    status: str
    attempts: int
    payload: dict[str, Any]
    result: dict[str, Any] | None


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """A project at one moment."""

    endpoints: list[EndpointStatus]
    jobs: list[JobStatus]
    #: Log events consumed, and bytes that wait.
    events: int
    lag_bytes: int
    plan_serial: int
    #: Whether the plan file says what the database says.
    plan_current: bool
    ledger_entries: int
    ledger_ok: bool


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger entry, for reading."""

    seq: int
    kind: str
    #: Microseconds since 1970 UTC.
    time_us: int
    endpoint: str
    version: str
    actor: str
    message: str
    payload: dict[str, Any]


def status(layout: Layout, database: Database | None = None) -> StatusReport:
    """The state of the project as of the last commit.

    Raises:
        StoreError: the database cannot be read.
    """
    opened = database or open_database(layout)
    try:
        facts = BundleFacts(layout, opened)
        with opened.read() as tx:
            return _status(layout, tx, facts)
    finally:
        if database is None:
            opened.close()


def decisions(layout: Layout, database: Database | None = None) -> list[LedgerLine]:
    """The ledger, oldest first.

    Raises:
        StoreError: the database cannot be read.
    """
    opened = database or open_database(layout)
    try:
        with opened.read() as tx:
            return [_line(entry) for entry in ledger.entries(tx)]
    finally:
        if database is None:
            opened.close()


def _status(layout: Layout, tx: Transaction, facts: Facts) -> StatusReport:
    chain = ledger.verify(tx)
    serial = registry.plan_serial(tx)
    plan = read_plan(layout)
    return StatusReport(
        endpoints=[_endpoint(tx, record, facts) for record in registry.list_endpoints(tx)],
        jobs=[
            JobStatus(
                id=job.id,
                kind=job.kind,
                key=job.key,
                status=job.status,
                attempts=job.attempts,
                payload=job.payload,
                result=job.result,
            )
            for job in jobs.list_jobs(tx)
        ],
        events=intake.position(tx),
        lag_bytes=lag_bytes(layout, tx),
        plan_serial=serial,
        plan_current=plan is not None and plan.serial == serial,
        ledger_entries=chain.entries,
        ledger_ok=chain.ok,
    )


def _endpoint(tx: Transaction, record: EndpointRecord, facts: Facts) -> EndpointStatus:
    evidence = moves.load_evidence(tx, record.name, facts)
    return EndpointStatus(
        name=record.name,
        champion=None if record.champion is None else str(record.champion),
        challenger=None if record.challenger is None else str(record.challenger),
        reverse=None if record.reverse is None else str(record.reverse),
        state=record.state,
        trial=_trial(evidence.trial) if evidence.trial else None,
        monitors=_monitors(evidence.watch) if evidence.watch else [],
        counts=_counts(moves.load_counts(tx, record.name), evidence),
        unusable=evidence.unusable,
        alarms=[
            {"id": one.id, "kind": one.kind, "event": one.seq, "time_us": one.time_us, **one.payload}
            for one in alarms.list_alarms(tx, record.name)
        ],
    )


def _trial(trial: Trial) -> TrialStatus:
    return TrialStatus(
        rollout=trial.rollout,
        kind=trial.kind,
        baseline=trial.baseline,
        candidate=trial.candidate,
        limit=trial.guard.limit,
        awaiting_approval=trial.awaiting,
        log_e_better=float(trial.guard.comparison.log_e_better),
        log_e_worse=float(trial.guard.comparison.log_e_worse),
        verdict=trial.guard.verdict(),
    )


def _monitors(watch: Watch) -> list[MonitorStatus]:
    found: list[MonitorStatus] = []
    if (risk := watch.risk) is not None:
        found.append(
            MonitorStatus(
                kind="risk",
                n=risk.n,
                e_value=risk.e_value,
                run_length=risk.run_length,
                alarmed=["risk"] if risk.alarmed else [],
                mean=risk.mean,
                limit=risk.limit,
            )
        )
    if (drift := watch.drift) is not None:
        features = drift.e_values
        found.append(
            MonitorStatus(
                kind="drift",
                n=drift.n,
                e_value=max(features.values(), default=0.0),
                run_length=drift.run_length,
                alarmed=list(drift.alarmed),
                features=features,
            )
        )
    return found


def _counts(counts: Counts, evidence: EndpointEvidence) -> dict[str, int]:
    found: dict[str, int] = msgspec.to_builtins(counts)
    found["labelled"] = evidence.labels
    #: Outcomes for which no prediction is known now.
    found["unknown"] = counts.unknown - counts.resolved
    return found


def _line(entry: ledger.Entry) -> LedgerLine:
    payload = entry.payload
    evidence = payload.get("verdict") or payload.get("alarm") or {}
    message = payload.get("message") or (evidence.get("message") if isinstance(evidence, dict) else "")
    return LedgerLine(
        seq=entry.seq,
        kind=entry.kind,
        time_us=entry.time,
        endpoint=str(payload.get("endpoint", "")),
        version=str(payload.get("version", "")),
        actor=str(payload.get("actor", "")),
        message=str(message or ""),
        payload=dict(payload),
    )
