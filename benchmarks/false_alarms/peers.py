"""The peers, each in an environment of its own; only files go in and out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.false_alarms.streams import Kind, Table

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".benchmarks"

#: Neither peer imports with pandas 3, and NannyML does not name all it needs.
REQUIREMENTS = {
    "evidently": ("evidently>=0.7,<0.8", "pandas<3"),
    "nannyml": ("nannyml>=0.13,<0.14", "pandas<3", "statsmodels"),
}
#: No usage reports from a benchmark, and one core each.
_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Job:
    """One table to judge in windows of each of some sizes.

    Attributes:
        table: its name.
        kinds: its columns.
        windows: rows per window; windows lie end to end from row ``start``.
        most: windows of each size at most.
        stop: no further window of a column is judged after its first alarm, where that saves time.
        task: which verdicts.
        metrics: for performance.
    """

    table: str
    kinds: dict[str, Kind]
    windows: Sequence[int]
    start: int = 0
    most: int = 1_000_000
    stop: bool = False
    task: Literal["drift", "performance"] = "drift"
    metrics: Sequence[str] = ("accuracy",)


@dataclass(frozen=True)
class Verdict:
    """Alarms (0 or 1) of successive windows of one column of one table."""

    table: str
    column: str
    method: str
    window: int
    alarms: list[int]


@dataclass(frozen=True)
class Answer:
    """All verdicts of a peer, with its versions and the CPU time it took."""

    verdicts: list[Verdict]
    versions: dict[str, str]
    cpu_seconds: float


def job_of(table: Table, windows: Sequence[int], **settings: Any) -> Job:
    """The job that judges a table from its start."""
    return Job(table.name, table.kinds, windows, table.start, **settings)


def interpreter(peer: str) -> Path:
    """Python of the peer's environment, which is made by the first call."""
    home = CACHE / peer
    stamp = home / "installed.txt"
    wanted = "\n".join(REQUIREMENTS[peer])
    python = home / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"  making an environment for {peer}", flush=True)
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS[peer]], check=True, stderr=subprocess.DEVNULL)
        stamp.write_text(wanted)
    return python


def ask(peer: str, folder: Path, jobs: Sequence[Job]) -> Answer:
    """Run the peer's worker on tables that were written to ``folder``."""
    jobs_file, verdicts_file = folder / f"{peer}-jobs.json", folder / f"{peer}-verdicts.json"
    jobs_file.write_text(json.dumps({"folder": str(folder), "jobs": [asdict(job) for job in jobs]}))
    worker = HERE / f"worker_{peer}.py"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [str(interpreter(peer)), str(worker), str(jobs_file), str(verdicts_file)],
        env={**environment, **_ENVIRONMENT},
        check=False,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        sys.stderr.write(ended.stderr[-4_000:])
        raise SystemExit(f"the worker of {peer} ended with {ended.returncode}")
    found = json.loads(verdicts_file.read_text())
    return Answer(
        [Verdict(**verdict) for verdict in found["verdicts"]], found["versions"], found["cpu_seconds"]
    )
