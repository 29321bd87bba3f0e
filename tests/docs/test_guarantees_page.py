"""docs/guarantees.md shows what was measured: its figures are those of the results."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    before = set(sys.modules)
    yield importlib.import_module("benchmarks.guarantees.page")
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks" and name not in before]:
        del sys.modules[name]


def test_the_figures_are_those_of_the_results(page: Any) -> None:
    assert page.filled(PAGE) == PAGE, "run `python -m benchmarks.guarantees --page`"


def test_a_page_without_a_figure_is_refused(page: Any) -> None:
    with pytest.raises(KeyError, match="caption"):
        page.filled(PAGE.replace("<!-- caption -->", ""))


def test_the_pictures_are_there_for_light_and_dark_and_say_what_the_ledger_says() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "guarantees.json").read_text(encoding="utf-8"))
    sources = re.findall(r'(?:src|srcset)="(images/[^"]+)"', PAGE)
    assert len(sources) == 4
    for source in sources:
        svg = (ROOT / "docs" / source).read_text(encoding="utf-8")
        assert svg.startswith("<svg")
        assert ("-dark" in source) == ("evidence-dark" in svg)
        if "images/evidence" in source:
            assert f"decided at label {found['decision']['verdict']['n']}" in svg


def test_the_example_is_the_decision_that_a_reader_can_count_by_hand() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "guarantees.json").read_text(encoding="utf-8"))
    verdict = found["decision"]["verdict"]
    pairs, saved = found["by_hand"]["answer"]
    assert pairs == verdict["n"] == verdict["decided_at"]
    assert saved == pytest.approx(verdict["mean"])
    assert verdict["e_value"] >= 1 / verdict["alpha"]
    assert verdict["interval"][0] > 0


def test_what_the_page_says_in_words_about_its_figures_is_so() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "guarantees.json").read_text(encoding="utf-8"))
    peeking = found["peeking"]
    assert peeking["guard, better"] <= 0.05
    assert peeking["guard, worse"] <= 0.05
    assert 0.3 < peeking["z test, 100 looks"] < 0.4
    late = found["late_change"]
    assert late[-1]["test"] > 10 * late[-1]["detector"]
    assert late[-1]["detector"] < 1.5 * late[0]["detector"]
    alpha = {value: plan["shadow"][1]["labels_median"] for value, plan in found["plans"]["alpha"].items()}
    assert 1.2 < alpha["0.01"] / alpha["0.1"] < 2.5
    quick, slow = (found["plans"]["false_alarms"][rate] for rate in ("1 per 7d", "1 per 365d"))
    for one, other in zip(quick["risk"], slow["risk"], strict=True):
        if one["most"] and other["most"]:
            assert other["median"] <= 2 * one["median"]
