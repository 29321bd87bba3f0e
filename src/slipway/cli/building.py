"""Verbs that build: init, check, train, versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from slipway.base.errors import RefusedError, UsageError
from slipway.base.vocabulary import Task
from slipway.cli.output import emit, progress, refuse, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (init, check, train, versions):
        app.command()(verb)


def init(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet.")],
    target: Annotated[str, typer.Option("--target", "-t", help="Column to predict.")],
    project: ProjectOption = Path(),
    name: Annotated[
        str | None, typer.Option(help="Of model and endpoint.", show_default="the file's")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Names of all columns, comma-separated, for a file without a header.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression.")] = None,
    time: Annotated[str | None, typer.Option(help="Column that orders the rows in time.")] = None,
    group: Annotated[str | None, typer.Option(help="Column whose rows belong together.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Column, or pattern like `y_pred*`, to leave out; repeatable.")
    ] = None,
    separator: Annotated[str | None, typer.Option(help="Between the fields of a CSV; default: seen.")] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="Text that means a missing value; repeatable.")
    ] = None,
    owner: Annotated[str, typer.Option(help="Who answers for the model.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the settings that are there.")] = False,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Start a project from a table: writes slipway.toml and contract.toml, to be read and edited.

    Example: `slipway init loans.csv --target repaid`
    """
    from slipway.data.project import InitOptions, init_project

    options = InitOptions(
        name=name,
        owner=owner,
        task=_task(task),
        columns=tuple(part.strip() for part in columns.split(",")) if columns else (),
        separator=separator,
        missing=tuple(missing) if missing else None,
        time=time,
        group=group,
        exclude=tuple(exclude or ()),
        force=force,
    )
    with progress(f"reading {file.name}"):
        report = init_project(file, target, project, options)
    features = report.contract.features
    emit(
        {
            "folder": str(report.layout.root.resolve()),
            "rows": report.rows,
            "task": report.inference.task,
            "target": target,
            "features": [column.name for column in features],
            "ignored": {column.name: column.reason for column in report.contract.columns if column.reason},
            "notes": report.inference.notes,
        }
    )
    table(
        f"{report.rows:,} rows, {report.inference.task}, {len(features)} features",
        ["column", "type", "role", "why"],
        [(c.name, c.type, c.role, c.reason or None) for c in report.contract.columns],
    )
    for note in report.inference.notes:
        say(f"[yellow]note[/] {note}")
    say("wrote slipway.toml and contract.toml: read them, then `slipway train`")


def _task(text: str | None) -> Task | None:
    if text is None:
        return None
    for known in get_args(Task):
        if text == known:
            return known
    raise UsageError(
        expected=f"--task to be one of {', '.join(get_args(Task))}",
        got=repr(text),
        next_step="leave it out to have it inferred from the target",
    )


def check(
    file: Annotated[
        Path | None, typer.Argument(help="Another table of the same kind; default: the project's source.")
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Check a table against the contract.

    Example: `slipway check new_export.parquet`
    """
    from datetime import UTC, datetime

    from slipway.data.check import check_table
    from slipway.data.project import load_project
    from slipway.data.source import read_table, source_path

    opened = Opened(project)
    config, contract = load_project(opened.layout)
    path = file or source_path(opened.layout, config.data)
    with progress(f"reading {path.name}"):
        report = check_table(read_table(path, config.data), contract, now=datetime.now(UTC))
    emit({"passed": report.passed, "rows": report.rows, "findings": report.findings})
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
                where=path.name,
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
