"""The story of the demo: it types commands, plays clients, kills processes. The data decide the rest."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from slipway.base.errors import FaultError
from slipway.cli.demo.events import Chronicle, Event
from slipway.cli.demo.ledger import LedgerWitness
from slipway.cli.demo.stage import ENDPOINT, HIDDEN, TARGET, Stage
from slipway.cli.demo.traffic import Traffic
from slipway.cli.output import say

_DELAY_ROWS = 2_000
#: Rows a second while nothing else needs the two cores, and while a model is in training beside the traffic.
_FAST, _SLOW = 1_600.0, 150.0
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 240.0


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What ``slipway demo --json`` prints."""

    answered: int
    logged: int
    lost: int
    ledger_verified: bool
    decisions_replayed: bool
    rollback_seconds: float | None
    missing: list[str]
    seconds: float
    folder: str
    #: Where it still serves, and the process to stop; None when it is down.
    url: str | None
    supervisor: int | None
    events: list[Event]


class Story:
    """Tells the story once.

    Args:
        stage: the project folder and its processes.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rows, labels = stage.traffic_rows()
        self._traffic = Traffic(stage.url, ENDPOINT, rows, labels, delay=_DELAY_ROWS)
        self._chronicle = Chronicle(lambda: self._traffic.answered)
        self._witness = LedgerWitness(stage.layout, self._chronicle)
        self._forced_at = 0.0
        self._rollback_seconds: float | None = None

    def tell(self, *, keep_serving: bool) -> Ending:
        """Run from the first table to the last count.

        Raises:
            FaultError: a command or a client failed.
        """
        started = time.monotonic()
        try:
            self._first_model()
            self._traffic.start()
            self._better_model()
            self._crash_the_controller()
            self._sabotaged_model()
            self._forced_model()
            self._the_world_changes()
            return self._end(keep_serving, started)
        except BaseException:
            keep_serving = False
            raise
        finally:
            self._witness.close()
            if not keep_serving:
                self._stage.down()

    # --- chapters ---

    def _first_model(self) -> None:
        stage = self._stage
        say("[bold]A team has 500 labelled loans and wants a model in production.[/]")
        stage.write_first_export()
        excluded = [argument for column in HIDDEN for argument in ("--exclude", column)]
        stage.command("init", str(stage.source), "--target", TARGET, "--name", ENDPOINT, *excluded)
        stage.apply_settings()
        stage.command("check")
        self._train("on the first 500 rows")
        stage.command("deploy")
        stage.up()
        self._witness.catch_up()
        say(
            f"[dim]clients ask {stage.url}/v1/endpoints/{ENDPOINT}/predict; "
            f"outcomes follow {_DELAY_ROWS:,} rows later[/]"
        )

    def _better_model(self) -> None:
        say("[bold]Months later there are 50,000. A second model scores the same requests unseen.[/]")
        self._stage.write_full_export()
        self._train("on 50,000 rows")
        self._stage.command("deploy")
        self._await("shadow", "loans@2")
        self._past_row(self._traffic.answered + 1_000)
        self._crash_a_worker()
        self._await("promoted", "loans@2")

    def _crash_a_worker(self) -> None:
        victim = self._stage.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        self._chronicle.record(
            "killed", "worker", {"pid": victim, "signal": "SIGKILL"}, "kill -9 in mid-stream"
        )
        begun = time.monotonic()
        self._until(lambda: victim not in self._stage.worker_pids() and len(self._stage.worker_pids()) >= 2)
        new = next(pid for pid in self._stage.worker_pids() if pid != victim)
        seconds = round(time.monotonic() - begun, 3)
        self._chronicle.record(
            "recovered", "worker", {"seconds": seconds, "pid": new}, f"a new worker after {seconds:.2f} s"
        )

    def _crash_the_controller(self) -> None:
        self._past_row(self._traffic.answered + 500)
        victim = self._stage.kill_controller()
        position = self._witness.position()
        self._chronicle.record(
            "killed",
            "controller",
            {"pid": victim, "signal": "SIGKILL", "consumed": position},
            f"kill -9 after {position:,} log entries; the gateway goes on answering",
        )
        begun = time.monotonic()
        self._until(
            lambda: self._stage.controller_pid() not in (0, victim) and self._witness.position() > position
        )
        seconds = round(time.monotonic() - begun, 3)
        self._chronicle.record(
            "recovered",
            "controller",
            {"seconds": seconds, "resumed_at": position},
            f"went on at entry {position + 1:,} after {seconds:.2f} s",
        )
        self._await("settled", "loans@2")

    def _sabotaged_model(self) -> None:
        say("[bold]Someone exports car_value in thousands, and edits the contract until the check passes.[/]")
        good_contract = self._stage.layout.contract.read_bytes()
        self._stage.write_wrong_export()
        self._train("on the wrong unit; its held-out metrics look fine")
        self._stage.layout.contract.write_bytes(good_contract)
        self._stage.write_full_export()
        self._stage.command("deploy")
        self._await("refused", "loans@3")

    def _forced_model(self) -> None:
        say("[bold]Someone knows better and forces it live.[/]")
        self._forced_at = time.monotonic()
        self._stage.command("deploy", "loans@3", "--force", "--reason", "the deadline is today")
        self._await("rolled_back", "loans@3")
        seen = self._traffic.answered
        self._until(lambda: self._restored(seen))
        self._rollback_seconds = round(time.monotonic() - self._forced_at, 3)
        say(
            f"[dim]            bad model live for {self._rollback_seconds:.1f} s, of which "
            f"{_DELAY_ROWS:,} rows passed before the first outcome came[/]"
        )

    def _restored(self, row: int) -> bool:
        """Whether the former champion answered a row after ``row``."""
        return any(
            version == "loans@2" for version in self._traffic.versions[row + 100 : self._traffic.answered]
        )

    def _the_world_changes(self) -> None:
        say("[bold]The stream goes on. At row 25,000 car values jump; nobody tells Slipway.[/]")
        self._await("alarm", "loans@2")
        self._await("promoted", "loans@4")
        self._until(lambda: self._traffic.finished)

    def _end(self, keep_serving: bool, started: float) -> Ending:
        ids = self._traffic.stop()
        self._until(self._witness.drained)
        self._witness.catch_up()
        if not keep_serving:
            self._stage.down()
        logged = self._witness.logged(ids)
        return Ending(
            answered=len(ids),
            logged=logged,
            lost=len(ids) - logged,
            ledger_verified=self._witness.verified(),
            decisions_replayed=bool(self._stage.command("replay")["all_equal"]),
            rollback_seconds=self._rollback_seconds,
            missing=self._chronicle.missing(),
            seconds=round(time.monotonic() - started, 1),
            folder=str(self._stage.folder),
            url=self._stage.url if keep_serving else None,
            supervisor=self._stage.supervisor_pid() if keep_serving else None,
            events=self._chronicle.events,
        )

    # --- means ---

    def _train(self, text: str) -> None:
        self._traffic.pace = _SLOW
        trained = self._stage.command("train")
        self._traffic.pace = _FAST
        metrics: dict[str, Any] = trained["metrics"]
        self._chronicle.record("trained", trained["version"], trained, f"{text}; {_metrics(metrics)}")

    def _await(self, kind: str, version: str) -> None:
        """Wait until the ledger tells of an event, or the traffic is over and nothing more can come."""
        self._until(
            lambda: (
                self._chronicle.happened(kind, version) is not None
                or (self._traffic.finished and self._witness.drained())
            )
        )

    def _past_row(self, row: int) -> None:
        self._until(lambda: self._traffic.answered >= row or self._traffic.finished)

    def _until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            self._traffic.check()
            self._witness.catch_up()
            self._traffic.pace = _SLOW if self._witness.training() else _FAST
            if reached():
                return
            if time.monotonic() > deadline:
                raise FaultError(
                    expected=f"the next event within {_PATIENCE_SECONDS:.0f} s",
                    got=f"none after row {self._traffic.answered:,}",
                    where=str(self._stage.layout.run),
                    next_step="read controller.log and gateway.log there",
                )
            time.sleep(_POLL_SECONDS)


def _metrics(metrics: dict[str, Any]) -> str:
    parts = [f"{name} {metric['value']:.4f}" for name, metric in metrics.items() if name in ("brier", "auc")]
    return "held out: " + ", ".join(parts)


def run_demo(folder: Path, *, keep_serving: bool) -> Ending:
    """Play the whole demo in ``folder``. What it started is stopped on SIGTERM too, as on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage(folder)
    stage.folder.mkdir(parents=True, exist_ok=True)
    return Story(stage).tell(keep_serving=keep_serving)
