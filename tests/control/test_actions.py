"""What a person may ask for, what is refused, and in which words."""

import pytest
from control_world import Traffic, drain, make_project, open_world, register

from slipway.base.errors import (
    ConfigError,
    ConflictError,
    IntegrityError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from slipway.base.vocabulary import VersionName
from slipway.control import actions
from slipway.control.loop import Controller
from slipway.control.plan import project_plan, publish_plan, read_plan
from slipway.control.replay import replay
from slipway.control.status import decisions
from slipway.store import registry

NOISE = {"loan@1": 0.2, "loan@2": 0.05, "loan@3": 0.2}


@pytest.fixture
def world(tmp_path):
    layout = make_project(tmp_path)
    with open_world(layout) as workspace:
        for number in (1, 2, 3):
            register(workspace, number)
        yield layout, workspace


def rollouts(workspace):
    with workspace.database.read() as tx:
        return [(str(one.challenger), one.state) for one in registry.list_rollouts(tx)]


def champion(workspace):
    with workspace.database.read() as tx:
        return str(registry.get_endpoint(tx, "loan").champion)


def test_deploy_refuses_what_cannot_be(world):
    _, workspace = world
    with pytest.raises(NotFoundError, match="a registered version"):
        actions.deploy(workspace, "loan@9", actor="ann")
    with pytest.raises(UsageError, match=r"a version such as loan@7"):
        actions.deploy(workspace, "loan", actor="ann")
    actions.deploy(workspace, "loan@1", actor="ann")
    with pytest.raises(ConflictError, match="loan@1, which answers"):
        actions.deploy(workspace, "loan@1", actor="ann")
    with pytest.raises(UsageError, match="a reason for a forced deployment"):
        actions.deploy(workspace, "loan@2", actor="ann", force=True, reason="  ")
    actions.deploy(workspace, "loan@2", actor="ann")
    with pytest.raises(ConflictError, match="loan@2, which is in shadow"):
        actions.deploy(workspace, "loan@2", actor="ann")
    assert rollouts(workspace) == [("loan@1", "settled"), ("loan@2", "shadow")]


def test_a_version_that_its_gates_refused_needs_force(world):
    _, workspace = world
    register(workspace, 4, status="refused")
    with pytest.raises(RefusedError, match="a version whose gates passed"):
        actions.deploy(workspace, "loan@4", actor="ann")
    move = actions.deploy(workspace, "loan@4", actor="ann", force=True, reason="no better one")
    assert move.state == "settled"
    assert decisions(workspace.layout)[-1].payload["forced"] is True


def test_a_tampered_bundle_is_not_deployed(world):
    layout, workspace = world
    with workspace.database.read() as tx:
        digest = registry.get_version(tx, VersionName("loan", 1)).digest
    model = layout.bundles / digest / "model.json"
    model.chmod(0o600)
    model.write_bytes(model.read_bytes().replace(b"0.5", b"0.9"))
    with pytest.raises(IntegrityError):
        actions.deploy(workspace, "loan@1", actor="ann")
    assert rollouts(workspace) == []
    assert decisions(layout) == []


def test_a_second_shadow_supersedes_the_first_and_says_so(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    actions.deploy(workspace, VersionName("loan", 2), actor="ann")
    actions.deploy(workspace, "loan@3", actor="bob", reason="newer")
    assert rollouts(workspace) == [("loan@1", "settled"), ("loan@2", "superseded"), ("loan@3", "shadow")]
    kinds = [line.kind for line in decisions(layout)]
    assert kinds == ["deployed", "deployed", "superseded", "deployed"]
    assert decisions(layout)[-1].actor == "bob"
    assert [shadow.version for shadow in read_plan(layout).endpoints["loan"].shadows] == ["loan@3"]


def test_promotion_by_hand_needs_evidence_or_force(world):
    layout, workspace = world
    with pytest.raises(ConflictError, match="an endpoint with a champion"):
        actions.promote(workspace, actor="ann")
    actions.deploy(workspace, "loan@1", actor="ann")
    with pytest.raises(ConflictError, match="a challenger in shadow"):
        actions.promote(workspace, actor="ann")
    actions.deploy(workspace, "loan@2", actor="ann")
    with pytest.raises(ConflictError, match="loan@2, the challenger"):
        actions.promote(workspace, "loan@3", actor="ann")
    with pytest.raises(RefusedError, match="insufficient: not enough labelled pairs yet"):
        actions.promote(workspace, actor="ann")
    with pytest.raises(UsageError, match="a reason for a forced promotion"):
        actions.promote(workspace, actor="ann", force=True)
    move = actions.promote(workspace, "loan@2", actor="ann", force=True, reason="it is time")
    assert (move.version, move.former, move.state) == ("loan@2", "loan@1", "live")
    entry = decisions(layout)[-1]
    assert (entry.kind, entry.payload["forced"], entry.payload["reason"]) == ("promoted", True, "it is time")
    assert champion(workspace) == "loan@2"


def test_rollback_returns_to_the_former_champion_again_and_again(world):
    layout, workspace = world
    with pytest.raises(ConflictError, match="an endpoint with a champion"):
        actions.rollback(workspace, actor="ann")
    actions.deploy(workspace, "loan@1", actor="ann")
    with pytest.raises(ConflictError, match="a former champion to return to"):
        actions.rollback(workspace, actor="ann")
    for version in ("loan@2", "loan@3"):
        actions.deploy(workspace, version, actor="ann", force=True, reason="test")
    assert rollouts(workspace) == [("loan@1", "settled"), ("loan@2", "settled"), ("loan@3", "live")]
    move = actions.rollback(workspace, actor="ann", reason="looks bad")
    assert (move.version, champion(workspace)) == ("loan@3", "loan@2")
    actions.rollback(workspace, actor="ann")
    assert champion(workspace) == "loan@1"
    with pytest.raises(ConflictError, match="a former champion"):
        actions.rollback(workspace, actor="ann")
    assert read_plan(layout).endpoints["loan"].shadows == []


def test_rollback_to_a_named_former_champion_but_to_no_other(world):
    _, workspace = world
    for version in ("loan@1", "loan@2", "loan@3"):
        actions.deploy(workspace, version, actor="ann", force=True, reason="test")
    register(workspace, 4)
    with pytest.raises(ConflictError, match="got loan@4"):
        actions.rollback(workspace, "loan@4", actor="ann")
    actions.rollback(workspace, "loan@1", actor="ann")
    assert champion(workspace) == "loan@1"


def test_rollback_ends_an_open_shadow(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    actions.deploy(workspace, "loan@2", actor="ann", force=True, reason="test")
    actions.deploy(workspace, "loan@3", actor="ann")
    actions.rollback(workspace, actor="ann")
    assert champion(workspace) == "loan@1"
    assert rollouts(workspace)[-1] == ("loan@3", "superseded")
    assert read_plan(layout).endpoints["loan"].shadows == []


def test_moves_between_ticks_take_effect_at_a_position_that_replay_repeats(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout, batch=3, workers=2)
    with Controller(layout) as loop:
        for step in range(6):
            traffic.rows(300, "loan@1", NOISE, ["loan@2"])
            drain(loop.tick)
            if step == 1:
                actions.deploy(workspace, "loan@3", actor="ann")
            if step == 2:
                actions.deploy(workspace, "loan@2", actor="ann")
            if step == 4:
                actions.rollback(workspace, actor="ann") if champion(workspace) == "loan@2" else None
        traffic.rows(300, "loan@2", NOISE, ["loan@1"])
        drain(loop.tick)
    report = replay(layout)
    assert report.all_equal
    assert report.ledger_ok
    assert len(report.decisions) >= 1


def test_an_older_plan_never_replaces_a_newer_one_and_damage_is_mended(world):
    layout, workspace = world
    actions.deploy(workspace, "loan@1", actor="ann")
    with workspace.database.read() as tx:
        wanted = project_plan(tx)
    assert read_plan(layout) == wanted
    layout.plan.write_text("{")
    assert read_plan(layout) is None
    publish_plan(layout, workspace.database)
    assert read_plan(layout) == wanted
    layout.plan.unlink()
    with Controller(layout) as loop:
        loop.tick()
        assert read_plan(layout) == wanted
        layout.plan.unlink()
        loop.housekeep()
    assert read_plan(layout) == wanted
    assert wanted.serial == 1


def test_settings_that_no_monitor_can_keep_are_refused_when_a_version_is_deployed(tmp_path):
    layout = make_project(tmp_path, monitor='false_alarms = "1 per 1h"\nrows_per_day = 20000')
    with open_world(layout) as workspace:
        register(workspace, 1)
        actions.deploy(workspace, "loan@1", actor="ann")
    layout.config.write_text(layout.config.read_text().replace("rows_per_day = 20000", ""))
    with open_world(layout) as workspace:
        register(workspace, 2, rows_per_day=24.0)
        with pytest.raises(ConfigError, match="which is 1 rows at this traffic"):
            actions.deploy(workspace, "loan@2", actor="ann")
        assert rollouts(workspace) == [("loan@1", "settled")]
