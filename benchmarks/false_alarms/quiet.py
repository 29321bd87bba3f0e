"""Streams on which nothing changes: whatever alarms, alarms falsely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.false_alarms import ours, streams
from benchmarks.false_alarms.peers import Job, Verdict, job_of
from benchmarks.false_alarms.scoring import poisson_bounds, rate, rate_by_rows
from benchmarks.false_alarms.streams import COLUMNS, Cells, Table
from slipway.base.config import Monitor
from slipway.models.reference import FeatureReference, Reference
from slipway.stats.bin_bets import REFERENCE_ERRORS

Row = dict[str, Any]

WINDOWS = (100, 200, 500, 1_000, 5_000)
#: NannyML's documentation: thresholds want at least that many reference chunks.
CHUNKS_WANTED = 6
#: Share of drifted columns at which Evidently calls the table drifted, its default.
DRIFT_SHARE = 0.5


@dataclass(frozen=True)
class Scale:
    """How much is simulated.

    Attributes:
        references: number of references by their rows.
        windows: windows of each size per reference.
        more: pieces of 100,000 further rows per reference, which only Slipway reads.
        run_length_rows: rows per cell of the table of run lengths.
    """

    references: dict[int, int]
    windows: int = 10
    more: int = 4
    run_length_rows: int = 10_000_000

    @property
    def rows(self) -> int:
        """Rows of each stream that all tools read."""
        return max(WINDOWS) * self.windows


def tables(scale: Scale) -> Iterable[Table]:
    """The quiet tables, one by one."""
    for rows, count in scale.references.items():
        for index in range(count):
            yield streams.quiet(rows, index, scale.rows)


def peer_jobs(table: Table, scale: Scale) -> dict[str, Job]:
    """What each peer is asked about a quiet table."""
    rows = len(next(iter(table.reference.values())))
    enough = [window for window in WINDOWS if rows >= CHUNKS_WANTED * window]
    return {
        "evidently": job_of(table, WINDOWS, most=scale.windows),
        "nannyml": job_of(table, enough, most=scale.windows),
    }


def rates(peer: str, verdicts: Sequence[Verdict]) -> list[Row]:
    """False alarms of a peer by method, reference, column and window."""
    alarms: dict[tuple[str, int, str, int], list[int]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.table.startswith("quiet-"):
            rows = int(verdict.table.split("-")[1])
            alarms[verdict.method, rows, verdict.column, verdict.window] += verdict.alarms
    return [
        {
            "tool": peer,
            "method": method,
            "reference_rows": rows,
            "column": column,
            "window": window,
            **rate(sum(found), len(found)),
        }
        for (method, rows, column, window), found in sorted(alarms.items())
    ]


def table_rates(peer: str, verdicts: Sequence[Verdict]) -> list[Row]:
    """False alarms about the whole table: any column, and at least half of the columns."""
    columns: dict[tuple[str, int], list[list[int]]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.table.startswith("quiet-") and verdict.method == "drift":
            columns[verdict.table, verdict.window].append(verdict.alarms)
    counts: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (table, window), found in columns.items():
        counts[int(table.split("-")[1]), window] += np.mean(found, axis=0).tolist()
    return [
        {
            "tool": peer,
            "rule": rule,
            "reference_rows": rows,
            "window": window,
            **rate(sum(share >= needed for share in shares), len(shares)),
        }
        for (rows, window), shares in sorted(counts.items())
        for rule, needed in (("any column", 1e-9), ("half of the columns", DRIFT_SHARE))
    ]


def our_rates(scale: Scale) -> list[Row]:
    """Slipway's false alarms on the same streams, and on further pieces of them.

    Each column has a monitor of its own; "table" is one monitor over all columns, as in the product.
    """
    setting = ours.SETTINGS["default"]
    counts: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for table in tables(scale):
        rows, index = (int(part) for part in table.name.split("-")[1:])
        groups = {name: (name,) for name in COLUMNS} | {"table": tuple(COLUMNS)}
        references = {
            group: ours.reference_for(
                {name: table.reference[name] for name in names}, {name: table.kinds[name] for name in names}
            )
            for group, names in groups.items()
        }
        for part in range(scale.more + 1):
            cells = table.stream if part == 0 else _piece(rows, index, part)
            for group, names in groups.items():
                found = ours.drift_alarms(
                    references[group],
                    {name: cells[name] for name in names},
                    setting.monitor.tolerance,
                    setting.run_length,
                )
                counts[rows, group][0] += len(found)
                counts[rows, group][1] += len(cells[names[0]])
    return [
        {
            "tool": "slipway",
            "method": "drift",
            "reference_rows": rows,
            "column": group,
            "window": window,
            "promised_per_1000": 1_000 * window / setting.run_length,
            **rate_by_rows(alarms, read, window),
        }
        for (rows, group), (alarms, read) in sorted(counts.items())
        for window in WINDOWS
    ]


def _piece(rows: int, index: int, part: int) -> dict[str, Cells]:
    return {name: streams.continuation(name, rows, index, part, 100_000) for name in COLUMNS}


RUN_LENGTHS = (1_000, 10_000, 100_000, 900_000)
#: Rows of a reference so large that its shares are known.
_KNOWN = 1_000_000


def run_lengths(scale: Scale) -> list[Row]:
    """Rows between false alarms against the promise, for several promises.

    "edge" and "edge of a number" are the hardest cases that still count as quiet: of a known reference, one
    share lies at the very end of its tolerance, or each share of values up to an edge does. The others draw
    a new reference of 5,000 rows for each million rows.
    """
    tolerance = Monitor().tolerance
    cases = {
        "normal": ("normal", tolerance),
        "category": ("category", tolerance),
        "normal, tolerance 0": ("normal", 0.0),
        "category, tolerance 0": ("category", 0.0),
        "edge": ("edge", tolerance),
        "edge of a number": ("edge of a number", tolerance),
    }
    found: list[Row] = []
    for title, (source, slack) in cases.items():
        for run_length in RUN_LENGTHS:
            # short promises need fewer rows to be tested
            rows = int(min(scale.run_length_rows, 1_000 * run_length))
            alarms = _count_alarms(source, slack, run_length, rows)
            low, high = poisson_bounds(alarms)
            found.append(
                {
                    "case": title,
                    "promised": run_length,
                    "rows": rows,
                    "alarms": alarms,
                    "rows_per_alarm": round(rows / alarms) if alarms else None,
                    "low": round(rows / high),
                    "high": round(rows / low) if low else None,
                }
            )
    return found


def _count_alarms(source: str, tolerance: float, run_length: int, rows: int) -> int:
    piece = min(rows, 1_000_000)
    alarms = 0
    for index in range(rows // piece):
        if source in _EDGES:
            reference, cells = _EDGES[source](tolerance, run_length, index, piece)
        else:
            kind = COLUMNS[source].kind
            drawn = streams.reference_of(source, 5_000, 1_000 + index)
            reference = ours.reference_for({"x": drawn}, {"x": kind})
            cells = streams.continuation(source, 5_000, 1_000 + index, run_length, piece)
        alarms += len(ours.drift_alarms(reference, {"x": cells}, tolerance, run_length))
    return alarms


def _edge(tolerance: float, run_length: int, index: int, rows: int) -> tuple[Reference, Cells]:
    """Ten levels of equal share in the reference; in the stream the first is as common as is tolerated."""
    share = 0.1
    slack = tolerance + REFERENCE_ERRORS * (share * (1.0 - share) / _KNOWN) ** 0.5
    levels = [f"level {level}" for level in range(10)]
    feature = FeatureReference(
        name="x", kind="category", levels=levels, shares=[share] * 10 + [0.0, 0.0], n=_KNOWN
    )
    shares = np.full(10, (1.0 - share - slack) / 9)
    shares[0] = share + slack
    rng = streams.generator("edge", run_length, index)
    return Reference([feature], ours.ROWS_PER_DAY), np.array(levels)[rng.choice(10, rows, p=shares)]


def _edge_of_a_number(tolerance: float, run_length: int, index: int, rows: int) -> tuple[Reference, Cells]:
    """Ten equal tenths of a number; in the stream so much has moved from the last to the first as is
    tolerated, and with it every share of values up to an edge."""
    edges = [float(edge) for edge in range(1, 10)]
    feature = FeatureReference(name="x", kind="number", edges=edges, shares=[0.1] * 10 + [0.0], n=_KNOWN)
    slack = tolerance + REFERENCE_ERRORS * (0.1 * 0.9 / _KNOWN) ** 0.5
    shares = np.full(10, 0.1)
    shares[0] += slack
    shares[9] -= slack
    rng = streams.generator("edge of a number", run_length, index)
    return Reference([feature], ours.ROWS_PER_DAY), rng.choice(10, rows, p=shares) + 0.5


_EDGES = {"edge": _edge, "edge of a number": _edge_of_a_number}
