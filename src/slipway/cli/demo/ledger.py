"""The demo's witness: reads the ledger and the log as an outsider would, and tells what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipway.base.layout import Layout
from slipway.cli.demo.events import Chronicle, short
from slipway.cli.query import run_query
from slipway.control.intake import lag_bytes
from slipway.store import jobs, ledger, registry
from slipway.store.database import Database, Transaction, open_database
from slipway.store.intake import position
from slipway.store.ledger import Entry

Payload = dict[str, Any]
Told = tuple[str, Payload, str]


class LedgerWitness:
    """Turns new ledger entries into events of the chronicle.

    Args:
        layout: the project; its database is opened at the first look.
        chronicle: takes the events.
    """

    def __init__(self, layout: Layout, chronicle: Chronicle) -> None:
        self._layout = layout
        self._chronicle = chronicle
        self._seen = 0
        self._opened: Database | None = None

    def catch_up(self) -> None:
        """Tell what the ledger says since the last look."""
        with self._database().read() as tx:
            news = list(ledger.entries(tx, after=self._seen))
            retrained = {entry.seq for entry in news if _is_retrained(tx, entry)}
        for entry in news:
            self._seen = entry.seq
            teller = _retrained if entry.seq in retrained else _TELLERS.get(entry.kind)
            payload: Payload = dict(entry.payload)
            told = teller(payload) if teller is not None else None
            if told is not None:
                kind, evidence, text = told
                self._chronicle.record(kind, payload["version"], evidence, text)

    def position(self) -> int:
        """Log entries that the controller has consumed."""
        with self._database().read() as tx:
            return position(tx)

    def training(self) -> bool:
        """Whether a retraining runs now."""
        with self._database().read() as tx:
            return next(jobs.list_jobs(tx, status="running"), None) is not None

    def drained(self) -> bool:
        """Whether the controller has consumed all of the log."""
        with self._database().read() as tx:
            return lag_bytes(self._layout, tx) == 0

    def verified(self) -> bool:
        """Whether the hash chain of the ledger holds."""
        with self._database().read() as tx:
            return ledger.verify(tx).ok

    def logged(self, ids: list[str]) -> int:
        """How many of these answered predictions are in the log, each counted once."""
        answer = run_query(self._layout, "select distinct prediction_id from predictions")
        return len({row[0] for row in answer.rows} & set(ids))

    def close(self) -> None:
        """Close the database."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _database(self) -> Database:
        if self._opened is None:
            self._opened = open_database(self._layout)
        return self._opened


def _deployed(payload: Payload) -> Told | None:
    if payload["state"] != "shadow":
        return None
    return "shadow", _without_rules(payload), f"scores unseen beside {payload['former']}"


def _forced(payload: Payload) -> Told:
    return (
        "forced",
        _without_rules(payload),
        f'live without proof: "{payload["reason"]}"; {payload["former"]} in reverse shadow',
    )


def _without_rules(payload: Payload) -> Payload:
    return {key: value for key, value in payload.items() if key != "rules"}


def _verdict(kind: str) -> Callable[[Payload], Told]:
    def tell(payload: Payload) -> Told:
        verdict = payload["verdict"]
        low, high = verdict["interval"]
        text = (
            f"{verdict['outcome']} after {verdict['n']:,} labelled pairs: "
            f"e-value {short(verdict['e_value'])}, "
            f"loss difference {verdict['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"
        )
        return kind, {**verdict, "rows": payload["rows"]}, text

    return tell


def _alarm(payload: Payload) -> Told:
    alarm = payload["alarm"]
    about = f"drift of {', '.join(alarm['features'])}" if alarm["features"] else "the risk rose"
    seen = "labels" if alarm["kind"] == "risk" else "rows"
    text = f"{about}: e-value {short(alarm['e_value'])} after {alarm['n']:,} {seen}"
    return "alarm", {**alarm, "rows": payload["rows"]}, text


def _is_retrained(tx: Transaction, entry: Entry) -> bool:
    """Whether the entry registers a version that the controller had trained, not a person."""
    return entry.kind == "registered" and registry.get_run(tx, str(entry.payload["run"])).origin != "train"


def _retrained(payload: Payload) -> Told:
    return "retrained", payload, f"{payload['candidate']} on the labelled rows since the change"


_TELLERS: dict[str, Callable[[Payload], Told | None]] = {
    "deployed": _deployed,
    "forced": _forced,
    "promoted": _verdict("promoted"),
    "refused": _verdict("refused"),
    "rolled_back": _verdict("rolled_back"),
    "settled": _verdict("settled"),
    "alarm": _alarm,
}
