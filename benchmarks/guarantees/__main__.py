"""Make the figures and pictures of docs/guarantees.md: `python -m benchmarks guarantees`.

Plays `slipway demo` in a folder of its own and reads its ledger and log; `python -m benchmarks.guarantees
FOLDER` reads a demo that is there already, and `--page` only fills in the page again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.guarantees import trials
from benchmarks.guarantees.decision import Promotion, read_promotion
from benchmarks.guarantees.page import PAGE, filled
from benchmarks.guarantees.pictures import draw
from benchmarks.results import record
from slipway.base.layout import Layout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a finished demo")
    parser.add_argument("--page", action="store_true", help="only fill in the page from the results")
    arguments = parser.parse_args()
    if not arguments.page:
        _measure(arguments.folder)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _measure(folder: Path | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        played = folder or _play(Path(scratch) / "demo")
        promotion = read_promotion(Layout(played))
    verdict = promotion.entry["verdict"]
    draw(promotion.path, verdict["alpha"], (promotion.entry["other"], promotion.entry["version"]))
    record(
        "guarantees",
        "python -m benchmarks guarantees",
        ("numpy", "scipy"),
        {
            **_described(promotion),
            "peeking": trials.peeking(),
            "late_change": trials.late_change(),
            "budgets": trials.budgets(),
            "plans": trials.plans(),
        },
    )


def _play(folder: Path) -> Path:
    command = [sys.executable, "-m", "slipway", "demo", "--folder", str(folder), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def _described(promotion: Promotion) -> dict[str, Any]:
    entry = {name: value for name, value in promotion.entry.items() if name != "actor"}
    return {
        "decision": entry,
        "ledger": promotion.ledger,
        "by_hand": {"query": promotion.query, "answer": promotion.answer},
        "replayed": promotion.replayed,
    }


if __name__ == "__main__":
    main()
