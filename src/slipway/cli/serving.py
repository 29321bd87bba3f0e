"""Verbs that serve: up, deploy, promote, rollback, status."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.errors import NotFoundError, UsageError
from slipway.base.vocabulary import VersionName
from slipway.cli.output import emit, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    from slipway.control.status import StatusReport

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")]
VersionArgument = Annotated[str | None, typer.Argument(help="Version, such as loan@2; default: the newest.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (up, deploy, promote, rollback, status):
        app.command()(verb)


def up(
    project: ProjectOption = Path(),
    port: Annotated[int | None, typer.Option(help="Port; default: serve.port.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: serve.host.")] = None,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Serve the project: gateway workers and the controller, until Ctrl-C.

    Example: `slipway up --port 8080`
    """
    from slipway.cli.supervisor import Supervisor

    opened = Opened(project)
    opened.database().close()  # migrate before two processes would race to do it
    supervisor = Supervisor(
        opened.layout, opened.config, host=host or opened.config.serve.host, port=port or opened.config.serve.port
    )

    def ready() -> None:
        running = supervisor.running()
        emit(running)
        name = opened.config.project.name
        say(f"[bold]up[/] at {running.url}  (Ctrl-C stops; logs in {opened.layout.run})")
        say(f"  predict   POST {running.url}/v1/endpoints/{name}/predict")
        say(f"  outcomes  POST {running.url}/v1/endpoints/{name}/outcomes")
        if _served(opened) is None:
            say(f"  nothing is deployed yet: `slipway deploy {name}@1` in another terminal")

    supervisor.run(lambda _: ready(), lambda name: say(f"[yellow]restarted[/] {name}"))


def _served(opened: Opened) -> str | None:
    from slipway.store import registry

    database = opened.database()
    try:
        with database.read() as tx:
            record = registry.get_endpoint(tx, opened.config.project.name)
    finally:
        database.close()
    return record.champion if record else None


def deploy(
    version: VersionArgument = None,
    project: ProjectOption = Path(),
    reason: ReasonOption = "",
    force: Annotated[
        bool, typer.Option("--force", help="Go live at once, without shadow; needs --reason.")
    ] = False,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Launch a version: the first goes live, every later one starts in shadow.

    Example: `slipway deploy loan@2`
    """
    from slipway.control import actions

    if force and not reason.strip():
        raise UsageError(
            expected="--reason with --force",
            got="none",
            next_step='say why the evidence is not awaited: --force --reason "..."',
        )
    _move(project, version, lambda *known: actions.deploy(*known, reason=reason, force=force))


def promote(
    version: VersionArgument = None,
    project: ProjectOption = Path(),
    reason: ReasonOption = "",
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Let the challenger in shadow go live: approves a verdict, or overrides its absence with a reason.

    Example: `slipway promote loan@2 --reason "approved by the model board"`
    """
    from slipway.control import actions

    _move(project, version, lambda *known: actions.promote(*known, reason=reason))


def rollback(
    project: ProjectOption = Path(),
    reason: ReasonOption = "",
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Put the former champion back, now: one transaction, no gate, no restart.

    Example: `slipway rollback --reason "complaints from branch 12"`
    """
    from slipway.control import actions

    opened = Opened(project)
    moved = actions.rollback(opened.layout, opened.config, actor=getpass.getuser(), reason=reason)
    emit(moved)
    say(moved.message)


def _move(
    project: Path, version: str | None, act: Callable[..., "actions.Move"]  # noqa: F821, UP037
) -> None:
    opened = Opened(project)
    moved = act(opened.layout, opened.config, version and VersionName.parse(version), getpass.getuser())
    emit(moved)
    say(moved.message)
