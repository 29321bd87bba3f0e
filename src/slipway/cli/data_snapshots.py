"""``slipway data list``, ``show`` and ``diff``: the snapshots that versions were trained on."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from slipway.cli.output import emit, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    from slipway.data.comparison import Comparison

#: How much of a digest people read.
_SHORT = 16
_DIGEST = re.compile(r"[0-9a-f]{1,64}")


class SnapshotLine(msgspec.Struct, frozen=True):
    """One snapshot, for reading."""

    digest: str
    rows: int
    source: str
    #: When it was taken, ISO 8601 in UTC; None where it was not written down.
    taken: str | None
    #: Versions trained on it.
    versions: list[str]


class ColumnLine(msgspec.Struct, frozen=True):
    """One column of a snapshot."""

    name: str
    type: str
    #: Share of missing values.
    missing: float
    #: Of numbers.
    min: int | float | None = None
    max: int | float | None = None


class SnapshotView(msgspec.Struct, frozen=True):
    """One snapshot whose rows were read and found to be those of its digest."""

    digest: str
    rows: int
    source: str
    taken: str | None
    source_bytes: int | None
    source_modified: str | None
    versions: list[str]
    #: Size of its files, and how much of that other snapshots have too.
    bytes: int
    shared_bytes: int
    columns: list[ColumnLine]


SnapshotArgument = Annotated[
    str, typer.Argument(help="Digest of a snapshot or the beginning of one, or a version (NAME@N).")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the group."""
    app.command("list")(list_snapshots)
    app.command("show")(show_snapshot)
    app.command("diff")(diff_snapshots)


