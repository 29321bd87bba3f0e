"""About 60 rules on 10 M rows x 20 mixed columns of Parquet: `python -m benchmarks data.contract_check`.

Beside it in the same run: one Polars pass that only sums the columns, and pandera, pointblank and Great
Expectations, each in an environment of its own. Slipway and the sum take turns, so that both see the same
noise of the machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from benchmarks.data.contract_table import write
from benchmarks.results import record

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".benchmarks"
ROWS, ROUNDS, PEER_ROUNDS = 10_000_000, 5, 1
REQUIREMENTS = {
    "pandera": ("pandera[polars]>=0.24", "numpy", "pyarrow"),
    "pointblank": ("pointblank", "polars", "numpy", "pyarrow"),
    "great_expectations": ("great_expectations>=1.2", "numpy", "pyarrow"),
}


def _interpreter(peer: str) -> Path:
    """Python of the peer's environment, which is made by the first call."""
    home = CACHE / f"contract-{peer}"
    stamp, python = home / "installed.txt", home / "bin" / "python"
    wanted = "\n".join(REQUIREMENTS[peer])
    if not stamp.is_file() or stamp.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS[peer]], check=True)
        stamp.write_text(wanted)
    return python


def _run(name: str, path: Path, python: Path = Path(sys.executable)) -> dict[str, Any]:
    ended = subprocess.run(
        [str(python), "-m", f"benchmarks.data.contract_peers.{name}", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{name} ended with {ended.returncode}: {ended.stderr[-2_000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def _summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **{
            key: round(statistics.median(one[key] for one in rounds), 2) for key in ("seconds", "cpu_seconds")
        },
        "peak_mib": round(max(one["peak_mib"] for one in rounds)),
        "broken": rounds[0]["broken"],
        "rounds": len(rounds),
        "versions": rounds[0]["versions"],
    }


def main() -> None:
    os.nice(5)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        write(path, ROWS)
        size = path.stat().st_size
        _run("floor", path)  # brings the file into memory
        floors, ours = [], []
        for _ in range(ROUNDS):
            floors.append(_run("floor", path))
            ours.append(_run("slipway", path))
        peers = {
            peer: [_run(peer, path, _interpreter(peer)) for _ in range(PEER_ROUNDS)] for peer in REQUIREMENTS
        }
    pairs = list(zip(ours, floors, strict=True))
    measured: dict[str, Any] = {
        "rows": ROWS,
        "columns": 20,
        "rules": 60,
        "bytes": size,
        "load_before": round(load, 1),
        "floor": _summary(floors),
        "slipway": _summary(ours),
        **{
            f"{key}_over_floor": round(statistics.median(one[key] / other[key] for one, other in pairs), 2)
            for key in ("seconds", "cpu_seconds")
        },
        "peers": {peer: _summary(rounds) for peer, rounds in peers.items()},
    }
    record("contract_check", "python -m benchmarks data.contract_check", ("polars", "msgspec"), measured)
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
