"""The project that a command works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.config import Config, load_config
from slipway.base.layout import Layout
from slipway.cli.output import set_json

if TYPE_CHECKING:
    from slipway.store.database import Database

ProjectOption = Annotated[
    Path,
    typer.Option("--project", "-p", help="Folder of the project (or a folder inside it).", show_default="."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", callback=set_json, help="One JSON document on stdout, nothing else.")
]


class Opened:
    """Layout, settings and database of one project.

    Raises:
        NotFoundError: no slipway.toml here or above.
        ConfigError: it does not read as it should.
    """

    def __init__(self, start: Path) -> None:
        self.layout = Layout.find(start)
        self.config: Config = load_config(self.layout.config)
        self.layout.create()

    def database(self) -> Database:
        """The project's metadata, migrated to this version of Slipway."""
        from slipway.store.database import open_database

        return open_database(self.layout)
