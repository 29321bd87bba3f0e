"""The stage of the demo: a project folder, the tables a team would have, and the commands it would type."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import tomlkit

import slipway
from slipway.base.errors import FaultError, NotFoundError
from slipway.base.layout import Layout
from slipway.cli.supervisor import answers, read_running

ENDPOINT = "loans"
TARGET = "repaid"
#: Another model's outputs: in the source, and not ours to learn from.
HIDDEN = ("y_pred_proba", "y_pred")
_REFERENCE = "reference_synthetic_car_loan.parquet"
_MONITORING = "monitoring_synthetic_car_loan.parquet"
_FIRST_ROWS = 500
#: What the wrong export divides by: thousands instead of units.
_UNIT_ERROR = 1000.0

#: What the demo sets differently from the defaults, to fit ten months of loans into two minutes.
_SETTINGS: dict[str, dict[str, object]] = {
    "train": {"budget": "8s"},
    "rollout": {"bake_labels": 2_000, "max_labels": 20_000},
    "monitor": {"false_alarms": "1 per 100000 rows"},
    "retrain": {"min_labels": 5_000},
}


def example_folder() -> Path:
    """Where the car-loan tables lie: inside the installed package, or in the checkout.

    Raises:
        NotFoundError: neither has them.
    """
    package = Path(slipway.__file__).parent
    for folder in (package / "examples" / "car_loan", package.parents[1] / "examples" / "car_loan"):
        if (folder / _REFERENCE).is_file():
            return folder
    raise NotFoundError(
        expected="the example tables under examples/car_loan",
        got="none beside the package",
        where=str(package),
        next_step="run the demo from a checkout, or install the wheel again",
    )


def free_folder(wanted: Path) -> Path:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3``, ... that does not exist or is empty."""
    for number in range(1, 1000):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        if not folder.exists() or not any(folder.iterdir()):
            return folder.resolve()
    raise NotFoundError(
        expected="a free folder name", got="1,000 taken", where=str(wanted), next_step="pass --folder"
    )


class Stage:
    """A project folder and what can be done to it from outside: commands, new exports, kills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder)
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._reference = pl.read_parquet(example_folder() / _REFERENCE)
        self._supervisor: subprocess.Popen[bytes] | None = None
        self.source = folder / "data" / f"{ENDPOINT}.parquet"

    def traffic_rows(self) -> tuple[list[dict[str, object]], list[object]]:
        """The monitoring period: features as clients send them, and the outcome of each row."""
        table = pl.read_parquet(example_folder() / _MONITORING)
        features = table.drop(TARGET, *HIDDEN)
        return features.to_dicts(), table[TARGET].to_list()

    def command(self, *arguments: str) -> Any:
        """Run ``slipway ARGUMENTS --json`` as a user would, and return its document.

        Raises:
            FaultError: exit code other than 0 (done) and 1 (refused by a verdict).
        """
        ended = subprocess.run(
            [sys.executable, "-m", "slipway", *arguments, "--project", str(self.folder), "--json"],
            capture_output=True,
            check=False,
        )
        if ended.returncode not in (0, 1):
            raise FaultError(
                expected=f"`slipway {arguments[0]}` to work",
                got=f"exit code {ended.returncode}: {(ended.stdout + ended.stderr).decode(errors='replace')}",
                where=str(self.folder),
            )
        return msgspec.json.decode(ended.stdout)

    # --- the team's exports ---

    def write_first_export(self) -> None:
        """The table of the first days: few rows."""
        self._write(self._reference.head(_FIRST_ROWS))

    def write_full_export(self) -> None:
        """The table of all reference months."""
        self._write(self._reference)

    def write_wrong_export(self) -> None:
        """The same table with ``car_value`` in thousands, and a contract edited to let it through."""
        self._write(self._reference.with_columns(pl.col("car_value") / _UNIT_ERROR))
        contract = tomlkit.parse(self.layout.contract.read_text(encoding="utf-8"))
        column: Any = contract["columns"]["car_value"]  # pyright: ignore[reportIndexIssue]
        for side in ("min", "max"):
            if side in column:
                column[side] = float(column[side]) / _UNIT_ERROR
        self.layout.contract.write_text(tomlkit.dumps(contract), encoding="utf-8")

    def _write(self, table: pl.DataFrame) -> None:
        self.source.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(self.source)

    def apply_settings(self) -> None:
        """Edit slipway.toml as its comments invite to."""
        settings: Any = tomlkit.parse(self.layout.config.read_text(encoding="utf-8"))
        for section, values in _SETTINGS.items():
            if section not in settings:
                settings[section] = tomlkit.table()
            settings[section].update(values)
        self.layout.config.write_text(tomlkit.dumps(settings), encoding="utf-8")

    # --- processes ---

    def up(self) -> None:
        """Start ``slipway up`` in a process of its own, also again after a kill, until a model answers.

        Raises:
            FaultError: not ready within a minute.
        """
        if self._supervisor is not None:
            self._supervisor.wait(60)  # a killed one leaves its place
        port = self.url.rpartition(":")[2]
        with (self.layout.run / "up.log").open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "slipway", "up", "--project", str(self.folder), "--port", port],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not answers(f"{self.url}/readyz"):
            if time.monotonic() > deadline:
                raise FaultError(
                    expected="a ready gateway", got="none within 60 s", where=str(self.layout.run / "up.log")
                )
            time.sleep(0.05)

    def down(self) -> None:
        """Stop what ``up`` started, in order."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            self._supervisor.wait(60)
            self._supervisor = None

    def supervisor_pid(self) -> int:
        """Process id of ``slipway up``."""
        return self._supervisor.pid if self._supervisor else 0

    def worker_pids(self) -> list[int]:
        """Process ids of the gateway's workers."""
        try:
            return list(msgspec.json.decode((self.layout.run / "gateway.json").read_bytes())["workers"])
        except FileNotFoundError:
            return []

    def kill_controller(self) -> int:
        """SIGKILL the controller; returns its process id."""
        running = read_running(self.layout)
        assert running is not None, "up.json exists while the project is up"
        os.kill(running.controller, signal.SIGKILL)
        return running.controller

    def controller_pid(self) -> int:
        """Process id of the controller that runs now; 0 when none does."""
        running = read_running(self.layout)
        return running.controller if running else 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
