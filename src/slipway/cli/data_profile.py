"""``slipway data profile``: what a table holds, and what in it would mislead a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.errors import NotFoundError, StoreError
from slipway.cli.output import emit, progress, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    from slipway.base.config import Data
    from slipway.base.vocabulary import Task
    from slipway.data.profile_facts import ColumnProfile, Profile, Severity


def register(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command("profile")(profile_source)


def profile_source(
    file: Annotated[
        str | None, typer.Argument(help="A table, as a path or URL; default: the project's source.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="Column to predict; default: the project's.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Column with the time of the row; default: the project's.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report to this file, readable without a network.")
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Profile a table: columns, target, and what would mislead a model. A file needs no project.

    Example: `slipway data profile loans.csv --target repaid --html loans.html`
    """
    from slipway.data.locations import locate
    from slipway.data.profile import ProfileOptions, profile_table
    from slipway.data.profile_source import stream_table

    source, data, settled, task, moment = _what(file, project)
    name = locate(source).shown.rstrip("/").rpartition("/")[2]
    with progress(f"profiling {name}") as shown:
        streamed = stream_table(source, data)
        options = ProfileOptions(
            target=target or settled,
            task=task if target in (None, settled) else None,
            time=time or moment,
            markers=streamed.markers,
            set_aside=streamed.set_aside,
        )
        made = profile_table(streamed.frame, name, options, shown)
    if html is not None:
        _write_report(made, html)
    emit(made)
    _show(made)
    if html is not None:
        say(f"wrote {html}")


def _what(file: str | None, project: Path) -> tuple[Path | str, Data, str | None, Task | None, str | None]:
    """The file, how to read it, and the target, task and time column that a project names."""
    from slipway.base.config import Data
    from slipway.data.project import load_project
    from slipway.data.source import source_path

    try:
        opened = Opened(project)
    except NotFoundError:
        if file is None:
            raise
        return file, Data(source=file), None, None, None
    config, contract = load_project(opened.layout)
    source = file or source_path(opened.layout, config.data)
    moment = None if contract.time is None else contract.time.name
    return source, config.data, config.project.target, config.project.task, moment


def _write_report(made: Profile, path: Path) -> None:
    from datetime import UTC, datetime

    from slipway.base.files import write_atomic
    from slipway.data.report import report_page

    try:
        write_atomic(path, report_page(made, datetime.now(UTC)).encode())
    except OSError as error:
        raise StoreError(
            expected="a file to write the report to",
            got=error.strerror or type(error).__name__,
            where=str(path),
            next_step="choose another file, or make its folder",
        ) from None


_COLOURS: dict[Severity, str] = {"serious": "bold red", "check": "yellow", "note": "cyan"}


def _show(made: Profile) -> None:
    from rich.markup import escape

    repeats = f"{'' if made.duplicates_exact else 'about '}{made.duplicates:,} repeated rows"
    table(
        f"{made.source}: {made.rows:,} rows, {len(made.columns)} columns, {repeats}",
        ["column", "kind", "missing", "distinct", "middle half, or most frequent", "tells the target"],
        [
            (
                column.name,
                column.kind,
                column.missing,
                column.distinct,
                _middle(column),
                None if column.relation is None else f"{column.relation.explained:.1%}",
            )
            for column in made.columns
        ],
    )
    if made.target is not None:
        for sentence in made.target.meaning:
            say(escape(sentence))
    for finding in made.findings:
        names = f"[bold]{escape(_names(finding.columns))}[/]: " if finding.columns else ""
        say(
            f"[{_COLOURS[finding.severity]}]{finding.severity:8}[/] {finding.rule}  {names}"
            f"{escape(finding.evidence)} [dim]({escape(finding.advice)})[/]"
        )


def _middle(column: ColumnProfile) -> str | None:
    if column.days is not None:
        return " to ".join(column.days)
    if column.kind in ("number", "id") and column.numbers is not None:
        quantiles = column.numbers.quantiles
        return f"{quantiles['p25']:.4g} to {quantiles['p75']:.4g}"
    return ", ".join(level.value for level in column.levels[:3]) or None


def _names(columns: Sequence[str]) -> str:
    return ", ".join(columns[:4]) + (f" and {len(columns) - 4} more" if len(columns) > 4 else "")
