"""The loop closes: deploy, shadow, promote, bake, roll back, alarm; from a log as gateways write it."""

import msgspec
import pytest
from control_world import Traffic, drain, make_project, open_world, register

from slipway.base.errors import ConflictError, NotFoundError
from slipway.base.files import exclusive_lock
from slipway.control import actions
from slipway.control.loop import Controller, run_controller
from slipway.control.plan import read_plan
from slipway.control.replay import replay
from slipway.control.status import decisions, status
from slipway.store.intake import position

NOISE = {"loan@1": 0.2, "loan@2": 0.05, "loan@3": 0.5}


def kinds(layout):
    return [line.kind for line in decisions(layout)]


def last(layout, kind):
    return [line for line in decisions(layout) if line.kind == kind][-1].payload


@pytest.fixture
def world(tmp_path):
    layout = make_project(tmp_path)
    with open_world(layout) as workspace:
        for number in (1, 2, 3):
            register(workspace, number)
        yield layout, workspace


def test_a_better_challenger_is_promoted_bakes_and_settles(world):
    layout, workspace = world
    first = actions.deploy(workspace, "loan@1", actor="ann")
    assert (first.state, first.former) == ("settled", None)
    traffic = Traffic(layout)
    with Controller(layout) as loop:
        traffic.rows(200, "loan@1", NOISE)
        assert drain(loop.tick) > 200
        assert actions.deploy(workspace, "loan@2", actor="ann").state == "shadow"
        plan = read_plan(layout)
        assert plan.endpoints["loan"].champion.version == "loan@1"
        assert [shadow.version for shadow in plan.endpoints["loan"].shadows] == ["loan@2"]
        traffic.rows(2500, "loan@1", NOISE, ["loan@2"])
        drain(loop.tick)
        assert kinds(layout) == ["deployed", "deployed", "promoted"]
        promoted = last(layout, "promoted")
        assert promoted["verdict"]["outcome"] == "better"
        assert promoted["verdict"]["n"] == promoted["verdict"]["decided_at"] < 2500
        assert promoted["verdict"]["e_value"] >= 20
        assert promoted["actor"] == "controller"
        plan = read_plan(layout)
        assert plan.endpoints["loan"].champion.version == "loan@2"
        assert [shadow.version for shadow in plan.endpoints["loan"].shadows] == ["loan@1"]
        assert plan.endpoints["loan"].state == "live"
        traffic.rows(1200, "loan@2", NOISE, ["loan@1"])
        drain(loop.tick)
    assert kinds(layout)[-1] == "settled"
    assert last(layout, "settled")["verdict"]["n"] == 1000
    report = status(layout)
    (endpoint,) = report.endpoints
    assert (endpoint.champion, endpoint.reverse, endpoint.state) == ("loan@2", None, "settled")
    assert endpoint.counts["predictions"] == 3900
    assert report.lag_bytes == 0
    assert report.plan_current
    assert report.ledger_ok
    msgspec.json.encode(report)
    again = replay(layout)
    assert again.all_equal
    assert [one.kind for one in again.decisions] == ["promoted", "settled"]


def test_a_worse_challenger_is_refused_and_forced_live_it_is_rolled_back(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout)
    with Controller(layout) as loop:
        actions.deploy(workspace, "loan@3", actor="ann")
        traffic.rows(1500, "loan@1", NOISE, ["loan@3"])
        drain(loop.tick)
        assert kinds(layout)[-1] == "refused"
        assert last(layout, "refused")["verdict"]["outcome"] == "worse"
        forced = actions.deploy(workspace, "loan@3", actor="ann", force=True, reason="a bet")
        assert (forced.kind, forced.state, forced.former) == ("forced", "live", "loan@1")
        traffic.rows(1500, "loan@3", NOISE, ["loan@1"])
        drain(loop.tick)
        assert kinds(layout)[-1] == "rolled_back"
        back = last(layout, "rolled_back")
        assert back["version"] == "loan@3"
        assert back["other"] == "loan@1"
        assert back["verdict"]["n"] < 1000
        assert read_plan(layout).endpoints["loan"].champion.version == "loan@1"
        assert read_plan(layout).endpoints["loan"].shadows == []
    assert replay(layout).all_equal


