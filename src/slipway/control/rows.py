"""Rows of the join in the database, with the recent ones in memory."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from slipway.store import joins
from slipway.store.database import Transaction
from slipway.store.joins import Join
from slipway.store.tables import predictions

#: Rows kept in memory: outcomes of recent rows then need no look-up.
CACHE_ROWS = 50_000


class StoredRows:
    """``control.joining.Rows`` on the ``predictions`` table.

    Rule: set ``tx`` to the transaction of the batch before each use; after a transaction that failed the
    object is void, because its memory may be ahead of the table.
    """

    def __init__(self) -> None:
        self.tx: Transaction | None = None
        self._recent: dict[bytes, Join] = {}

    def find(self, ids: set[bytes]) -> dict[bytes, Join]:
        """The rows known under these ids."""
        recent = self._recent
        found = {key: row for key in ids if (row := recent.get(key)) is not None}
        missing = ids.difference(found)
        if missing:
            found.update(joins.get_many(self._transaction(), missing))
        return found

    def save(self, gone: Sequence[bytes], new: dict[bytes, Join], changed: dict[bytes, Join]) -> None:
        """Forget ids, then keep rows that are new, and rows given out before that changed."""
        tx = self._transaction()
        joins.delete_many(tx, gone)
        joins.put_many(tx, list(new.values()))
        joins.update_many(tx, list(changed.values()))
        for key in gone:
            self._recent.pop(key, None)
        self._recent.update(new)
        if len(self._recent) > 2 * CACHE_ROWS:
            self._recent = dict(list(self._recent.items())[-CACHE_ROWS:])

    def pending(self) -> dict[bytes, Join]:
        """Rows whose prediction has not come yet, oldest first."""
        tx = self._transaction()
        query = select(predictions.c.id).where(predictions.c.seq < 0).order_by(predictions.c.seq.desc())
        ids = [row.id for row in tx.execute(query)]
        found = joins.get_many(tx, ids)
        return {key: found[key] for key in ids}

    def _transaction(self) -> Transaction:
        assert self.tx is not None, "a batch sets the transaction first"
        return self.tx
