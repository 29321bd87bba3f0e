"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from slipway.gateway.context import Meter, Reply, Request
from slipway.gateway.metrics import WorkerMetrics, render_metrics


class Readiness(msgspec.Struct, frozen=True):
    """Whether a worker can answer, and what keeps it from it."""

    ready: bool
    #: Serial of the plan that answers; None before the first.
    plan_serial: int | None
    endpoints: tuple[str, ...]
    #: ``ok`` or ``unwritable``.
    log: str
    #: Why the published plan is not the one that answers.
    plan_error: str | None


class HealthRoute:
    """The process is alive and its event loop turns."""

    method = "GET"

    def __init__(self, metrics: WorkerMetrics) -> None:
        self.meter = Meter(metrics, "-", "healthz")

    async def answer(self, request: Request) -> Reply:
        """Always 200."""
        del request
        return Reply(200, b'{"status":"ok"}')


class ReadyRoute:
    """Whether traffic should be sent here."""

    method = "GET"

    def __init__(self, metrics: WorkerMetrics, readiness: Callable[[], Readiness]) -> None:
        self.meter = Meter(metrics, "-", "readyz")
        self._readiness = readiness

    async def answer(self, request: Request) -> Reply:
        """200 when ready, else 503, with the reasons."""
        del request
        readiness = self._readiness()
        headers = None if readiness.ready else [("retry-after", "1")]
        return Reply(200 if readiness.ready else 503, msgspec.json.encode(readiness), headers=headers)


class MetricsRoute:
    """The Prometheus page of all workers."""

    method = "GET"

    def __init__(self, metrics: WorkerMetrics, folder: Path) -> None:
        self.meter = Meter(metrics, "-", "metrics")
        self._folder = folder

    async def answer(self, request: Request) -> Reply:
        """The page in Prometheus text format 0.0.4."""
        del request
        # A read of a few pages of memory: not worth a thread.
        return Reply(200, render_metrics(self._folder), "text/plain; version=0.0.4; charset=utf-8")
