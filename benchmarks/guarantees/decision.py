"""One promotion of a project: its ledger entry, its pairs read back from the log, the path of its guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from slipway.base.layout import Layout
from slipway.cli.query import run_query
from slipway.control.evidence import Rules
from slipway.control.facts import BundleFacts
from slipway.control.joining import Joiner, MemoryRows, Pair
from slipway.control.places import end_of, place_of
from slipway.control.replay import replay
from slipway.rollout.guard import ShadowGuard
from slipway.stats.paired import PairedComparison
from slipway.stats.traces import Trace, trace
from slipway.store import ledger
from slipway.store.database import open_database
from slipway.store.history import iter_events
from slipway.store.ledger import Entry

#: Kinds of ledger entries that the page shows.
SHOWN = ("deployed", "promoted", "refused", "forced", "rolled_back", "settled", "alarm")


@dataclass(frozen=True)
class Promotion:
    """What the page tells about a promotion."""

    #: What the ledger says of the decision, and lines of the whole ledger.
    entry: dict[str, Any]
    ledger: list[dict[str, Any]]
    #: The statement that counts and averages the pairs, and what it gives.
    query: str
    answer: list[float]
    path: Trace
    #: Decisions that came out the same from the log.
    replayed: int


def read_promotion(layout: Layout) -> Promotion:
    """The promotion of a project that took most labels.

    Raises:
        SystemExit: the log does not give the recorded decision again.
    """
    database = open_database(layout)
    try:
        with database.read() as tx:
            entries = list(ledger.entries(tx))
        payloads: list[dict[str, Any]] = [dict(one.payload) for one in entries if one.kind == "promoted"]
        decision = max(
            (one for one in payloads if "verdict" in one), key=lambda one: int(one["verdict"]["n"])
        )
        opened = next(
            one for one in entries if one.kind == "deployed" and one.payload["rollout"] == decision["rollout"]
        )
        differences = _differences(layout, end_of(opened.intake_seq), decision)
    finally:
        database.close()
    rules = msgspec.convert(opened.payload["rules"], Rules).rollout
    guard = ShadowGuard(rules.alpha, rules.margin, rules.max_labels)
    guard.absorb(differences)
    said = decision["verdict"]
    if (guard.n, guard.verdict().e_value) != (said["n"], said["e_value"]):
        raise SystemExit("the pairs of the log do not give the recorded evidence")
    report = replay(layout)
    if not report.all_equal:
        raise SystemExit("the decisions of the log are not those of the ledger")
    query = _query(decision)
    return Promotion(
        entry=decision,
        ledger=[_line(one) for one in entries if one.kind in SHOWN],
        query=query,
        answer=[float(value) for value in run_query(layout, query).rows[0]],
        path=trace(PairedComparison(rules.alpha, rules.margin), differences, looks=len(differences)),
        replayed=len(report.decisions),
    )


def _differences(layout: Layout, since: int, decision: dict[str, Any]) -> NDArray[np.float64]:
    """Loss of the champion minus loss of the challenger for each pair, up to the one that decided."""
    at = decision["at"]
    until = place_of(at["event"], at["row"])
    names = (decision["other"], decision["version"])
    database = open_database(layout)
    pairs: list[Pair] = []
    try:
        facts = BundleFacts(layout, database)
        joiner = Joiner(MemoryRows())
        with database.read() as tx:
            for batch in iter_events(layout, tx, until=at["event"]):
                events, _ = joiner.absorb(list(enumerate(batch.frames, batch.after_seq + 1)))
                for found in events.values():
                    pairs += [one for one in found.pairs if (one.version, one.shadow) == names]
        pairs = [one for one in pairs if one.row > since and one.at <= until]
        champion, challenger = facts(names[0]), facts(names[1])
        labels = [one.label for one in pairs]
        ours = champion.losses([one.output for one in pairs], labels, champion.loss_range)
        return ours - challenger.losses([one.shadow_output for one in pairs], labels, champion.loss_range)
    finally:
        database.close()


def _query(payload: dict[str, Any]) -> str:
    at = payload["at"]
    return (
        "select count(*) as pairs,\n"
        "       avg(pow(p.output[1] - o.number, 2) - pow(s.output[1] - o.number, 2)) as saved\n"
        "from predictions p join shadows s using (prediction_id) join outcomes o using (prediction_id)\n"
        f"where p.version = '{payload['other']}' and s.version = '{payload['version']}'\n"
        f"  and (o.intake_seq, o.row) <= ({at['event']}, {at['row']})"
    )


def _line(entry: Entry) -> dict[str, Any]:
    payload: dict[str, Any] = dict(entry.payload)
    evidence = payload.get("verdict") or payload.get("alarm") or {}
    return {
        "entry": entry.seq,
        "kind": entry.kind.replace("_", " "),
        "version": payload["version"],
        "message": payload.get("message") or evidence["message"],
    }
