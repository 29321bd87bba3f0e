"""A chosen candidate before the gates: held-out rows, the live version, and serving itself.

Serving is judged on a bundle that was really written, signed, read back and verified, in a folder of its
own: what the gates see is what a gateway would load.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipway.base.config import Config
from slipway.data.contract import Contract
from slipway.learn.candidates import Candidate
from slipway.learn.evaluation import Evaluation, champion_losses, evaluate
from slipway.learn.gates import (
    GateVerdict,
    baseline_gate,
    bound_gate,
    finite_gate,
    live_gate,
    parity_gate,
)
from slipway.learn.golden import Golden, Row, golden_rows
from slipway.learn.metrics import FloatArray
from slipway.learn.preparation import Prepared
from slipway.models.bundle import Bundle, BundleMeta, load_bundle, write_bundle
from slipway.models.signing import SigningKey


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All that was found about a candidate.

    ``golden_outputs`` are the training side's answers to the golden rows, shape (n, outputs).
    """

    evaluation: Evaluation
    gates: tuple[GateVerdict, ...]
    golden: Golden
    golden_outputs: FloatArray

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(verdict.passed for verdict in self.gates)


def judge(
    candidate: Candidate,
    baseline: Candidate,
    prepared: Prepared,
    bundle: Bundle,
    config: Config,
    champion: Bundle | None,
) -> Judgement:
    """Evaluate a candidate on the held-out rows and put it before every gate.

    Args:
        candidate: the one chosen.
        baseline: the constant to beat.
        prepared: the table that it was fitted on.
        bundle: the candidate as serving loads it.
        config: limits of the configured gates.
        champion: the live version, where there is one.
    """
    matrix, target = prepared.held_out_matrix, prepared.held_out_target
    evaluation = evaluate(target, candidate.predict(matrix), baseline.predict(matrix))
    golden = golden_rows(prepared.train, bundle.contract, prepared.encoder, prepared.problem.seed)
    expected = candidate.predict(golden.matrix)
    metrics = {metric.name: metric for metric in evaluation.metrics}
    gates = [
        baseline_gate(evaluation.losses, evaluation.baseline_losses),
        *(bound_gate(metrics[name], bound) for name, bound in config.gates.items()),
        finite_gate(np.concatenate([evaluation.outputs, expected]), target.task),
        parity_gate(expected, *served(bundle, golden.rows)),
    ]
    if champion is not None:
        theirs = champion_losses(champion, prepared.held_out, target)
        name = str(champion.version or champion.name)
        gates.append(live_gate(evaluation.losses, theirs, config.rollout.margin, name))
    return Judgement(evaluation=evaluation, gates=tuple(gates), golden=golden, golden_outputs=expected)


def served(bundle: Bundle, rows: list[Row]) -> tuple[FloatArray, FloatArray]:
    """What serving answers to rows: all of them in one call, and one call for each, both (n, outputs).

    Columns go in reversed order and absent ones are left out, as a client might send them.
    """
    columns = bundle.encoder.columns[::-1]
    batch = bundle.predict({name: [row.get(name) for row in rows] for name in columns}, len(rows))
    alone: list[list[float]] = []
    for row in rows:
        sent = tuple(name for name in columns if name in row)
        alone += bundle.predict_rows([[row[name] for name in sent]], sent)
    return batch, np.array(alone, dtype=np.float64)


def served_bundle(
    candidate: Candidate,
    meta: BundleMeta,
    contract: Contract,
    prepared: Prepared,
    key: SigningKey,
) -> Bundle:
    """The candidate as serving loads it, by way of a temporary folder.

    Raises:
        IntegrityError: its parts do not fit each other.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-judging-") as place:
        digest = write_bundle(
            Path(place),
            meta=meta,
            contract=contract,
            encoder=prepared.encoder,
            model=candidate.content,
            evidence={},
            key=key,
        )
        return load_bundle(Path(place) / digest, digest, [key.public])
