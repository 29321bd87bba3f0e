"""A replay finds what was changed, and gives the same verdicts from sealed and unsealed logs."""

import json
import sqlite3

import pytest
from control_world import Traffic, drain, make_project, open_world, register

from slipway.control import actions
from slipway.control.loop import Controller
from slipway.control.replay import replay
from slipway.control.status import decisions, status

NOISE = {"loan@1": 0.25, "loan@2": 0.02}


@pytest.fixture
def layout(tmp_path):
    """A project with a promotion and a settlement."""
    made = make_project(tmp_path, rollout="bake_labels = 300\nmax_labels = 5000")
    with open_world(made) as workspace:
        register(workspace, 1)
        register(workspace, 2)
        actions.deploy(workspace, "loan@1", actor="ann")
        actions.deploy(workspace, "loan@2", actor="ann")
    traffic = Traffic(made, seed=8)
    traffic.rows(700, "loan@1", NOISE, ["loan@2"])
    traffic.rows(500, "loan@2", NOISE, ["loan@1"])
    traffic.close()
    with Controller(made, tick_frames=500) as loop:
        drain(loop.tick)
    return made


def test_every_decision_comes_out_again_before_and_after_sealing(layout):
    before = replay(layout)
    with Controller(layout) as loop:
        loop.housekeep()
    after = replay(layout)
    assert before == after
    assert before.all_equal
    assert before.ledger_ok
    assert [(one.kind, one.equal) for one in before.decisions] == [("promoted", True), ("settled", True)]
    assert before.decisions[0].recorded == before.decisions[0].derived
    assert before.events == status(layout).events


def test_a_ledger_that_says_something_else_is_found(layout):
    promoted = next(line for line in decisions(layout) if line.kind == "promoted")
    payload = {**promoted.payload, "verdict": {**promoted.payload["verdict"], "e_value": 1e9}}
    edit(layout, "UPDATE ledger SET payload = ? WHERE seq = ?", (json.dumps(payload), promoted.seq))
    report = replay(layout)
    assert not report.all_equal
    assert not report.ledger_ok
    assert [one.equal for one in report.decisions] == [False, True]


def test_a_decision_that_is_missing_from_the_ledger_is_found(layout):
    settled = next(line for line in decisions(layout) if line.kind == "settled")
    edit(layout, "DELETE FROM ledger WHERE seq = ?", (settled.seq,))
    report = replay(layout)
    assert not report.all_equal
    assert (report.decisions[-1].seq, report.decisions[-1].kind) == (None, "settled")
    assert report.decisions[-1].recorded is None


def edit(layout, statement, values):
    """Change the ledger as a vandal would: past the triggers."""
    with sqlite3.connect(layout.database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(statement, values)
    connection.close()


def test_an_empty_project_has_a_status_a_ledger_and_a_replay(tmp_path):
    layout = make_project(tmp_path)
    report = status(layout)
    assert (report.endpoints, report.events, report.lag_bytes, report.ledger_entries) == ([], 0, 0, 0)
    assert decisions(layout) == []
    again = replay(layout)
    assert again.all_equal
    assert again.decisions == []
