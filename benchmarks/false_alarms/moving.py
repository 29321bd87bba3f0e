"""Streams that change at a known row: how many changes are found, and after how many rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.false_alarms import ours, streams
from benchmarks.false_alarms.peers import Job, Verdict, job_of
from benchmarks.false_alarms.scoring import delays, poisson_bounds, rate, window_delay
from benchmarks.false_alarms.streams import CHANGES, ERROR_RATE, HORIZON, QUIET_ROWS, WORSE, Table

Row = dict[str, Any]

REFERENCE_ROWS = (5_000, 50_000)
#: Window sizes by peer and reference rows; NannyML wants ten reference chunks or so, and Evidently with
#: 50,000 reference rows has the rule and the threshold that it has with 5,000.
PEER_WINDOWS = {
    ("evidently", 5_000): (500, 1_000, 5_000),
    ("nannyml", 5_000): (500,),
    ("nannyml", 50_000): (500, 1_000, 5_000),
}
LABEL_WINDOWS = (1_000, 5_000)
LABEL_REFERENCE = 50_000
QUIET_LABELS = 50_000


def tables(runs: int) -> Iterable[Table]:
    """The tables with one changed column per change."""
    for rows in REFERENCE_ROWS:
        for index in range(runs):
            yield streams.changed(rows, index)


def peer_jobs(table: Table) -> dict[str, Job]:
    """What each peer is asked about a changed table; its first window begins at the change."""
    rows = len(next(iter(table.reference.values())))
    return {
        peer: job_of(table, windows, stop=True) for (peer, of), windows in PEER_WINDOWS.items() if of == rows
    }


def peer_delays(peer: str, verdicts: Sequence[Verdict]) -> list[Row]:
    """Delay of a peer by method, reference, change and window."""
    found: dict[tuple[str, int, str, int], list[int | None]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.table.startswith("changed-"):
            rows = int(verdict.table.split("-")[1])
            delay = window_delay(verdict.alarms, verdict.window)
            found[verdict.method, rows, verdict.column, verdict.window].append(delay)
    return [
        {
            "tool": peer,
            "method": method,
            "reference_rows": rows,
            "change": change,
            "window": window,
            **delays(values),
        }
        for (method, rows, change, window), values in sorted(found.items())
    ]


def our_delays(runs: int) -> list[Row]:
    """Slipway's delay by setting, reference and change; one monitor per column."""
    found: dict[tuple[str, int, str], list[int | None]] = defaultdict(list)
    for table in tables(runs):
        rows = int(table.name.split("-")[1])
        for change in CHANGES:
            columns, kinds = {change: table.reference[change]}, {change: table.kinds[change]}
            reference = ours.reference_for(columns, kinds)
            for name, setting in ours.SETTINGS.items():
                delay = ours.drift_delay(
                    reference,
                    {change: table.stream[change]},
                    table.start,
                    setting.monitor.tolerance,
                    setting.run_length,
                )
                found[name, rows, change].append(delay)
    return [
        {
            "tool": "slipway",
            "method": "drift",
            "setting": name,
            "promised_rows": ours.SETTINGS[name].run_length,
            "reference_rows": rows,
            "change": change,
            **delays(values),
        }
        for (name, rows, change), values in found.items()
    ]


def answer_tables(runs: int) -> Iterable[Table]:
    """Labelled answers: quiet ones, and ones whose error rate rises."""
    for index in range(runs):
        yield streams.answers(LABEL_REFERENCE, index, ERROR_RATE, QUIET_LABELS, 0)
        for worse in WORSE:
            yield streams.answers(LABEL_REFERENCE, index, worse, QUIET_ROWS + HORIZON, QUIET_ROWS)


def answer_jobs(table: Table) -> dict[str, Job]:
    """Evidently's default test allows accuracy to fall by a fifth, so only the car loan asks it."""
    return {"nannyml": job_of(table, LABEL_WINDOWS, task="performance")}


def _error_rate(table: str) -> float:
    return float(table.split("-")[1])


def peer_answers(peer: str, verdicts: Sequence[Verdict]) -> dict[str, list[Row]]:
    """False alarms and delays of a peer that watches accuracy."""
    alarms: dict[tuple[float, int], list[list[int]]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.table.startswith("answers-"):
            alarms[_error_rate(verdict.table), verdict.window].append(verdict.alarms)
    quiet = [
        {"tool": peer, "window": window, **rate(sum(map(sum, found)), sum(map(len, found)))}
        for (error, window), found in sorted(alarms.items())
        if error == ERROR_RATE
    ]
    moved = [
        {
            "tool": peer,
            "error_rate": error,
            "window": window,
            **delays([window_delay(each, window) for each in found]),
        }
        for (error, window), found in sorted(alarms.items())
        if error != ERROR_RATE
    ]
    return {"quiet": quiet, "moved": moved}


def our_answers(runs: int) -> dict[str, list[Row]]:
    """The same for Slipway's risk monitor on 0/1 losses, with the default promise."""
    run_length = ours.SETTINGS["default"].run_length
    counts = [0, 0]
    found: dict[float, list[int | None]] = defaultdict(list)
    for table in answer_tables(runs):
        held_out, stream = (
            np.abs(cells["label"] - cells["answer"]) for cells in (table.reference, table.stream)
        )
        alarms = ours.risk_alarms(ours.risk_of(held_out), stream, run_length)
        if _error_rate(table.name) == ERROR_RATE:
            counts[0] += len(alarms)
            counts[1] += stream.size
        else:
            after = [row - table.start for row in alarms if row > table.start]
            found[_error_rate(table.name)].append(after[0] if after else None)
    return {
        "quiet": [
            {
                "tool": "slipway",
                "promised_rows": run_length,
                "alarms": counts[0],
                "rows": counts[1],
                "rows_per_alarm_low": round(counts[1] / poisson_bounds(counts[0])[1]),
            }
        ],
        "moved": [
            {"tool": "slipway", "error_rate": error, **delays(values)} for error, values in found.items()
        ],
    }
