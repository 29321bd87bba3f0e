"""The seeded table of the contract benchmark, and what its about 60 rules say; numpy and pyarrow alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 7
LEVELS = {
    f"c{at}": [f"s{at}_{level:04d}" for level in range(n)] for at, n in enumerate((4, 12, 50, 200, 1000))
}
FLOATS = [f"f{at}" for at in range(10)]
INTEGERS = ["id", "i1", "i2", "i3"]
TIME = "t"
#: Columns with 5 % nulls.
GAPS = ("f8", "f9")
#: A range that every number keeps.
LOW, HIGH = -1e6, 1e9
_BATCH = 250_000


def _floats(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    return [
        rng.normal(size=n),
        rng.exponential(size=n),
        rng.lognormal(size=n),
        rng.uniform(size=n),
        rng.normal(50, 10, n),
        rng.gamma(2, 2, n),
        rng.beta(2, 5, n),
        rng.normal(0, 1000, n),
        rng.normal(size=n),
        rng.uniform(-1, 1, n),
    ]


def _batch(rng: np.random.Generator, start: int, n: int) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name, values in zip(FLOATS, _floats(rng, n), strict=True):
        columns[name] = pa.array(values, mask=rng.random(n) < 0.05 if name in GAPS else None)
    columns["id"] = pa.array(np.arange(start, start + n))
    columns["i1"] = pa.array(rng.integers(0, 100, n))
    columns["i2"] = pa.array(rng.integers(0, 1_000_000, n))
    columns["i3"] = pa.array(rng.poisson(3, n))
    for name, levels in LEVELS.items():
        columns[name] = pa.array(levels).take(pa.array(rng.integers(0, len(levels), n)))
    times = np.datetime64("2024-01-01", "us") + np.arange(start, start + n).astype("timedelta64[s]")
    columns[TIME] = pa.array(times)
    return pa.table(columns)


def write(path: Path, rows: int) -> None:
    """Write the table, a row group at a time."""
    rng = np.random.default_rng(SEED)
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, _BATCH):
        batch = _batch(rng, start, min(_BATCH, rows - start))
        writer = writer or pq.ParquetWriter(path, batch.schema)
        writer.write_table(batch)
    assert writer is not None
    writer.close()
