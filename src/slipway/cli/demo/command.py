"""The verb ``slipway demo``: plays the story and prints how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from slipway.cli.demo.events import KINDS, short
from slipway.cli.output import emit, say, table
from slipway.cli.project import JsonOption


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Option(help="Where to leave the project.")] = Path("slipway-demo"),
    keep_serving: Annotated[bool, typer.Option("--keep-serving", help="Leave it up afterwards.")] = False,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Show the whole loop on real data: train, shadow, promote, crash, refuse, roll back, drift, retrain.

    50,000 car-loan applications are asked over HTTP; outcomes come 2,000 rows later. Nothing is scripted to
    come out: each decision follows from the data. Takes two to three minutes on two cores.

    Example: `slipway demo --folder /tmp/loans`
    """
    from slipway.cli.demo.stage import free_folder
    from slipway.cli.demo.story import Ending, run_demo

    ending: Ending = run_demo(free_folder(folder), keep_serving=keep_serving)
    emit(msgspec.structs.replace(ending, events=[one for one in ending.events if one.kind in KINDS]))
    table(
        "\nWhat happened",
        ["row", "event", "of", "labels/rows", "e-value", "loss difference"],
        [
            (
                event.row,
                event.kind.replace("_", " "),
                event.version,
                event.evidence.get("n"),
                _e_value(event.evidence),
                _difference(event.evidence),
            )
            for event in ending.events
        ],
    )
    table(
        "\nThe count",
        ["", ""],
        [
            ("answered", ending.answered),
            ("logged", ending.logged),
            ("lost", ending.lost),
            ("ledger verified", ending.ledger_verified),
            ("decisions replayed, equal", ending.decisions_replayed),
            ("bad model live, seconds", ending.rollback_seconds),
            ("whole demo, seconds", ending.seconds),
        ],
    )
    say(f"\nThe project lies in {ending.folder}: try `slipway status -p {ending.folder}`")
    if ending.url is not None:
        say(f"It still serves at {ending.url}; stop it with `kill {ending.supervisor}`")
    complete = (
        not ending.missing and ending.lost == 0 and ending.ledger_verified and ending.decisions_replayed
    )
    if not complete:
        say(f"[bold red]missing:[/] {', '.join(ending.missing) or 'no event, but see the table'}")
        raise typer.Exit(1)


def _difference(evidence: dict[str, Any]) -> str | None:
    if "interval" not in evidence:
        return None
    low, high = evidence["interval"]
    return f"{evidence['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"


def _e_value(evidence: dict[str, object]) -> str | None:
    value = evidence.get("e_value")
    if not isinstance(value, float):
        return None
    return short(value)
