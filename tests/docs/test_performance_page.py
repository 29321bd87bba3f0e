"""The figures of docs/performance.md are those of benchmarks/results."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_says_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.report import PAGE, TABLES, filled

    page = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        assert f"<!-- {name} -->" in page
    assert filled(page) == page, "run `python -m benchmarks.report`"
    sys.modules.pop("benchmarks.report")
