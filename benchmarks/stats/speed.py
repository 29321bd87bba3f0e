"""Cost per label of every sequential statistic, one by one and in batches.

    python benchmarks/stats/speed.py [--out benchmarks/results/stats-speed.json]

Each figure is the best of several repetitions on one core: the machine's other work only adds time. Targets:
a guard's ``update`` at most 3 microseconds, ``update_many`` of the O(1) methods at least 5 million labels/s.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from slipway.stats.arms import ArmComparison
from slipway.stats.categorical import BinDrift
from slipway.stats.clusters import ClusteredComparison
from slipway.stats.conformal import SimpleJumper
from slipway.stats.detectors import MeanShiftCusum, MeanShiftShiryaevRoberts
from slipway.stats.finite import FiniteBatchTest
from slipway.stats.lagged import LaggedComparison
from slipway.stats.means import AGrapa, FixedBets, HedgedCapital
from slipway.stats.paired import PairedComparison
from slipway.stats.prediction_powered import PredictionPoweredTest
from slipway.stats.proportions import BernoulliSequence
from slipway.stats.quantiles import QuantileSequence
from slipway.stats.sequences import AsymptoticSequence, EmpiricalBernsteinSequence, RunningMeanSequence
from slipway.stats.sequential import Sequential
from slipway.stats.shift import HarmfulShiftTest
from slipway.stats.signs import SignTest

BATCH = 200_000
SINGLE = 5_000
REPEATS = 9


class Case(NamedTuple):
    """A statistic, the stream it is fed with, and which of the two targets apply to it."""

    name: str
    make: Callable[[], Sequential]
    stream: Callable[[np.random.Generator, int], Any]
    guard: bool = False
    constant: bool = False


def differences(rng: np.random.Generator, n: int) -> Any:
    return rng.normal(0.001, 0.07, n).clip(-1, 1)


def unit(rng: np.random.Generator, n: int) -> Any:
    return rng.random(n)


def errors(rng: np.random.Generator, n: int) -> Any:
    return (rng.random(n) < 0.06).astype(float)


def arms(rng: np.random.Generator, n: int) -> Any:
    return np.column_stack([rng.random(n) < 0.3, rng.random(n), np.full(n, 0.3)]).astype(float)


def powered(rng: np.random.Generator, n: int) -> Any:
    return np.column_stack([rng.random(n), np.full(n, 0.3), rng.random(n) < 0.3, rng.random(n)]).astype(float)


def days(rng: np.random.Generator, n: int) -> Any:
    return np.column_stack([np.arange(n) // 48, differences(rng, n)])


CASES = [
    Case("PairedComparison", lambda: PairedComparison(0.025), differences, guard=True, constant=True),
    Case("PairedComparison with margin", lambda: PairedComparison(0.025, 0.01), differences, True, True),
    Case("FixedBets", lambda: FixedBets(0.5, 0.05), unit, True, True),
    Case("RunningMeanSequence", lambda: RunningMeanSequence(0.05), unit, True, True),
    Case("HedgedCapital", lambda: HedgedCapital(0.5, 0.05), unit, constant=True),
    Case("AGrapa", lambda: AGrapa(0.5, 0.05), unit, constant=True),
    Case("EmpiricalBernsteinSequence", lambda: EmpiricalBernsteinSequence(0.05), unit, constant=True),
    Case("AsymptoticSequence", lambda: AsymptoticSequence(0.05, 1000), unit, constant=True),
    Case("BernoulliSequence", lambda: BernoulliSequence(0.05, 1000), errors, constant=True),
    Case("HarmfulShiftTest", lambda: HarmfulShiftTest(0.5), unit, constant=True),
    Case("FiniteBatchTest", lambda: FiniteBatchTest(10_000_000, 0.5, 0.05), unit, constant=True),
    Case("SignTest", lambda: SignTest(0.05), differences),
    Case(
        "QuantileSequence, 100 edges",
        lambda: QuantileSequence(0.99, 0.05, np.linspace(0, 1, 100).tolist()),
        unit,
    ),
    Case("ArmComparison", lambda: ArmComparison(0.05, floor=0.3), arms),
    Case("LaggedComparison, lag 10", lambda: LaggedComparison(0.05, 10), differences),
    Case("ClusteredComparison, 48 rows", lambda: ClusteredComparison(0.05), days),
    Case("PredictionPoweredTest", lambda: PredictionPoweredTest(0.5, 0.05, 0.3), powered),
    Case("MeanShiftCusum, 20 bets", lambda: MeanShiftCusum(0.07, 1e6), errors),
    Case("MeanShiftShiryaevRoberts, 20 bets", lambda: MeanShiftShiryaevRoberts(0.07, 1e6), errors),
    Case(
        "BinDrift, 10 bins",
        lambda: BinDrift([0.1] * 10, 10_000, 0.01, 1e6),
        lambda rng, n: rng.integers(0, 10, n),
    ),
    Case("SimpleJumper", lambda: SimpleJumper(0.01), unit),
]


def best(make: Callable[[], Sequential], feed: Callable[[Sequential], None]) -> float:
    """Seconds of the fastest repetition."""
    fastest = float("inf")
    for _ in range(REPEATS):
        statistic = make()
        started = time.perf_counter()
        feed(statistic)
        fastest = min(fastest, time.perf_counter() - started)
    return fastest


def one_by_one(values: list[Any]) -> Callable[[Sequential], None]:
    def feed(statistic: Sequential) -> None:
        update = statistic.update
        for value in values:
            update(value)

    return feed


def measure(case: Case) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    batch = case.stream(rng, BATCH)
    # plain Python numbers, as they come out of a decoded log record
    single = batch[:SINGLE].tolist()
    update_us = best(case.make, one_by_one(single)) / SINGLE * 1e6
    rate = BATCH / best(case.make, lambda statistic: statistic.update_many(batch)) / 1e6
    return {
        "name": case.name,
        "update_us": round(update_us, 2),
        "update_many_millions_per_s": round(rate, 2),
        "update_target_us": 3.0 if case.guard else None,
        "update_many_target_millions_per_s": 5.0 if case.constant else None,
        "met": (not case.guard or update_us <= 3.0) and (not case.constant or rate >= 5.0),
    }


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/stats-speed.json"))
    out: Path = parser.parse_args().out
    results: list[dict[str, Any]] = []
    for case in CASES:
        result = measure(case)
        results.append(result)
        flag = "" if result["met"] else "  below target"
        costs = f"{result['update_us']:8.2f} us {result['update_many_millions_per_s']:8.2f} M/s"
        print(f"{case.name:36} {costs}{flag}")
    report = {
        "command": "python benchmarks/stats/speed.py",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "labels": {"batch": BATCH, "single": SINGLE, "repeats": REPEATS},
        "results": results,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