def test_identical_models_end_undecided(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    actions.deploy(workspace, "loan@2", actor="ann")
    traffic = Traffic(layout, batch=10)
    traffic.rows(5500, "loan@1", {"loan@1": 0.0, "loan@2": 0.0}, ["loan@2"])
    with Controller(layout) as loop:
        drain(loop.tick)
    verdict = last(layout, "refused")["verdict"]
    assert (verdict["outcome"], verdict["n"]) == ("undecided", 5000)


def test_a_rise_of_the_risk_and_a_drift_raise_one_alarm_each(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout, batch=5)
    traffic.rows(2000, "loan@1", NOISE)
    traffic.rows(2000, "loan@1", NOISE, shift=1.0, flip=True)
    with Controller(layout) as loop:
        drain(loop.tick)
    alarms = [line.payload for line in decisions(layout) if line.kind == "alarm"]
    assert sorted(alarm["alarm"]["kind"] for alarm in alarms) == ["drift", "risk"]
    drift = next(alarm for alarm in alarms if alarm["alarm"]["kind"] == "drift")
    assert drift["alarm"]["features"] == ["income"]
    assert drift["alarm"]["change_n"] == pytest.approx(2000, abs=150)
    assert 2000 < drift["rows"] < 2500
    (endpoint,) = status(layout).endpoints
    assert len(endpoint.alarms) == 2
    assert replay(layout).all_equal


def test_approval_is_asked_for_once_and_then_given_by_hand(tmp_path):
    layout = make_project(tmp_path, rollout='promote = "approve"\nmax_labels = 5000')
    with open_world(layout) as workspace, Controller(layout) as loop:
        register(workspace, 1)
        register(workspace, 2)
        actions.deploy(workspace, "loan@1", actor="ann")
        actions.deploy(workspace, "loan@2", actor="ann")
        traffic = Traffic(layout)
        for _ in range(4):
            traffic.rows(800, "loan@1", NOISE, ["loan@2"])
            drain(loop.tick)
        assert kinds(layout) == ["deployed", "deployed", "awaiting_approval"]
        (endpoint,) = status(layout).endpoints
        assert endpoint.trial.awaiting_approval
        assert endpoint.champion == "loan@1"
        move = actions.promote(workspace, "loan@2", actor="ann")
        assert move.state == "live"
        assert last(layout, "promoted")["forced"] is False
        traffic.rows(100, "loan@2", NOISE, ["loan@1"])
        drain(loop.tick)
    assert replay(layout).all_equal


def test_where_the_log_is_cut_into_ticks_changes_nothing(tmp_path):
    ledgers = []
    for name, pieces in (("whole", [4200]), ("small", [300] * 14), ("odd", [37, 1100, 3, 2000, 1060])):
        layout = make_project(tmp_path / name)
        with open_world(layout) as workspace, Controller(layout) as loop:
            for number in (1, 2, 3):
                register(workspace, number)
            actions.deploy(workspace, "loan@1", actor="ann")
            actions.deploy(workspace, "loan@2", actor="ann")
            traffic = Traffic(layout, seed=3)
            for piece in pieces:
                # both versions score everything, whoever answers: the log does not depend on the plan
                traffic.rows(piece, "loan@1", NOISE, ["loan@2"], flip=False)
                drain(loop.tick)
            traffic.rows(100, "loan@2", NOISE, ["loan@1"])
            drain(loop.tick)
        ledgers.append([(line.kind, line.payload) for line in decisions(layout)])
        assert replay(layout).all_equal
    assert ledgers[0] == ledgers[1] == ledgers[2]
    assert "promoted" in [kind for kind, _ in ledgers[0]]


def test_a_second_controller_is_refused(world):

    layout, _ = world
    with (
        exclusive_lock(layout.run / "controller.lock", "controller"),
        pytest.raises(ConflictError, match="one controller"),
    ):
        run_controller(layout.root)


def test_a_tick_that_fails_consumes_nothing_and_the_next_one_takes_it_up(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout)
    traffic.rows(100, "loan@1", NOISE)
    away = layout.state / "away"
    with Controller(layout) as loop:
        layout.bundles.rename(away)
        for _ in range(2):
            with pytest.raises(NotFoundError):
                loop.tick()
        assert status_events(workspace) == 0
        away.rename(layout.bundles)
        assert drain(loop.tick) > 100
    assert status(layout).endpoints[0].counts["predictions"] == 100


def status_events(workspace):
    with workspace.database.read() as tx:
        return position(tx)


def test_traffic_of_an_endpoint_without_a_deployment_is_kept_and_judges_nothing(tmp_path):
    layout = make_project(tmp_path)
    Traffic(layout).rows(50, "loan@1", NOISE)
    with Controller(layout) as loop:
        assert drain(loop.tick) > 50
        loop.housekeep()
    assert status(layout).endpoints == []
    assert status(layout).events > 50
    assert replay(layout).all_equal


def test_a_late_outcome_after_a_restart_finds_its_row_in_the_database(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout, delay=40)
    traffic.rows(100, "loan@1", NOISE)
    with Controller(layout) as loop:
        drain(loop.tick)
    (key, _), *_ = traffic.waiting
    traffic.settle()
    traffic.outcomes([(bytes(16), 1), (key, "other")])
    traffic.flush()
    with Controller(layout) as loop:
        drain(loop.tick)
    with Controller(layout) as loop:
        traffic.outcomes([(bytes(16), 1)])
        traffic.flush()
        drain(loop.tick)
    counts = status(layout).endpoints[0].counts
    assert counts["labelled"] == 100
    assert (counts["corrected"], counts["repeated"], counts["unknown"]) == (1, 1, 1)
