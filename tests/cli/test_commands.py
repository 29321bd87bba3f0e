"""The verbs as a user types them: whole way on a small table, and every mistake in one clear line."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest


def slipway(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def document(*arguments: str | Path, code: int = 0) -> Any:
    ended = slipway(*arguments, "--json")
    assert ended.returncode == code, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def write_table(path: Path, rows: int = 600, *, seed: int = 0) -> Path:
    """Loans whose repayment follows from salary and debt, with some noise."""
    rng = random.Random(seed)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["salary", "debt", "purpose", "repaid"])
        for _ in range(rows):
            salary, debt = rng.uniform(1000, 5000), rng.uniform(0, 2)
            repaid = salary / 2000 - debt + rng.gauss(0, 0.3) > 0
            out.writerow([round(salary, 2), round(debt, 3), rng.choice(["car", "house", ""]), int(repaid)])
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one version, not deployed."""
    folder = tmp_path_factory.mktemp("project")
    table = write_table(folder / "loans.csv")
    document("init", table, "--target", "repaid", "--project", folder)
    document("train", "--budget", "3s", "--project", folder)
    return folder


@contextmanager
def served(folder: Path) -> Generator[str]:
    """`slipway up` in a process of its own; yields its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "slipway", "up", "--port", "0", "--project", str(folder), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while "}" not in lines[-1:]:
            lines.append(process.stdout.readline().rstrip("\n"))
            assert process.poll() is None, "up ended early"
        yield json.loads("\n".join(lines))["url"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0


def post(url: str, body: object) -> Any:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)


def until(reached: Any, seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := reached()):
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.05)
    return value


def test_from_a_table_to_answers_and_back(trained: Path, tmp_path: Path) -> None:
    project = ("--project", trained)
    assert document("check", *project)["passed"]
    (version,) = document("versions", *project)
    assert (version["version"], version["gates"], version["serves"]) == ("loans@1", "passed", None)
    assert version["metrics"]["metrics"]["auc"]["value"] > 0.9

    assert document("deploy", *project)["state"] == "settled"
    with served(trained) as url:
        rows = [{"salary": 4000, "debt": 0.1, "purpose": "car"}, {"salary": None, "debt": 1.9}]
        answer = post(f"{url}/v1/endpoints/loans/predict", {"rows": rows})
        assert answer["version"] == "loans@1"
        assert answer["predictions"][0]["prediction"] == 1
        ids = [one["id"] for one in answer["predictions"]]
        told = tmp_path / "outcomes.csv"
        told.write_text(f"id,value,time\n{ids[0]},1,2026-01-01T00:00:00Z\n{ids[1]},0,\n")
        assert document("outcomes", told, *project)["accepted"] == 2
        counts = until(
            lambda: (
                (found := document("status", *project)["endpoints"][0]["counts"])["labelled"] == 2 and found
            )
        )
        assert counts["predictions"] == 2
        found = document(
            "sql", "select version, count(*) n, avg(outcome_number) y from labelled group by 1", *project
        )
        assert found == [{"version": "loans@1", "n": 2, "y": 0.5}]

        write_table(trained / "loans.csv", 1500)
        document("train", "--budget", "3s", *project)
        assert document("deploy", *project)["state"] == "shadow"
        answer = post(f"{url}/v1/endpoints/loans/predict", {"rows": rows})
        assert answer["version"] == "loans@1"
        refused = slipway("promote", *project)
        assert refused.returncode == 1
        assert "evidence that the challenger is better" in refused.stderr
        forced = document("promote", "--force", "--reason", "a test", *project)
        assert (forced["version"], forced["state"]) == ("loans@2", "live")
        until(lambda: post(f"{url}/v1/endpoints/loans/predict", {"rows": rows})["version"] == "loans@2")
        assert document("rollback", "--reason", "enough", *project)["kind"] == "rolled_back"
        until(lambda: post(f"{url}/v1/endpoints/loans/predict", {"rows": rows})["version"] == "loans@1")
    ledger = document("decisions", *project)
    assert ledger["ok"]
    kinds = [entry["kind"] for entry in ledger["entries"]]
    assert kinds == ["registered", "deployed", "registered", "deployed", "promoted", "rolled_back"]
    assert document("replay", *project)["all_equal"]


def test_people_get_tables_and_a_next_step(trained: Path) -> None:
    shown = slipway("versions", "--project", trained)
    assert "loans@1" in shown.stdout
    assert "auc" in shown.stdout
    assert (
        "deploy" in slipway("status", "--project", trained).stdout
        or "answers" in slipway("status", "--project", trained).stdout
    )


BAD_TABLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "header only": (b"a,b,repaid\n", "row"),
    "one class": (b"a,repaid\n" + b"1,1\n" * 50, "at least two different labels"),
    "no such target": (b"a,repayed\n" + b"1,1\n2,0\n" * 50, "repayed"),
    "duplicate header": (b"a,a,repaid\n" + b"1,2,1\n3,4,0\n" * 50, "'a'"),
    "wrong encoding": (b"name,repaid\n" + "J\u00f6rg,1\nAnn,0\n".encode("latin-1") * 50, "UTF-8"),
    "ragged": (b"a,b,repaid\n" + b"1,2,1\n3,4,0\n" * 50 + b"1,2\n", "line 102"),
    "all null target": (b"a,repaid\n" + b"1,\n" * 50, "repaid"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_ends_in_one_clear_line(name: str, tmp_path: Path) -> None:
    content, word = BAD_TABLES[name]
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    ended = slipway("init", table, "--target", "repaid", "--project", tmp_path / "project")
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert "expected" in line
    assert "got" in line
    assert word in line
    assert "J\u00f6rg" not in line
    assert not (tmp_path / "project" / "slipway.toml").exists()


def test_the_same_mistake_for_a_machine_comes_in_parts(tmp_path: Path) -> None:
    error = document("init", tmp_path / "none.csv", "--target", "y", code=2)["error"]
    assert error["code"] == "source"
    assert error["expected"]
    assert error["next_step"]


def test_a_folder_without_a_project_says_what_to_do(tmp_path: Path) -> None:
    for verb in (["train"], ["up"], ["status"], ["deploy"], ["decisions"], ["replay"], ["sql", "select 1"]):
        ended = slipway(*verb, "--project", tmp_path)
        assert ended.returncode == 2
        assert "slipway init" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_wrong_usage_of_known_verbs(trained: Path, tmp_path: Path) -> None:
    mistakes: list[tuple[list[str | Path], int, str]] = [
        (["deploy", "loans@99"], 2, "slipway versions"),
        (["deploy", "loans"], 2, "loan@7"),
        (["deploy", "--force"], 2, "reason"),
        (["promote"], 2, "expected"),
        (["sql", "select nothing from nowhere"], 2, "views"),
        (["sql", "drop table predictions"], 2, "expected"),
        (["train", "--budget", "soon"], 2, "duration"),
    ]
    for arguments, code, word in mistakes:
        ended = slipway(*arguments, "--project", trained)
        assert ended.returncode == code, (arguments, ended.stderr)
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr


def test_outcomes_of_strangers_and_nonsense_are_refused_whole(tmp_path: Path, trained: Path) -> None:
    document("deploy", "--project", trained, code=0) if not document("versions", "--project", trained)[0][
        "serves"
    ] else None
    stranger = tmp_path / "o.csv"
    stranger.write_text("id,value\n01890000-0000-7000-8000-000000000000,1\n")
    ended = slipway("outcomes", stranger, "--project", trained)
    assert ended.returncode == 2
    assert "row 1" in ended.stderr
    stranger.write_text("who,value\nx,1\n")
    assert "'id'" in slipway("outcomes", stranger, "--project", trained).stderr


def test_a_second_up_is_refused_while_the_first_runs(trained: Path) -> None:
    with served(trained):
        ended = slipway("up", "--port", "0", "--project", trained)
    assert ended.returncode == 2
    assert "another that is running" in ended.stderr


def test_a_taken_port_is_named(trained: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = slipway("up", "--port", str(taken.getsockname()[1]), "--project", trained)
    assert ended.returncode == 3
    assert "--port" in ended.stderr


def test_a_version_whose_gates_refuse_exits_1_and_cannot_be_deployed(tmp_path: Path) -> None:
    table = write_table(tmp_path / "loans.csv", 400)
    document("init", table, "--target", "repaid", "--project", tmp_path)
    settings = tmp_path / "slipway.toml"
    settings.write_text(settings.read_text().replace("[gates]", "[gates]\nauc = {min = 0.9999}\n#"))
    ended = slipway("train", "--budget", "3s", "--project", tmp_path)
    assert ended.returncode == 1
    assert "auc" in ended.stderr
    refused = slipway("deploy", "--project", tmp_path)
    assert refused.returncode == 1
    assert "gate" in refused.stderr


def test_no_process_outlives_a_killed_up(trained: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "slipway", "up", "--port", "0", "--project", str(trained)],
        stdout=subprocess.DEVNULL,
    )
    run = trained / ".slipway" / "run"
    until((run / "up.json").exists)
    pids = json.loads((run / "up.json").read_text())
    workers = json.loads((run / "gateway.json").read_text())["workers"]
    process.kill()
    process.wait()
    for pid in (pids["gateway"], pids["controller"], *workers):
        until(lambda pid=pid: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_snapshots_are_listed_with_their_versions(trained: Path) -> None:
    first = document("data", "list", "--project", trained)[0]
    assert "loans@1" in first["versions"]
    assert first["rows"] == 600
    assert first["digest"][:16] in slipway("data", "list", "--project", trained).stdout


def test_how_a_table_was_read_is_shown_and_unreadable_rows_are_counted(tmp_path: Path) -> None:
    table = write_table(tmp_path / "loans.csv", 3000)
    with table.open("a") as file:
        file.write("1,2\n")
    folder = tmp_path / "project"
    made = document("init", table, "--target", "repaid", "--project", folder)
    assert made["set_aside"] == 1
    assert made["reading"]["separator"] == ","
    (line,) = Path(made["quarantine"]).read_text().splitlines()
    assert json.loads(line)["line"] == 3002
    shown = slipway("init", table, "--target", "repaid", "--project", folder, "--force").stdout
    assert any(line.split()[:2] == ["separator", '","'] for line in shown.splitlines())
    assert "1 rows could not be read" in shown
    assert document("check", "--project", folder)["set_aside"] == 1
    assert document("train", "--budget", "2s", "--project", folder)["set_aside"] == 1


def test_a_database_from_the_command_line(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "loans.db") as connection:
        connection.execute("create table t (x real, y int)")
        connection.executemany("insert into t values (?, ?)", [(i / 7, i % 2) for i in range(200)])
    connection.close()
    url = f"sqlite:///{tmp_path}/loans.db"
    ended = slipway("init", url, "--target", "y", "--project", tmp_path)
    assert ended.returncode == 2
    assert "--query" in ended.stderr
    assert (
        document("init", url, "--query", "select * from t", "--target", "y", "--project", tmp_path)["rows"]
        == 200
    )
    assert document("check", "--project", tmp_path)["passed"]
