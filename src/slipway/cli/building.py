"""Verbs that build on a project: check, train, versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipway.base.errors import RefusedError
from slipway.cli.output import emit, progress, refuse, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption
from slipway.cli.starting import say_set_aside


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (check, train, versions):
        app.command()(verb)


def check(
    file: Annotated[
        str | None,
        typer.Argument(
            help="Another table of the same kind, as a path or URL; default: the project's source."
        ),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Check a table against the contract.

    Example: `slipway check new_export.parquet`
    """
    from datetime import UTC, datetime

    from slipway.data.locations import locate
    from slipway.data.project import load_project
    from slipway.data.reading import quarantine
    from slipway.data.scans import check_source
    from slipway.data.source import source_path

    opened = Opened(project)
    config, contract = load_project(opened.layout)
    source = file or source_path(opened.layout, config.data)
    with progress(f"reading {locate(source).stem}"):
        report, reading = check_source(source, config.data, contract, now=datetime.now(UTC))
    set_aside = quarantine(opened.layout, reading)
    emit(
        {
            "passed": report.passed,
            "rows": report.rows,
            "set_aside": len(reading.rejected),
            "quarantine": set_aside,
            "findings": report.findings,
        }
    )
    say_set_aside(len(reading.rejected), set_aside)
    table(
        "",
        ["column", "rule", "severity", "expected", "observed", "rows"],
        [(f.column, f.rule, f.severity, f.expected, f.observed, f.rows) for f in report.findings],
    )
    if not report.passed:
        refuse(
            RefusedError(
                expected="a table that keeps the contract",
                got=f"{len(report.findings)} findings",
                where=locate(source).stem,
                next_step="mend the table, or change contract.toml after a review",
            )
        )
    say(f"{report.rows:,} rows keep the contract ({len(report.findings)} remarks)")


def train(
    project: ProjectOption = Path(),
    budget: Annotated[str | None, typer.Option(help="Time for the search, such as 30s or 5m.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Train, evaluate and gate a new version: the same rows, settings and seed give the same model.

    Example: `slipway train --budget 30s`
    """
    import msgspec

    from slipway.base.processes import wait_without_spinning

    wait_without_spinning()
    from slipway.cli.training import train_version

    opened = Opened(project)
    changes = {key: value for key, value in (("budget", budget), ("seed", seed)) if value is not None}
    config = msgspec.structs.replace(
        opened.config, train=msgspec.structs.replace(opened.config.train, **changes)
    )
    train_version(opened, config)


def versions(
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """List the versions of the model, their held-out metrics, and what serves.

    Example: `slipway versions`
    """
    from slipway.cli.training import list_versions

    list_versions(Opened(project))
