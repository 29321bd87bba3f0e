"""Verbs that look back: outcomes, decisions, replay, sql."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from slipway.base.errors import ConflictError, RefusedError
from slipway.cli.output import emit, progress, refuse, say, table, wants_json
from slipway.cli.project import JsonOption, Opened, ProjectOption


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (outcomes, decisions, replay, sql):
        app.command()(verb)


def outcomes(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet with columns id, value and perhaps time.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Tell outcomes from a file, in any order; repeated and corrected ones are welcome.

    Example: `slipway outcomes march.csv`
    """
    from slipway.base.clock import SystemClock
    from slipway.cli.outcome_file import add_outcomes
    from slipway.cli.training import live_bundle
    from slipway.control.workspace import open_workspace

    opened = Opened(project)
    with open_workspace(opened.layout) as workspace:
        bundle = live_bundle(workspace)
    if bundle is None:
        raise ConflictError(
            expected="an endpoint that has answered",
            got="one with nothing deployed",
            where=f"endpoint {opened.config.project.name!r}",
            next_step="deploy a version with `slipway deploy`",
        )
    accepted = add_outcomes(opened, bundle, file, SystemClock())
    emit(accepted)
    say(f"{accepted.accepted:,} outcomes written to the log; the controller joins them when it runs")


def decisions(
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Show the ledger: what was decided and moved, when, on which evidence.

    Example: `slipway decisions`
    """
    import datetime as dt

    from slipway.control.status import decisions as read_ledger
    from slipway.store import ledger

    opened = Opened(project)
    database = opened.database()
    try:
        lines = read_ledger(opened.layout, database)
        with database.read() as tx:
            chain = ledger.verify(tx)
    finally:
        database.close()
    emit({"ok": chain.ok, "broken_at": chain.broken_at, "head": chain.head, "entries": lines})
    table(
        "",
        ["entry", "when (UTC)", "what", "version", "by", "why"],
        [
            (
                line.seq,
                dt.datetime.fromtimestamp(line.time_us / 1e6, dt.UTC).strftime("%Y-%m-%d %H:%M:%S"),
                line.kind.replace("_", " "),
                line.version,
                line.actor,
                line.message,
            )
            for line in lines
        ],
    )
    holds = "holds" if chain.ok else f"[bold red]is broken at entry {chain.broken_at}[/]"
    say(f"{len(lines)} entries; the hash chain {holds}; head {chain.head[:16]}")
    if not chain.ok:
        raise typer.Exit(3)


def replay(
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Derive every automatic decision again from the prediction log and compare it with the ledger.

    Example: `slipway replay`
    """
    from slipway.control.replay import replay as derive

    opened = Opened(project)
    with progress("replaying the log"):
        report = derive(opened.layout)
    emit(report)
    table(
        "",
        ["entry", "what", "recorded", "derived", "equal"],
        [
            (one.seq, one.kind.replace("_", " "), _gist(one.recorded), _gist(one.derived), one.equal)
            for one in report.decisions
        ],
    )
    if not report.all_equal:
        refuse(
            RefusedError(
                expected="every decision derived again with the same verdict",
                got=f"{sum(not one.equal for one in report.decisions)} that differ",
                where="the ledger against the log",
                next_step="the log or the ledger was changed after the fact: see the table above",
            )
        )
    say(f"{len(report.decisions)} decisions derived again, all equal")


def sql(
    query: Annotated[str, typer.Argument(help="SQL of DuckDB over the views named below.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Query the log: views predictions, shadows, outcomes, labelled, decisions, versions.

    Example: `slipway sql "select version, avg(outcome) from labelled group by 1"`
    """
    from slipway.cli.query import run_query

    answer = run_query(Opened(project).layout, query)
    if wants_json():
        emit([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
    else:
        table("", answer.columns, answer.rows)
        say(f"{len(answer.rows):,} rows")


def _gist(payload: dict[str, Any] | None) -> str | None:
    """The evidence of a decision in a few words."""
    if payload is None:
        return None
    evidence = payload.get("verdict") or payload.get("alarm") or {}
    said = evidence.get("outcome") or ", ".join(evidence.get("features") or [evidence.get("kind", "")])
    return f"{payload.get('version')}: {said}, n {evidence.get('n'):,}, e-value {evidence.get('e_value'):.6g}"
