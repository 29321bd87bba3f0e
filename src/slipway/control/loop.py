"""The controller: one process that reads the log, judges, and moves what must be moved."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from slipway.base.clock import Clock, SystemClock
from slipway.base.config import load_config
from slipway.base.errors import SlipwayError
from slipway.base.failpoint import failpoint
from slipway.base.files import exclusive_lock
from slipway.base.layout import Layout
from slipway.control import moves
from slipway.control.evidence import Decision, EndpointEvidence
from slipway.control.intake import Intake, Slice, read_offsets
from slipway.control.joining import Counts, Events, Joiner
from slipway.control.plan import publish_plan, read_plan
from slipway.control.retrainer import Retrainer
from slipway.control.rows import StoredRows
from slipway.control.workspace import open_workspace
from slipway.store import intake, registry
from slipway.store.database import Transaction
from slipway.store.frames import Frame
from slipway.store.sealing import seal_ready

#: Frames per tick: large enough to make a transaction cheap, small enough for a decision within a second.
TICK_FRAMES = 20_000
#: Wait after a tick that found little. A tick costs two disk syncs and some milliseconds however few rows it
#: takes, and both are the gateway's too; ten a second leave a decision well within its second.
PAUSE_SECONDS = 0.1
#: How often segments are sealed, the plan file is compared and jobs are looked at.
HOUSEKEEPING_SECONDS = 0.5
#: Pause after a tick that failed, so that a full disk is not hammered.
FAILURE_SECONDS = 1.0

_log = logging.getLogger("slipway.control")


class Controller:
    """Consumes the log, tick by tick.

    A tick is one write transaction: what was read, the joins, the evidence, the decisions, the pointers and
    the ledger stand or fall together. The plan file is published after it. Everything kept in memory is a
    copy of what the database holds and is thrown away when a transaction fails.

    Args:
        layout: the project.
        clock: tells the time of ledger entries; no decision depends on it.
        tick_frames: frames per tick; no decision depends on it.
    """

    def __init__(
        self, layout: Layout | Path, clock: Clock | None = None, tick_frames: int = TICK_FRAMES
    ) -> None:
        self._tick_frames = tick_frames
        self._workspace = open_workspace(layout, clock)
        self._layout = self._workspace.layout
        self._database = self._workspace.database
        self._retrainer = Retrainer(self._workspace)
        self._damaged: set[str] = set()
        self._warned: set[str] = set()
        self._forget()

    def close(self) -> None:
        """Stop a training that runs, and close the database."""
        self._retrainer.close()
        self._workspace.close()

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forget(self) -> None:
        """Drop the copies of what the database holds."""
        self._intake = Intake(self._layout.segments)
        self._rows = StoredRows()
        self._joiner = Joiner(self._rows)
        self._offsets: dict[str, int] | None = None
        self._serial = -1
        self._published = -1
        self._evidence: dict[str, EndpointEvidence] = {}
        self._counts: dict[str, Counts] = {}

    def tick(self) -> int:
        """Consume what is there, up to ``tick_frames`` frames, and act on it.

        Returns:
            Number of log events (frames) consumed.

        Raises:
            StoreError: the database or the log cannot be read or written; nothing was consumed.
        """
        try:
            with _collector_paused():
                if self._offsets is None:
                    self._offsets = self._read_offsets()
                slices = self._intake.read(self._offsets, self._tick_frames)
                failpoint("tick.read")
                if slices:
                    self._consume(slices)
            self._publish()
        except BaseException:
            self._forget()
            raise
        return sum(len(part.frames) for part in slices)

    def housekeep(self) -> None:
        """Seal what is read to the end, tend to retrainings, compare the plan file, report damage."""
        self._report_damage()
        self._retrainer.step({name: evidence.labels for name, evidence in self._evidence.items()})
        if (plan := read_plan(self._layout)) is None or plan.serial != self._published:
            self._published = -1
        self._publish()
        self._seal()

    def _seal(self) -> None:
        """Sealing only tidies up: what cannot be sealed now must not keep the loop from its work."""
        try:
            with _collector_paused():
                seal_ready(self._layout, self._database)
        except SlipwayError as error:
            self._warn(str(error))

    def _warn(self, message: str) -> None:
        """Log a trouble once, not twice a second."""
        if message not in self._warned:
            self._warned.add(message)
            _log.error("%s", message)

    def _read_offsets(self) -> dict[str, int]:
        """How far each segment on disk was consumed, those included that are sealed and not yet deleted."""
        with self._database.read() as tx:
            return read_offsets(self._layout, tx)

    def _consume(self, slices: list[Slice]) -> None:
        assert self._offsets is not None
        with self._database.write() as tx:
            self._reload_if_moved(tx)
            frames: list[tuple[int, Frame]] = []
            for part in slices:
                last = intake.append_batch(tx, part.segment, part.start, part.stop, len(part.frames))
                frames += enumerate(part.frames, last - len(part.frames) + 1)
            failpoint("tick.journal")
            self._rows.tx = tx
            events, counts = self._joiner.absorb(frames)
            failpoint("tick.joined")
            self._judge(tx, events)
            self._count(tx, counts)
            failpoint("tick.before_commit")
        failpoint("tick.committed")
        for part in slices:
            self._offsets[part.segment] = part.stop

    def _reload_if_moved(self, tx: Transaction) -> None:
        """Somebody else may have moved an endpoint since the last tick; its evidence moved with it."""
        serial = registry.plan_serial(tx)
        if serial == self._serial:
            return
        self._serial = serial
        for record in registry.list_endpoints(tx):
            self._evidence[record.name] = moves.load_evidence(tx, record.name, self._workspace.facts)

    def _judge(self, tx: Transaction, events: dict[str, Events]) -> None:
        decisions: list[Decision] = []
        for endpoint, found in events.items():
            evidence = self._evidence.get(endpoint)
            if evidence is not None:
                decisions += evidence.absorb(found)
                moves.save_evidence(tx, evidence)
        failpoint("tick.judged")
        for decision in sorted(decisions, key=lambda one: one.at):
            moves.record_decision(tx, decision, self._workspace.clock.now_us())
            if decision.kind == "alarm":
                self._retrainer.open(tx, decision, self._evidence[decision.endpoint].rules)
        self._serial = registry.plan_serial(tx)

    def _count(self, tx: Transaction, counts: dict[str, Counts]) -> None:
        for endpoint, more in counts.items():
            if endpoint not in self._counts:
                self._counts[endpoint] = moves.load_counts(tx, endpoint)
            total = self._counts[endpoint]
            for name in Counts.__dataclass_fields__:
                setattr(total, name, getattr(total, name) + getattr(more, name))
            moves.save_counts(tx, endpoint, total)

    def _publish(self) -> None:
        """Bring the plan file up to the database when an endpoint changed."""
        with self._database.read() as tx:
            serial = registry.plan_serial(tx)
        if serial != self._published:
            self._published = publish_plan(self._layout, self._database).serial
            failpoint("tick.published")

    def _report_damage(self) -> None:
        """A segment that cannot be read on is named once in the ledger; the others go on."""
        for name, error in self._intake.damaged.items():
            if name not in self._damaged:
                self._damaged.add(name)
                self._warn(str(error))
                with self._database.write() as tx:
                    moves.report_damage(tx, name, str(error), self._workspace.clock.now_us())


@contextmanager
def _collector_paused() -> Generator[None]:
    """Hold the cycle collector while a batch is in hand.

    A batch is some hundred thousand lists without a cycle; walking them again and again took half the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def run_controller(root: Path, stop: threading.Event | None = None) -> None:
    """Run the controller of the project in ``root`` until SIGTERM, SIGINT or ``stop``.

    Raises:
        ConflictError: another controller runs for this project.
        ConfigError, StoreError: the project cannot be opened.
    """
    stopping = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stopping.set())
    layout = Layout(root)
    load_config(layout.config)
    layout.create()
    with (
        exclusive_lock(layout.run / "controller.lock", "controller"),
        Controller(layout, SystemClock()) as loop,
    ):
        _run(loop, stopping.is_set, stopping.wait)


def _run(loop: Controller, stopped: Callable[[], bool], wait: Callable[[float], object]) -> None:
    tidied = 0.0
    failures: defaultdict[str, int] = defaultdict(int)
    while not stopped():
        try:
            consumed = loop.tick()
            if time.monotonic() - tidied >= HOUSEKEEPING_SECONDS:
                loop.housekeep()
                tidied = time.monotonic()
        except SlipwayError as error:
            # a full disk or a damaged file may be mended while we wait; gateways answer meanwhile
            failures[str(error)] += 1
            if failures[str(error)] == 1:
                _log.exception("the controller cannot go on; it tries again every %.0f s", FAILURE_SECONDS)
            wait(FAILURE_SECONDS)
            continue
        failures.clear()
        if consumed < TICK_FRAMES // 2:
            wait(PAUSE_SECONDS)
