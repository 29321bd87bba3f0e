"""``slipway up``: keeps the gateway and the controller running on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from slipway.base.config import Config
from slipway.base.errors import FaultError
from slipway.base.files import exclusive_lock, is_locked, write_atomic
from slipway.base.layout import Layout

_POLL_SECONDS = 0.1
#: Longer than the gateway's own patience with its workers.
_STOP_SECONDS = 20.0
_START_SECONDS = 30.0
#: A child that lives shorter than this is restarted with a growing pause, so that a broken one does not spin.
_STEADY_SECONDS = 5.0
_LONGEST_PAUSE = 5.0


class Running(msgspec.Struct, frozen=True):
    """What is up: written to ``.slipway/run/up.json`` for other commands and for people."""

    url: str
    supervisor: int
    gateway: int
    controller: int


class Child:
    """One kept process: started, watched, restarted when it dies."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.restarts = 0
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0
        self._not_before = 0.0

    @property
    def pid(self) -> int:
        """Process id of the current incarnation, 0 when none runs."""
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> bool:
        """Whether it was started and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the process; its output goes to the log file."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._started = time.monotonic()

    def tend(self) -> bool:
        """Restart the process if it has died. Returns whether it was restarted."""
        if self._process is not None and self._process.poll() is None:
            return False
        now = time.monotonic()
        if self._process is not None:
            steady = now - self._started >= _STEADY_SECONDS
            self._pause = 0.0 if steady else min(_LONGEST_PAUSE, self._pause * 2 + 0.1)
            self._not_before = now + self._pause
            self._process = None
        if now < self._not_before:
            return False
        self.restarts += 1
        self.start()
        return True

    def stop(self) -> None:
        """Ask the process to end, and insist after a while."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Supervisor:
    """Gateway and controller of one project, as children of this process.

    Raises (from ``run``):
        ConflictError: the project is already up.
        FaultError: the gateway does not answer.
    """

    def __init__(self, layout: Layout, config: Config, *, host: str, port: int) -> None:
        self._layout = layout
        root = str(layout.root)
        self._gateway = Child(
            "gateway",
            [sys.executable, "-m", "slipway.gateway", root, host, str(port), str(config.serve.workers)],
            layout.run / "gateway.log",
        )
        self._controller = Child(
            "controller", [sys.executable, "-m", "slipway.control", root], layout.run / "controller.log"
        )
        self._stopping = threading.Event()

    def run(self, ready: Callable[[str], None], restarted: Callable[[str], None]) -> None:
        """Keep both children alive until a signal asks to stop.

        Args:
            ready: called once with the URL, when the gateway answers.
            restarted: called with the name of a child that had to be started again.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        self._layout.create()
        children = (self._controller, self._gateway)
        with exclusive_lock(self._layout.run / "up.lock", "`slipway up`"):
            self._await_orphans()
            try:
                for child in children:
                    child.start()
                url = self._await_gateway()
                if url is not None:
                    self._announce(url)
                    ready(url)
                    self._tend(children, url, restarted)
            finally:
                for child in reversed(children):
                    child.stop()
                (self._layout.run / "up.json").unlink(missing_ok=True)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def running(self, url: str) -> Running:
        """Where it answers, and the process ids."""
        return Running(
            url=url, supervisor=os.getpid(), gateway=self._gateway.pid, controller=self._controller.pid
        )

    def _await_orphans(self) -> None:
        """Give the children of a supervisor that was killed the time to notice and to end."""
        locks = [self._layout.run / "gateway.lock", self._layout.run / "controller.lock"]
        deadline = time.monotonic() + _STOP_SECONDS
        while any(is_locked(lock) for lock in locks) and time.monotonic() < deadline:
            self._stopping.wait(_POLL_SECONDS)

    def _tend(self, children: tuple[Child, ...], url: str, restarted: Callable[[str], None]) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            for child in children:
                if child.tend():
                    self._announce(url)
                    restarted(child.name)

    def _announce(self, url: str) -> None:
        write_atomic(self._layout.run / "up.json", msgspec.json.encode(self.running(url)))

    def _await_gateway(self) -> str | None:
        """Wait until the gateway says where it listens and answers there; None when asked to stop.

        Raises:
            FaultError: it ended, or stayed silent.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._stopping.wait(_POLL_SECONDS):
            url = _gateway_url(self._layout, self._gateway.pid)
            if url is not None and answers(f"{url}/healthz"):
                return url
            if self._gateway.ended or time.monotonic() > deadline:
                raise FaultError(
                    expected=f"the gateway to answer within {_START_SECONDS:.0f} s",
                    got=last_line(self._layout.run / "gateway.log") or "no answer",
                    where=str(self._layout.run / "gateway.log"),
                    next_step="read that log; if another program holds the port, try --port",
                )
        return None


def _gateway_url(layout: Layout, pid: int) -> str | None:
    """Where our own gateway listens; what an earlier one left behind does not count."""
    try:
        said = msgspec.json.decode((layout.run / "gateway.json").read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    if said["pid"] != pid:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(said["host"], said["host"])
    return f"http://{host}:{said['port']}"


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, or an empty text."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urlopen(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def read_running(layout: Layout) -> Running | None:
    """What ``slipway up`` says is running, or None."""
    try:
        return msgspec.json.decode((layout.run / "up.json").read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None
