"""``slipway data clean``: suggestions as a user reads and accepts them, then a version trained with them."""

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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A table with typing errors in a column and a slip of the unit in another."""
    rng = random.Random(0)
    source = tmp_path / "loans.csv"
    with source.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["salary", "purpose", "repaid"])
        for at in range(800):
            salary = rng.uniform(2000, 5000)
            purpose = "hosue" if at % 200 == 3 else rng.choice(["car", "house", "boat trip"])
            repaid = int(salary + rng.gauss(0, 500) > 3000)
            out.writerow([round(salary * (1000 if at % 100 == 5 else 1), 2), purpose, repaid])
    document("init", source, "--target", "repaid", "--project", tmp_path)
    return tmp_path


def test_from_suggestions_to_a_version(project: Path) -> None:
    shown = document("data", "clean", "--project", project)
    assert {one["defect"]: one["rows"] for one in shown["suggestions"]} == {"unit": 8, "typo": 4}
    assert (shown["accepted"], shown["steps"]) == ([], 0)
    assert not (project / "cleaning.toml").exists()
    people = slipway("data", "clean", "--project", project).stdout
    assert "hosue -> house" in people
    assert "--accept" in people

    numbers = [str(at) for at, one in enumerate(shown["suggestions"], 1) if one["defect"] == "typo"]
    first = document("data", "clean", "--accept", ",".join(numbers), "--project", project)
    assert first["steps"] == 1
    left = document("data", "clean", "--project", project)
    assert [one["defect"] for one in left["suggestions"]] == ["unit"]
    assert slipway("data", "clean", "--accept", "1", "--project", project).returncode == 0
    assert "nothing looks wrong" in slipway("data", "clean", "--project", project).stdout
    text = (project / "cleaning.toml").read_text()
    assert text.count("[[steps]]") == 2

    document("train", "--budget", "2s", "--project", project)
    (bundle,) = (project / ".slipway" / "bundles").iterdir()
    kept = json.loads((bundle / "cleaning.json").read_text())
    assert sorted(step["kind"] for step in kept["steps"]) == ["replace", "rescale"]


@pytest.mark.parametrize("numbers", ["3", "0", "one", "1,,2", "-1", ""])
def test_numbers_that_are_none_are_refused(project: Path, numbers: str) -> None:
    ended = slipway("data", "clean", f"--accept={numbers}", "--project", project)
    assert ended.returncode == 2
    assert "numbers from 1 to 2" in ended.stderr
    assert not (project / "cleaning.toml").exists()


def test_a_broken_file_of_steps_ends_in_one_line(project: Path) -> None:
    (project / "cleaning.toml").write_text('[[steps]]\nkind = "blank"\ncolumn = "repaid"\nmax = 1\n')
    for verb in (("data", "clean"), ("train",)):
        ended = slipway(*verb, "--project", project)
        assert ended.returncode == 2
        assert "cleaning.toml" in ended.stderr
        assert "Traceback" not in ended.stderr
