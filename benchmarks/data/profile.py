"""The profile of a mixed table beside DuckDB's SUMMARIZE: `python -m benchmarks data.profile`.

`python -m benchmarks.data.profile --rows 1000000` is the quick mode. ydata-profiling, minimal, joins in when
YDATA_PYTHON names an interpreter of an environment of its own that has it. Each tool runs in its own process,
on the same Parquet file, tools in turn; the table is made in a temporary folder and deleted afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.results import record

ROUNDS = 3
_PART = 500_000

_TIMED = """
import json, resource, sys, time
path, folder = sys.argv[1], sys.argv[2]
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime
figures = {{"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}}
figures["peak_mib"] = round(used.ru_maxrss / 1024)
print(json.dumps({{**figures, "version": version}}))
"""

_OURS = """
from datetime import UTC, datetime
from pathlib import Path
from slipway.base.config import Data
from slipway.data.profile import ProfileOptions, profile_table
from slipway.data.profile_source import stream_table
from slipway.data.report import report_page
frame = stream_table(path, Data(source=path)).frame
made = profile_table(frame, "table", ProfileOptions(target={target!r}))
Path(folder, "ours.html").write_text(report_page(made, datetime.now(UTC)))
version = "0"
"""

TOOLS = {
    "slipway, with HTML report": _OURS.format(target=None),
    "slipway, with target and HTML report": _OURS.format(target="s0"),
    "duckdb SUMMARIZE": """
import duckdb
connection = duckdb.connect()
connection.execute("summarize from read_parquet(?)", [path]).fetchall()
version = duckdb.__version__
""",
}

YDATA = """
import pandas as pd, ydata_profiling
from ydata_profiling import ProfileReport
report = ProfileReport(pd.read_parquet(path), minimal=True, progress_bar=False)
report.to_file(folder + "/theirs.html")
version = ydata_profiling.__version__
"""


def write_table(path: Path, rows: int, seed: int = 0) -> None:
    """Ten floats of varied shape (two: 5 % null), four integers, five texts of 4 to 1,000 levels, a time."""
    rng = np.random.default_rng(seed)
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, _PART):
        part = _part(rng, start, min(_PART, rows - start)).to_arrow()
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part)
    if writer is not None:
        writer.close()


def _part(rng: np.random.Generator, start: int, n: int) -> pl.DataFrame:
    shapes = [
        rng.normal(size=n),
        rng.lognormal(size=n),
        rng.exponential(size=n),
        rng.uniform(size=n),
        rng.gamma(2.0, size=n),
        rng.beta(2.0, 5.0, size=n),
        rng.standard_t(5.0, size=n),
        rng.normal(50.0, 10.0, n).round(1),
        rng.normal(size=n) * 100.0,
        rng.triangular(0.0, 1.0, 3.0, n),
    ]
    columns = {f"f{at}": pl.Series(values) for at, values in enumerate(shapes)}
    for name in ("f1", "f4"):
        columns[name] = columns[name].set(pl.Series(rng.random(n) < 0.05), None)
    columns |= {
        "i0": pl.Series(rng.integers(0, 10, n)),
        "i1": pl.Series(rng.integers(0, 1_000, n)),
        "i2": pl.Series(rng.poisson(4.0, n)),
        "i3": pl.Series(np.arange(start, start + n)),
    }
    for at, levels in enumerate((4, 10, 50, 200, 1_000)):
        names = pl.Series([f"level_{level:04d}" for level in range(levels)])
        columns[f"s{at}"] = names.gather(rng.integers(0, levels, n))
    seconds = np.arange(start, start + n) + 1_600_000_000
    columns["t"] = pl.Series(seconds * 1_000_000).cast(pl.Datetime("us"))
    return pl.DataFrame(columns)


def _once(python: str, work: str, table: Path, folder: str) -> dict[str, object]:
    ended = subprocess.run(
        [python, "-c", _TIMED.format(work=work), str(table), folder],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    os.nice(5)
    tools = {name: (sys.executable, work) for name, work in TOOLS.items()}
    if os.environ.get("YDATA_PYTHON"):
        tools["ydata-profiling, minimal, with HTML report"] = (os.environ["YDATA_PYTHON"], YDATA)
    runs: dict[str, list[dict[str, object]]] = {name: [] for name in tools}
    with tempfile.TemporaryDirectory(prefix="slipway-profile-") as folder:
        table = Path(folder) / "table.parquet"
        write_table(table, arguments.rows)
        for _ in range(arguments.rounds):
            for name, (python, work) in tools.items():
                runs[name].append(_once(python, work, table, folder))
                print(name, runs[name][-1], flush=True)
    medians = {
        name: {
            "seconds": statistics.median(float(str(one["seconds"])) for one in several),
            "cpu_seconds": statistics.median(float(str(one["cpu_seconds"])) for one in several),
            "peak_mib": max(int(str(one["peak_mib"])) for one in several),
            "version": several[0]["version"],
        }
        for name, several in runs.items()
    }
    measured = {
        "rows": arguments.rows,
        "columns": 20,
        "rounds": arguments.rounds,
        "load_average": round(os.getloadavg()[0], 1),
        "median": medians,
    }
    name = "profile" if arguments.rows >= 10_000_000 else "profile_quick"
    command = f"python -m benchmarks.data.profile --rows {arguments.rows} --rounds {arguments.rounds}"
    record(name, command, ("polars", "duckdb", "numpy"), measured)
    print(json.dumps(medians, indent=1))


if __name__ == "__main__":
    main()
