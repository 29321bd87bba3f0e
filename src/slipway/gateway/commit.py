"""Group commit: one thread makes frames durable, one fdatasync for all requests that wait.

While a commit is on the disk, the next requests queue; the thread takes them all at once. A lone request
waits for nothing but its disk write; concurrent ones share one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from slipway.base.errors import StoreError
from slipway.base.files import write_atomic
from slipway.gateway.metrics import Counter

_Waiter = asyncio.Future[None] | None

_PROBE_BYTES = 4096
#: Seconds to let requests join, when the last commit had more than one: fewer, larger commits then cost
#: less processor time a request, and where the processor is the limit, answers come sooner.
_LINGER = 0.001


class FrameWriter(Protocol):
    """What the commit thread needs of a segment writer; only that thread touches it."""

    def append(self, payload: bytes) -> None:
        """Buffer one frame."""
        ...

    def flush(self) -> None:
        """Make the buffered frames durable, or raise StoreError and forget them."""
        ...

    def close(self) -> None:
        """Mark the segment complete."""
        ...


class GroupCommit:
    """The log of one worker.

    ``submit`` is called on the event loop, ``post`` on any thread; the writer belongs to the commit
    thread. After a failed write the log is not ``healthy``: submissions are refused until ``probe``
    finds the disk writable again.

    Args:
        writer: where frames go; used by the commit thread alone.
        directory: folder of the segments, for the probe.
        loop: the worker's event loop, on which waiters are told.
        commits: counts commits that reached the disk.
        failures: counts commits that did not.
    """

    def __init__(
        self,
        writer: FrameWriter,
        directory: Path,
        loop: asyncio.AbstractEventLoop,
        commits: Counter,
        failures: Counter,
    ) -> None:
        self.healthy = True
        self._writer = writer
        self._directory = directory
        self._loop = loop
        self._commits = commits
        self._failures = failures
        self._pending: deque[tuple[bytes, _Waiter]] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._signalled = False
        self._thread = threading.Thread(target=self._run, name="log-commit", daemon=True)

    def start(self) -> None:
        """Start the commit thread."""
        self._thread.start()

    def submit(self, payload: bytes) -> asyncio.Future[None]:
        """Queue a frame; the future resolves when it is durable.

        The future raises StoreError when it could not be made durable: its rows must not be answered.
        """
        waiter = self._loop.create_future()
        self._pending.append((payload, waiter))
        self._signal()
        return waiter

    def post(self, payload: bytes) -> None:
        """Queue a frame that nobody waits for; it is kept until a commit succeeds."""
        self._pending.append((payload, None))
        self._signal()

    def _signal(self) -> None:
        # A second wake-up is harmless and a lost one is not: the flag is cleared before the queue is read.
        if not self._signalled:
            self._signalled = True
            self._wake.put(True)

    def probe(self) -> None:
        """Find out whether a log that failed can be written again; called off the event loop."""
        path = self._directory / ".probe"
        try:
            write_atomic(path, bytes(_PROBE_BYTES))
            path.unlink(missing_ok=True)
        except OSError:
            return
        self.healthy = True
        self._signal()

    def close(self) -> None:
        """Commit what is queued, close the segment and end the thread."""
        self._wake.put(False)
        self._thread.join()

    def _run(self) -> None:
        running, company = True, False
        while running:
            running = self._wake.get()
            if company and running:
                time.sleep(_LINGER)
            self._signalled = False
            company = self._commit() > 1
        try:
            self._writer.close()
        except StoreError:
            self._failures.add(1)

    def _commit(self) -> int:
        """Write what is queued; how many frames that was."""
        pending, writer = self._pending, self._writer
        batch = [pending.popleft() for _ in range(len(pending))]
        if not batch:
            return 0
        error: StoreError | None = None
        try:
            for payload, _ in batch:
                writer.append(payload)
            writer.flush()
        except StoreError as failure:
            error = failure
            self.healthy = False
            self._failures.add(1)
            # Shadow scores of rows already answered: the reader is owed them once the disk is back.
            pending.extendleft(item for item in reversed(batch) if item[1] is None)
        else:
            self._commits.add(1)
        waiters = [waiter for _, waiter in batch if waiter is not None]
        if waiters:
            self._tell(waiters, error)
        return len(batch)

    def _tell(self, waiters: list[asyncio.Future[None]], error: StoreError | None) -> None:
        # A closed loop: the worker is past its shutdown and nobody waits any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_resolve, waiters, error)


def _resolve(waiters: list[asyncio.Future[None]], error: StoreError | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
