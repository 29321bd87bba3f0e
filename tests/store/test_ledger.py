"""The ledger: appended in the caller's transaction, and no tampering goes unseen."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, text, update

from slipway.base.errors import StoreError
from slipway.store.database import Database
from slipway.store.intake import append_batch
from slipway.store.ledger import GENESIS, LedgerReport, append, entries, verify
from slipway.store.tables import ledger, ledger_head


def fill(db: Database, n: int = 5) -> None:
    for number in range(1, n + 1):
        with db.write() as tx:
            append(tx, "promoted", {"n": number, "log_e": 0.1 + number, "who": "ä"}, number * 10)


def check(db: Database) -> LedgerReport:
    with db.read() as tx:
        return verify(tx)


def test_entries_come_back_in_order_and_the_chain_holds(db: Database) -> None:
    assert check(db) == LedgerReport(True, 0, None, GENESIS)
    with db.write() as tx:
        append_batch(tx, "s", 0, 100, 7)
    fill(db)
    with db.read() as tx:
        found = list(entries(tx))
        later = list(entries(tx, after=3))
    assert [entry.seq for entry in found] == [1, 2, 3, 4, 5]
    assert later == found[3:]
    assert found[0].payload == {"n": 1, "log_e": 1.1, "who": "ä"}
    assert {entry.intake_seq for entry in found} == {7}
    assert found[0].prev_hash == GENESIS
    assert [entry.prev_hash for entry in found[1:]] == [entry.hash for entry in found[:-1]]
    assert check(db) == LedgerReport(True, 5, None, found[-1].hash)


def test_what_append_returns_is_what_is_read(db: Database) -> None:
    with db.write() as tx:
        entry = append(tx, "refused", {"e": float("inf")}, 3)
    with db.read() as tx:
        assert list(entries(tx)) == [entry]


def test_an_entry_of_a_failed_transaction_is_not_there(db: Database) -> None:
    fill(db, 1)

    def stop() -> None:
        with db.write() as tx:
            append(tx, "promoted", {}, 1)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop()
    assert check(db).entries == 1
    assert check(db).ok


@pytest.mark.parametrize("statement", ["UPDATE ledger SET kind = 'x' WHERE seq = 2", "DELETE FROM ledger"])
def test_the_database_itself_forbids_changes(db: Database, statement: str) -> None:
    fill(db)
    with pytest.raises(StoreError), db.write() as tx:
        tx.execute(text(statement))
    assert check(db).ok


def unlock(db: Database) -> None:
    with db.write() as tx:
        for verb in ("update", "delete"):
            tx.execute(text(f"DROP TRIGGER ledger_no_{verb}"))


TAMPER = [
    *(f"UPDATE ledger SET kind = 'x' WHERE seq = {n}" for n in range(1, 6)),
    *(f"UPDATE ledger SET payload = '{{}}' WHERE seq = {n}" for n in (1, 3, 5)),
    *(f"UPDATE ledger SET {column} = {column} + 1 WHERE seq = 3" for column in ("time_us", "intake_seq")),
    *(f"UPDATE ledger SET {column} = '{'1' * 64}' WHERE seq = 3" for column in ("prev_hash", "hash")),
    "UPDATE ledger SET seq = 9 WHERE seq = 5",
    *(f"DELETE FROM ledger WHERE seq = {n}" for n in range(1, 6)),
    "DELETE FROM ledger WHERE seq > 2",
    "DELETE FROM ledger",
    "DELETE FROM ledger_head",
]


@pytest.mark.parametrize("statement", TAMPER)
def test_tampering_is_seen(db: Database, statement: str) -> None:
    fill(db)
    unlock(db)
    with db.write() as tx:
        tx.execute(text(statement))
    report = check(db)
    assert not report.ok
    assert report.broken_at is not None
    digits = [int(word) for word in statement.split() if word.isdigit()]
    if "WHERE seq =" in statement:
        assert report.broken_at == digits[-1]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 4), (4, 5)])
def test_entries_in_another_order_are_seen(db: Database, one: int, other: int) -> None:
    fill(db)
    unlock(db)
    with db.write() as tx:
        for old, new in ((one, 99), (other, one), (99, other)):
            tx.execute(update(ledger).where(ledger.c.seq == old).values(seq=new))
    report = check(db)
    assert (report.ok, report.broken_at) == (False, one)


def test_an_entry_slipped_in_at_the_end_is_seen(db: Database) -> None:
    fill(db, 2)
    with db.write() as tx:
        first = tx.execute(select(ledger).where(ledger.c.seq == 1)).one()
        tx.execute(insert(ledger).values({**first._mapping, "seq": 3}))
    assert check(db).broken_at == 3


def test_a_tail_cut_off_with_the_head_left_shows_even_after_more_entries(db: Database) -> None:
    fill(db)
    unlock(db)
    with db.write() as tx:
        tx.execute(text("DELETE FROM ledger WHERE seq > 3"))
    fill(db, 1)
    report = check(db)
    assert (report.ok, report.entries, report.broken_at) == (False, 4, 4)
    with db.read() as tx:
        assert tx.scalar(select(ledger_head.c.entries)) == 6