def list_snapshots(
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """List the snapshots of the project's tables, and the versions trained on each.

    Example: `slipway data list`
    """
    from slipway.store import registry

    opened = Opened(project)
    database = opened.database()
    try:
        with database.read() as tx:
            known = registry.list_snapshots(tx)
    finally:
        database.close()
    trained = _trained(opened)
    lines = [
        SnapshotLine(
            digest=one.digest,
            rows=one.rows,
            source=one.source,
            taken=_moment(one.manifest.get("taken_us")),
            versions=trained.get(one.digest, []),
        )
        for one in known
    ]
    emit(lines)
    table(
        "",
        ["snapshot", "rows", "source", "taken (UTC)", "versions"],
        [
            (one.digest[:_SHORT], one.rows, one.source, _short(one.taken), ", ".join(one.versions) or None)
            for one in lines
        ],
    )
    if not lines:
        say("no snapshot yet: `slipway train` takes one")


def show_snapshot(
    snapshot: SnapshotArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Read a snapshot, hold its rows against its digest, and say what it holds and where it came from.

    Example: `slipway data show 3fa9`
    """
    opened = Opened(project)
    view = _view(opened, _digest_of(opened, snapshot))
    emit(view)
    say(f"snapshot {view.digest}, intact")
    modified = f", last changed {_short(view.source_modified)}" if view.source_modified else ""
    facts = [
        ("rows", view.rows),
        ("source", f"{view.source}{modified}"),
        ("taken (UTC)", _short(view.taken)),
        ("versions", ", ".join(view.versions) or None),
        ("bytes on disk", view.bytes),
        ("shared with others", view.shared_bytes),
    ]
    table("", ["", ""], facts)
    table(
        "",
        ["column", "type", "missing", "min", "max"],
        [(one.name, one.type, f"{one.missing:.1%}", one.min, one.max) for one in view.columns],
    )


def diff_snapshots(
    first: SnapshotArgument,
    second: SnapshotArgument,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that names each row once; several make a key together. Default: whole rows."
        ),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Compare two snapshots: rows, columns, and how each column is distributed.

    Example: `slipway data diff loan@1 loan@2 --key customer`
    """
    from slipway.data.comparison import compare

    opened = Opened(project)
    made = compare(opened.layout, _digest_of(opened, first), _digest_of(opened, second), key=tuple(key or ()))
    emit(made)
    _tell(made)


def _tell(made: Comparison) -> None:
    how = f"by {', '.join(made.key)}" if made.key else "as a whole"
    say(f"{made.rows[0]:,} rows and {made.rows[1]:,} rows, compared {how}")
    counts: list[tuple[str, int]] = [("same", made.same), ("added", made.added), ("removed", made.removed)]
    if made.changed is not None:
        counts.append(("changed", made.changed))
    table("", ["rows", ""], counts)
    schema = [
        *((name, "added") for name in made.columns_added),
        *((name, "removed") for name in made.columns_removed),
        *((name, f"{old} -> {new}") for name, old, new in made.columns_retyped),
    ]
    if schema:
        table("", ["column", "schema change"], schema)
    changed = made.changed is not None
    table(
        "",
        [
            "column",
            "missing",
            "mean",
            "different values",
            "distance",
            "by chance",
            *(["changed"] if changed else []),
        ],
        [
            (
                one.name,
                _pair(f"{one.missing[0]:.1%}", f"{one.missing[1]:.1%}"),
                _pair(*(None if mean is None else f"{mean:,.4g}" for mean in one.mean)),
                _pair(f"{one.distinct[0]:,}", f"{one.distinct[1]:,}"),
                f"{one.distance:.3f}",
                f"{one.by_chance:.3f}",
                *([one.changed] if changed else []),
            )
            for one in made.columns
        ],
    )
    say(
        "distance: share of rows that lie in other bins than before; by chance: what equal sources would show"
    )


def _pair(old: str | None, new: str | None) -> str | None:
    return old if old == new else f"{old or '-'} -> {new or '-'}"


def _view(opened: Opened, digest: str) -> SnapshotView:
    from slipway.data.manifests import load_manifest, stored_bytes
    from slipway.data.stored import iter_snapshot

    layout = opened.layout
    manifest = load_manifest(layout, digest)
    missing = dict.fromkeys((name for name, _ in manifest.columns), 0)
    ranges: dict[str, list[int | float]] = {name: [] for name in missing}
    for block in iter_snapshot(layout, digest):
        for series in block.get_columns():
            missing[series.name] += series.null_count()
            if series.dtype.is_numeric() and series.null_count() < len(series):
                low, high = series.min(), series.max()
                assert isinstance(low, int | float)
                assert isinstance(high, int | float)
                ranges[series.name] += [low, high]
    elsewhere: set[str] = set()
    for other in layout.snapshots.glob("*/manifest.json"):
        if other.parent.name != digest:
            elsewhere.update(load_manifest(layout, other.parent.name).files)
    sizes = stored_bytes(layout, manifest)
    return SnapshotView(
        digest=digest,
        rows=manifest.rows,
        source=manifest.source,
        taken=_moment(manifest.taken_us),
        source_bytes=manifest.source_bytes,
        source_modified=_moment(manifest.source_modified_us),
        versions=_trained(opened).get(digest, []),
        bytes=sum(sizes.values()),
        shared_bytes=sum(size for name, size in sizes.items() if Path(name).stem in elsewhere),
        columns=[
            ColumnLine(
                name,
                kind,
                missing[name] / manifest.rows if manifest.rows else 0.0,
                min(ranges[name], default=None),
                max(ranges[name], default=None),
            )
            for name, kind in manifest.columns
        ],
    )


def _digest_of(opened: Opened, text: str) -> str:
    """The digest that a person means."""
    from slipway.base.errors import NotFoundError
    from slipway.data.manifests import find_snapshot

    trained = _trained(opened)
    for digest, versions in trained.items():
        if text in versions:
            return digest
    if not _DIGEST.fullmatch(text):
        raise NotFoundError(
            expected="the beginning of a snapshot's digest, or a version such as loan@3",
            got="neither",
            where="the command",
            next_step="see `slipway data list`",
        )
    return find_snapshot(opened.layout, text)


def _trained(opened: Opened) -> dict[str, list[str]]:
    """Versions by the digest of the snapshot they were trained on."""
    from slipway.store import registry

    database = opened.database()
    try:
        with database.read() as tx:
            versions = registry.list_versions(tx)
    finally:
        database.close()
    found: dict[str, list[str]] = {}
    for version in versions:
        found.setdefault(str(version.lineage.get("snapshot")), []).append(str(version.name))
    return found


def _moment(us: object) -> str | None:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC).isoformat() if isinstance(us, int) else None


def _short(moment: str | None) -> str | None:
    return moment and moment[:16].replace("T", " ")
