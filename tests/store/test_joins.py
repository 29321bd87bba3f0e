"""Joins: rows come back exactly, in bulk, and fast enough for the controller's catch-up."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.base.errors import StoreError
from slipway.base.vocabulary import Value
from slipway.store.database import Database
from slipway.store.joins import Join, delete_many, get_many, put_many, update_many

floats = st.floats(allow_nan=False)
values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | floats | st.text()


def join(number: int, **changes: object) -> Join:
    made = Join(number.to_bytes(16, "big"), "loan", 3, 1_700_000_000_000_000, "loan@1", {"loan@1": [0.25]})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.lists(floats, max_size=3), max_size=3),
    st.none() | st.tuples(values),
    st.none() | st.integers(-(2**60), 2**60),
)
def test_a_row_comes_back_bit_for_bit(
    db: Database, outputs: dict[str, list[float] | None], outcome: tuple[Value] | None, event_time: int | None
) -> None:
    one = join(1, outputs=outputs, outcome=outcome, event_time=event_time, state=2)
    with db.write() as tx:
        put_many(tx, [one])
        assert repr(get_many(tx, [one.id])) == repr({one.id: one})
        tx.rollback()


def test_updates_touch_what_changes_and_unknown_ids_are_absent(db: Database) -> None:
    rows = [join(n) for n in range(2500)]
    with db.write() as tx:
        put_many(tx, rows)
        put_many(tx, [])
        changed = [
            join(n, outputs={"loan@1": [0.25], "loan@2": None}, outcome=(None,), event_time=5, state=1)
            for n in range(1000, 2000)
        ]
        update_many(tx, changed)
        update_many(tx, [])
        found = get_many(tx, [row.id for row in rows] + [b"\xff" * 16] + [rows[0].id])
    assert list(found.values()) == rows[:1000] + changed + rows[2000:]
    with db.write() as tx:
        delete_many(tx, [row.id for row in rows[:2499]] + [b"\xff" * 16])
        delete_many(tx, [])
        assert list(get_many(tx, found)) == [rows[2499].id]
        assert get_many(tx, []) == {}


def test_an_id_that_is_there_voids_the_transaction(db: Database) -> None:
    with pytest.raises(StoreError, match="CONSTRAINT"), db.write() as tx:
        put_many(tx, [join(1), join(2), join(1)])
    with db.read() as tx:
        assert get_many(tx, [join(1).id, join(2).id]) == {}


def test_many_rows_are_put_found_and_updated_in_bulk(db: Database) -> None:
    n = 5_000
    outputs: dict[str, list[float] | None] = {"loan@1": [0.1234567], "loan@2": None}
    rows = [Join(k.to_bytes(6, "big") + os.urandom(10), "loan", k, k, "loan@1", outputs) for k in range(n)]
    ids = [row.id for row in rows]
    with db.write() as tx:
        put_many(tx, rows)
        found = get_many(tx, ids)
        assert len(found) == n
        for row in found.values():
            row.outputs = {"loan@1": [0.1234567], "loan@2": [0.2345678]}
            row.outcome, row.event_time, row.state = (1,), 7, 1
        update_many(tx, list(found.values()))
    with db.read() as tx:
        assert get_many(tx, ids) == found
