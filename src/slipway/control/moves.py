"""What a move writes: pointer, rollout row and ledger entry, together in the caller's transaction.

These functions change the database only. Whoever calls them has checked that the move is legal or lets
``check_move`` refuse it, and keeps the endpoint's evidence in step in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from slipway.base.failpoint import failpoint
from slipway.base.vocabulary import State, VersionName
from slipway.control.evidence import Decision, EndpointEvidence
from slipway.control.facts import Facts
from slipway.control.joining import Counts
from slipway.control.places import event_of, row_of
from slipway.rollout.states import check_move
from slipway.store import alarms, ledger, registry, states
from slipway.store.database import Transaction
from slipway.store.intake import position
from slipway.store.registry import EndpointRecord, RolloutRecord

#: Kinds of state that are stored per endpoint.
EVIDENCE = "evidence"
COUNTS = "counts"

#: State that a rollout takes by each automatic decision; None leaves it.
_TARGETS: Mapping[str, State | None] = {
    "promoted": "live",
    "refused": "refused",
    "rolled_back": "rolled_back",
    "settled": "settled",
    "awaiting_approval": None,
}


def load_evidence(tx: Transaction, endpoint: str, facts: Facts) -> EndpointEvidence:
    """The evidence of an endpoint as of the last commit; empty when it has none."""
    state = states.load_state(tx, endpoint, EVIDENCE)
    if state is None:
        return EndpointEvidence(endpoint, facts)
    return EndpointEvidence.from_state(endpoint, facts, state)


def save_evidence(tx: Transaction, evidence: EndpointEvidence) -> None:
    """Store the evidence beside the position that it belongs to."""
    states.save_state(tx, evidence.endpoint, EVIDENCE, evidence.to_state(), position(tx))


def load_counts(tx: Transaction, endpoint: str) -> Counts:
    """What was counted for an endpoint so far."""
    found = states.load_state(tx, endpoint, COUNTS)
    return msgspec.convert(found, Counts) if found else Counts()


def save_counts(tx: Transaction, endpoint: str, counts: Counts) -> None:
    """Store the counts beside the position that they belong to."""
    states.save_state(tx, endpoint, COUNTS, msgspec.to_builtins(counts), position(tx))


def open_rollout(
    tx: Transaction, endpoint: str, challenger: VersionName, champion: VersionName | None, state: State,
    alpha: float, margin: float,
) -> RolloutRecord:  # fmt: skip
    """A new rollout, and the endpoint's pointers to it."""
    rollout = registry.open_rollout(
        tx,
        endpoint=endpoint,
        challenger=challenger,
        champion=champion,
        state=state,
        alpha=alpha,
        margin=margin,
        opened_at=position(tx),
    )
    failpoint("move.rollout")
    point(tx, endpoint, rollout, state)
    return rollout


def move_rollout(
    tx: Transaction, rollout: RolloutRecord, target: State, verdict: Mapping[str, Any] | None
) -> RolloutRecord:
    """Take a rollout to another state.

    Raises:
        ConflictError: the move is not legal.
    """
    check_move(rollout.state, target, f"rollout {rollout.id} of endpoint {rollout.endpoint!r}")
    moved = replace(
        rollout,
        state=target,
        closed_at=None if target == "live" else position(tx),
        verdict=dict(verdict) if verdict is not None else rollout.verdict,
    )
    registry.save_rollout(tx, moved)
    failpoint("move.rollout")
    return moved


def point(tx: Transaction, endpoint: str, rollout: RolloutRecord, state: State) -> EndpointRecord:
    """Set the endpoint's pointers to what a rollout in ``state`` means; gateways follow within a second."""
    before = registry.get_endpoint(tx, endpoint)
    champion = before.champion if before else None
    pointers: dict[State, tuple[VersionName | None, VersionName | None, VersionName | None]] = {
        "shadow": (champion, rollout.challenger, None),
        "live": (rollout.challenger, None, rollout.champion),
        "settled": (rollout.challenger, None, None),
        "refused": (champion, None, None),
        "superseded": (champion, None, None),
        "rolled_back": (rollout.champion, None, None),
    }
    now: State = state if state in ("shadow", "live") else "settled"
    answers, challenger, reverse = pointers[state]
    record = EndpointRecord(endpoint, answers, challenger, reverse, now, rollout.id)
    saved = registry.save_endpoint(tx, record)
    failpoint("move.pointer")
    return saved


def return_to(tx: Transaction, endpoint: str, rollout: RolloutRecord, target: VersionName) -> EndpointRecord:
    """Set the pointers so that ``target`` answers alone."""
    record = EndpointRecord(endpoint, target, None, None, "settled", rollout.id)
    saved = registry.save_endpoint(tx, record)
    failpoint("move.pointer")
    return saved


def write_ledger(tx: Transaction, kind: str, payload: Mapping[str, Any], time_us: int) -> int:
    """Add a ledger entry and return its number."""
    entry = ledger.append(tx, kind, payload, time_us)
    failpoint("move.ledger")
    return entry.seq


def decision_payload(decision: Decision) -> dict[str, Any]:
    """What the ledger says of an automatic decision; ``replay`` compares it to the bit."""
    evidence = "alarm" if decision.kind == "alarm" else "verdict"
    return {
        "endpoint": decision.endpoint,
        "version": decision.version,
        "other": decision.other,
        "rollout": decision.rollout,
        "actor": "controller",
        "at": {"place": decision.at, "event": event_of(decision.at), "row": row_of(decision.at)},
        "rows": decision.rows,
        "labels": decision.labels,
        evidence: msgspec.to_builtins(decision.evidence),
    }


def record_decision(tx: Transaction, decision: Decision, time_us: int) -> int:
    """Carry out an automatic decision: its pointer, rollout row and ledger entry.

    Returns:
        Number of the ledger entry.
    """
    payload = decision_payload(decision)
    if decision.kind == "alarm":
        alarms.add_alarm(
            tx, decision.endpoint, payload["alarm"]["kind"], event_of(decision.at), time_us, payload
        )
        failpoint("move.alarm")
        return write_ledger(tx, decision.kind, payload, time_us)
    assert decision.rollout is not None
    rollout = registry.get_rollout(tx, decision.rollout)
    target = _TARGETS[decision.kind]
    if target is None:
        registry.save_rollout(tx, replace(rollout, verdict=payload["verdict"]))
    else:
        moved = move_rollout(tx, rollout, target, payload["verdict"])
        point(tx, decision.endpoint, moved, target)
    return write_ledger(tx, decision.kind, payload, time_us)


def report_damage(tx: Transaction, segment: str, message: str, time_us: int) -> None:
    """Name a segment that cannot be read on, once."""
    known = {one.payload.get("segment") for one in alarms.list_alarms(tx, "") if one.kind == "log_damaged"}
    if segment not in known:
        payload = {"segment": segment, "message": message}
        alarms.add_alarm(tx, "", "log_damaged", position(tx), time_us, payload)
        write_ledger(tx, "log_damaged", payload, time_us)
