"""`python -m benchmarks false_alarms`: measure, write the results, and write page and plots from them.

`python -m benchmarks.false_alarms ours` measures Slipway alone and keeps the peers' results, for the streams
are the same. `python -m benchmarks.false_alarms page` only writes page and plots, from what was measured.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.false_alarms import car_loan, loans, moving, page, peers, quiet
from benchmarks.false_alarms.peers import CACHE, Answer, Job
from benchmarks.false_alarms.quiet import Scale
from benchmarks.false_alarms.streams import SEED, Table
from benchmarks.results import FOLDER, processor

RESULTS = FOLDER / "false_alarms.json"
PEERS = ("evidently", "nannyml")
SCALE = Scale(references={1_000: 40, 5_000: 40, 50_000: 10})
#: Streams per change.
RUNS = 20


def conditions() -> dict[str, Any]:
    """Where and when, and with what."""
    return {
        "command": "python -m benchmarks false_alarms",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "scipy")},
        },
        "seed": SEED,
        "runs_per_change": RUNS,
        "references": {str(rows): count for rows, count in SCALE.references.items()},
        "windows_per_reference": SCALE.windows,
    }


def _lay_out(folder: Path) -> dict[str, list[Job]]:
    """Write all tables; the jobs of each peer."""
    jobs: dict[str, list[Job]] = {peer: [] for peer in PEERS}

    def add(table: Table, asked: dict[str, Job]) -> None:
        table.write(folder)
        for peer, job in asked.items():
            jobs[peer].append(job)

    for table in quiet.tables(SCALE):
        add(table, quiet.peer_jobs(table, SCALE))
    for table in moving.tables(RUNS):
        add(table, moving.peer_jobs(table))
    for table in moving.answer_tables(RUNS):
        add(table, moving.answer_jobs(table))
    for table in (car_loan.inputs(), car_loan.answers()):
        table.write(folder)
    for peer, asked in loans.peer_jobs().items():
        jobs[peer] += asked
    return jobs


def _ask_peers() -> dict[str, Answer]:
    folder = CACHE / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    jobs = _lay_out(folder)
    answers: dict[str, Answer] = {}
    for peer in PEERS:
        print(f"  {peer}: {len(jobs[peer])} tables", flush=True)
        answers[peer] = peers.ask(peer, folder, jobs[peer])
        print(f"  {peer}: {answers[peer].cpu_seconds:.0f} s of CPU", flush=True)
    shutil.rmtree(folder)
    return answers


def _ours() -> dict[str, Any]:
    print("  slipway", flush=True)
    return {
        "quiet": quiet.our_rates(SCALE),
        "run_length": quiet.run_lengths(SCALE),
        "delay": moving.our_delays(RUNS),
        "labels": moving.our_answers(RUNS),
        "car_loan": loans.our_rows(),
    }


def measure() -> dict[str, Any]:
    """Everything, as the results file has it."""
    answers = _ask_peers()
    started = time.process_time()
    found = _ours()
    seconds = {"slipway": time.process_time() - started}
    seconds |= {peer: answer.cpu_seconds for peer, answer in answers.items()}
    verdicts = {peer: answer.verdicts for peer, answer in answers.items()}
    labels = [moving.peer_answers(peer, verdicts[peer]) for peer in PEERS] + [found["labels"]]
    return {
        **conditions(),
        "cpu_seconds": {name: round(value) for name, value in seconds.items()},
        "peer_versions": {peer: answer.versions for peer, answer in answers.items()},
        "quiet": [row for peer in PEERS for row in quiet.rates(peer, verdicts[peer])] + found["quiet"],
        "quiet_table": [row for peer in PEERS for row in quiet.table_rates(peer, verdicts[peer])],
        "run_length": found["run_length"],
        "delay": [row for peer in PEERS for row in moving.peer_delays(peer, verdicts[peer])] + found["delay"],
        "labels_quiet": [row for part in labels for row in part["quiet"]],
        "labels_delay": [row for part in labels for row in part["moved"]],
        "car_loan": [row for peer in PEERS for row in loans.peer_rows(peer, verdicts[peer])]
        + found["car_loan"],
        "car_loan_shift": loans.shifts(),
    }


def measure_ours(results: dict[str, Any]) -> dict[str, Any]:
    """The results with Slipway's part measured anew."""
    started = time.process_time()
    found = _ours()
    return with_ours(results, found, round(time.process_time() - started))


def with_ours(results: dict[str, Any], found: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The results with Slipway's rows replaced by what was found, in so many seconds."""

    def joined(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in results[name] if row["tool"] != "slipway"] + rows

    return {
        **results,
        **conditions(),
        "cpu_seconds": {**results["cpu_seconds"], "slipway": seconds},
        "quiet": joined("quiet", found["quiet"]),
        "run_length": found["run_length"],
        "delay": joined("delay", found["delay"]),
        "labels_quiet": joined("labels_quiet", found["labels"]["quiet"]),
        "labels_delay": joined("labels_delay", found["labels"]["moved"]),
        "car_loan": joined("car_loan", found["car_loan"]),
    }


def _read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def _lines(results: dict[str, Any]) -> str:
    """JSON with one measured row per line: short, and its changes can be read."""
    parts: list[str] = []
    for name, value in results.items():
        if isinstance(value, list) and value:
            rows = ",\n  ".join(json.dumps(row) for row in value)
            parts.append(f" {json.dumps(name)}: [\n  {rows}\n ]")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: Sequence[str] = ()) -> None:
    if "ours" in arguments:
        RESULTS.write_text(_lines(measure_ours(_read())), encoding="utf-8")
    elif "page" not in arguments:
        RESULTS.write_text(_lines(measure()), encoding="utf-8")
    page.write(_read())


if __name__ == "__main__":
    main(sys.argv[1:])
