"""The ledger: what was decided and moved, each entry hashed together with the one before.

An entry's hash is the SHA-256 of the JSON array ``[seq, kind, time, intake_seq, payload text, prev_hash]``;
the first entry follows 64 zeros. The head row keeps the length and the last hash, so that entries missing at
the end show too. The chain finds accidents and edits by someone who does not recompute it; against someone
who rewrites the whole database, note ``LedgerReport.head`` elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from slipway.store.database import Transaction
from slipway.store.documents import Document, dump_document, load_document
from slipway.store.intake import position
from slipway.store.tables import ledger, ledger_head

GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One entry. ``time`` is in microseconds since 1970 UTC; ``intake_seq`` frames had been consumed."""

    seq: int
    kind: str
    time: int
    intake_seq: int
    payload: Document
    prev_hash: str
    hash: str


@dataclass(frozen=True)
class LedgerReport:
    """What ``verify`` found: ``broken_at`` is the first place (1 and up) where the chain does not hold."""

    ok: bool
    entries: int
    broken_at: int | None
    head: str


def append(tx: Transaction, kind: str, payload: Mapping[str, object], time_us: int) -> Entry:
    """Add an entry in the caller's write transaction, so that it stands or falls with what it tells of.

    Args:
        tx: a write transaction.
        kind: what happened, such as ``promoted``.
        payload: the evidence; JSON types.
        time_us: now, in microseconds since 1970 UTC.
    """
    head = tx.execute(select(ledger_head)).one_or_none()
    entries, prev_hash = (head.entries, head.hash) if head else (0, GENESIS)
    text = dump_document(payload)
    seq, intake_seq = entries + 1, position(tx)
    digest = _digest(seq, kind, time_us, intake_seq, text, prev_hash)
    tx.execute(
        insert(ledger).values(
            seq=seq,
            kind=kind,
            time_us=time_us,
            intake_seq=intake_seq,
            payload=text,
            prev_hash=prev_hash,
            hash=digest,
        )
    )
    if head:
        tx.execute(update(ledger_head).values(entries=seq, hash=digest))
    else:
        tx.execute(insert(ledger_head).values(id=1, entries=seq, hash=digest))
    return Entry(seq, kind, time_us, intake_seq, load_document(text), prev_hash, digest)


def entries(tx: Transaction, after: int = 0) -> Iterator[Entry]:
    """The entries with ``seq > after``, in order; not verified."""
    for row in tx.execute(select(ledger).where(ledger.c.seq > after).order_by(ledger.c.seq)):
        yield Entry(
            row.seq,
            row.kind,
            row.time_us,
            row.intake_seq,
            load_document(row.payload),
            row.prev_hash,
            row.hash,
        )


def verify(tx: Transaction) -> LedgerReport:
    """Check every entry, their order, and that none is missing."""
    head = tx.execute(select(ledger_head)).one_or_none()
    expected, last = (head.entries, head.hash) if head else (0, GENESIS)
    total = tx.scalar(select(func.count()).select_from(ledger)) or 0
    prev_hash, seq = GENESIS, 0
    for row in tx.execute(select(ledger).order_by(ledger.c.seq)):
        if row.seq != seq + 1 or row.prev_hash != prev_hash or row.hash != _row_digest(row):
            return LedgerReport(False, total, seq + 1, prev_hash)
        seq, prev_hash = row.seq, row.hash
    complete = seq == expected and prev_hash == last
    return LedgerReport(complete, total, None if complete else min(seq, expected) + 1, prev_hash)


def _row_digest(row: Row[Any]) -> str:
    return _digest(row.seq, row.kind, row.time_us, row.intake_seq, row.payload, row.prev_hash)


def _digest(seq: int, kind: str, time_us: int, intake_seq: int, payload: str, prev_hash: str) -> str:
    chained = json.dumps([seq, kind, time_us, intake_seq, payload, prev_hash], separators=(",", ":"))
    return hashlib.sha256(chained.encode()).hexdigest()
