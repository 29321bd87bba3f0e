"""``slipway data list``: the snapshots that versions were trained on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import typer

from slipway.cli.output import emit, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption


class SnapshotLine(msgspec.Struct, frozen=True):
    """One snapshot, for reading."""

    digest: str
    rows: int
    source: str
    #: Versions trained on it.
    versions: list[str]


def register(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command("list")(list_snapshots)


def list_snapshots(
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """List the snapshots of the project's tables, and the versions trained on each.

    Example: `slipway data list`
    """
    from slipway.store import registry

    database = Opened(project).database()
    try:
        with database.read() as tx:
            known = registry.list_snapshots(tx)
            trained = registry.list_versions(tx)
    finally:
        database.close()
    lines = [
        SnapshotLine(
            digest=one.digest,
            rows=one.rows,
            source=one.source,
            versions=[str(other.name) for other in trained if other.lineage.get("snapshot") == one.digest],
        )
        for one in known
    ]
    emit(lines)
    table(
        "",
        ["snapshot", "rows", "source", "versions"],
        [(one.digest[:16], one.rows, one.source, ", ".join(one.versions) or None) for one in lines],
    )
    if not lines:
        say("no snapshot yet: `slipway train` takes one")
