"""The gateway as a whole: one listening socket, several workers on it, replaced when they die.

The supervisor owns the socket for as long as the gateway is up, so a connection that arrives while a
worker is being replaced waits in the kernel's queue or goes to another worker; none is refused.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import FrameType

import msgspec

from slipway.base.config import load_config
from slipway.base.errors import ConflictError, FaultError
from slipway.base.files import exclusive_lock, write_atomic
from slipway.base.layout import Layout
from slipway.gateway.http import listen
from slipway.gateway.metrics import reset_metrics

_log = logging.getLogger("slipway.gateway")

#: Seconds between two looks at the workers.
_LOOK = 0.02
#: A worker that lived this long may be replaced at once.
_HEALTHY_SECONDS = 2.0
#: Seconds before a worker that died young is started again: doubled each time, up to the second figure.
_BACKOFF = (0.1, 5.0)
#: Young deaths in a row, with no worker that ever lived, after which the gateway gives up.
_HOPELESS = 3
#: Seconds that stopping workers have before they are killed.
STOP_SECONDS = 15.0


class GatewayAddress(msgspec.Struct, frozen=True):
    """Where the gateway listens and who runs it; also the content of ``run/gateway.json``."""

    host: str
    port: int
    pid: int
    workers: tuple[int, ...]

    @property
    def url(self) -> str:
        """Base URL for clients on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class _Slot:
    """One worker's place: the process in it and how often it died young."""

    def __init__(self, index: int, command: list[str], fd: int) -> None:
        self.index = index
        self.process: subprocess.Popen[bytes] | None = None
        self.lived = False
        self.young_deaths = 0
        self._command = [*command, "--index", str(index)]
        self._fd = fd
        self._born = 0.0
        self._start_at = 0.0

    def tend(self) -> bool:
        """Replace a dead worker, if it is time; whether a worker was started."""
        now = monotonic()
        if self.process is not None:
            self.lived = self.lived or now - self._born > _HEALTHY_SECONDS
            if self.process.poll() is None:
                return False
            self._bury(now)
        if now < self._start_at:
            return False
        self._born = now
        # A group of its own: Ctrl-C in a terminal goes to the supervisor, which stops the workers in order.
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(self._fd,), process_group=0
        )
        return True

    def _bury(self, now: float) -> None:
        assert self.process is not None
        young = now - self._born < _HEALTHY_SECONDS
        self.young_deaths = self.young_deaths + 1 if young else 0
        first, most = _BACKOFF
        # The first young death is forgiven: it may be a stray kill.
        delay = min(most, first * 2 ** (self.young_deaths - 2)) if self.young_deaths > 1 else 0.0
        self._start_at = now + delay
        _log.warning(
            "worker %d ended with %s; next start in %.1f s", self.index, self.process.returncode, delay
        )
        self.process = None


class Supervisor:
    """Starts workers and keeps them at number.

    Args:
        layout: the project.
        fd: the listening socket.
        workers: how many.
    """

    def __init__(self, layout: Layout, fd: int, workers: int) -> None:
        command = [sys.executable, "-P", "-m", "slipway.gateway.worker", str(layout.root)]
        command += ["--fd", str(fd), "--parent", str(os.getpid())]
        self._slots = [_Slot(index, command, fd) for index in range(workers)]

    def tend(self) -> bool:
        """Replace workers that died; whether one was started.

        Raises:
            FaultError: no worker ever lived.
        """
        changed = [slot.tend() for slot in self._slots]
        if not any(slot.lived for slot in self._slots) and all(
            slot.young_deaths >= _HOPELESS for slot in self._slots
        ):
            raise FaultError(
                expected="gateway workers that stay up",
                got=f"{_HOPELESS} that ended at once, in each place",
                where="the gateway",
                next_step="read what they wrote to standard error",
            )
        return any(changed)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers, by place."""
        return tuple(slot.process.pid for slot in self._slots if slot.process is not None)

    def stop(self) -> None:
        """Let workers finish what is under way, then make sure that they are gone."""
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for process in processes:
            process.terminate()
        deadline = monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run_gateway(
    project_root: Path,
    host: str,
    port: int,
    workers: int,
    ready: Callable[[GatewayAddress], None] | None = None,
) -> None:
    """Serve the project's plan until SIGTERM or SIGINT; blocks.

    Args:
        project_root: folder with ``slipway.toml``.
        host: address to listen on.
        port: TCP port; 0 takes a free one, which ``run/gateway.json`` names.
        workers: processes, at least 1.
        ready: called once, when the socket listens and the workers are started.

    Raises:
        ConfigError: the settings do not read as they should.
        ConflictError: another gateway serves this project, or the address is taken.
        FaultError: the workers cannot be started.
    """
    layout = Layout(project_root.resolve())
    load_config(layout.config)
    layout.create()
    with exclusive_lock(layout.run / "gateway.lock", "gateway"), _stop_signal() as stop:
        reset_metrics(layout.run / "metrics")
        try:
            listener = listen(host, port)
        except OSError as error:
            raise ConflictError(
                expected="an address that can be bound",
                got=error.strerror or type(error).__name__,
                where=f"{host}:{port}",
                next_step="stop what listens there, or set serve.port",
            ) from None
        with listener:
            listener.set_inheritable(True)
            supervisor = Supervisor(layout, listener.fileno(), workers)
            try:
                _supervise(layout, supervisor, (host, listener.getsockname()[1]), stop, ready)
            finally:
                supervisor.stop()
                (layout.run / "gateway.json").unlink(missing_ok=True)


def _supervise(
    layout: Layout,
    supervisor: Supervisor,
    address: tuple[str, int],
    stop: threading.Event,
    ready: Callable[[GatewayAddress], None] | None,
) -> None:
    announced = False
    while not stop.is_set():
        if supervisor.tend():
            content = GatewayAddress(*address, os.getpid(), supervisor.pids)
            write_atomic(layout.run / "gateway.json", msgspec.json.encode(content))
            if ready is not None and not announced:
                ready(content)
            announced = True
        stop.wait(_LOOK)


@contextmanager
def _stop_signal() -> Generator[threading.Event]:
    """An event that SIGTERM and SIGINT set, where this thread may say so."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
