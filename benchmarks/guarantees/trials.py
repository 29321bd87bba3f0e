"""Seeded trials behind the figures of the page, and what ``slipway plan`` answers for each setting."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np

from slipway.stats.detectors import MeanShiftCusum
from slipway.stats.means import FixedBets
from slipway.stats.paired import PairedComparison
from slipway.stats.planning import looks_error
from slipway.stats.spending import deployment_alpha

SEED = 20


def peeking(runs: int = 1000, labels: int = 5000) -> dict[str, float]:
    """How often two equal models are found to differ: a z test by number of looks, and the guard."""
    rng = np.random.default_rng(SEED)
    found = {f"z test, {looks} looks": looks_error(looks, rng) for looks in (1, 10, 100)}
    better = worse = 0
    for _ in range(runs):
        test = PairedComparison(0.05)
        test.update_many(rng.normal(0.0, 0.07, labels).clip(-1, 1))
        better += test.verdict == "better"
        worse += test.verdict == "worse"
    return found | {"guard, better": better / runs, "guard, worse": worse / runs}


def late_change(runs: int = 40) -> list[dict[str, float]]:
    """Labels from a change to the alarm of a test that began with the model, and of a detector."""
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, float]] = []
    for start in (1_000, 10_000, 50_000):
        tests: list[float] = []
        detectors: list[float] = []
        for _ in range(runs):
            losses = np.concatenate([rng.random(start) < 0.055, rng.random(100_000) < 0.09]).astype(float)
            test = FixedBets(0.06, 0.05, "greater")
            test.update_many(losses)
            tests.append((test.rejected_at or np.inf) - start)
            # an early false alarm is allowed to a detector: it starts again, as after a retraining
            detectors.append(_detected(losses, start))
        rows.append(
            {"change": start, "test": float(np.median(tests)), "detector": float(np.median(detectors))}
        )
    return rows


def _detected(losses: np.ndarray[tuple[int], np.dtype[np.float64]], start: int) -> float:
    at = 0
    while at <= start:
        detector = MeanShiftCusum(0.06, 100_000)
        detector.update_many(losses[at:])
        if detector.alarmed_at is None:
            return np.inf
        at += detector.alarmed_at
    return float(at - start)


def budgets() -> dict[str, list[float]]:
    """Chance of one useless promotion or more among k, at a level of its own each; and levels that share."""
    counts = (1, 5, 20)
    return {
        "rollouts": [float(k) for k in counts],
        "own_level": [1.0 - 0.95**k for k in counts],
        "shared_level": [deployment_alpha(0.05, k) for k in counts],
    }


#: Arguments of ``slipway plan`` for each row of the page's tables.
ROLLOUT = ("--delta", "0.005", "--sd", "0.07", "--labels-per-day", "600")
STREAM = ("--rows-per-day", "1000", "--labels-per-day", "600", "--risk", "0.046", "--risk-limit", "0.0504")
SPREAD = ("--loss-sd", "0.13", "--features", "10", "--correlation", "0.9", "--delta", "0.005")
PLANS: dict[str, dict[str, tuple[str, ...]]] = {
    "alpha": {value: (*ROLLOUT, "--alpha", value) for value in ("0.1", "0.05", "0.01", "0.001")},
    "margin": {value: (*ROLLOUT, "--margin", value) for value in ("0", "0.01", "0.02")},
    "bake_labels": {value: (*ROLLOUT, "--bake-labels", value) for value in ("500", "2000", "5000", "20000")},
    "false_alarms": {
        value: (*STREAM, *SPREAD, "--false-alarms", value)
        for value in ("1 per 7d", "1 per 90d", "1 per 365d")
    },
    "tolerance": {value: (*STREAM, *SPREAD, "--tolerance", value) for value in ("0", "0.02", "0.05")},
}


def plans() -> dict[str, dict[str, Any]]:
    """Answers of ``slipway plan`` by setting and value."""
    return {
        setting: {value: _plan(arguments) for value, arguments in rows.items()}
        for setting, rows in PLANS.items()
    }


def _plan(arguments: tuple[str, ...]) -> Any:
    command = [sys.executable, "-m", "slipway", "plan", *arguments, "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    comparison, risk, drift = found["comparison"], found["risk_alarm"], found["drift_alarm"]
    return {
        "shadow": comparison["shadow"],
        "bake": comparison["bake"],
        "risk": None if risk is None else risk["delays"],
        "drift": drift["delays"],
    }
