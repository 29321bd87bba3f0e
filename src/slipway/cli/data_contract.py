"""``slipway data contract diff``: what a change of a contract lets through, or stops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from slipway.base.errors import RefusedError
from slipway.cli.output import emit, refuse, say, table
from slipway.cli.project import JsonOption

contract = typer.Typer(name="contract", no_args_is_help=True, help="The contract of a table.")


def register(app: typer.Typer) -> None:
    """Add the group to its group."""
    contract.command("diff")(diff)
    app.add_typer(contract)


def diff(
    old: Annotated[Path, typer.Argument(help="A contract.toml.")],
    new: Annotated[Path, typer.Argument(help="Another one.")],
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Compare two contracts: what was added, removed, loosened, tightened; 1 when anything was.

    Example: `slipway data contract diff old/contract.toml contract.toml`
    """
    from slipway.data.amendments import amendments
    from slipway.data.contract import load_contract

    made = amendments(load_contract(old), load_contract(new))
    counts = Counter(one.kind for one in made)
    emit({"equal": not made, "counts": counts, "amendments": made})
    if not made:
        say("the contracts are equal")
        return
    table(
        "",
        ["what", "where", "key", "before", "after"],
        [(one.kind, one.where, one.key or None, one.before or None, one.after or None) for one in made],
    )
    refuse(
        RefusedError(
            expected="equal contracts",
            got=", ".join(f"{count} {kind}" for kind, count in counts.items()),
            where=str(new),
            next_step="review the changes; what was loosened lets more through than before",
        )
    )
