"""Killed anywhere and started again, the controller makes the same decisions, each exactly once."""

import importlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from control_world import Traffic, drain, make_project, open_world, register

from slipway.base import failpoint
from slipway.base.layout import Layout
from slipway.control import actions
from slipway.control.loop import Controller
from slipway.control.plan import project_plan, read_plan
from slipway.control.replay import replay
from slipway.control.status import decisions, status
from slipway.store import registry
from slipway.store.segments import list_segments

NOISE = {"loan@1": 0.25, "loan@2": 0.02, "loan@3": 0.4}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["slipway.control.loop"])


def run_until_idle(root: str, setting: str) -> None:
    """A controller that consumes everything, in small ticks; it dies at the failpoint of the setting."""
    os.environ["SLIPWAY_FAILPOINT"] = setting
    importlib.reload(failpoint)
    with Controller(Layout(Path(root)), tick_frames=1200) as loop:
        for _ in range(2):
            drain(loop.tick)
            loop.housekeep()


def in_a_process(root: Path, setting: str = "") -> int:
    """Exit code of the controller: -9 when it was killed."""
    process = _context.Process(target=run_until_idle, args=(str(root), setting))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def outcome(layout):
    """Everything that must come out the same."""
    with open_world(layout) as workspace, workspace.database.read() as tx:
        rollouts = [(str(one.challenger), one.state, one.verdict) for one in registry.list_rollouts(tx)]
        assert read_plan(layout) == project_plan(tx)
    report = status(layout)
    assert report.ledger_ok
    assert report.lag_bytes == 0
    (endpoint,) = report.endpoints
    ledger = [(line.kind, line.payload) for line in decisions(layout)]
    alarms = [{name: alarm[name] for name in ("kind", "event", "alarm")} for alarm in endpoint.alarms]
    jobs = [(job.key, job.status, job.payload) for job in report.jobs]
    return ledger, rollouts, endpoint.champion, endpoint.counts, alarms, jobs


def write_project(root):
    """A log in which loan@2 is promoted, settles, and then sees its risk rise and its inputs drift."""
    layout = make_project(root, rollout="bake_labels = 300\nmax_labels = 5000", retrain="min_labels = 100000")
    with open_world(layout) as workspace:
        register(workspace, 1)
        register(workspace, 2)
        actions.deploy(workspace, "loan@1", actor="ann")
        actions.deploy(workspace, "loan@2", actor="ann")
    traffic = Traffic(layout, seed=8, workers=2, delay=20)
    traffic.rows(700, "loan@1", NOISE, ["loan@2"])
    traffic.rows(800, "loan@2", NOISE, ["loan@1"])
    traffic.rows(500, "loan@2", NOISE, flip=True, shift=1.5)
    traffic.settle()
    traffic.close()
    return layout


def test_a_kill_at_every_failpoint_in_turn_changes_nothing(tmp_path):
    template = write_project(tmp_path / "template")
    whole = Layout(tmp_path / "whole")
    shutil.copytree(template.root, whole.root)
    assert in_a_process(whole.root) == 0
    expected = outcome(whole)
    assert [kind for kind, _ in expected[0]] == [
        "deployed", "deployed", "promoted", "settled", "alarm", "retraining_opened", "alarm",
    ]  # fmt: skip
    assert replay(whole).all_equal
    passed = 0
    while True:
        layout = Layout(tmp_path / "killed")
        shutil.copytree(template.root, layout.root)
        code = in_a_process(layout.root, f"*:{passed + 1}")
        if code == 0:
            break
        assert code == -signal.SIGKILL
        passed += 1
        assert in_a_process(layout.root) == 0
        assert outcome(layout) == expected, f"after a kill at failpoint {passed}"
        if passed % 10 == 0:
            assert replay(layout).all_equal
        shutil.rmtree(layout.root)
    assert passed >= 40, passed


def test_many_kills_in_one_life_change_nothing(tmp_path):
    layout = write_project(tmp_path / "killed")
    whole = Layout(tmp_path / "whole")
    shutil.copytree(layout.root, whole.root)
    assert in_a_process(whole.root) == 0
    lives = 0
    while in_a_process(layout.root, f"*:{5 + 2 * lives}") != 0:
        lives += 1
        assert lives < 100
    assert lives >= 5
    assert outcome(layout) == outcome(whole)


def start(layout):
    log = (layout.run / "controller.log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "slipway.control", str(layout.root)], stderr=log, stdout=log
        )


def await_that(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("seed", [1])
def test_the_real_process_is_killed_in_mid_stream_and_stops_cleanly_in_the_end(tmp_path, seed):
    layout = make_project(tmp_path, rollout="bake_labels = 300\nmax_labels = 5000")
    with open_world(layout) as workspace:
        for number in (1, 2, 3):
            register(workspace, number)
        actions.deploy(workspace, "loan@1", actor="ann")
        traffic = Traffic(layout, seed=seed, workers=2)
        process = start(layout)
        try:
            plan = read_plan(layout)
            for step in range(12):
                planned = read_plan(layout).endpoints["loan"]
                shadows = [shadow.version for shadow in planned.shadows]
                traffic.rows(250, planned.champion.version, NOISE, shadows)
                if step == 1:
                    actions.deploy(workspace, "loan@2", actor="ann")
                if step == 6:
                    actions.deploy(workspace, "loan@3", actor="ann", force=True, reason="test")
                if step in (3, 8):
                    process.kill()
                    process.wait()
                    process = start(layout)
                await_that(lambda: status(layout).lag_bytes == 0)
            assert plan is not None
            traffic.close()
            await_that(lambda: not list_segments(layout.segments))
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert (layout.run / "controller.log").read_text() == ""
    report = status(layout)
    (endpoint,) = report.endpoints
    assert endpoint.counts["predictions"] == 3000
    assert report.ledger_ok
    kinds = [line.kind for line in decisions(layout)]
    assert "promoted" in kinds
    assert kinds[-1] == "rolled_back"
    assert replay(layout).all_equal
