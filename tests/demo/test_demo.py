"""The demo as a user runs it, and the loop under fire: killing any process changes no decision."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from slipway.base.layout import Layout
from slipway.cli.demo.events import EXPECTED, KINDS
from slipway.cli.demo.stage import ENDPOINT, HIDDEN, TARGET, Stage, free_folder
from slipway.cli.demo.traffic import Traffic
from slipway.control.intake import lag_bytes
from slipway.control.replay import replay
from slipway.store import ledger
from slipway.store.database import open_database
from slipway.store.intake import position


@pytest.mark.timeout(600)
def test_the_demo_tells_the_whole_story_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ended = subprocess.run(
        [sys.executable, "-m", "slipway", "demo", "--json", "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    told = json.loads(ended.stdout)
    assert told["answered"] == told["logged"] == 50_000
    assert told["lost"] == 0
    assert told["ledger_verified"]
    assert told["decisions_replayed"]
    assert told["missing"] == []
    assert 0 < told["rollback_seconds"] < 60
    assert {event["kind"] for event in told["events"]} == KINDS
    happened = [(event["kind"], event["version"]) for event in told["events"]]
    rows = {pair: event["row"] for pair, event in zip(happened, told["events"], strict=True)}
    assert set(EXPECTED) <= set(happened)
    for event in told["events"]:
        if event["kind"] in ("promoted", "refused", "rolled_back"):
            assert event["evidence"]["e_value"] >= 1 / event["evidence"]["alpha"]
            low, high = event["evidence"]["interval"]
            assert low <= event["evidence"]["mean"] <= high
    quiet = ("debt_to_income_ratio", "driver_tenure")
    alarms = [event for event in told["events"] if event["kind"] == "alarm"]
    assert all(feature not in quiet for event in alarms for feature in event["evidence"]["features"])
    drift = [
        event for event in alarms if event["version"] == "loans@2" and event["evidence"]["kind"] == "drift"
    ]
    assert all(25_000 < event["row"] < 27_500 for event in drift)
    assert any("car_value" in event["evidence"]["features"] for event in drift)
    assert rows["shadow", "loans@3"] < rows["refused", "loans@3"] < rows["forced", "loans@3"]
    assert rows["forced", "loans@3"] < rows["rolled_back", "loans@3"] < 25_000 < rows["retrained", "loans@4"]
    again = subprocess.run(
        [sys.executable, "-m", "slipway", "replay", "--json", "--project", told["folder"]],
        capture_output=True,
        check=True,
    )
    assert json.loads(again.stdout)["all_equal"]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    assert free_folder(tmp_path / "demo") == tmp_path / "demo"
    (tmp_path / "demo").mkdir()
    assert free_folder(tmp_path / "demo") == tmp_path / "demo"
    (tmp_path / "demo" / "mine.txt").touch()
    assert free_folder(tmp_path / "demo") == tmp_path / "demo-2"


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with loans@1 (500 rows, live) and loans@2 (50,000 rows, registered)."""
    stage = Stage(tmp_path_factory.mktemp("two") / "project")
    stage.folder.mkdir()
    stage.write_first_export()
    excluded = [argument for column in HIDDEN for argument in ("--exclude", column)]
    stage.command("init", str(stage.source), "--target", TARGET, "--name", ENDPOINT, *excluded)
    stage.apply_settings()
    settings = stage.layout.config.read_text().replace("bake_labels = 2000", "bake_labels = 300")
    stage.layout.config.write_text(settings.replace("min_labels = 5000", "on = []"))
    stage.command("train")
    stage.command("deploy")
    stage.write_full_export()
    stage.command("train")
    return stage.folder


class Loop:
    """A served copy of the project under traffic, with a victim that is killed again and again."""

    def __init__(self, folder: Path, victim: str) -> None:
        self.stage = Stage(folder)
        rows, labels = self.stage.traffic_rows()
        self.traffic = Traffic(self.stage.url, ENDPOINT, rows[:20_000], labels[:20_000], delay=300)
        self.database = open_database(Layout(folder))
        self._victim = victim
        self._next_kill = 500
        self._consumed = 0
        self.kills = 0

    def kinds(self) -> list[tuple[str, str]]:
        with self.database.read() as tx:
            return [(entry.kind, str(entry.payload["version"])) for entry in ledger.entries(tx)]

    def until(self, reached: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            self.traffic.check()
            if self._victim != "nobody" and self._may_be_killed():
                self._kill()
                self._next_kill = self.traffic.answered + 700
                self._consumed = self.position()
            assert time.monotonic() < deadline, f"row {self.traffic.answered}: {self.kinds()}"
            time.sleep(0.02)

    def happened(self, kind: str, version: str) -> Callable[[], bool]:
        return lambda: (kind, version) in self.kinds()

    def position(self) -> int:
        with self.database.read() as tx:
            return position(tx)

    def _may_be_killed(self) -> bool:
        """Not before there was traffic, and the controller took some of it, since the last kill."""
        return self.traffic.answered >= self._next_kill and self.position() > self._consumed

    def _kill(self) -> None:
        running = json.loads((self.stage.layout.run / "up.json").read_text())
        workers = self.stage.worker_pids()
        pids: dict[str, int] = {
            "worker": workers[0],
            "gateway": running["gateway"],
            "controller": running["controller"],
            "supervisor": self.stage.supervisor_pid(),
        }
        with suppress(ProcessLookupError):  # it may be dead already, and not yet replaced
            os.kill(pids[self._victim], signal.SIGKILL)
            self.kills += 1
        if self._victim == "supervisor":
            self.stage.up()

    def drained(self) -> bool:
        with self.database.read() as tx:
            return lag_bytes(self.stage.layout, tx) == 0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("victim", ["nobody", "worker", "controller", "gateway", "supervisor"])
def test_killing_a_process_again_and_again_changes_no_decision(
    victim: str, two_versions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(two_versions, folder)
    loop = Loop(folder, victim)
    try:
        loop.stage.up()
        loop.traffic.pace = 600.0
        loop.traffic.start()
        loop.stage.command("deploy", "loans@2")
        loop.until(loop.happened("promoted", "loans@2"))
        loop.until(loop.happened("settled", "loans@2"))
        loop.stage.command("deploy", "loans@1", "--force", "--reason", "to see it come back")
        loop.until(loop.happened("rolled_back", "loans@1"))
        ids = loop.traffic.stop()
        loop.until(loop.drained)
    finally:
        loop.stage.down()
    decided = [pair for pair in loop.kinds() if pair[0] not in ("registered", "alarm")]
    assert decided == [
        ("deployed", "loans@1"),
        ("deployed", "loans@2"),
        ("promoted", "loans@2"),
        ("settled", "loans@2"),
        ("forced", "loans@1"),
        ("rolled_back", "loans@1"),
    ]
    assert loop.kills >= 3 or victim == "nobody"
    report = replay(Layout(folder), loop.database)
    assert report.all_equal
    assert report.ledger_ok
    assert lost_of(folder, ids) == 0
    loop.database.close()


def lost_of(folder: Path, ids: list[str]) -> int:
    from slipway.cli.query import run_query

    logged: Any = run_query(Layout(folder), "select distinct prediction_id from predictions").rows
    return len(set(ids) - {row[0] for row in logged})
