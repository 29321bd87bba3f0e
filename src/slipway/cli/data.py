"""The verbs under ``slipway data``: what is known of a table before anything is learned from it."""

from __future__ import annotations

import typer

from slipway.cli import (
    data_bias,
    data_clean,
    data_contract,
    data_privacy,
    data_profile,
    data_snapshots,
)

data = typer.Typer(name="data", no_args_is_help=True, help="What is known of the project's tables.")
data_profile.register(data)
data_snapshots.register(data)
data_clean.register(data)
data_bias.register(data)
data_privacy.register(data)
data_contract.register(data)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(data)
