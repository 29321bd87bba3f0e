"""`slipway data privacy | pseudonymise | counts` as a user types them, on made-up people."""

from __future__ import annotations

import importlib.util
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


def document(*arguments: str | Path, code: int = 0) -> Any:
    ended = slipway("data", *arguments, "--json")
    assert ended.returncode == code, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    rng = random.Random(5)
    lines = ["customer_id,contact,age,town,amount,repaid"]
    lines += [
        f"C{n % 90},person{n}@example.org,{rng.randint(20, 70)},{rng.choice(['north', 'south'])},"
        f"{rng.gauss(900, 90):.2f},{rng.randint(0, 1)}"
        for n in range(300)
    ]
    (folder / "loans.csv").write_text("\n".join(lines))
    ended = slipway("init", folder / "loans.csv", "--target", "repaid", "--project", folder)
    assert ended.returncode == 0, ended.stderr
    return folder


def test_personal_data_is_listed_without_a_cell(project: Path) -> None:
    found = document("privacy", "--project", project)
    assert {one["column"]: one["kind"] for one in found["personal"]} == {
        "customer_id": "person id",
        "contact": "e-mail",
    }
    assert found["guessed"]
    assert found["anonymity"]["columns"] == ["age", "town"]
    assert found["anonymity"]["sensitive"] == "repaid"
    assert set(found["untagged"]) <= {"customer_id", "contact"}
    ended = slipway("data", "privacy", "--project", project)
    assert "e-mail" in ended.stdout
    assert "example.org" not in ended.stdout + json.dumps(found)


def test_quasi_identifiers_can_be_named(project: Path) -> None:
    found = document("privacy", project / "loans.csv", "--quasi", "town", "--project", project)
    assert found["anonymity"]["classes"] == 2
    assert not found["guessed"]
    failed = document("privacy", "--quasi", "nose", "--project", project, code=2)
    assert failed["error"]["code"] == "usage"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_pseudonyms_join_across_files_and_keep_the_rest(project: Path, tmp_path: Path, name: str) -> None:
    source = project / "loans.csv"
    arguments = ("pseudonymise", source, "-c", "customer_id", "--column", "contact", "--project", project)
    said = document(*arguments, "--out", tmp_path / name)
    assert said["key_version"] == 1
    out = pl.read_csv(tmp_path / name) if name.endswith("csv") else pl.read_parquet(tmp_path / name)
    before = pl.read_csv(source)
    assert out["amount"].equals(before["amount"])
    assert out["customer_id"].n_unique() == 90
    assert out["customer_id"].str.starts_with("p1_").all()
    document(*arguments, "--out", tmp_path / "again.parquet")
    assert pl.read_parquet(tmp_path / "again.parquet")["contact"].equals(out["contact"])


def test_mistakes_end_in_one_line_and_leave_no_file(project: Path, tmp_path: Path) -> None:
    source, out = project / "loans.csv", tmp_path / "out.csv"
    common = ("--project", project)
    for column, to, code in (
        ("nose", out, 2),
        ("amount", out, 2),
        ("contact", tmp_path / "out.xlsx", 2),
        ("contact", tmp_path / "no such folder" / "out.csv", 3),
    ):
        failed = document("pseudonymise", source, "-c", column, "--out", to, *common, code=code)
        assert failed["error"]["next_step"] or failed["error"]["where"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("opendp") is None, reason="the extra privacy is not installed")
def test_released_counts_are_noted_and_their_epsilons_add_up(project: Path) -> None:
    first = document("counts", "--by", "town", "--epsilon", "0.5", "--project", project)
    assert first["counts"]["groups"] == [["north"], ["south"]]
    again = document("counts", "--by", "town", "--project", project)
    assert again["epsilon_in_all"] == pytest.approx(first["epsilon_in_all"] + 1.0)
    ended = slipway("data", "counts", "--by", "town", "--project", project)
    assert "with noise" in ended.stdout
    kinds = [
        one["kind"]
        for one in json.loads(slipway("decisions", "--project", project, "--json").stdout)["entries"]
    ]
    assert kinds.count("counts_released") == 3


@pytest.mark.parametrize("by", ["", "amount", "nose"])
def test_counts_need_levels_from_the_contract(project: Path, by: str) -> None:
    assert document("counts", "--by", by, "--project", project, code=2)["error"]["code"] == "usage"


def test_a_personal_column_that_requests_carry_is_named_until_the_contract_tags_it(tmp_path: Path) -> None:
    table = tmp_path / "visits.csv"
    hosts = [f"192.0.2.{n % 20}" for n in range(200)]
    table.write_text(
        "host,age,back\n" + "\n".join(f"{host},{n % 50},{n % 2}" for n, host in enumerate(hosts))
    )
    assert slipway("init", table, "--target", "back", "--project", tmp_path).returncode == 0
    assert document("privacy", "--project", tmp_path)["untagged"] == ["host"]
    contract = tmp_path / "contract.toml"
    text = contract.read_text()
    assert "[columns.host]" in text
    contract.write_text(text.replace("[columns.host]", '[columns.host]\ntags = ["personal"]'))
    found = document("privacy", "--project", tmp_path)
    assert found["untagged"] == []
    assert [one["kind"] for one in found["personal"]] == ["ip address"]
