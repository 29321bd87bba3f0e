"""An alarm leads to one retrained version on rows that the log fixes, and to its shadow."""

import os
import signal
import time

import pytest
from control_world import Traffic, drain, make_project, open_world, register
from test_joining import key, outcomes, prediction

from slipway.base.errors import DataError
from slipway.base.files import exclusive_lock
from slipway.control import actions
from slipway.control.loop import Controller
from slipway.control.places import place_of
from slipway.control.replay import replay
from slipway.control.retrainer import BUSY, MAX_FAILURES
from slipway.control.retraining import LabelledRows, collect, main
from slipway.control.status import decisions, status
from slipway.data.contract import load_contract
from slipway.store import jobs, registry

NOISE = {"loan@1": 0.3, "loan@2": 0.05}
RETRAIN = 'on = ["risk", "drift"]\nmin_labels = 400'


def kinds(layout):
    return [line.kind for line in decisions(layout)]


def of_kind(layout, kind):
    return [line.payload for line in decisions(layout) if line.kind == kind]


def drifted(root, rows=900, retrain=RETRAIN):
    """A project whose champion has alarmed and gathered labels since."""
    layout = make_project(root, retrain=retrain)
    with open_world(layout) as workspace:
        register(workspace, 1)
        actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout, seed=2, delay=10)
    traffic.rows(500, "loan@1", NOISE)
    traffic.rows(rows, "loan@1", NOISE, shift=1.0)
    return layout, traffic


