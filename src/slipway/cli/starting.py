"""``slipway init``: a project from a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from slipway.base.errors import UsageError
from slipway.base.vocabulary import Task
from slipway.cli.output import emit, progress, say, table
from slipway.cli.project import JsonOption, ProjectOption

if TYPE_CHECKING:
    from slipway.data.project import InitReport

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="File (CSV, JSON lines, Parquet, Arrow, Excel, gzip, zstd), or URL of an object or database.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Of model and endpoint.", show_default="the file's")]
Columns = Annotated[
    str | None, typer.Option(help="Names of all columns, comma-separated, for a file without a header.")
]
TaskName = Annotated[str | None, typer.Option(help="binary, multiclass or regression.")]
Exclude = Annotated[
    list[str] | None, typer.Option(help="Column, or pattern like `y_pred*`, to leave out; repeatable.")
]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="First line holds names; default: seen.")
]
Separator = Annotated[str | None, typer.Option(help="Between the fields of a CSV; default: seen.")]
TrailingDots = Annotated[
    list[str] | None, typer.Option(help="Column whose values lose a dot at their end; repeatable.")
]
Missing = Annotated[list[str] | None, typer.Option(help="Text that means a missing value; repeatable.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(init)


def init(
    source: Source,
    target: Annotated[str, typer.Option("--target", "-t", help="Column to predict.")],
    project: ProjectOption = Path(),
    name: Name = None,
    task: TaskName = None,
    time: Annotated[str | None, typer.Option(help="Column that orders the rows in time.")] = None,
    group: Annotated[str | None, typer.Option(help="Column whose rows belong together.")] = None,
    exclude: Exclude = None,
    query: Annotated[str | None, typer.Option(help="What to ask a database.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook.", show_default="the first")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text.", show_default="utf-8")] = None,
    columns: Columns = None,
    header: Header = None,
    separator: Separator = None,
    missing: Missing = None,
    trailing_dots: TrailingDots = None,
    owner: Annotated[str, typer.Option(help="Who answers for the model.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the settings that are there.")] = False,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Start a project from a table: writes slipway.toml and contract.toml, to be read and edited.

    Example: `slipway init loans.csv --target repaid`
    """
    from slipway.data.locations import locate
    from slipway.data.project import InitOptions, init_project

    options = InitOptions(
        name=name,
        owner=owner,
        task=_task(task),
        query=query,
        sheet=sheet,
        encoding=encoding,
        columns=tuple(part.strip() for part in columns.split(",")) if columns else (),
        header=header,
        separator=separator,
        missing=tuple(missing) if missing else None,
        trailing_dots=tuple(trailing_dots or ()),
        time=time,
        group=group,
        exclude=tuple(exclude or ()),
        force=force,
    )
    with progress(f"reading {locate(source).stem}"):
        report = init_project(source, target, project, options)
    _show(report, target)


def _show(report: InitReport, target: str) -> None:
    from slipway.data.contract import toml_value
    from slipway.data.project import reading_plan

    features = report.contract.features
    plan = reading_plan(report.reading.plan)
    emit(
        {
            "folder": str(report.layout.root.resolve()),
            "rows": report.rows,
            "set_aside": len(report.reading.rejected),
            "quarantine": report.quarantined,
            "reading": {name: value for name, value, _ in plan},
            "task": report.inference.task,
            "target": target,
            "features": [column.name for column in features],
            "ignored": {column.name: column.reason for column in report.contract.columns if column.reason},
            "notes": report.inference.notes,
        }
    )
    table("", ["read with", "", ""], [(name, toml_value(value), note) for name, value, note in plan])
    table(
        f"{report.rows:,} rows, {report.inference.task}, {len(features)} features",
        ["column", "type", "role", "why"],
        [(c.name, c.type, c.role, c.reason or None) for c in report.contract.columns],
    )
    say_set_aside(len(report.reading.rejected), report.quarantined)
    for note in report.inference.notes:
        say(f"[yellow]note[/] {note}")
    say("wrote slipway.toml and contract.toml: read them, then `slipway train`")


def say_set_aside(rows: int, path: Path | None) -> None:
    """Tell people how many rows could not be read, and where they lie."""
    if rows:
        say(f"[yellow]note[/] {rows:,} rows could not be read; they lie with line and reason in {path}")


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
