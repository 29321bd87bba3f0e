"""``slipway data bias``: who is in a table, how groups of people are labelled, and what gives them away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.errors import UsageError
from slipway.cli.output import emit, progress, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    import polars as pl

    from slipway.data.bias import BiasReport
    from slipway.data.bias_intervals import Figure
    from slipway.data.bias_proxies import ProxyReport
    from slipway.data.contract import Contract

#: Features shown of each level's proxies; ``--json`` has all.
_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command("bias")(bias)


def bias(
    file: Annotated[
        Path | None, typer.Argument(help="Another table of the same kind; default: the project's source.")
    ] = None,
    sensitive: Annotated[
        str | None,
        typer.Option(
            "--sensitive",
            "-s",
            help="Columns that name groups of people, comma-separated.",
            show_default="those tagged sensitive in contract.toml",
        ),
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="Label whose rate is compared.", show_default="project.positive")
    ] = None,
    min_group: Annotated[int, typer.Option(help="Rows a group must have to be shown.")] = 50,
    level: Annotated[float, typer.Option(help="Confidence of the intervals of a table together.")] = 0.95,
    seconds: Annotated[float, typer.Option(help="Time for the search for proxies; 0 leaves it out.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    weights: Annotated[
        Path | None,
        typer.Option(help="Write the table with a column of reweighing weights to this Parquet file."),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Compare groups of people in a table: representation, label rates, proxies.

    Example: `slipway data bias --sensitive sex,race`
    """
    from slipway.data.bias import bias_report
    from slipway.data.bias_proxies import proxies
    from slipway.data.locations import locate
    from slipway.data.project import load_project
    from slipway.data.source import read_table, source_path

    opened = Opened(project)
    config, contract = load_project(opened.layout)
    columns = _columns(sensitive, contract)
    path = file or source_path(opened.layout, config.data)
    target, task = config.project.target, config.project.task
    chosen = config.project.positive if positive is None else positive
    found: list[ProxyReport] = []
    with progress(f"reading {locate(path).stem}") as told:
        rows = read_table(path, config.data)
        report = bias_report(rows, columns, target, task, positive=chosen, level=level, min_group=min_group)
        features = _features(contract, rows, columns)
        for at, column in enumerate(columns if seconds > 0 else ()):
            told((1 + at) / (1 + len(columns)), f"predicting {column} from the other columns")
            left = seconds / len(columns)
            found.append(
                proxies(rows, column, features, level=level, min_group=min_group, seed=seed, seconds=left)
            )
        if weights is not None:
            _write_weights(rows, columns, target, weights)
    emit({**_document(report), "proxies": found, "weights": None if weights is None else str(weights)})
    _show_groups(report)
    _show_proxies(found)
    if weights is not None:
        say(f"wrote {weights.name}, with the weights in column reweighing")


def _columns(sensitive: str | None, contract: Contract) -> list[str]:
    if sensitive is None:
        columns = [column.name for column in contract.columns if "sensitive" in column.tags]
    else:
        columns = [part.strip() for part in sensitive.split(",") if part.strip()]
    if not columns:
        raise UsageError(
            expected="columns that name groups of people",
            got="none",
            where="--sensitive",
            next_step='such as --sensitive sex,race, or tags = ["sensitive"] in contract.toml',
        )
    return columns


def _features(contract: Contract, rows: pl.DataFrame, sensitive: list[str]) -> list[str]:
    """What a model reads, without the sensitive columns: leaving those out is what is being tried."""
    return [c.name for c in contract.features if c.name in rows.columns and c.name not in sensitive]


def _write_weights(rows: pl.DataFrame, columns: list[str], target: str, path: Path) -> None:
    import io

    from slipway.base.errors import StoreError
    from slipway.base.files import write_atomic
    from slipway.data.bias import with_weights

    content = io.BytesIO()
    with_weights(rows, columns, target).write_parquet(content)
    try:
        write_atomic(path, content.getvalue())
    except OSError as error:
        raise StoreError(
            expected="a file that can be written",
            got=error.strerror or type(error).__name__,
            where=str(path),
            next_step="check folder and free space",
        ) from None


def _document(report: BiasReport) -> dict[str, object]:
    return {
        "rows": report.rows,
        "target": report.target,
        "positive": report.positive,
        "level": report.level,
        "min_group": report.min_group,
        "tables": report.tables,
        "notes": report.notes,
    }


def _show_groups(report: BiasReport) -> None:
    what = "mean" if report.positive is None else f"share of {report.positive}"
    for one in report.tables:
        table(
            f"{' x '.join(one.columns)}: {report.rows:,} rows",
            ["group", "rows", "share of rows", f"{what} in {report.target}", "ratio", "verdict"],
            [
                (
                    group.group,
                    group.rows,
                    _text(group.share, percent=True),
                    _text(group.rate, percent=report.positive is not None),
                    _text(group.impact),
                    group.verdict,
                )
                for group in one.groups
            ],
        )
        if one.small_groups:
            say(
                f"{one.small_groups} groups under {report.min_group} rows are not shown "
                f"({one.small_rows:,} rows in all)"
            )
        say("")
    for note in report.notes:
        say(f"[yellow]note[/] {note}")


def _show_proxies(found: list[ProxyReport]) -> None:
    for report in found:
        table(
            f"proxies of {report.column}: {report.rows:,} rows",
            ["level", "rows", "AUC from the other columns", "verdict", "given away by (AUC alone)"],
            [
                (
                    one.level,
                    one.rows,
                    _text(one.area),
                    one.verdict,
                    ", ".join(
                        proxy.feature + ("" if proxy.alone is None else f" {proxy.alone:.2f}")
                        for proxy in one.features[:_SHOWN]
                    ),
                )
                for one in report.levels
            ],
        )
        if not report.complete:
            say("[yellow]note[/] not every column was tried alone: give more --seconds")
        say("")


def _text(figure: Figure | None, *, percent: bool = False) -> str | None:
    if figure is None:
        return None
    form = "{:.1%}" if percent else "{:.3g}"
    if figure.lower is None or figure.upper is None:
        return form.format(figure.value)
    return f"{form.format(figure.value)} ({form.format(figure.lower)} to {form.format(figure.upper)})"
