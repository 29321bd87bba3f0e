"""The car loan data, whose inputs and risk change at row 25,000: verdicts of all tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.false_alarms import car_loan, ours
from benchmarks.false_alarms.peers import Job, Verdict, job_of
from benchmarks.false_alarms.scoring import window_delay
from benchmarks.false_alarms.streams import Table
from slipway.base.config import Monitor

Row = dict[str, Any]

WINDOWS = (500, 1_000, 5_000)
METRICS = ("accuracy", "roc_auc")


def peer_jobs() -> dict[str, list[Job]]:
    """What each peer is asked; the tables are ``car_loan.inputs()`` and ``car_loan.answers()``."""
    inputs, answers = car_loan.inputs(), car_loan.answers()
    return {
        peer: [
            job_of(inputs, WINDOWS),
            job_of(answers, WINDOWS, task="performance", metrics=METRICS),
        ]
        for peer in ("evidently", "nannyml")
    }


def peer_rows(peer: str, verdicts: Sequence[Verdict]) -> list[Row]:
    """False alarms and delay by feature (or metric) and window.

    False are all alarms before the change, and on features that never move those after it too.
    """
    rows: list[Row] = []
    for verdict in verdicts:
        if not verdict.table.startswith("car-loan"):
            continue
        windows = car_loan.CHANGE // verdict.window
        quiet = verdict.column in car_loan.QUIET
        before = verdict.alarms if quiet else verdict.alarms[:windows]
        after = [] if quiet else verdict.alarms[windows:]
        rows.append(
            {
                "tool": peer,
                "method": verdict.method,
                "column": verdict.column,
                "window": verdict.window,
                "quiet_windows": len(before),
                "false_alarms": sum(before),
                "delay": window_delay(after, verdict.window),
            }
        )
    return rows


def _monitored(table: Table, run_length: float) -> list[Row]:
    """One monitor over all features of the whole stream, and one over the quiet half with restarts."""
    reference = ours.reference_for(table.reference, table.kinds)
    tolerance = Monitor().tolerance
    named = ours.named(reference, table.stream, tolerance, run_length)
    quiet_half = {name: cells[: car_loan.CHANGE] for name, cells in table.stream.items()}
    before = [
        name for _, names in ours.drift_alarms(reference, quiet_half, tolerance, run_length) for name in names
    ]
    return [
        {
            "tool": "slipway",
            "method": "drift",
            "promised_rows": round(run_length),
            "column": name,
            "false_alarms": before.count(name) + (name in car_loan.QUIET and name in named),
            "delay": named[name] - car_loan.CHANGE
            if named.get(name, 0) > car_loan.CHANGE and name not in car_loan.QUIET
            else None,
        }
        for name in table.kinds
    ]


def our_rows() -> list[Row]:
    """Slipway's drift and risk alarms, at the traffic of the data and at the product's default traffic."""
    inputs, answers = car_loan.inputs(), car_loan.answers()
    promises = [Monitor().run_length(car_loan.rows_per_day()), ours.SETTINGS["default"].run_length]
    rows = [row for run_length in promises for row in _monitored(inputs, run_length)]
    for kind in ("error", "brier"):
        risk = ours.risk_of(car_loan.losses(answers.reference, kind))
        losses = car_loan.losses(answers.stream, kind)
        for run_length in promises:
            alarms = ours.risk_alarms(risk, losses, run_length)
            after = [row - car_loan.CHANGE for row in alarms if row > car_loan.CHANGE]
            rows.append(
                {
                    "tool": "slipway",
                    "method": "realised",
                    "promised_rows": round(run_length),
                    "column": kind,
                    "false_alarms": len(alarms) - len(after),
                    "delay": after[0] if after else None,
                }
            )
    return rows


def shifts() -> list[Row]:
    """How far each feature moved: the largest change of a bin's share, before and after the change."""
    table = car_loan.inputs()
    rows = car_loan.CHANGE
    return [
        {
            "column": name,
            "before": round(car_loan.shift(table, name, slice(0, rows)), 4),
            "after": round(car_loan.shift(table, name, slice(rows, 2 * rows)), 4),
        }
        for name in table.kinds
    ]
