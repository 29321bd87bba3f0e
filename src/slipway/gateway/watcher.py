"""One thread a worker that looks around every 50 ms: a new plan, a log that works again, a dead parent."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from time import monotonic

from slipway.base.errors import SlipwayError
from slipway.base.layout import Layout
from slipway.gateway.app import Gateway, Route
from slipway.gateway.context import Context
from slipway.gateway.health import Readiness
from slipway.gateway.outcomes import OutcomesRoute
from slipway.gateway.plan import Plan, PlannedVersion, Signature, file_signature, read_plan
from slipway.gateway.predicting import LoadedVersion, PredictRoute
from slipway.models.bundle import Bundle

_log = logging.getLogger("slipway.gateway")

INTERVAL = 0.05
#: Seconds between two attempts at the same defective plan, and between two probes of a broken disk.
_RETRY = 0.5

BundleLoader = Callable[[str], Bundle]


class PlanKeeper:
    """Puts the published plan to work, and keeps the old one where that fails.

    ``look`` is called by one thread; ``readiness`` may be called from any.

    Args:
        layout: the project.
        context: the worker's parts.
        gateway: where routes go.
        load: loads and verifies the bundle of a digest.
    """

    def __init__(self, layout: Layout, context: Context, gateway: Gateway, load: BundleLoader) -> None:
        self._path = layout.plan
        self._context = context
        self._gateway = gateway
        self._load = load
        self._bundles: dict[str, Bundle] = {}
        self._plan: Plan | None = None
        self._seen: Signature | None = None
        self._error: str | None = "no plan was published yet"
        self._retry_at = 0.0
        self._serial = context.metrics.counter("slipway_plan_serial")
        self._errors = context.metrics.counter("slipway_plan_errors_total")

    def look(self) -> None:
        """Put a new plan to work, if there is one."""
        signature = file_signature(self._path)
        if signature is None or (signature == self._seen and self._error is None):
            return
        if signature == self._seen and monotonic() < self._retry_at:
            return
        try:
            self._adopt(read_plan(self._path))
        except SlipwayError as error:
            self._fail(error.message, repeated=signature == self._seen)
        except Exception as error:  # noqa: BLE001  (whatever a plan or bundle breaks, the old plan goes on)
            self._fail(f"{type(error).__name__} while loading it", repeated=signature == self._seen)
        self._seen = signature

    def readiness(self) -> Readiness:
        """Whether the worker can answer."""
        plan, healthy = self._plan, self._context.commit.healthy
        endpoints = tuple(plan.endpoints) if plan else ()
        return Readiness(
            ready=healthy and bool(endpoints),
            plan_serial=plan.serial if plan else None,
            endpoints=endpoints,
            log="ok" if healthy else "unwritable",
            plan_error=self._error,
        )

    def _fail(self, message: str, *, repeated: bool) -> None:
        self._error = message
        self._retry_at = monotonic() + _RETRY
        if not repeated:
            self._errors.add(1)
            _log.error("the published plan cannot be put to work, the one before stays: %s", message)

    def _adopt(self, plan: Plan) -> None:
        bundles: dict[str, Bundle] = {}
        for digest in plan.digests():
            bundles[digest] = self._bundles.get(digest) or self._warm(digest)
        self._gateway.adopt(self._routes(plan, bundles))
        self._bundles = bundles
        self._plan = plan
        self._error = None
        self._serial.set(plan.serial)
        _log.info("plan %d answers", plan.serial)

    def _warm(self, digest: str) -> Bundle:
        """Load a bundle and predict a row of missing values both ways, before a client has to wait for it."""
        bundle = self._load(digest)
        row = [None] * len(bundle.encoder.columns)
        bundle.predictor.predict_row(bundle.encoder.encode_row(row))
        bundle.predict_rows([row, row], bundle.encoder.columns)
        return bundle

    def _routes(self, plan: Plan, bundles: Mapping[str, Bundle]) -> dict[str, Route]:
        def loaded(version: PlannedVersion) -> LoadedVersion:
            return LoadedVersion(version.version, bundles[version.digest])

        routes: dict[str, Route] = {}
        for name, endpoint in plan.endpoints.items():
            champion = loaded(endpoint.champion)
            shadows = [loaded(version) for version in endpoint.shadows]
            base = f"/v1/endpoints/{name}"
            predict = PredictRoute(self._context, name, endpoint.arm, champion, shadows)
            routes[f"{base}/predict"] = predict
            routes[f"{base}/outcomes"] = OutcomesRoute(self._context, name, champion.bundle)
        return routes


class Watcher:
    """The thread that looks.

    Args:
        keeper: looks at the plan.
        context: the worker's parts.
        parent: process id of the supervisor; when it is gone, the worker stops as on SIGTERM.
    """

    def __init__(self, keeper: PlanKeeper, context: Context, parent: int) -> None:
        self._keeper = keeper
        self._context = context
        self._parent = parent
        self._stop = threading.Event()
        self._probe_at = 0.0
        metrics = context.metrics
        self._healthy = metrics.counter("slipway_log_healthy")
        self._held = metrics.counter("slipway_inflight_bytes")
        self._thread = threading.Thread(target=self._run, name="plan-watch", daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            if os.getppid() != self._parent:
                _log.warning("the supervisor is gone, stopping")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            self._keeper.look()
            self._tend_log()
            self._held.set(self._context.bodies.held)

    def _tend_log(self) -> None:
        commit = self._context.commit
        if not commit.healthy and monotonic() >= self._probe_at:
            commit.probe()
            self._probe_at = monotonic() + _RETRY
        self._healthy.set(1.0 if commit.healthy else 0.0)
