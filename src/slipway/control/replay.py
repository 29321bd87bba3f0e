"""Derives every automatic decision again, from the log and the moves made from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from slipway.base.layout import Layout
from slipway.control.evidence import Decision, EndpointEvidence, Rules
from slipway.control.facts import BundleFacts, Facts
from slipway.control.joining import Joiner, MemoryRows
from slipway.control.moves import decision_payload
from slipway.control.places import end_of
from slipway.store import ledger
from slipway.store.database import Database, open_database
from slipway.store.frames import Frame
from slipway.store.history import iter_events
from slipway.store.intake import position
from slipway.store.ledger import Entry

#: Kinds that the controller decides from evidence alone.
DERIVED = frozenset({"promoted", "refused", "rolled_back", "settled", "awaiting_approval", "alarm"})

#: Frames handed to the evidence at a time; no decision depends on it.
_CHUNK = 20_000


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One decision: what the ledger says, and what the log gives."""

    #: Number of the ledger entry; None for a decision that the ledger lacks.
    seq: int | None
    kind: str
    recorded: dict[str, Any] | None
    derived: dict[str, Any] | None
    equal: bool


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every automatic decision, recorded and derived."""

    decisions: list[Comparison]
    #: Log events read.
    events: int
    #: Whether the ledger's hash chain holds.
    ledger_ok: bool
    #: Whether every decision came out the same, bit for bit, and none is missing or new.
    all_equal: bool


def replay(layout: Layout, database: Database | None = None) -> ReplayReport:
    """Read the whole log again and compare.

    Raises:
        IntegrityError: a part of the log or a bundle is damaged or missing.
        StoreError: the database cannot be read.
    """
    opened = database or open_database(layout)
    try:
        return _replay(layout, opened)
    finally:
        if database is None:
            opened.close()


def _replay(layout: Layout, database: Database) -> ReplayReport:
    with database.read() as tx:
        entries = list(ledger.entries(tx))
        chain = ledger.verify(tx).ok
        events = position(tx)
        history = iter_events(layout, tx, until=events)
    run = _Run(BundleFacts(layout, database))
    for moves in _by_position(entry for entry in entries if not _is_derived(entry)):
        run.consume(history, moves[0].intake_seq)
        for entry in moves:
            run.move(entry)
    run.consume(history, events)
    recorded = [entry for entry in entries if _is_derived(entry)]
    compared = _compare(recorded, run.decisions)
    return ReplayReport(
        decisions=compared,
        events=events,
        ledger_ok=chain,
        all_equal=chain and all(one.equal for one in compared),
    )


def _is_derived(entry: Entry) -> bool:
    return entry.kind in DERIVED and "at" in entry.payload


class _Run:
    """The evidence of all endpoints, rebuilt."""

    def __init__(self, facts: Facts) -> None:
        self.decisions: list[Decision] = []
        self._facts = facts
        self._joiner = Joiner(MemoryRows())
        self._evidence: dict[str, EndpointEvidence] = {}
        self._done = 0
        self._left: list[tuple[int, Frame]] = []

    def consume(self, history: Iterator[Any], until: int) -> None:
        """Take the events up to number ``until``."""
        while self._done < until:
            if not self._left:
                batch = next(history)
                self._left = list(enumerate(batch.frames, batch.after_seq + 1))
            taken = self._left[: min(_CHUNK, until - self._done)]
            self._left = self._left[len(taken) :]
            self._done += len(taken)
            self._absorb(taken)

    def _absorb(self, frames: list[tuple[int, Frame]]) -> None:
        found: list[Decision] = []
        for endpoint, events in self._joiner.absorb(frames)[0].items():
            if endpoint in self._evidence:
                found += self._evidence[endpoint].absorb(events)
        self.decisions += sorted(found, key=lambda one: one.at)

    def move(self, entry: Entry) -> None:
        """Repeat a move made from outside."""
        handler = _MOVES.get(entry.kind)
        if handler is not None:
            endpoint = str(entry.payload["endpoint"])
            if endpoint not in self._evidence:
                self._evidence[endpoint] = EndpointEvidence(endpoint, self._facts)
            handler(self._evidence[endpoint], entry.payload, end_of(entry.intake_seq))


def _deployed(evidence: EndpointEvidence, payload: Mapping[str, Any], place: int) -> None:
    evidence.deploy(
        payload["state"],
        payload["rollout"],
        payload["version"],
        place,
        msgspec.convert(payload["rules"], Rules),
    )


def _promoted(evidence: EndpointEvidence, payload: Mapping[str, Any], place: int) -> None:
    evidence.go_live(payload["rollout"], payload["version"], place)


def _rolled_back(evidence: EndpointEvidence, payload: Mapping[str, Any], place: int) -> None:
    evidence.back_to(payload["to"], place)


def _superseded(evidence: EndpointEvidence, _payload: Mapping[str, Any], _place: int) -> None:
    evidence.close_trial()


_MOVES: dict[str, Callable[[EndpointEvidence, Mapping[str, Any], int], None]] = {
    "deployed": _deployed,
    "forced": _deployed,
    "promoted": _promoted,
    "rolled_back": _rolled_back,
    "superseded": _superseded,
}


def _by_position(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    for entry in entries:
        if group and entry.intake_seq != group[0].intake_seq:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _compare(recorded: list[Entry], derived: list[Decision]) -> list[Comparison]:
    """Pair decisions off in order; a missing or a new one shows as such."""
    compared: list[Comparison] = []
    for at in range(max(len(recorded), len(derived))):
        entry = recorded[at] if at < len(recorded) else None
        decision = derived[at] if at < len(derived) else None
        payload = msgspec.json.decode(msgspec.json.encode(decision_payload(decision))) if decision else None
        said = dict(entry.payload) if entry else None
        kind = entry.kind if entry else decision.kind if decision else ""
        equal = entry is not None and decision is not None and entry.kind == decision.kind and said == payload
        compared.append(
            Comparison(
                seq=entry.seq if entry else None, kind=kind, recorded=said, derived=payload, equal=equal
            )
        )
    return compared
