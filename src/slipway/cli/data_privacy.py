"""``slipway data privacy``, ``pseudonymise``, ``counts``: personal data found, replaced, hidden in noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.errors import StoreError, UsageError
from slipway.cli.output import emit, progress, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    import polars as pl

    from slipway.data.anonymity import AnonymityReport
    from slipway.data.contract import Contract
    from slipway.data.noisy_counts import NoisyCounts
    from slipway.data.personal import PersonalFinding

FileArgument = Annotated[
    Path | None, typer.Argument(help="Another table of the same kind; default: the project's source.")
]

#: Kind of the ledger entry of each release, whose epsilons add up.
_RELEASED = "counts_released"


def register(app: typer.Typer) -> None:
    """Add the verbs to the group."""
    for verb in (privacy, pseudonymise, counts):
        app.command()(verb)


def privacy(
    file: FileArgument = None,
    quasi: Annotated[
        str | None,
        typer.Option(help="Columns that others may know of a person.", show_default="guessed by header"),
    ] = None,
    sample: Annotated[int, typer.Option(help="Cells of each column to look at; 0: all.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Of drawing them.")] = 0,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Find personal data, and rows that single a person out; no cell is shown.

    Example: `slipway data privacy --quasi age,sex,town`
    """
    from slipway.data.anonymity import anonymity, guess_quasi_identifiers
    from slipway.data.personal import find_personal
    from slipway.data.project import load_project

    opened = Opened(project)
    config, contract = load_project(opened.layout)
    target = config.project.target
    rows = _read(opened, file)
    with progress("looking for personal data"):
        found = find_personal(rows, sample=sample, seed=seed)
        columns = guess_quasi_identifiers(rows, [target]) if quasi is None else _listed(quasi)
        sensitive = target if target in rows.columns and target not in columns else None
        hidden = anonymity(rows, columns, sensitive) if columns else None
    untagged = _untagged(found, contract)
    emit(
        {
            "rows": rows.height,
            "personal": found,
            "untagged": untagged,
            "guessed": quasi is None,
            "anonymity": hidden,
        }
    )
    _show_personal(found, rows, untagged)
    _show_anonymity(hidden, guessed=quasi is None)


def pseudonymise(
    file: Annotated[Path, typer.Argument(help="A table of the project's kind.")],
    column: Annotated[list[str], typer.Option("--column", "-c", help="To replace; repeatable.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write: .csv or .parquet.")],
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Use a new key: later pseudonyms differ from earlier ones.")
    ] = False,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Write a table with a keyed hash in place of each value of some columns.

    Example: `slipway data pseudonymise loans.csv --column customer_id --out loans_p.csv`
    """
    from slipway.data import pseudonyms as made

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(expected="--out to end in .csv or .parquet", got=f"{out.suffix!r}", where="--out")
    opened = Opened(project)
    rows = _read(opened, file)
    _refuse_unknown(rows, column)
    keyed = made.load_pseudonyms(opened.layout, new_key=new_key)
    _write(made.pseudonymise(rows, column, keyed), out)
    emit({"rows": rows.height, "columns": column, "key_version": keyed.version, "out": str(out)})
    say(f"wrote {out.name}: {rows.height:,} rows, {', '.join(column)} replaced with key {keyed.version}")
    say("the key lies in .slipway/keys: whoever has it can test a guess, so this is personal data still")


def counts(
    file: FileArgument = None,
    by: Annotated[str, typer.Option("--by", help="Columns to count by, comma-separated.")] = "",
    epsilon: Annotated[float, typer.Option(help="Privacy that this release may cost.")] = 1.0,
    per_person: Annotated[int, typer.Option(help="Rows that one person may have in the table.")] = 1,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Release counts with noise that hides whether any one person is in the table (needs OpenDP).

    Example: `slipway data counts --by sex,race --epsilon 0.5`
    """
    from slipway.data.noisy_counts import noisy_counts
    from slipway.data.project import load_project

    opened = Opened(project)
    _, contract = load_project(opened.layout)
    levels = {name: _declared(contract, name) for name in _listed(by)}
    released = noisy_counts(_read(opened, file), levels, epsilon=epsilon, per_person=per_person)
    spent = _record(opened, released)
    emit({"counts": released, "epsilon_in_all": spent})
    table(
        "",
        [*released.columns, "rows, with noise"],
        [(*group, n) for group, n in zip(released.groups, released.counts, strict=True)],
    )
    say(f"each is within {released.accuracy} of the truth with 95 % probability")
    say(f"epsilon {released.epsilon:g}; all releases of this project together {spent:g}")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read(opened: Opened, file: Path | None) -> pl.DataFrame:
    from slipway.data.locations import locate
    from slipway.data.source import read_table, source_path

    path = file or source_path(opened.layout, opened.config.data)
    with progress(f"reading {locate(path).stem}"):
        return read_table(path, opened.config.data)