def tend(loop, condition, seconds=90.0):
    """Run the loop as the process does, until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        drain(loop.tick)
        loop.housekeep()
        time.sleep(0.05)


def only_job(layout):
    (job,) = status(layout).jobs
    return job


def test_an_alarm_retrains_on_rows_after_the_change_and_opens_a_shadow(tmp_path):
    layout, traffic = drifted(tmp_path)
    with Controller(layout) as loop:
        tend(loop, lambda: "deployed" in kinds(layout)[1:])
    assert kinds(layout).count("retraining_opened") == 1
    assert kinds(layout).count("retraining_started") == 1
    job = only_job(layout)
    assert (job.status, job.attempts) == ("done", 1)
    assert job.result["accepted"] is True
    assert job.result["rows"] == 400
    report = status(layout)
    assert report.endpoints[0].challenger == job.result["version"] == "loan@2"
    entry = of_kind(layout, "deployed")[-1]
    assert entry["actor"] == "controller"
    assert entry["state"] == "shadow"
    with open_world(layout) as workspace, workspace.database.read() as tx:
        version = registry.list_versions(tx)[-1]
        assert registry.get_run(tx, version.run_id).origin == "retraining job 1"
    assert replay(layout).all_equal
    traffic.close()


def test_a_trainer_killed_at_any_step_gives_the_same_version_once(tmp_path):
    layout, traffic = drifted(tmp_path)
    with Controller(layout) as loop:
        drain(loop.tick)
        # three trainings die at different steps, as when their controller dies: no failure is counted
        for step in ("retraining.collected", "train.started", "retraining.trained"):
            os.environ["SLIPWAY_FAILPOINT"] = step
            try:
                loop.housekeep()
                trainer = loop._retrainer._process
                assert trainer is not None
                assert trainer.wait(60) == -signal.SIGKILL
            finally:
                del os.environ["SLIPWAY_FAILPOINT"]
            loop._retrainer._process = None
        tend(loop, lambda: "deployed" in kinds(layout)[1:])
    with open_world(layout) as workspace, workspace.database.read() as tx:
        assert [str(one.name) for one in registry.list_versions(tx)] == ["loan@1", "loan@2"]
    assert only_job(layout).attempts == 4
    assert kinds(layout).count("retraining_started") == 1
    traffic.close()


def test_a_training_that_fails_is_given_up_after_three_attempts_and_alarmed(tmp_path):
    layout, traffic = drifted(tmp_path)
    layout.contract.write_text("columns = 3")
    with Controller(layout) as loop:
        tend(loop, lambda: kinds(layout).count("retraining_failed") == MAX_FAILURES)
        for _ in range(3):
            loop.housekeep()
    assert kinds(layout).count("retraining_failed") == MAX_FAILURES
    assert [entry["given_up"] for entry in of_kind(layout, "retraining_failed")] == [False, False, True]
    job = only_job(layout)
    assert (job.status, job.attempts) == ("failed", MAX_FAILURES)
    assert "retraining_failed" in {alarm["kind"] for alarm in status(layout).endpoints[0].alarms}
    assert "contract" in (layout.run / "retraining.log").read_text()
    traffic.close()


def test_a_job_waits_for_labels_and_for_an_open_rollout(tmp_path):
    layout, traffic = drifted(tmp_path, rows=200)
    with open_world(layout) as workspace, Controller(layout) as loop:
        for _ in range(3):
            drain(loop.tick)
            loop.housekeep()
        assert only_job(layout).status == "waiting"
        register(workspace, 2)
        actions.deploy(workspace, "loan@2", actor="ann")
        traffic.rows(300, "loan@1", {**NOISE, "loan@2": 0.3}, ["loan@2"], shift=1.0)
        tend(loop, lambda: only_job(layout).status == "done")
        for _ in range(3):
            loop.housekeep()
        # a person's shadow is not superseded by the machine
        assert status(layout).endpoints[0].challenger == "loan@2"
        actions.promote(workspace, actor="ann", force=True, reason="test")
        actions.rollback(workspace, actor="ann")
        tend(loop, lambda: status(layout).endpoints[0].challenger == "loan@3")
    assert replay(layout).all_equal
    traffic.close()


def test_the_rows_do_not_depend_on_when_the_trainer_looks(tmp_path):
    layout, traffic = drifted(tmp_path)
    with open_world(layout) as workspace, Controller(layout) as loop:
        drain(loop.tick)
        with workspace.database.read() as tx:
            (job,) = jobs.list_jobs(tx)
        contract = load_contract(layout.contract)
        early = collect(layout, workspace.database, job).table(contract)
        traffic.rows(400, "loan@1", NOISE, shift=2.0)
        traffic.settle()
        traffic.close()
        drain(loop.tick)
        loop._seal()
        late = collect(layout, workspace.database, job).table(contract)
    assert early.equals(late)
    assert early.columns == ["income", "age", "repaid"]
    assert len(early) == 400
    assert early["income"].mean() == pytest.approx(1.0, abs=0.2)


def test_too_few_rows_are_an_error_in_words(tmp_path):
    layout, traffic = drifted(tmp_path, retrain='on = ["drift"]\nmin_labels = 5000')
    with open_world(layout) as workspace, Controller(layout) as loop:
        drain(loop.tick)
        with workspace.database.read() as tx:
            (job,) = jobs.list_jobs(tx)
        with pytest.raises(DataError, match="5000 labelled rows after the change"):
            collect(layout, workspace.database, job)
    traffic.close()


def test_the_last_outcome_by_event_time_is_the_label(tmp_path):
    rows = LabelledRows("e", place_of(1, 0), wanted=3)
    frames = [
        prediction(1, 2),
        prediction(3),
        outcomes((2, 1), time=10),
        outcomes((2, 0), time=20),
        outcomes((2, 1), time=15),
        outcomes((9, 1), (1, 1)),
        outcomes((4, 1)),
        prediction(4),
        outcomes((3, 0), endpoint="other"),
        outcomes((3, 1)),
        outcomes((2, 1), time=30),
    ]
    for event, frame in enumerate(frames, 1):
        rows.absorb(event, frame)
    assert rows.full
    assert rows._outcomes[key(2)][1] == 0
    assert set(rows._labelled) == {key(2), key(3), key(4)}


def test_a_second_trainer_steps_aside(tmp_path, capsys):
    layout = make_project(tmp_path)
    with exclusive_lock(layout.run / "retraining.lock", "retraining"):
        assert main([str(layout.root), "1"]) == BUSY
    assert "one retraining" in capsys.readouterr().err
    assert main([str(layout.root), "1"]) == 0
