"""What the routes of one worker share."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import msgspec

from slipway.base.clock import Clock
from slipway.base.errors import StoreError
from slipway.gateway.commit import GroupCommit
from slipway.gateway.http import RequestHeaders
from slipway.gateway.intake import BodyReader
from slipway.gateway.metrics import Counter, WorkerMetrics
from slipway.gateway.problems import Headers
from slipway.gateway.shadow import ShadowLane

#: Bodies up to here are worked on where they arrive; larger ones go to a thread and delay nobody.
INLINE_BYTES = 16 * 1024
_ID_HEADER = "x-request-id"
_LONGEST_ID = 128


@dataclass(frozen=True)
class Context:
    """The parts of one worker that every route uses."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    bodies: BodyReader
    commit: GroupCommit
    lane: ShadowLane
    metrics: WorkerMetrics
    pool: ThreadPoolExecutor
    #: Secret of the installation for prediction ids.
    key: bytes
    #: Refuse columns that the contract does not know.
    strict: bool

    def require_log(self) -> None:
        """Fail closed: without a log there is no answer.

        Raises:
            StoreError: the log cannot be written.
        """
        if not self.commit.healthy:
            raise StoreError(
                expected="a log that can be written",
                got="a disk that refuses",
                where="the gateway",
                next_step="send the request again after the time in Retry-After",
            )


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a route sees of a request."""

    request_id: str
    body: bytes


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What a route answers; the request id is added on the way out."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Headers | None = None


class RequestIds:
    """Takes the caller's ``X-Request-Id`` where it is fit to be logged, else makes one."""

    def __init__(self) -> None:
        self._prefix = os.urandom(6).hex()
        self._count = count(1)

    def of(self, headers: RequestHeaders) -> str:
        """The id of this request: visible ASCII, at most 128 characters."""
        given = headers.get(_ID_HEADER)
        if given and len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
            return given
        return f"{self._prefix}-{next(self._count):x}"


class Meter:
    """Counts the answers of one route by status, and their latency."""

    def __init__(self, metrics: WorkerMetrics, endpoint: str, route: str) -> None:
        self._metrics = metrics
        self._labels = {"endpoint": endpoint, "route": route}
        self._latency = metrics.histogram("slipway_request_seconds", **self._labels)
        self._statuses: dict[int, Counter] = {}

    def observe(self, status: int, seconds: float) -> None:
        """Count one answer."""
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._metrics.counter("slipway_requests_total", **self._labels, status=str(status))
            self._statuses[status] = counter
        counter.add(1.0)
        self._latency.observe(seconds)
