"""Answered rows on their way to an outcome: the controller's half-finished joins, by prediction id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec
from sqlalchemy import Insert, Update, bindparam, delete, insert, select, update

from slipway.base.vocabulary import Value
from slipway.store.database import Transaction
from slipway.store.tables import predictions

#: Ids per query: SQLite takes 32 766 parameters, and longer lists are no faster.
_CHUNK = 1000

#: Per version that scores the row: its output; None while it is awaited; empty when it will never come.
Outputs = dict[str, list[float] | None]


class Join(msgspec.Struct, gc=False):
    """One answered row.

    ``state`` is the controller's own small number; 0 is a row without outcome. An outcome that came is
    kept as a one-element tuple, so that a null outcome differs from none.
    """

    #: 16 bytes.
    id: bytes
    endpoint: str
    #: Number of the prediction's frame in the order of consumption.
    seq: int
    #: When it was answered, microseconds since 1970 UTC.
    time_us: int
    #: The version that answered.
    version: str
    outputs: Outputs
    outcome: tuple[Value] | None = None
    event_time: int | None = None
    state: int = 0


_pack = msgspec.msgpack.Encoder().encode
_unpack_outputs = msgspec.msgpack.Decoder(Outputs).decode
_unpack_outcome = msgspec.msgpack.Decoder(tuple[Value]).decode

_INSERT = insert(predictions)
_SELECT = select(predictions).where(predictions.c.id.in_(bindparam("ids", expanding=True)))
_DELETE = delete(predictions).where(predictions.c.id == bindparam("b_id"))
_UPDATE = (
    update(predictions)
    .where(predictions.c.id == bindparam("b_id"))
    .values(
        outputs=bindparam("b_outputs"),
        outcome=bindparam("b_outcome"),
        event_time=bindparam("b_event_time"),
        state=bindparam("b_state"),
    )
)


def put_many(tx: Transaction, joins: Sequence[Join]) -> None:
    """Add rows; ids must be new.

    Raises:
        StoreError: (from the transaction) an id is there already; the transaction is then void.
    """
    if joins:
        _execute_many(tx, _INSERT, [_row(join) for join in joins])


def get_many(tx: Transaction, ids: Iterable[bytes]) -> dict[bytes, Join]:
    """The rows with these ids; unknown ids are absent from the result."""
    wanted = list(dict.fromkeys(ids))
    found: dict[bytes, Join] = {}
    for at in range(0, len(wanted), _CHUNK):
        rows = tx.execute(_SELECT, {"ids": wanted[at : at + _CHUNK]}).all()
        for key, endpoint, seq, time_us, version, outputs, outcome, event_time, state in rows:
            found[key] = Join(
                key,
                endpoint,
                seq,
                time_us,
                version,
                _unpack_outputs(outputs),
                None if outcome is None else _unpack_outcome(outcome),
                event_time,
                state,
            )
    return found


def update_many(tx: Transaction, joins: Sequence[Join]) -> None:
    """Write outputs, outcome, event time and state of rows that are there."""
    if joins:
        _execute_many(tx, _UPDATE, [_change(join) for join in joins])


def delete_many(tx: Transaction, ids: Sequence[bytes]) -> None:
    """Forget rows; unknown ids are passed over."""
    if ids:
        tx.execute(_DELETE, [{"b_id": key} for key in ids])


def _execute_many(tx: Transaction, statement: Insert | Update, rows: Sequence[dict[str, object]]) -> None:
    """``tx.execute`` for many rows without its per-row work, which costs more than the insert itself.

    Nothing here needs converting: bytes, text and integers pass to the driver as they are.
    """
    compiled = statement.compile(dialect=tx.dialect, column_keys=list(rows[0]))
    names = getattr(compiled, "positiontup", None)
    if not names:
        tx.execute(statement, rows)
        return
    pick = itemgetter(*names)
    tx.exec_driver_sql(str(compiled), [pick(row) for row in rows])


def _row(join: Join) -> dict[str, object]:
    return {
        "id": join.id,
        "endpoint": join.endpoint,
        "seq": join.seq,
        "time_us": join.time_us,
        "version": join.version,
        "outputs": _pack(join.outputs),
        "outcome": None if join.outcome is None else _pack(join.outcome),
        "event_time": join.event_time,
        "state": join.state,
    }


def _change(join: Join) -> dict[str, object]:
    return {
        "b_id": join.id,
        "b_outputs": _pack(join.outputs),
        "b_outcome": None if join.outcome is None else _pack(join.outcome),
        "b_event_time": join.event_time,
        "b_state": join.state,
    }
