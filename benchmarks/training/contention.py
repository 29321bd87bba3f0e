"""What spinning OpenMP threads cost a fit on busy cores: `python -m benchmarks.training.contention`.

Starts one busy process per core, as a loaded gateway would be, and fits the same boosted trees in processes
with OMP_WAIT_POLICY set to ACTIVE and PASSIVE, three times each in turn.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "results" / "training_contention.json"
_FIT = """
import time, lightgbm as lgb, numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(20_000, 7))
y = (X[:, 0] + rng.normal(size=20_000) > 0).astype(float)
start = time.perf_counter()
lgb.train(dict(objective="binary", num_threads=2, verbose=-1), lgb.Dataset(X, y), 60)
print(time.perf_counter() - start)
"""


def _fit(policy: str) -> float:
    ended = subprocess.run(
        [sys.executable, "-c", _FIT],
        env={**os.environ, "OMP_WAIT_POLICY": policy},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ended.stdout)


def main() -> None:
    import lightgbm

    cores = os.cpu_count() or 1
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        seconds = {policy: [] for policy in ("ACTIVE", "PASSIVE")}
        for _ in range(3):
            for policy, measured in seconds.items():
                measured.append(_fit(policy))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    medians = {policy: statistics.median(measured) for policy, measured in seconds.items()}
    result = {
        "what": "seconds to fit 20,000 rows x 7, 60 trees, 2 threads, beside one busy process per core",
        "seconds": seconds,
        "median": medians,
        "active_over_passive": medians["ACTIVE"] / medians["PASSIVE"],
        "machine": {"processor": platform.processor() or platform.machine(), "cores": cores},
        "versions": {"python": platform.python_version(), "lightgbm": lightgbm.__version__},
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
