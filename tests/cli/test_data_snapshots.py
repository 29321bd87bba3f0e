"""``slipway data list | show | diff`` as a user types them, on snapshots of two trainings."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def slipway(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def document(*arguments: str | Path) -> Any:
    ended = slipway(*arguments, "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def write_table(path: Path, rows: int) -> None:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["number", "salary", "purpose", "repaid"])
        for at in range(rows):
            salary = rng.uniform(1000, 5000)
            out.writerow([at, round(salary, 2), rng.choice(["car", "house", ""]), int(salary > 3000)])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions, the second on appended rows of which one was changed."""
    folder = tmp_path_factory.mktemp("project")
    source = folder / "loans.csv"
    write_table(source, 600)
    document("init", source, "--target", "repaid", "--project", folder)
    document("train", "--budget", "2s", "--project", folder)
    write_table(source, 700)
    source.write_text(source.read_text().replace("\n5,", "\n5,9", 1))
    document("train", "--budget", "2s", "--project", folder)
    return folder


def test_list_says_when_and_for_what(project: Path) -> None:
    first, second = document("data", "list", "--project", project)
    assert (first["rows"], second["rows"]) == (600, 700)
    assert (first["versions"], second["versions"]) == (["loans@1"], ["loans@2"])
    assert first["taken"] < second["taken"]
    shown = slipway("data", "list", "--project", project).stdout
    assert first["digest"][:16] in shown
    assert "taken" in shown


def test_show_reads_and_describes(project: Path) -> None:
    digest = document("data", "list", "--project", project)[0]["digest"]
    by_digest = document("data", "show", digest[:8], "--project", project)
    by_version = document("data", "show", "loans@1", "--project", project)
    assert by_digest == by_version
    assert (by_digest["digest"], by_digest["rows"], by_digest["versions"]) == (digest, 600, ["loans@1"])
    columns = {column["name"]: column for column in by_digest["columns"]}
    assert (columns["number"]["min"], columns["number"]["max"]) == (0, 599)
    assert 0.2 < columns["purpose"]["missing"] < 0.5
    assert by_digest["source_bytes"] > 1000
    assert by_digest["bytes"] > by_digest["shared_bytes"] == 0
    shown = slipway("data", "show", "loans@1", "--project", project).stdout
    assert "intact" in shown
    assert "purpose" in shown


def test_diff_counts_rows_by_key_and_as_a_whole(project: Path) -> None:
    made = document("data", "diff", "loans@1", "loans@2", "--key", "number", "--project", project)
    assert (made["added"], made["removed"], made["changed"], made["same"]) == (100, 0, 1, 599)
    changed = {column["name"]: column["changed"] for column in made["columns"]}
    assert changed == {"number": 0, "salary": 1, "purpose": 0, "repaid": 0}
    whole = document("data", "diff", "loans@1", "loans@2", "--project", project)
    assert (whole["added"], whole["removed"], whole["changed"], whole["same"]) == (101, 1, None, 599)
    shown = slipway("data", "diff", "loans@1", "loans@2", "--key", "number", "--project", project).stdout
    assert "added" in shown
    assert "distance" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "loans@9"), "neither"),
        (("show", "zz"), "neither"),
        (("show", "../../etc"), "neither"),
        (("diff", "loans@1", "loans@2", "--key", "colour"), "lacks"),
        (("diff", "loans@1", "loans@2", "--key", "purpose"), "the key of another"),
    ],
)
def test_wrong_names_end_in_one_line(project: Path, arguments: tuple[str, ...], message: str) -> None:
    ended = slipway("data", *arguments, "--project", project)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_damaged_snapshot_is_named_as_such(project: Path) -> None:
    (first, _) = document("data", "list", "--project", project)
    folder = project / ".slipway" / "snapshots"
    (file,) = json.loads((folder / first["digest"] / "manifest.json").read_text())["files"]
    block = folder / "blocks" / f"{file}.parquet"
    whole = block.read_bytes()
    block.write_bytes(whole[:-20])
    ended = slipway("data", "show", "loans@1", "--project", project)
    block.write_bytes(whole)
    assert ended.returncode == 3
    assert "changed or broken" in ended.stderr
    assert document("data", "show", "loans@1", "--project", project)["rows"] == 600
