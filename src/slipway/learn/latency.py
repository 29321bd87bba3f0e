"""How long one row takes to answer, measured on the bundle as serving uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from slipway.learn.golden import Row
from slipway.models.bundle import Bundle

_CALLS = 400


@dataclass(frozen=True)
class Latency:
    """Microseconds from decoded row to answer, in this process: encoder, model and answer, no network."""

    median_us: float
    p99_us: float
    calls: int


def measure_latency(bundle: Bundle, rows: Sequence[Row], now: Callable[[], float]) -> Latency:
    """Answer rows one at a time.

    Args:
        bundle: the model.
        rows: at least one; used in turn.
        now: seconds on a clock that never goes back.
    """
    columns = bundle.encoder.columns
    values = [[row.get(name) for name in columns] for row in rows]
    times: list[float] = []
    for call in range(_CALLS):
        row = values[call % len(values)]
        start = now()
        bundle.answer(bundle.predict_rows([row], columns)[0])
        times.append((now() - start) * 1e6)
    return Latency(float(np.median(times)), float(np.quantile(times, 0.99)), _CALLS)
