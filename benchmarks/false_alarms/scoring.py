"""From alarms to figures: rates with their bounds, and delays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def poisson_bounds(count: int, level: float = 0.95) -> tuple[float, float]:
    """Exact bounds of the mean of a Poisson count.

    >>> tuple(round(bound, 3) for bound in poisson_bounds(0))
    (0.0, 3.689)
    """
    tail = (1.0 - level) / 2.0
    low = float(stats.gamma.ppf(tail, count)) if count else 0.0
    return low, float(stats.gamma.ppf(1.0 - tail, count + 1))


def rate(alarms: int, windows: int) -> dict[str, float]:
    """False alarms per 1,000 windows with 95 % Clopper-Pearson bounds."""
    low = float(stats.beta.ppf(0.025, alarms, windows - alarms + 1)) if alarms else 0.0
    high = float(stats.beta.ppf(0.975, alarms + 1, windows - alarms)) if alarms < windows else 1.0
    return {
        "windows": windows,
        "alarms": alarms,
        "per_1000": _short(1_000 * alarms / windows),
        "low": _short(1_000 * low),
        "high": _short(1_000 * high),
    }


def rate_by_rows(alarms: int, rows: int, window: int) -> dict[str, float]:
    """The same for a monitor that has no windows: alarms per 1,000 stretches of ``window`` rows."""
    low, high = poisson_bounds(alarms)
    scale = 1_000 * window / rows
    return {
        "rows": rows,
        "alarms": alarms,
        "per_1000": _short(scale * alarms),
        "low": _short(scale * low),
        "high": _short(scale * high),
    }


def window_delay(alarms: Sequence[int], window: int) -> int | None:
    """Rows from the change to the end of the first alarming window; the first window starts at the change."""
    hits = np.flatnonzero(np.asarray(alarms))
    return (int(hits[0]) + 1) * window if hits.size else None


def delays(found: Sequence[int | None]) -> dict[str, float | int | None]:
    """How many changes were found, and the median and 90 % delay over *all* runs.

    A change not found counts as later than any other, so that a quantile is None where too few were found.
    """
    ordered = sorted(delay for delay in found if delay is not None)

    def quantile(share: float) -> int | None:
        place = int(np.ceil(share * len(found))) - 1
        return ordered[place] if place < len(ordered) else None

    return {
        "runs": len(found),
        "found": len(ordered),
        "median": quantile(0.5),
        "p90": quantile(0.9),
    }


def _short(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")
