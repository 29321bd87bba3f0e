"""A project opened for acting: its paths, settings, database, clock, and what is known of its versions."""

from __future__ import annotations

from pathlib import Path

from slipway.base.clock import Clock, SystemClock
from slipway.base.config import Config, load_config
from slipway.base.layout import Layout
from slipway.control.facts import BundleFacts
from slipway.store.database import Database, open_database


class Workspace:
    """What every action needs. Made by ``open_workspace``; ``close`` it when done.

    Args:
        layout: paths.
        config: settings.
        database: metadata.
        clock: tells the time of ledger entries; no decision depends on it.
    """

    def __init__(self, layout: Layout, config: Config, database: Database, clock: Clock) -> None:
        self.layout = layout
        self.config = config
        self.database = database
        self.clock = clock
        self.facts = BundleFacts(layout, database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_workspace(root: Path | Layout, clock: Clock | None = None) -> Workspace:
    """Open the project in a folder.

    Raises:
        ConfigError: its settings do not read as they should.
        StoreError: its database cannot be opened.
    """
    layout = root if isinstance(root, Layout) else Layout(root)
    layout.create()
    return Workspace(layout, load_config(layout.config), open_database(layout), clock or SystemClock())
