"""The registry: numbers without gaps, retries without effect, a serial that rises with every move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slipway.base.errors import ConflictError, NotFoundError
from slipway.base.vocabulary import VersionName
from slipway.store.database import Database, Transaction
from slipway.store.registry import (
    EndpointRecord,
    RolloutRecord,
    SnapshotRecord,
    add_snapshot,
    add_version,
    finish_run,
    get_endpoint,
    get_rollout,
    get_run,
    get_version,
    list_endpoints,
    list_rollouts,
    list_runs,
    list_versions,
    open_rollout,
    plan_serial,
    save_endpoint,
    save_rollout,
    start_run,
)

ONE, TWO = VersionName("loan", 1), VersionName("loan", 2)


def register(tx: Transaction, run_id: str, digest: str = "d", model: str = "loan") -> VersionName:
    start_run(tx, run_id, "train", {"seed": 0}, 100)
    return add_version(tx, model, run_id, digest, {"brier": 0.1}, {"upper": 0.2}, {"snapshot": "s"})


def test_a_snapshot_is_recorded_once(db: Database) -> None:
    with db.write() as tx:
        first = add_snapshot(tx, "abc", 10, "a.csv", {"columns": ["x"]})
        again = add_snapshot(tx, "abc", 10, "copy.csv", {})
    assert first == again == SnapshotRecord("abc", 10, "a.csv", {"columns": ["x"]})


def test_a_run_starts_once_and_finishes_with_its_result(db: Database) -> None:
    with db.write() as tx:
        started = start_run(tx, "r1", "train", {"seed": 7}, 100)
        assert start_run(tx, "r1", "train", {"seed": 7}, 200) == started
        assert (started.status, started.started_us, started.finished_us) == ("running", 100, None)
        done = finish_run(tx, "r1", "refused", {"gates": ["auc"]}, 300)
        assert done == replace(started, status="refused", result={"gates": ["auc"]}, finished_us=300)
        assert list_runs(tx) == [get_run(tx, "r1")] == [done]
        for call in (lambda: get_run(tx, "no"), lambda: finish_run(tx, "no", "failed", {}, 1)):
            with pytest.raises(NotFoundError):
                call()


def test_versions_are_numbered_per_model_and_a_retry_gets_its_number_again(db: Database) -> None:
    with db.write() as tx:
        assert register(tx, "r1") == ONE
        assert register(tx, "r2", "e") == TWO
        assert register(tx, "r1") == ONE
        assert register(tx, "r1", model="other") == VersionName("other", 1)
        with pytest.raises(ConflictError, match="another one in loan@1"):
            register(tx, "r1", "changed")
        with pytest.raises(NotFoundError):
            add_version(tx, "loan", "never started", "d", {}, {}, {})
        record = get_version(tx, TWO)
        assert (record.name, record.digest, record.created_us) == (TWO, "e", 100)
        assert (record.metrics, record.risk, record.lineage) == (
            {"brier": 0.1},
            {"upper": 0.2},
            {"snapshot": "s"},
        )
        assert [str(v.name) for v in list_versions(tx)] == ["loan@1", "loan@2", "other@1"]
        assert [str(v.name) for v in list_versions(tx, "loan")] == ["loan@1", "loan@2"]
        with pytest.raises(NotFoundError, match="slipway versions"):
            get_version(tx, VersionName("loan", 9))


def test_every_move_of_an_endpoint_raises_the_plan_serial(db: Database) -> None:
    with db.write() as tx:
        assert (plan_serial(tx), get_endpoint(tx, "loan"), list_endpoints(tx)) == (0, None, [])
        first = save_endpoint(tx, EndpointRecord("loan", ONE, None, None, "settled", None))
        assert (first.serial, get_endpoint(tx, "loan")) == (1, first)
        other = save_endpoint(tx, EndpointRecord("car", VersionName("car", 1), None, None, "settled", None))
        moved = save_endpoint(tx, replace(first, challenger=TWO, state="shadow"))
        assert (other.serial, moved.serial, plan_serial(tx)) == (2, 3, 3)
        assert list_endpoints(tx) == [other, moved]


def test_a_rollout_keeps_its_guard_and_verdict_exactly(db: Database) -> None:
    with db.write() as tx:
        opened = open_rollout(
            tx,
            endpoint="loan",
            challenger=TWO,
            champion=ONE,
            state="shadow",
            alpha=0.05,
            margin=0.0,
            opened_at=10,
        )
        assert opened == RolloutRecord(opened.id, "loan", TWO, ONE, "shadow", 0.05, 0.0, 10, None, {}, None)
        save_endpoint(tx, EndpointRecord("loan", ONE, TWO, None, "shadow", opened.id))
        guard: dict[str, object] = {"log_e": 0.1 + 0.2, "max": float("-inf"), "n": 2**70}
        closed = replace(
            opened, state="refused", closed_at=99, guard_state=guard, verdict={"outcome": "worse"}
        )
        save_rollout(tx, closed)
        first = open_rollout(
            tx,
            endpoint="car",
            challenger=VersionName("car", 1),
            champion=None,
            state="settled",
            alpha=0.05,
            margin=0.1,
            opened_at=0,
        )
    with db.read() as tx:
        assert get_rollout(tx, opened.id) == closed
        assert list_rollouts(tx) == [closed, first]
        assert list_rollouts(tx, "car") == [first]
        with pytest.raises(NotFoundError):
            get_rollout(tx, 77)
    with pytest.raises(NotFoundError), db.write() as tx:
        save_rollout(tx, replace(first, id=77))
