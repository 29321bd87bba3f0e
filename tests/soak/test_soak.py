"""Two minutes under fire: steady traffic, a worker killed every 20 s, the champion changed every 5 s."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from slipway.base.layout import Layout
from slipway.cli.demo.stage import ENDPOINT, HIDDEN, TARGET, Stage
from slipway.cli.demo.traffic import Traffic
from slipway.cli.query import run_query
from slipway.control import actions
from slipway.control.intake import lag_bytes
from slipway.control.replay import replay
from slipway.control.workspace import open_workspace

SECONDS = 120
ROWS_PER_SECOND = 800.0


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; Linux only."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
@pytest.mark.timeout(900)
def test_kills_and_plan_changes_for_minutes_lose_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "project")
    stage.folder.mkdir()
    stage.write_first_export()
    excluded = [argument for column in HIDDEN for argument in ("--exclude", column)]
    stage.command("init", str(stage.source), "--target", TARGET, "--name", ENDPOINT, *excluded)
    stage.apply_settings()
    for _ in range(2):
        stage.command("train")
    stage.command("deploy", f"{ENDPOINT}@1")
    rows, labels = stage.traffic_rows()
    count = int(SECONDS * ROWS_PER_SECOND)
    rows, labels = (rows * 3)[:count], (labels * 3)[:count]
    traffic = Traffic(stage.url, ENDPOINT, rows, labels, delay=2_000)
    stage.up()
    workspace = open_workspace(Layout(stage.folder))
    try:
        traffic.pace = ROWS_PER_SECOND
        traffic.start()
        memory: list[int] = []
        kill_at, flip_at, number = time.monotonic() + 20, time.monotonic() + 5, 2
        deadline = time.monotonic() + SECONDS * 3
        while not traffic.finished:
            assert time.monotonic() < deadline
            traffic.check()
            now = time.monotonic()
            if now >= kill_at:
                os.kill(stage.worker_pids()[0], signal.SIGKILL)
                kill_at = now + 20
            if now >= flip_at:
                version = f"{ENDPOINT}@{number}"
                actions.deploy(workspace, version, actor="soak", reason="every five seconds", force=True)
                number, flip_at = 3 - number, now + 5
                memory.append(resident_bytes(stage.controller_pid()))
            time.sleep(0.05)
        ids = traffic.stop()
        while True:
            with workspace.database.read() as tx:
                if lag_bytes(workspace.layout, tx) == 0:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        stage.down()
    assert len(ids) == count
    logged = [row[0] for row in run_query(workspace.layout, "select prediction_id from predictions").rows]
    assert len(set(ids) - set(logged)) == 0
    assert len(logged) == len(set(logged)), "no row is logged twice"
    half = len(memory) // 2
    assert max(memory[half:]) < 1.3 * max(memory[:half]), "the controller's memory stays flat"
    report = replay(workspace.layout, workspace.database)
    assert report.all_equal
    workspace.close()
