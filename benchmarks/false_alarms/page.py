"""Writes the measured parts of docs/false-alarms.md and its plots; the words between them are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.false_alarms import findings, plot, tables
from benchmarks.false_alarms.tables import Results

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "false-alarms.md"
_BLOCK = re.compile(r"(<!-- begin (?P<name>[\w-]+) -->\n).*?(<!-- end (?P=name) -->)", re.DOTALL)


def blocks(results: Results) -> dict[str, str]:
    """Every measured part of the page by name."""
    return {
        "findings": findings.sentences(results),
        "quiet": tables.quiet(results, 5_000),
        "quiet-table": tables.quiet_table(results, 5_000),
        "quiet-1000": tables.quiet(results, 1_000),
        "quiet-50000": tables.quiet(results, 50_000),
        "run-length": tables.run_length(results),
        "delays": tables.delays(results, 5_000),
        "delays-50000": tables.delays(results, 50_000),
        "missing": tables.missing(results, 5_000),
        "labels": tables.labels(results),
        "car-loan": tables.car_loan(results),
        "car-loan-risk": tables.car_loan_risk(results),
        "conditions": tables.conditions(results),
    }


def images(results: Results) -> dict[str, str]:
    """The plots by file name."""
    return {"false-alarms.svg": plot.quiet(results), "false-alarms-delay.svg": plot.delays(results)}


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with each part between its two comments.

    Raises:
        ValueError: a part without a place, or a place without a part.
    """
    names = [match["name"] for match in _BLOCK.finditer(page)]
    if sorted(names) != sorted(parts):
        raise ValueError(f"places {sorted(names)} do not fit parts {sorted(parts)}")
    return _BLOCK.sub(lambda match: f"{match[1]}{parts[match['name']]}\n{match[3]}", page)


def write(results: Results) -> None:
    """Bring page and plots up to date."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks(results)), encoding="utf-8")
    for name, image in images(results).items():
        (DOCS / "images" / name).write_text(image, encoding="utf-8")
