"""Scoring unseen: rows that were answered wait here for the challenger, off the answer path.

The queue is bounded in rows and bytes. A row that finds it full, or that a version cannot score, is
written down as dropped, so that the reader of the log never waits for a score that will not come.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Protocol

from slipway.base.clock import Clock
from slipway.base.ids import ID_BYTES
from slipway.base.vocabulary import Value
from slipway.gateway.metrics import Counter, WorkerMetrics
from slipway.store.frames import Dropped, Shadow, encode_frame

_log = logging.getLogger("slipway.gateway")

#: Rows scored in one call; more than this only adds latency for the next batch.
_BATCH_ROWS = 1024
#: Bytes of request bodies whose rows may wait.
_MAX_BYTES = 64 * 1024 * 1024
#: Seconds to let rows gather: one call for many rows costs a fraction of many calls.
_LINGER = 0.01
#: Seconds that a stopping worker goes on scoring what waits.
_DRAIN_SECONDS = 5.0


class Scorer(Protocol):
    """A loaded version as the shadow lane sees it."""

    def predict_rows(self, rows: Sequence[Sequence[Value]], columns: tuple[str, ...]) -> list[list[float]]:
        """Outputs per row."""
        ...


class ShadowTarget:
    """An endpoint's shadows under one plan."""

    def __init__(
        self,
        endpoint: str,
        columns: tuple[str, ...],
        scorers: Sequence[tuple[str, Scorer]],
        metrics: WorkerMetrics,
    ) -> None:
        self.endpoint = endpoint
        self.columns = columns
        self.scorers = tuple(scorers)
        self.scored = metrics.counter("slipway_shadow_rows_total", endpoint=endpoint)
        self.dropped: dict[str, Counter] = {
            reason: metrics.counter("slipway_shadow_dropped_total", endpoint=endpoint, reason=reason)
            for reason in ("queue_full", "error", "unloaded")
        }


class ShadowWork:
    """The rows of one answered request."""

    __slots__ = ("body_bytes", "ids", "rows", "target")

    def __init__(
        self, target: ShadowTarget, ids: bytes, rows: Sequence[Sequence[Value]], body_bytes: int
    ) -> None:
        self.target = target
        self.ids = ids
        self.rows = rows
        self.body_bytes = body_bytes


class ShadowLane:
    """One thread that scores queued rows in batches.

    ``offer`` is called on the event loop only. Frames leave through ``post``, which any thread may call.

    Args:
        post: takes an encoded frame for the log.
        max_rows: rows that may wait.
        waiting: gauge of waiting rows.
        clock: stamps the frames.
    """

    def __init__(self, post: Callable[[bytes], None], max_rows: int, waiting: Counter, clock: Clock) -> None:
        self._post = post
        self._max_rows = max_rows
        self._waiting = waiting
        self._clock = clock
        self._queue: deque[ShadowWork] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        # Each pair is written by one thread: what came in by the loop, what went out by the lane.
        self._rows_in = self._rows_out = 0
        self._bytes_in = self._bytes_out = 0
        self._idle = True
        self._stop_at = float("inf")
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Start scoring."""
        self._thread.start()

    @property
    def depth(self) -> int:
        """Rows that wait."""
        return self._rows_in - self._rows_out

    def offer(self, work: ShadowWork) -> None:
        """Queue the rows of an answered request, or write them down as dropped."""
        rows = len(work.rows)
        full = self.depth + rows > self._max_rows or self._bytes_in - self._bytes_out > _MAX_BYTES
        if full or self._stop_at < float("inf"):
            self._drop_all(work, "queue_full" if full else "unloaded")
            return
        self._rows_in += rows
        self._bytes_in += work.body_bytes
        self._queue.append(work)
        if self._idle:
            self._idle = False
            self._wake.put(True)

    def close(self) -> None:
        """Score what waits for a few seconds more, write the rest down as dropped, end the thread."""
        self._stop_at = monotonic() + _DRAIN_SECONDS
        self._wake.put(True)
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.get()
            while self._queue:
                self._pause()
                self._score(self._take())
            self._idle = True
            # A request may have been queued between the last look and the flag.
            if self._queue:
                self._wake.put(True)
            elif self._stop_at < float("inf"):
                return

    def _pause(self) -> None:
        if self.depth < _BATCH_ROWS and self._stop_at == float("inf"):
            try:
                self._wake.get(timeout=_LINGER)
            except Empty:
                return

    def _take(self) -> list[ShadowWork]:
        """The next requests of one target, up to a batch of rows."""
        first = self._queue.popleft()
        taken, rows = [first], len(first.rows)
        while self._queue and self._queue[0].target is first.target and rows < _BATCH_ROWS:
            work = self._queue.popleft()
            taken.append(work)
            rows += len(work.rows)
        self._rows_out += rows
        self._bytes_out += sum(work.body_bytes for work in taken)
        self._waiting.set(self.depth)
        return taken

    def _score(self, taken: list[ShadowWork]) -> None:
        if monotonic() > self._stop_at:
            for work in taken:
                self._drop_all(work, "unloaded")
            return
        target = taken[0].target
        ids = b"".join(work.ids for work in taken)
        rows = [row for work in taken for row in work.rows]
        for version, scorer in target.scorers:
            try:
                outputs = scorer.predict_rows(rows, target.columns)
            except Exception as error:  # noqa: BLE001  (whatever a challenger raises must not stop the lane)
                _log.warning("shadow %s of %s: %s", version, target.endpoint, type(error).__name__)
                self._drop(target, version, ids, "error")
                continue
            frame = Shadow(self._clock.now_us(), target.endpoint, version, ids, outputs)
            self._post(encode_frame(frame))
            target.scored.add(len(rows))

    def _drop_all(self, work: ShadowWork, reason: str) -> None:
        for version, _ in work.target.scorers:
            self._drop(work.target, version, work.ids, reason)

    def _drop(self, target: ShadowTarget, version: str, ids: bytes, reason: str) -> None:
        frame = Dropped(self._clock.now_us(), target.endpoint, version, ids, reason)
        self._post(encode_frame(frame))
        target.dropped[reason].add(len(ids) // ID_BYTES)
