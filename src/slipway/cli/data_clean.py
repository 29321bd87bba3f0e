"""``slipway data clean``: what looks wrong in the table, and steps that mend it once they are accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from slipway.cli.output import emit, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    import polars as pl

    from slipway.data.contract import Contract
    from slipway.data.steps import Steps
    from slipway.data.suspicion import Suggestion


class CleaningView(msgspec.Struct, frozen=True):
    """What was found, what was accepted now, and how many steps are recorded in all."""

    suggestions: list[Suggestion]
    accepted: list[int]
    steps: int


def register(app: typer.Typer) -> None:
    """Add the verb to the group."""
    app.command("clean")(clean)


def clean(
    accept: Annotated[
        str | None,
        typer.Option(help="Numbers of suggestions to accept, such as 1,3: they go into cleaning.toml."),
    ] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Suggest what to mend in the source's cells; accepted steps run in training and in serving alike.

    Example: `slipway data clean --accept 1,3`
    """
    from slipway.data.contract import load_contract
    from slipway.data.source import read_table, source_path
    from slipway.data.steps import load_steps, require_fit, save_steps
    from slipway.data.suspicion import suggest

    opened = Opened(project)
    data, root = opened.config.data, opened.layout.root
    contract = load_contract(opened.layout.contract)
    steps = load_steps(root)
    require_fit(steps, contract)
    raw = read_table(source_path(opened.layout, data), data)
    found = suggest(_cleaned(raw, contract, steps), contract)
    chosen = _numbers(accept, len(found))
    steps = (*steps, *(found[number - 1].step for number in chosen))
    if chosen:
        require_fit(steps, contract)
        save_steps(root, steps)
    emit(CleaningView(found, chosen, len(steps)))
    if not chosen:
        _tell(found, len(steps))
        return
    say(f"recorded {len(chosen)} steps in {root / 'cleaning.toml'}, {len(steps)} in all")
    say("next: `slipway train`; a version serves with the steps it was trained with")


def _cleaned(raw: pl.DataFrame, contract: Contract, steps: Steps) -> pl.DataFrame:
    """The table as the model would see it, in the contract's types."""
    import polars as pl

    from slipway.data.tables import PHYSICAL, conform
    from slipway.models.cleaning import Cleaner

    df = conform(raw, contract)
    cleaner = Cleaner(steps)
    made = cleaner.columns({name: df[name].to_list() for name in cleaner.names}, df.height)
    types = {column.name: PHYSICAL[column.type] for column in contract.columns}
    return df.with_columns([pl.Series(name, values, dtype=types[name]) for name, values in made.items()])


def _numbers(accept: str | None, most: int) -> list[int]:
    """The numbers that a person typed, each once, in order."""
    from slipway.base.errors import UsageError

    texts = [text.strip() for text in accept.split(",")] if accept is not None else []
    if any(not text.isdecimal() or not 1 <= int(text) <= most for text in texts):
        raise UsageError(
            expected=f"numbers from 1 to {most}, separated by commas" if most else "a suggestion to accept",
            got="something else" if most else "none: nothing looks wrong",
            where="--accept",
            next_step="see the numbers with `slipway data clean`",
        )
    return sorted({int(text) for text in texts})


def _tell(found: list[Suggestion], recorded: int) -> None:
    if recorded:
        say(f"with the {recorded} steps of cleaning.toml applied:")
    if not found:
        say("nothing looks wrong")
        return
    table(
        "",
        ["", "what", "columns", "rows", "evidence", "for example"],
        [
            (
                str(number),
                one.defect,
                ", ".join(one.columns),
                one.rows,
                one.evidence,
                "; ".join(f"{before} -> {after}" for before, after in one.preview[:2]),
            )
            for number, one in enumerate(found, 1)
        ],
    )
    say("these are guesses: accept those that are right with `slipway data clean --accept NUMBERS`")
