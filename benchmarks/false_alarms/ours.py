"""Slipway's verdicts on the same tables, by the monitors that the product runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.false_alarms.streams import Cells, Kind
from slipway.base.config import Monitor
from slipway.models.reference import Reference, RiskReference, fit_reference
from slipway.monitor.drift import DriftMonitor
from slipway.monitor.risk import RiskMonitor
from slipway.stats.bounds import upper_risk_bound

#: Traffic that stands behind "1 per 90d" where no table says otherwise, as in the product.
ROWS_PER_DAY = 10_000.0
#: Level of the bound on the held-out risk, as at training.
RISK_ALPHA = 0.025
#: Rows per call: many where alarms are rare, few where one is near and the monitor looks block by block.
_FAR, _NEAR = 50_000, 1_000


@dataclass(frozen=True)
class Setting:
    """A choice of ``[monitor]`` and what the page calls it."""

    title: str
    monitor: Monitor

    @property
    def run_length(self) -> float:
        """Promised rows between false alarms."""
        return self.monitor.run_length(ROWS_PER_DAY)


SETTINGS = {
    "default": Setting("Slipway, default", Monitor()),
    "tight": Setting("Slipway, tolerance 0", Monitor(tolerance=0.0)),
    "eager": Setting(
        "Slipway, tolerance 0, 1 false alarm per day", Monitor(tolerance=0.0, false_alarms="1 per 1d")
    ),
}


def reference_for(reference: Mapping[str, Cells], kinds: Mapping[str, Kind]) -> Reference:
    """Bins and shares, as training writes them into a bundle."""
    return fit_reference(reference, kinds, ROWS_PER_DAY)


def _pieces(
    columns: Mapping[str, Cells], start: int, chunk: int
) -> Iterator[tuple[int, Mapping[str, Cells]]]:
    rows = len(next(iter(columns.values())))
    for at in range(start, rows, chunk):
        yield at, {name: cells[at : at + chunk] for name, cells in columns.items()}


def _first_alarm(
    reference: Reference,
    columns: Mapping[str, Cells],
    start: int,
    tolerance: float,
    run_length: float,
    chunk: int = _FAR,
) -> tuple[int, tuple[str, ...]] | None:
    monitor = DriftMonitor(reference, tolerance, run_length, start)
    for at, piece in _pieces(columns, start, chunk):
        size = len(next(iter(piece.values())))
        alarms = monitor.absorb(piece, np.arange(at + 1, at + size + 1, dtype=np.int64))
        if alarms:
            return alarms[0][0], alarms[0][1].features
    return None


def drift_alarms(
    reference: Reference, columns: Mapping[str, Cells], tolerance: float, run_length: float
) -> list[tuple[int, tuple[str, ...]]]:
    """(rows read, features) at each alarm; after an alarm a new monitor starts, as with a new champion."""
    alarms: list[tuple[int, tuple[str, ...]]] = []
    start = 0
    chunk = _NEAR if run_length < 10 * _NEAR else _FAR
    while found := _first_alarm(reference, columns, start, tolerance, run_length, chunk):
        alarms.append(found)
        start = found[0]
    return alarms


def drift_delay(
    reference: Reference, columns: Mapping[str, Cells], change: int, tolerance: float, run_length: float
) -> int | None:
    """Rows from the change to the alarm, or None; a monitor that alarmed before it was replaced at once."""
    start = 0
    while found := _first_alarm(reference, columns, start, tolerance, run_length, _NEAR):
        start = found[0]
        if start > change:
            return start - change
    return None


def named(
    reference: Reference, columns: Mapping[str, Cells], tolerance: float, run_length: float
) -> dict[str, int]:
    """Row at which each feature was named by one monitor that goes on after its alarms."""
    monitor = DriftMonitor(reference, tolerance, run_length, 0)
    rows = len(next(iter(columns.values())))
    alarms = monitor.absorb(columns, np.arange(1, rows + 1, dtype=np.int64))
    return {feature: row for row, alarm in alarms for feature in alarm.features}


def risk_of(held_out: NDArray[np.float64]) -> RiskReference:
    """Held-out risk of losses (n,) in [0, 1], as training writes it."""
    return RiskReference(
        n=held_out.size,
        mean=float(held_out.mean()),
        upper=upper_risk_bound(held_out, RISK_ALPHA),
        alpha=RISK_ALPHA,
        loss_range=1.0,
    )


def risk_alarms(risk: RiskReference, losses: NDArray[np.float64], run_length: float) -> list[int]:
    """Labels read at each alarm; after an alarm a new monitor starts."""
    alarms: list[int] = []
    start = 0
    while start < losses.size:
        monitor = RiskMonitor(risk, Monitor().risk_tolerance, run_length, start)
        places = np.arange(start + 1, losses.size + 1, dtype=np.int64)
        found = monitor.absorb(losses[start:], places)
        if found is None:
            break
        start += found[0] + 1
        alarms.append(start)
    return alarms
