"""Alarms that monitors raised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select

from slipway.store.database import Transaction
from slipway.store.documents import Document, dump_document, load_document
from slipway.store.tables import alarms


@dataclass(frozen=True)
class AlarmRecord:
    """One alarm; ``seq`` is the frame that raised it, ``time_us`` microseconds since 1970 UTC."""

    id: int
    endpoint: str
    kind: str
    seq: int
    time_us: int
    payload: Document


def add_alarm(
    tx: Transaction, endpoint: str, kind: str, seq: int, time_us: int, payload: Mapping[str, object]
) -> int:
    """Record an alarm and return its id."""
    done = tx.execute(
        insert(alarms).values(
            endpoint=endpoint, kind=kind, seq=seq, time_us=time_us, payload=dump_document(payload)
        )
    )
    return int(done.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]  (one row was inserted)


def list_alarms(tx: Transaction, endpoint: str | None = None) -> Iterator[AlarmRecord]:
    """The alarms in order, of one endpoint or of all."""
    query = select(alarms).order_by(alarms.c.id)
    if endpoint is not None:
        query = query.where(alarms.c.endpoint == endpoint)
    for row in tx.execute(query):
        yield AlarmRecord(row.id, row.endpoint, row.kind, row.seq, row.time_us, load_document(row.payload))
