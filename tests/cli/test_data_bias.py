"""`slipway data bias` as a user types it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest


def slipway(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    rng = random.Random(2)
    lines = ["side,club,score,hired"]
    for _ in range(900):
        side = rng.choice("aab")
        club = {"a": "rowing", "b": "chess"}[side] if rng.random() < 0.9 else "none"
        lines.append(
            f"{side},{club},{rng.gauss(0, 1):.3f},{int(rng.random() < (0.6 if side == 'a' else 0.2))}"
        )
    (folder / "people.csv").write_text("\n".join(lines))
    ended = slipway("init", folder / "people.csv", "--target", "hired", "--project", folder)
    assert ended.returncode == 0, ended.stderr
    return folder


def document(*arguments: str | Path, code: int = 0) -> Any:
    ended = slipway("data", "bias", *arguments, "--json")
    assert ended.returncode == code, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def test_the_report_names_the_unequal_group_and_its_proxy(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "weighted.parquet"
    found = document("--sensitive", "side", "--weights", out, "--project", project)
    first, second = found["tables"][0]["groups"]
    assert (first["verdict"], second["verdict"]) == ("reference", "unequal")
    assert found["proxies"][0]["levels"][0]["features"][0]["feature"] == "club"
    assert "side" not in {f["feature"] for f in found["proxies"][0]["levels"][0]["features"]}
    weighted = pl.read_parquet(out)
    assert weighted.height == found["rows"] == 900
    assert weighted["reweighing"].mean() == pytest.approx(1.0)


def test_people_get_tables_and_another_file_can_be_named(project: Path) -> None:
    ended = slipway(
        "data", "bias", project / "people.csv", "-s", "side,club", "--seconds", "0", "--project", project
    )
    assert ended.returncode == 0, ended.stderr
    assert "side x club" in ended.stdout
    assert "unequal" in ended.stdout
    assert "proxies" not in ended.stdout


@pytest.mark.parametrize("sensitive", ["", "nose", "hired"])
def test_a_mistake_ends_in_one_line(project: Path, sensitive: str) -> None:
    assert document("--sensitive", sensitive, "--project", project, code=2)["error"]["code"] == "usage"


def test_weights_that_cannot_be_written_end_in_one_line(project: Path, tmp_path: Path) -> None:
    missing = tmp_path / "no such folder" / "out.parquet"
    found = document("-s", "side", "--seconds", "0", "--weights", missing, "--project", project, code=3)
    assert found["error"]["code"] == "store"


def test_columns_tagged_sensitive_need_not_be_named(project: Path) -> None:
    contract = project / "contract.toml"
    text = contract.read_text()
    failed = document("--seconds", "0", "--project", project, code=2)
    assert "sensitive" in failed["error"]["next_step"]
    contract.write_text(text.replace("[columns.side]", '[columns.side]\ntags = ["sensitive"]'))
    try:
        found = document("--seconds", "0", "--project", project)
    finally:
        contract.write_text(text)
    assert [table["columns"] for table in found["tables"]] == [["side"]]
