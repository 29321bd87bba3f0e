"""What a guard showed on its way: its evidence and interval at some of its labels, for reports and plots."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from slipway.stats.arguments import Floats, Ints, count, observations
from slipway.stats.paired import PairedComparison


class Trace(NamedTuple):
    """State of a comparison at (k,) labels, ascending."""

    labels: Ints
    log_e_better: Floats
    log_e_worse: Floats
    mean: Floats
    low: Floats
    high: Floats


def trace(comparison: PairedComparison, differences: ArrayLike, looks: int = 200) -> Trace:
    """Replay ``differences`` through a copy of ``comparison`` and note ``looks`` labels on the way.

    The label of the decision is added to them. A look changes nothing: any partition of the labels
    gives the same bits, so the last entry is what the guard itself shows.

    Raises:
        DataError: differences outside the comparison's range.

    >>> rng = np.random.default_rng(1)
    >>> path = trace(PairedComparison(0.05), rng.normal(0.02, 0.07, 1000).clip(-1, 1), looks=5)
    >>> path.labels.tolist()
    [200, 392, 400, 600, 800, 1000]
    """
    ds = observations(differences, -comparison.loss_range, comparison.loss_range, "trace")
    ahead = PairedComparison.from_state(comparison.to_state())
    ahead.update_many(ds)
    stops = set(
        np.unique(np.linspace(0, ds.size, count("looks", looks) + 1).round().astype(int))[1:].tolist()
    )
    if ahead.decided_at is not None and ahead.decided_at > comparison.n:
        stops.add(ahead.decided_at - comparison.n)
    replay = PairedComparison.from_state(comparison.to_state())
    noted: list[tuple[float, ...]] = []
    start = 0
    for stop in sorted(stops):
        replay.update_many(ds[start:stop])
        noted.append((replay.n, replay.log_e_better, replay.log_e_worse, replay.mean, *replay.interval))
        start = stop
    table = np.array(noted, dtype=np.float64).reshape(-1, 6)
    return Trace(table[:, 0].astype(np.int64), *(table[:, column] for column in range(1, 6)))