def _refuse_unknown(rows: pl.DataFrame, columns: list[str]) -> None:
    """Before a key is made: a misspelt name must leave nothing behind."""
    absent = [name for name in columns if name not in rows.columns]
    if absent:
        raise UsageError(
            expected="columns of the table", got=f"{absent[0]!r}, which it lacks", where="--column"
        )


def _write(rows: pl.DataFrame, path: Path) -> None:
    import io

    from slipway.base.files import write_atomic

    content = io.BytesIO()
    if path.suffix.lower() == ".csv":
        rows.write_csv(content)
    else:
        rows.write_parquet(content)
    try:
        write_atomic(path, content.getvalue())
    except OSError as error:
        raise StoreError(
            expected="a file that can be written",
            got=error.strerror or type(error).__name__,
            where=str(path),
            next_step="check folder and free space",
        ) from None


def _declared(contract: Contract, name: str) -> list[str]:
    """The levels that the contract allows: those of the table itself would give rare ones away."""
    column = contract.column(name)
    if column is not None and column.type == "bool":
        return ["false", "true"]
    if column is None or not column.allowed:
        raise UsageError(
            expected="a category whose levels contract.toml lists, or a bool",
            got="another column",
            where=f"--by {name}",
            next_step="list its levels under `allowed`, from what is known without the table",
        )
    return [str(level) for level in column.allowed]


def _record(opened: Opened, released: NoisyCounts) -> float:
    """Note the release in the ledger before it is shown; returns the epsilons of all releases, added up."""
    from slipway.base.clock import SystemClock
    from slipway.store import ledger

    database = opened.database()
    try:
        with database.write() as tx:
            payload = {
                "columns": list(released.columns),
                "epsilon": released.epsilon,
                "per_person": released.per_person,
            }
            ledger.append(tx, _RELEASED, payload, SystemClock().now_us())
            spent = [one.payload["epsilon"] for one in ledger.entries(tx) if one.kind == _RELEASED]
    finally:
        database.close()
    return sum(float(str(one)) for one in spent)


def _untagged(found: tuple[PersonalFinding, ...], contract: Contract) -> list[str]:
    """Columns that requests carry and the log keeps, with personal data that no tag names."""
    names = {one.column for one in found}
    return [c.name for c in contract.inputs if c.name in names and "personal" not in c.tags]


def _show_personal(found: tuple[PersonalFinding, ...], rows: pl.DataFrame, untagged: list[str]) -> None:
    table(
        f"personal data in {rows.height:,} rows",
        ["column", "kind", "certainty", "share of cells", "seen by", "advice"],
        [
            (
                one.column,
                one.kind,
                one.certainty,
                None if one.share is None else f"{one.share:.2%} of {one.cells:,}",
                one.evidence,
                one.advice,
            )
            for one in found
        ],
    )
    if not found:
        say("none seen: that is no proof that there is none")
    if untagged:
        say(
            f"[yellow]note[/] requests carry {', '.join(untagged)} and the log keeps them: leave them out"
            ' (role = "ignore"), or tag them personal in contract.toml'
        )
    say("")


def _show_anonymity(hidden: AnonymityReport | None, *, guessed: bool) -> None:
    if hidden is None:
        say("no column looks like a trait that others know of a person: name some with --quasi")
        return
    table(
        f"{'guessed ' if guessed else ''}quasi-identifiers: {', '.join(hidden.columns)}",
        ["column", "distinct", "alone in it", "alone without it", "k without it"],
        [(c.column, c.distinct, c.unique_alone, c.unique_without, c.k_without) for c in hidden.of_columns],
    )
    say(
        f"k = {hidden.k}: {hidden.classes:,} classes, {hidden.unique:,} rows ({hidden.unique_share:.1%})"
        f" stand alone, {hidden.under[5]:,} share their class with fewer than four others"
    )
    if hidden.diversity is not None:
        say(f"least number of {hidden.sensitive} values in a class: {hidden.diversity}")
