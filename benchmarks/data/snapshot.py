"""Taking a snapshot against a plain durable write of as many bytes: `python -m benchmarks data.snapshot`.

``SLIPWAY_BENCH_MB=1000`` measures a table of 1 GB; the default is smaller. Both write to one folder,
turn by turn, and the ratio is of medians.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.results import record
from slipway.base.layout import Layout
from slipway.data.snapshot import load_snapshot, take_snapshot

ROUNDS = 5
_PIECE = 8 << 20


def _table(megabytes: int) -> pl.DataFrame:
    """Mixed columns of the given size in memory: measurements, counts, levels, moments and names."""
    rng = np.random.default_rng(0)
    rows = megabytes * 1_000_000 // 126
    return pl.DataFrame(
        {
            **{f"measured_{at}": rng.normal(size=rows) for at in range(5)},
            **{f"rounded_{at}": rng.normal(100, 15, rows).round(1) for at in range(3)},
            **{f"count_{at}": rng.integers(0, 1000, rows) for at in range(4)},
            "member": rng.uniform(size=rows) < 0.3,
            "level": pl.Series(["north", "south", "east", "west"]).gather(rng.integers(0, 4, rows)),
            "customer": pl.Series(rng.integers(0, 10**8, rows)).cast(pl.String),
        }
    )


def _plain(folder: Path, size: int) -> None:
    piece = np.random.default_rng(0).bytes(_PIECE)
    with (folder / "plain").open("wb") as file:
        for _ in range(size // _PIECE):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    os.nice(5)
    megabytes = int(os.environ.get("SLIPWAY_BENCH_MB", "250"))
    table = _table(megabytes)
    size = int(table.estimated_size())
    load = os.getloadavg()[0]
    taken: list[float] = []
    cpu: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layout = Layout(folder)
        for _ in range(ROUNDS):
            plain.append(_seconds(lambda: _plain(folder, size)))
            (folder / "plain").unlink()
            shutil.rmtree(layout.state, ignore_errors=True)
            spent = time.process_time()
            taken.append(_seconds(lambda: take_snapshot(layout, table, "benchmark")))
            cpu.append(time.process_time() - spent)
        again = _seconds(lambda: take_snapshot(layout, table, "benchmark"))
        longer = pl.concat([table, table.head(1000)])
        appended = _seconds(lambda: take_snapshot(layout, longer, "benchmark"))
        digest = take_snapshot(layout, table, "benchmark").digest
        stored = sum(path.stat().st_size for path in (layout.snapshots / "blocks").iterdir())
        loaded = _seconds(lambda: load_snapshot(layout, digest))
    mb = size / 1e6
    measured = {
        "table_mb": round(mb),
        "stored_mb": round(stored / 1e6),
        "plain_write_mb_per_second": mb / statistics.median(plain),
        "snapshot_mb_per_second": mb / statistics.median(taken),
        "snapshot_over_plain": statistics.median(plain) / statistics.median(taken),
        "snapshot_cpu_seconds": statistics.median(cpu),
        "rounds": [[one, other] for one, other in zip(plain, taken, strict=True)],
        "same_again_seconds": again,
        "thousand_rows_appended_seconds": appended,
        "load_mb_per_second": mb / loaded,
    }
    record(
        "snapshot",
        "python -m benchmarks data.snapshot",
        ("polars",),
        {"load_average": load, "median": measured},
    )
    print(measured)


if __name__ == "__main__":
    main()
