"""Verbs that serve: up, deploy, promote, rollback, status."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.errors import NotFoundError
from slipway.cli.output import emit, say
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    from slipway.control.actions import Move
    from slipway.control.workspace import Workspace

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Without the evidence; needs --reason.")]
VersionArgument = Annotated[
    str | None, typer.Argument(help="Version such as loan@2.", show_default="the newest")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (up, deploy, promote, rollback, status):
        app.command()(verb)


def up(
    project: ProjectOption = Path(),
    port: Annotated[int | None, typer.Option(help="Port.", show_default="serve.port")] = None,
    host: Annotated[str | None, typer.Option(help="Address.", show_default="serve.host")] = None,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Serve the project: gateway workers and the controller, until Ctrl-C.

    Example: `slipway up --port 8080`
    """
    from slipway.cli.supervisor import Supervisor
    from slipway.store import registry

    opened = Opened(project)
    name = opened.config.project.name
    database = opened.database()  # migrated here, before two processes would race to do it
    with database.read() as tx:
        served = registry.get_endpoint(tx, name)
    database.close()
    supervisor = Supervisor(
        opened.layout,
        opened.config,
        host=host or opened.config.serve.host,
        port=opened.config.serve.port if port is None else port,
    )

    def ready(url: str) -> None:
        emit(supervisor.running(url))
        say(f"[bold]up[/] at {url}  (Ctrl-C stops; logs in {opened.layout.run})")
        say(f"  predict   POST {url}/v1/endpoints/{name}/predict")
        say(f"  outcomes  POST {url}/v1/endpoints/{name}/outcomes")
        if served is None or served.champion is None:
            say("  nothing is deployed yet: `slipway deploy` in another terminal")

    supervisor.run(ready, lambda child: say(f"[yellow]restarted[/] {child}"))


def deploy(
    version: VersionArgument = None,
    project: ProjectOption = Path(),
    reason: ReasonOption = "",
    force: ForceOption = False,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Launch a version: the first goes live, every later one starts in shadow.

    Example: `slipway deploy loan@2`
    """
    from slipway.control import actions

    with _workspace(project) as workspace:
        chosen = version or _newest(workspace)
        _tell(actions.deploy(workspace, chosen, actor=getpass.getuser(), reason=reason, force=force))


def promote(
    version: VersionArgument = None,
    project: ProjectOption = Path(),
    reason: ReasonOption = "",
    force: ForceOption = False,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Let the challenger go live: approves a favourable verdict, or overrules its absence by force.

    Example: `slipway promote loan@2 --reason "approved by the model board"`
    """
    from slipway.control import actions

    with _workspace(project) as workspace:
        _tell(actions.promote(workspace, version, actor=getpass.getuser(), reason=reason, force=force))


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="An earlier champion.", show_default="the former")
    ] = None,
    project: ProjectOption = Path(),
    reason: ReasonOption = "",
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Put a former champion back, now: one transaction, no gate, no restart.

    Example: `slipway rollback --reason "complaints from branch 12"`
    """
    from slipway.control import actions

    with _workspace(project) as workspace:
        _tell(actions.rollback(workspace, version, actor=getpass.getuser(), reason=reason))


def status(
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Who answers, who scores unseen, the evidence so far, what the monitors see.

    Example: `slipway status`
    """
    from slipway.cli.overview import show
    from slipway.control.status import status as read_status

    report = read_status(Opened(project).layout)
    emit(report)
    show(report)


def _workspace(project: Path) -> Workspace:
    from slipway.control.workspace import open_workspace

    return open_workspace(Opened(project).layout)


def _newest(workspace: Workspace) -> str:
    from slipway.store import registry

    model = workspace.config.project.name
    with workspace.database.read() as tx:
        known = registry.list_versions(tx, model)
    if not known:
        raise NotFoundError(
            expected="a registered version",
            got="none",
            where=f"model {model!r}",
            next_step="train one with `slipway train`",
        )
    return str(known[-1].name)


def _tell(move: Move) -> None:
    emit(move)
    say(move.message)
