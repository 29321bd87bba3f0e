"""States, alarms, jobs: what the loop remembers between two ticks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import ConflictError, NotFoundError
from slipway.store.alarms import AlarmRecord, add_alarm, list_alarms
from slipway.store.database import Database
from slipway.store.documents import dump_document, load_document
from slipway.store.jobs import Job, add_job, find_job, finish_job, list_jobs, requeue_job, start_job
from slipway.store.states import load_state, load_states, save_state

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
documents = st.dictionaries(st.text(), st.recursive(leaves, lambda inner: st.lists(inner, max_size=4)))


@given(documents)
def test_a_document_comes_back_exactly_and_has_one_text(document: dict[str, object]) -> None:
    again = load_document(dump_document(document))
    assert repr(sorted(again.items())) == repr(sorted(document.items()))
    assert dump_document(dict(reversed(document.items()))) == dump_document(document)


def test_states_are_replaced_by_kind_and_keep_odd_floats(db: Database) -> None:
    with db.write() as tx:
        assert load_state(tx, "loan", "guard") is None
        save_state(tx, "loan", "guard", {"n": 1}, 5)
        save_state(tx, "loan", "guard", {"log_e": -math.inf, "x": math.nan}, 9)
        save_state(tx, "loan", "drift", {"n": 3}, 9)
        state = load_state(tx, "loan", "guard")
        assert state is not None
        assert state["log_e"] == -math.inf
        assert math.isnan(state["x"])  # pyright: ignore[reportArgumentType]
        assert set(load_states(tx, "loan")) == {"guard", "drift"}
        assert load_states(tx, "car") == {}


def test_alarms_are_listed_in_order(db: Database) -> None:
    with db.write() as tx:
        first = add_alarm(tx, "loan", "risk", 7, 100, {"e_value": 31.5})
        second = add_alarm(tx, "car", "drift", 9, 200, {"features": ["a"]})
        assert list(list_alarms(tx)) == [
            AlarmRecord(first, "loan", "risk", 7, 100, {"e_value": 31.5}),
            AlarmRecord(second, "car", "drift", 9, 200, {"features": ["a"]}),
        ]
        assert [alarm.id for alarm in list_alarms(tx, "car")] == [second]


def test_a_job_is_added_once_and_runs_to_its_end(db: Database) -> None:
    with db.write() as tx:
        job = add_job(tx, "retrain", "loan:7", {"since": 3}, 100)
        assert job == Job(job.id, "retrain", "loan:7", "waiting", {"since": 3}, None, 100, 0)
        assert add_job(tx, "retrain", "loan:7", {"since": 99}, 200) == job
        assert start_job(tx, "loan:7").attempts == 1
        assert requeue_job(tx, "loan:7").status == "waiting"
        assert start_job(tx, "loan:7").attempts == 2
        assert start_job(tx, "loan:7").attempts == 3  # its process died while it ran
        done = finish_job(tx, "loan:7", {"version": "loan@4"})
        assert (done.status, done.result) == ("done", {"version": "loan@4"})
        assert add_job(tx, "retrain", "loan:7", {}, 300) == done
        other = add_job(tx, "retrain", "loan:8", {}, 400)
        assert list(list_jobs(tx)) == [done, other]
        assert list(list_jobs(tx, kind="retrain", status="waiting")) == [other]
        assert finish_job(tx, "loan:8", {"why": "no rows"}, failed=True).status == "failed"
        assert find_job(tx, "none") is None


def test_a_job_cannot_go_back_from_its_end_or_be_done_before_it_ran(db: Database) -> None:
    with db.write() as tx:
        add_job(tx, "retrain", "k", {}, 1)
        for early in (lambda: finish_job(tx, "k", {}), lambda: requeue_job(tx, "k")):
            with pytest.raises(ConflictError, match="one that is waiting"):
                early()
        start_job(tx, "k")
        finish_job(tx, "k", {}, failed=True)
        for late in (
            lambda: start_job(tx, "k"),
            lambda: finish_job(tx, "k", {}),
            lambda: requeue_job(tx, "k"),
        ):
            with pytest.raises(ConflictError, match="one that is failed"):
                late()
        with pytest.raises(NotFoundError):
            start_job(tx, "unknown")
