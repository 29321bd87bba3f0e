"""One worker process: everything between an inherited socket and a segment of the log.

Started by the supervisor as ``python -m slipway.gateway.worker``; not meant to be called by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slipway.base.clock import Clock, SystemClock
from slipway.base.config import Serve, load_config
from slipway.base.errors import SlipwayError
from slipway.base.layout import Layout
from slipway.gateway.app import Gateway
from slipway.gateway.commit import GroupCommit
from slipway.gateway.context import Context, Meter
from slipway.gateway.health import HealthRoute, MetricsRoute, ReadyRoute
from slipway.gateway.http import serve
from slipway.gateway.intake import BodyReader
from slipway.gateway.metrics import WorkerMetrics
from slipway.gateway.shadow import ShadowLane
from slipway.gateway.watcher import PlanKeeper, Watcher
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys
from slipway.store.secrets import installation_key
from slipway.store.segments import SegmentWriter

#: Seconds a stopping worker gives requests under way.
DRAIN_SECONDS = 5.0
#: Threads for large bodies: LightGBM and the disk release the interpreter, so two keep a core busy.
_POOL_THREADS = 2
#: Seconds a thread may keep the interpreter from the others. The default, 5 ms, is longer than the disk
#: takes for a commit, and the commit thread would wait that long for its turn.
_SWITCH_SECONDS = 0.0005


class Worker:
    """The parts of one worker, in the order they start and, backwards, stop.

    Args:
        layout: the project.
        settings: ``[serve]``.
        index: which of the gateway's workers this is.
        parent: process id of the supervisor.
        clock: stamps frames and ids.
    """

    def __init__(self, layout: Layout, settings: Serve, index: int, parent: int, clock: Clock) -> None:
        self._layout = layout
        self.loop = asyncio.new_event_loop()
        folder = layout.run / "metrics"
        metrics = WorkerMetrics(folder, index)
        metrics.counter("slipway_worker_starts_total").add(1)
        writer = SegmentWriter(layout.segments, f"w{index}_{os.getpid()}", settings.segment_bytes, clock)
        self._commit = GroupCommit(
            writer,
            layout.segments,
            self.loop,
            metrics.counter("slipway_log_commits_total"),
            metrics.counter("slipway_log_failures_total"),
        )
        waiting = metrics.counter("slipway_shadow_queue_rows")
        waiting.set(0)
        self._lane = ShadowLane(self._commit.post, settings.shadow_queue, waiting, clock)
        self.context = Context(
            loop=self.loop,
            clock=clock,
            bodies=BodyReader(settings.max_body, self.loop),
            commit=self._commit,
            lane=self._lane,
            metrics=metrics,
            pool=ThreadPoolExecutor(_POOL_THREADS, "large-body"),
            key=installation_key(layout),
            strict=settings.on_invalid == "reject",
        )
        self.gateway = Gateway(self.context.bodies, Meter(metrics, "-", "unknown"))
        self._keeper = PlanKeeper(layout, self.context, self.gateway, self._load)
        self.gateway.pin(
            {
                "/healthz": HealthRoute(metrics),
                "/readyz": ReadyRoute(metrics, self._keeper.readiness),
                "/metrics": MetricsRoute(metrics, folder),
            }
        )
        self._watcher = Watcher(self._keeper, self.context, parent)

    def run(self, fd: int) -> None:
        """Answer on the listening socket ``fd`` until told to stop, then bring everything to disk."""
        asyncio.set_event_loop(self.loop)
        self._commit.start()
        self._lane.start()
        self._keeper.look()
        self._watcher.start()
        self.loop.call_soon(self._expire_bodies)
        settle_memory()
        try:
            serve(
                self.gateway, fd, self.loop, self.gateway.close, lambda: self.gateway.drained(DRAIN_SECONDS)
            )
        finally:
            self._watcher.close()
            self._lane.close()
            self._commit.close()
            self.context.pool.shutdown()

    def _load(self, digest: str) -> Bundle:
        return load_bundle(self._layout.bundles / digest, digest, trusted_keys(self._layout))

    def _expire_bodies(self) -> None:
        self.context.bodies.expire()
        self.loop.call_later(1.0, self._expire_bodies)


def settle_memory() -> None:
    """Keep the collector off what lives as long as the process, and let it look at the rest less often.

    A request makes no reference cycles, so a full collection is pure waiting time for those in line.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def main(arguments: list[str]) -> int:
    """Run a worker; returns the exit code."""
    parser = argparse.ArgumentParser(prog="slipway.gateway.worker")
    parser.add_argument("project", type=Path)
    for name in ("--fd", "--index", "--parent"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=f"gateway[{options.index}] %(levelname)s %(message)s"
    )
    logging.getLogger("_granian").setLevel(logging.WARNING)
    sys.setswitchinterval(_SWITCH_SECONDS)
    layout = Layout(options.project)
    try:
        settings = load_config(layout.config).serve
        worker = Worker(layout, settings, options.index, options.parent, SystemClock())
    except SlipwayError as error:
        logging.getLogger("slipway.gateway").error("%s", error.message)
        return error.exit_code
    worker.run(options.fd)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
