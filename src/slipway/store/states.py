"""Evidence state of endpoints: what guards and monitors know, saved with the position it belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, select, update

from slipway.store.database import Transaction
from slipway.store.documents import Document, dump_document, load_document
from slipway.store.tables import states


def save_state(tx: Transaction, endpoint: str, kind: str, state: Mapping[str, object], updated: int) -> None:
    """Replace the state of one kind of evidence; ``updated`` is the ``seq`` of the last frame in it."""
    values = {"state": dump_document(state), "updated": updated}
    where = (states.c.endpoint == endpoint, states.c.kind == kind)
    if tx.execute(update(states).where(*where).values(values)).rowcount == 0:
        tx.execute(insert(states).values(endpoint=endpoint, kind=kind, **values))


def load_state(tx: Transaction, endpoint: str, kind: str) -> Document | None:
    """The state last saved, every float as it was; None when there is none."""
    query = select(states.c.state).where(states.c.endpoint == endpoint, states.c.kind == kind)
    text = tx.scalar(query)
    return None if text is None else load_document(text)


def load_states(tx: Transaction, endpoint: str) -> dict[str, Document]:
    """All states of an endpoint, by kind."""
    query = select(states.c.kind, states.c.state).where(states.c.endpoint == endpoint)
    return {row.kind: load_document(row.state) for row in tx.execute(query)}
