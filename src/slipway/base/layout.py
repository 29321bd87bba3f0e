"""Where things lie in a project folder."""

from __future__ import annotations

from pathlib import Path

from slipway.base.errors import NotFoundError

CONFIG_NAME = "slipway.toml"
CONTRACT_NAME = "contract.toml"


class Layout:
    """Paths of one project. Constructing it touches no disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / CONFIG_NAME
        self.contract = root / CONTRACT_NAME
        self.state = root / ".slipway"
        self.database = self.state / "slipway.db"
        self.snapshots = self.state / "snapshots"
        self.quarantine = self.state / "quarantine"
        self.bundles = self.state / "bundles"
        self.segments = self.state / "log" / "segments"
        self.parquet = self.state / "log" / "parquet"
        self.keys = self.state / "keys"
        self.run = self.state / "run"
        self.plan = self.run / "plan.json"

    def create(self) -> None:
        """Make the folders that are missing. Keys and log are readable by their owner only."""
        for folder in (self.snapshots, self.bundles, self.segments, self.parquet, self.keys, self.run):
            folder.mkdir(parents=True, exist_ok=True)
        self.keys.chmod(0o700)

    @classmethod
    def find(cls, start: Path) -> Layout:
        """The project that ``start`` lies in: the nearest folder upward that holds slipway.toml.

        Raises:
            NotFoundError: there is none.
        """
        for folder in (start.resolve(), *start.resolve().parents):
            if (folder / CONFIG_NAME).is_file():
                return cls(folder)
        raise NotFoundError(
            expected=f"a folder with {CONFIG_NAME}",
            got="none here or above",
            where=str(start),
            next_step="start one with `slipway init FILE --target COLUMN`, or pass --project FOLDER",
        )
