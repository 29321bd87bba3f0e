"""The report: one whole file, safe against what stands in the data, and the command that writes it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl

from slipway.data import report
from slipway.data.profile import ProfileOptions, profile_table
from slipway.data.report import TITLES, report_page
from slipway.data.report_plots import number_text

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
EVIL = '<script>alert("x")</script>&\'"'


class Balance(HTMLParser):
    """Fails on a closing tag that does not fit, and gathers what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            elif key in ("href", "src"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Balance:
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    return balance


def a_table(n: int = 3_000) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pl.DataFrame(
        {
            EVIL: x,
            "twice": x * 2 + rng.normal(size=n) * 0.01,
            "level": rng.choice([EVIL, "plain"], n),
            "day": pl.Series(np.arange(n) * 86_400_000_000).cast(pl.Datetime("us")),
            "nothing": pl.Series([None] * n, dtype=pl.Float64),
            "y": np.where(x + rng.normal(size=n) > 2, EVIL, "no"),
        }
    )


def test_the_page_is_whole_loads_nothing_and_escapes_the_data() -> None:
    page = report_page(profile_table(a_table(), EVIL, ProfileOptions(target="y")), NOW)
    balance = parsed(page)
    assert "script" not in balance.tags
    assert "<script" not in page
    assert len(balance.ids) == len(set(balance.ids))
    assert all(link.startswith("#") and link[1:] in balance.ids for link in balance.links)
    assert not re.search(r"https?://|url\(|@import", page)
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page
    assert "made 2026-01-02 03:04 UTC" in page


def test_the_page_shows_every_finding_and_every_column() -> None:
    made = profile_table(a_table(), "t", ProfileOptions(target="y"))
    page = report_page(made, NOW)
    assert {one.rule for one in made.findings} >= {"imbalance", "empty", "moves_together"}
    for one in made.findings:
        assert TITLES[one.rule] in page
    for place in range(len(made.columns)):
        assert f'id="c{place}"' in page


def test_a_page_without_target_or_findings_is_whole() -> None:
    made = profile_table(pl.DataFrame({"a": [1.5, 2.5, 4.0], "b": ["x", "y", "x"]}), "t")
    page = report_page(made, NOW)
    parsed(page)
    assert "Nothing in this table would mislead" in page
    assert 'id="target"' not in page


def test_a_wide_table_is_folded() -> None:
    made = profile_table(pl.DataFrame({f"x{i}": [1.0, float(i)] for i in range(90)}), "t")
    page = report_page(made, NOW)
    parsed(page)
    assert "<summary>10 more columns</summary>" in page


def test_every_rule_has_a_headline_and_every_headline_a_rule() -> None:
    rules: set[str] = set()
    folder = Path(report.__file__).parent
    for path in folder.glob("profile_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "_one" and node.args and isinstance(node.args[0], ast.Constant):
                    rules.add(str(node.args[0].value))
                if node.func.id == "Finding":
                    value = next(word.value for word in node.keywords if word.arg == "rule")
                    rules |= {
                        str(part.value)
                        for part in ast.walk(value)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    }
    assert rules == set(TITLES)
    page = Path(__file__).resolve().parents[2] / "docs" / "profile.md"
    documented = set(re.findall(r"`([a-z_0-9]+)`", page.read_text(encoding="utf-8").split("## Findings")[1]))
    assert rules == documented - {"serious", "check", "note"}


def test_numbers_are_written_for_people() -> None:
    texts = [number_text(value) for value in (0, 12.0, 0.125, 1234.5, 2.5e7, -3.0, 1e-9, 1e20)]
    assert texts == ["0", "12", "0.125", "1,234", "25M", "-3", "1.00e-09", "1.00e+20"]


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slipway", "data", "profile", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_profiles_a_file_without_a_project(tmp_path: Path) -> None:
    a_table().write_parquet(tmp_path / "t.parquet")
    ended = run("t.parquet", "--target", "y", "--html", "t.html", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["rows"] == 3_000
    assert [column["name"] for column in document["columns"]] == a_table().columns
    parsed((tmp_path / "t.html").read_text(encoding="utf-8"))


def test_the_command_profiles_the_source_of_a_project_and_names_what_is_wrong(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 3},{i % 2}\n" for i in range(300))
    (tmp_path / "t.csv").write_text(f"line,size,y\n{rows}", encoding="utf-8")
    command = [sys.executable, "-m", "slipway", "init", "t.csv", "--target", "y"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    ended = run(cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "row_number" in ended.stdout
    ended = run("--html", "no/such/folder/t.html", cwd=tmp_path)
    assert ended.returncode == 3
    assert len(ended.stderr.strip().splitlines()) <= 4
    assert run("absent.csv", cwd=tmp_path).returncode == 2
