"""Gates: what a version must pass before it may be launched. Pure judgements, no action.

Each gate looks once at rows held out from training and returns a frozen verdict with its evidence.
Comparisons are paired row by row, with Student intervals of the mean loss difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from slipway.base.config import Bound
from slipway.base.errors import ConfigError
from slipway.base.vocabulary import Task, Value
from slipway.learn.metrics import FloatArray, Metric, metric_names
from slipway.learn.selection import paired_interval

#: One-sided error rate of the paired gates.
LEVEL = 0.05
#: Probabilities of one row may miss the sum 1 by rounding only.
_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class GateVerdict:
    """What one gate says.

    ``value`` is what was measured and ``limit`` what it was held against, where the gate has them;
    ``evidence`` holds the figures behind it, ready for JSON.
    """

    name: str
    passed: bool
    value: float | None
    limit: float | None
    message: str
    evidence: dict[str, Value] = field(default_factory=dict[str, Value])


def refuse_unknown_gates(gates: dict[str, Bound], task: Task) -> None:
    """Check the names and limits of configured gates before any time is spent on training.

    Raises:
        ConfigError: a gate that the task has no metric for, or one without limits.
    """
    known = metric_names(task)
    for name, bound in gates.items():
        if name not in known:
            raise ConfigError(
                expected=f"a metric of a {task} task: {', '.join(known)}",
                got=repr(name),
                where="slipway.toml [gates]",
                next_step="rename or remove that gate",
            )
        if bound.min is None and bound.max is None:
            raise ConfigError(
                expected="min or max",
                got="neither",
                where=f"slipway.toml [gates] {name}",
                next_step=f"write for example {name} = {{min = 0.9}}",
            )


def bound_gate(metric: Metric, bound: Bound) -> GateVerdict:
    """Whether a held-out metric lies within configured limits, both included; NaN never does."""
    low = -math.inf if bound.min is None else bound.min
    high = math.inf if bound.max is None else bound.max
    passed = low <= metric.value <= high
    limit = bound.min if bound.max is None or metric.value < low else bound.max
    verb = "lies within" if passed else "lies outside"
    return GateVerdict(
        name=metric.name,
        passed=passed,
        value=metric.value,
        limit=limit,
        message=f"{metric.text} on {metric.n} held-out rows {verb} {_limits(bound)}",
        evidence={"n": metric.n, "lower": metric.lower, "upper": metric.upper, "level": metric.level},
    )


def baseline_gate(losses: FloatArray, baseline: FloatArray) -> GateVerdict:
    """Whether the model is proved better than a constant on the same held-out rows, each shaped (n,)."""
    mean, lower, upper, evidence = _paired(baseline, losses)
    passed = lower > 0
    proof = "proved" if passed else "not proved"
    return GateVerdict(
        name="beats_baseline",
        passed=passed,
        value=mean,
        limit=0.0,
        message=(
            f"saves {mean:.5f} of loss per row [{lower:.5f}, {upper:.5f}] over a constant on {len(losses)} "
            f"held-out rows: better is {proof}"
        ),
        evidence=evidence | {"loss": float(losses.mean()), "baseline_loss": float(baseline.mean())},
    )


def live_gate(losses: FloatArray, champion: FloatArray | None, margin: float, version: str) -> GateVerdict:
    """Whether the model is *not* proved worse than the live one by more than ``margin``.

    Passes where the live version's losses are None: it cannot score these rows at all.

    The live version may have been fitted on some of these rows, which flatters it: so only proof refuses
    here, and which of the two is better is left to the shadow phase, on rows that neither has seen.
    """
    if champion is None:
        return GateVerdict(
            name="not_worse_than_live",
            passed=True,
            value=None,
            limit=None,
            message=f"{version} cannot score these rows (another task, other types or other labels)",
        )
    mean, lower, upper, evidence = _paired(champion, losses)
    passed = upper >= -margin
    proof = "not proved" if passed else "proved"
    return GateVerdict(
        name="not_worse_than_live",
        passed=passed,
        value=mean,
        limit=-margin,
        message=(
            f"saves {mean:.5f} of loss per row [{lower:.5f}, {upper:.5f}] over {version} on {len(losses)} "
            f"held-out rows: worse is {proof}"
        ),
        evidence=evidence | {"loss": float(losses.mean()), "live_loss": float(champion.mean())},
    )


def finite_gate(outputs: FloatArray, task: Task) -> GateVerdict:
    """Whether every output can be answered: finite, and for classes a probability."""
    bad = ~np.isfinite(outputs).all(axis=1)
    if task != "regression":
        bad |= ((outputs < 0) | (outputs > 1)).any(axis=1)
    if task == "multiclass":
        bad |= ~(np.abs(outputs.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    count = int(bad.sum())
    kind = "finite numbers" if task == "regression" else "probabilities"
    return GateVerdict(
        name="valid_outputs",
        passed=count == 0,
        value=float(count),
        limit=0.0,
        message=f"{count} of {len(outputs)} outputs are no {kind}",
        evidence={"n": len(outputs)},
    )


def parity_gate(training: FloatArray, batch: FloatArray, row: FloatArray) -> GateVerdict:
    """Whether serving gives the very bits that training gives on the golden rows.

    Args:
        training: (n, outputs) from the training library.
        batch: (n, outputs) from the bundle, all rows in one call.
        row: (n, outputs) from the bundle, one call per row.
    """
    rows = len(training)
    in_batch, alone = _differing(training, batch), _differing(training, row)
    count = int((in_batch | alone).sum())
    return GateVerdict(
        name="parity",
        passed=count == 0,
        value=float(count),
        limit=0.0,
        message=f"serving differs from training on {count} of {rows} golden rows",
        evidence={
            "n": rows,
            "batch": int(_differing(training, batch).sum()),
            "row": int(_differing(training, row).sum()),
        },
    )


def _differing(one: FloatArray, other: FloatArray) -> npt.NDArray[np.bool_]:
    return (_bits(one) != _bits(other)).any(axis=1)


def _bits(values: FloatArray) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(values).view(np.uint64)


def _paired(theirs: FloatArray, ours: FloatArray) -> tuple[float, float, float, dict[str, Value]]:
    differences = theirs - ours
    mean = float(differences.mean())
    lower, upper = paired_interval(differences, 1 - 2 * LEVEL)
    evidence: dict[str, Value] = {"n": len(ours), "lower": lower, "upper": upper, "level": 1 - 2 * LEVEL}
    return mean, lower, upper, evidence


def _limits(bound: Bound) -> str:
    sides = [("at least", bound.min), ("at most", bound.max)]
    return " and ".join(f"{words} {limit:g}" for words, limit in sides if limit is not None)
