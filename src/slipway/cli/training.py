"""What ``slipway train`` and ``slipway versions`` do and show."""

from __future__ import annotations

from typing import Any

import msgspec

from slipway.base.config import Config
from slipway.base.errors import RefusedError
from slipway.cli.output import emit, progress, refuse, say, table
from slipway.cli.project import Opened
from slipway.control.workspace import Workspace, open_workspace
from slipway.data.project import load_project
from slipway.learn.registration import TrainResult
from slipway.learn.training import train
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys
from slipway.store import registry
from slipway.store.registry import VersionRecord


def train_version(opened: Opened, config: Config) -> None:
    """Train one version of the project's model and show its evidence.

    Raises:
        RefusedError: a gate did not pass; the version is recorded as refused.
    """
    _, contract = load_project(opened.layout)
    with open_workspace(opened.layout) as workspace:
        champion = live_bundle(workspace)
    with progress("training") as report:
        result = train(
            opened.layout,
            config,
            contract,
            champion=champion,
            progress=lambda seen: report(seen.done, seen.message),
        )
    emit(_document(result))
    _show(result)
    refused = [gate for gate in result.gates if not gate.passed]
    if refused:
        refuse(
            RefusedError(
                expected="every gate to pass",
                got="; ".join(f"{gate.name}: {gate.message}" for gate in refused),
                where=str(result.version),
                next_step="improve the data or the settings; `slipway versions` keeps what was measured",
            )
        )
    say(f"{result.version} is registered: `slipway deploy {result.version}`")


def live_bundle(workspace: Workspace) -> Bundle | None:
    """The bundle that answers now, for the gate that compares with it; None before the first deployment."""
    with workspace.database.read() as tx:
        endpoint = registry.get_endpoint(tx, workspace.config.project.name)
        if endpoint is None or endpoint.champion is None:
            return None
        record = registry.get_version(tx, endpoint.champion)
    return load_bundle(
        workspace.layout.bundles / record.digest,
        record.digest,
        trusted_keys(workspace.layout),
        endpoint.champion,
    )


def _document(result: TrainResult) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(result)
    return {
        **document,
        "version": str(result.version),
        "metrics": {metric.name: msgspec.to_builtins(metric) for metric in result.metrics},
        "baseline": {metric.name: msgspec.to_builtins(metric) for metric in result.baseline},
    }


def _show(result: TrainResult) -> None:
    constant = {metric.name: metric.value for metric in result.baseline}
    table(
        f"{result.version}: {result.candidate}, {result.train_rows:,} rows to learn from, "
        f"{result.held_out_rows:,} held out ({result.split})",
        ["held out", "value", "95% interval", "a constant"],
        [
            (
                metric.name,
                metric.value,
                None if metric.lower is None else f"{metric.lower:.4f} to {metric.upper:.4f}",
                constant.get(metric.name),
            )
            for metric in result.metrics
        ],
    )
    table(
        "",
        ["gate", "passed", "why"],
        [(gate.name, gate.passed, gate.message) for gate in result.gates],
    )
    if result.set_aside:
        say(f"[yellow]note[/] {result.set_aside:,} rows could not be read; they lie in .slipway/quarantine")
    for finding in result.findings:
        say(f"[yellow]flagged[/] {finding.message}")
    say(result.selection.message)


def list_versions(opened: Opened) -> None:
    """Show the registered versions of the project's model."""
    with open_workspace(opened.layout) as workspace, workspace.database.read() as tx:
        name = workspace.config.project.name
        endpoint = registry.get_endpoint(tx, name)
        runs = {run.id: run.status for run in registry.list_runs(tx)}
        known = registry.list_versions(tx, name)
    roles = (
        {
            endpoint.champion: "answers",
            endpoint.challenger: "in shadow",
            endpoint.reverse: "in reverse shadow",
        }
        if endpoint
        else {}
    )
    rows = [_line(one, runs.get(one.run_id), roles.get(one.name)) for one in known]
    emit(rows)
    table(
        "",
        ["version", "gates", "serves", "held out", "bundle"],
        [(row.version, row.gates, row.serves, _metrics(row.metrics), row.digest[:12]) for row in rows],
    )
    if not rows:
        say("no version yet: `slipway train`")


class VersionLine(msgspec.Struct, frozen=True):
    """One registered version, for reading."""

    version: str
    gates: str
    #: What it does on the endpoint, or None.
    serves: str | None
    metrics: dict[str, Any]
    digest: str
    lineage: dict[str, Any]


def _line(record: VersionRecord, run: str | None, serves: str | None) -> VersionLine:
    return VersionLine(
        version=str(record.name),
        gates="passed" if run == "registered" else "refused",
        serves=serves,
        metrics=dict(record.metrics),
        digest=record.digest,
        lineage=dict(record.lineage),
    )


def _metrics(document: dict[str, Any]) -> str:
    """The held-out metrics in one cell."""
    metrics: dict[str, dict[str, float]] = document["metrics"]
    return ", ".join(f"{name} {metric['value']:.4g}" for name, metric in metrics.items())
