"""A judged candidate becomes a version: its evidence into a bundle, the bundle into the registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from slipway.base.failpoint import failpoint
from slipway.base.layout import Layout
from slipway.base.vocabulary import Value, VersionName
from slipway.data.check import Finding
from slipway.data.contract import Contract
from slipway.learn.candidates import Candidate
from slipway.learn.evaluation import reference
from slipway.learn.gates import GateVerdict
from slipway.learn.judging import Judgement
from slipway.learn.latency import Latency
from slipway.learn.metrics import Metric
from slipway.learn.preparation import Prepared
from slipway.learn.selection import Selection
from slipway.models.bundle import BundleMeta, write_bundle
from slipway.models.signing import SigningKey
from slipway.store import ledger, registry
from slipway.store.database import Database

#: Where a version comes from: snapshot, commit, settings, libraries, seed.
Lineage = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What the search came to: the candidates, which of them was chosen and why."""

    candidates: tuple[Candidate, ...]
    chosen: Candidate
    selection: Selection


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A finished run.

    Args:
        run_id: its id in the registry.
        version: the version registered.
        digest: of its bundle.
        passed: whether every gate passed; a version that did not is registered as refused.
        candidate: kind of model chosen.
        gates: the verdicts.
        metrics: on the held-out rows.
        baseline: the same of the constant.
        selection: why this candidate.
        split: how rows were held out: temporal, grouped, stratified or random.
        train_rows, held_out_rows: sizes of the two parts.
        findings: what the contract check flagged.
        latency: of one row, in this process.
        seconds: wall time of the run.
        set_aside: rows of the source that could not be read; they lie in the quarantine folder.
    """

    run_id: str
    version: VersionName
    digest: str
    passed: bool
    candidate: str
    gates: tuple[GateVerdict, ...]
    metrics: tuple[Metric, ...]
    baseline: tuple[Metric, ...]
    selection: Selection
    split: str
    train_rows: int
    held_out_rows: int
    findings: tuple[Finding, ...]
    latency: Latency
    seconds: float
    set_aside: int = 0


def place_bundle(
    layout: Layout,
    meta: BundleMeta,
    contract: Contract,
    prepared: Prepared,
    fitted: Fitted,
    judgement: Judgement,
    key: SigningKey,
) -> str:
    """Write the bundle with all its evidence; returns its digest.

    No time and no name of a run goes in: the same training gives the same bundle.
    """
    return write_bundle(
        layout.bundles,
        meta=meta,
        contract=contract,
        encoder=prepared.encoder,
        model=fitted.chosen.content,
        evidence=_evidence(contract, prepared, fitted, judgement),
        key=key,
    )


def _evidence(
    contract: Contract, prepared: Prepared, fitted: Fitted, judgement: Judgement
) -> dict[str, bytes]:
    evaluation = judgement.evaluation
    metrics = {
        "split": prepared.split,
        "train_rows": prepared.train.height,
        "held_out_rows": prepared.held_out.height,
        "metrics": evaluation.metrics,
        "baseline": evaluation.baseline,
    }
    search = {
        "selection": fitted.selection,
        "recipes": {each.name: each.recipe for each in fitted.candidates},
    }
    golden = {"rows": judgement.golden.rows, "outputs": judgement.golden_outputs.tolist()}
    return {
        "metrics.json": _json(metrics),
        "search.json": _json(search),
        "gates.json": _json(judgement.gates),
        "golden.json": _json(golden),
        "reference.json": reference(prepared.table, contract).to_json(),
        "risk.json": evaluation.risk.to_json(),
    }


def register(
    database: Database,
    model: str,
    result: TrainResult,
    risk: Mapping[str, object],
    lineage: Lineage,
    now_us: int,
) -> TrainResult:
    """Number the version, write the ledger and end the run, all or nothing."""
    failpoint("train.bundled")
    kind = "registered" if result.passed else "refused_by_gates"
    with database.write() as tx:
        version = registry.add_version(
            tx, model, result.run_id, result.digest, _metrics_document(result), risk, lineage
        )
        named = replace(result, version=version)
        ledger.append(tx, kind, _ledger_document(named), now_us)
        status = "registered" if result.passed else "refused"
        registry.finish_run(tx, result.run_id, status, _document(named), now_us)
    failpoint("train.registered")
    return named


def finished_result(database: Database, run_id: str) -> TrainResult | None:
    """The result of a run that has registered its version, or None."""
    with database.read() as tx:
        found = [run for run in registry.list_runs(tx) if run.id == run_id]
    if not found or found[0].status not in ("registered", "refused"):
        return None
    return msgspec.convert(found[0].result, TrainResult)


def _metrics_document(result: TrainResult) -> dict[str, object]:
    return {
        "candidate": result.candidate,
        "passed": result.passed,
        "held_out_rows": result.held_out_rows,
        "metrics": {metric.name: _interval(metric) for metric in result.metrics},
        "baseline": {metric.name: _interval(metric) for metric in result.baseline},
        "gates": {verdict.name: verdict.passed for verdict in result.gates},
        "latency_us": {"median": result.latency.median_us, "p99": result.latency.p99_us},
    }


def _interval(metric: Metric) -> dict[str, object]:
    return {"value": metric.value, "lower": metric.lower, "upper": metric.upper}


def _ledger_document(result: TrainResult) -> dict[str, object]:
    refused = [gate.name for gate in result.gates if not gate.passed]
    said = f"refused by {', '.join(refused)}" if refused else "every gate passed"
    return {
        "message": f"{result.candidate}, {result.train_rows:,} rows, {result.held_out_rows:,} held: {said}",
        "version": str(result.version),
        "digest": result.digest,
        "run": result.run_id,
        "candidate": result.candidate,
        "gates": _document(result)["gates"],
    }


def _document(value: object) -> dict[str, Any]:
    return msgspec.to_builtins(value)


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)
