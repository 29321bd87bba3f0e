"""The pipeline: table -> snapshot -> check -> split -> candidates -> held-out evidence -> gates -> registry.

A refusal by the gates is a result like any other: the version is registered with its evidence and its run
is marked ``refused``. A run that raises is marked ``failed``. A killed one stays ``running`` and has
registered nothing, because version, ledger entry and end of the run are one transaction; training again
under the same run id takes its place.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl

from slipway.base.clock import Clock, SystemClock
from slipway.base.config import Config, config_digest
from slipway.base.errors import ConfigError, ConflictError, SlipwayError
from slipway.base.failpoint import failpoint
from slipway.base.layout import Layout
from slipway.base.vocabulary import VersionName
from slipway.data.check import check_table
from slipway.data.contract import Contract, contract_digest
from slipway.data.frames import Frame, from_frame
from slipway.data.reading import quarantine
from slipway.data.snapshot import load_manifest, take_snapshot
from slipway.data.source import read_source, source_path
from slipway.data.steps import Steps, load_steps, require_fit, steps_digest
from slipway.data.tables import canonical
from slipway.learn.budget import Budget, Progress, Report, silent
from slipway.learn.candidates import Candidate, constant, fit_candidates
from slipway.learn.gates import refuse_unknown_gates
from slipway.learn.judging import judge, served_bundle
from slipway.learn.latency import measure_latency
from slipway.learn.lineage import git_commit, lock_digest, packages
from slipway.learn.preparation import Prepared, prepare
from slipway.learn.problem import affordable, inner_folds
from slipway.learn.registration import (
    Fitted,
    Lineage,
    TrainResult,
    finished_result,
    place_bundle,
    register,
)
from slipway.learn.selection import select
from slipway.models.bundle import Bundle, BundleMeta
from slipway.models.signing import signing_key
from slipway.store import registry
from slipway.store.database import Database, open_database

_CLOCK = SystemClock()
#: Kept for judging and registering: this share of the budget, up to so many seconds; more for a large table,
#: in multiples of the time that splitting and encoding it took.
_RESERVE_SHARE, _RESERVE_SECONDS, _RESERVE_FACTOR = 0.1, 5.0, 1.5
#: Share of the budget that fitting gets even where reading the table took nearly all of it.
_LEAST_SHARE = 0.25
#: How far each stage is when it begins; fitting covers most of the way.
_STAGES = {
    "read": 0.0,
    "check": 0.05,
    "prepare": 0.08,
    "fit": 0.1,
    "judge": 0.9,
    "register": 0.95,
    "done": 1.0,
}


@dataclass(frozen=True)
class _Job:
    """What the steps of one run share."""

    layout: Layout
    config: Config
    contract: Contract
    seed: int
    threads: int
    budget: Budget
    report: Report
    clock: Clock
    steps: Steps
    run_id: str
    origin: str
    #: When the source was read; None when the rows are given, whose age says nothing of a source.
    read_at: datetime | None

    def begin(self, stage: str, message: str) -> None:
        """Tell that a stage begins."""
        self.report(Progress(stage, _STAGES[stage], message))


def train(
    layout: Layout,
    config: Config,
    contract: Contract,
    df: Frame | pl.LazyFrame | None = None,
    *,
    seed: int | None = None,
    progress: Report = silent,
    champion: Bundle | None = None,
    origin: str = "train",
    run_id: str | None = None,
    threads: int | None = None,
    clock: Clock = _CLOCK,
    now: Callable[[], float] = time.monotonic,
) -> TrainResult:
    """Train, judge and register one model version.

    Args:
        layout: of the project; missing folders are made.
        config: settings; ``train.budget`` covers the whole call.
        contract: what the table must look like.
        df: the table (Polars, pandas, Arrow); default: the configured source.
        seed: of everything random; default: ``train.seed``.
        progress: told how far the run is.
        champion: the live version, which a new one must not be proved worse than.
        origin: what started the run, for the records.
        run_id: default: a new one. A run that was finished under this id is not trained again: its result
            is returned. One that was killed or failed starts anew under it.
        threads: default: the cores this process may use; never more than that.
        clock: wall time, for the records, and to judge how old a table is that is read from its source.
        now: seconds on a clock that never goes back, for the budget and the latency.

    Returns:
        The registered version with its evidence; ``passed`` says whether the gates let it launch.

    Raises:
        ConfigError: no candidate, an unknown gate, a feature that cannot be learned from, a cleaning step
            that does not fit the contract.
        SourceError, ContractError, TargetError, DataError: the table cannot be read, breaks the contract
            or cannot be learned.
        StoreError: the project folder cannot be written.
    """
    _refuse_idle_settings(config)
    job = _Job(
        layout=layout,
        config=config,
        contract=contract,
        seed=config.train.seed if seed is None else seed,
        threads=min(threads or _cores(), _cores()),
        budget=Budget(config.train.budget_seconds, now),
        report=progress,
        clock=clock,
        steps=load_steps(layout.root),
        run_id=run_id or uuid.uuid4().hex,
        origin=origin,
        read_at=datetime.fromtimestamp(clock.now_us() / 1e6, UTC) if df is None else None,
    )
    require_fit(job.steps, contract)
    layout.create()
    database = open_database(layout)
    try:
        known = finished_result(database, job.run_id)
        return known if known is not None else _run(job, database, df, champion)
    finally:
        database.close()


def _run(
    job: _Job, database: Database, df: Frame | pl.LazyFrame | None, champion: Bundle | None
) -> TrainResult:
    job.begin("read", "reading the table")
    data = job.config.data
    if df is not None:
        table, file, set_aside = canonical(from_frame(df), exclude=data.exclude), None, 0
    else:
        file = source_path(job.layout, data)
        reading = read_source(file, data)
        quarantine(job.layout, reading)
        table, set_aside = reading.table, len(reading.rejected)
    lineage = _start(job, database, table, file if isinstance(file, Path) else None)
    lineage["rows_set_aside"] = set_aside
    try:
        return _train(job, database, table, lineage, champion)
    except BaseException as error:
        # Only our own errors are known to quote no cell value.
        reason = error.message if isinstance(error, SlipwayError) else type(error).__name__
        with database.write() as tx:
            registry.finish_run(tx, job.run_id, "failed", {"error": reason}, job.clock.now_us())
        raise


def _start(job: _Job, database: Database, table: pl.DataFrame, file: Path | None) -> Lineage:
    """Store the snapshot and record that the run began."""
    source = job.config.data.source
    snapshot = take_snapshot(job.layout, table, source, taken_us=job.clock.now_us(), file=file)
    manifest = msgspec.to_builtins(load_manifest(job.layout, snapshot.digest))
    versions = packages()
    lineage: Lineage = {
        "snapshot": snapshot.digest,
        "rows": snapshot.rows,
        "git_commit": git_commit(job.layout.root),
        "config": config_digest(job.config),
        "contract": contract_digest(job.contract),
        "lock": lock_digest(versions),
        "seed": job.seed,
        "threads": job.threads,
    }
    if job.steps:
        lineage["cleaning"] = steps_digest(job.steps)
    with database.write() as tx:
        registry.add_snapshot(tx, snapshot.digest, snapshot.rows, source, manifest)
        known = dict(lineage, packages=versions)
        run = registry.start_run(tx, job.run_id, job.origin, known, job.clock.now_us())
        _refuse_other_table(run, snapshot.digest)
    failpoint("train.started")
    return lineage


def _train(
    job: _Job, database: Database, table: pl.DataFrame, lineage: Lineage, champion: Bundle | None
) -> TrainResult:
    config, contract = job.config, job.contract
    job.begin("check", f"checking {table.height} rows against the contract")
    report = check_table(table, contract, now=job.read_at)
    report.require()
    job.begin("prepare", "splitting and encoding")
    start = job.budget.spent
    prepared = prepare(table, config, contract, job.seed, job.steps)
    fitted = _fit(job, prepared, _RESERVE_FACTOR * (job.budget.spent - start))
    job.begin("judge", f"judging {fitted.chosen.name} on {prepared.held_out.height} held-out rows")
    key = signing_key(job.layout)
    meta = _meta(config, prepared, fitted.chosen, lineage)
    bundle = served_bundle(fitted.chosen, meta, contract, prepared, key)
    judgement = judge(fitted.chosen, constant(prepared.problem), prepared, bundle, config, champion)
    job.begin("register", "writing the bundle")
    digest = place_bundle(job.layout, meta, contract, prepared, fitted, judgement, key)
    result = TrainResult(
        run_id=job.run_id,
        version=VersionName(config.project.name, 0),  # numbered by the registry
        digest=digest,
        passed=judgement.passed,
        candidate=fitted.chosen.name,
        gates=judgement.gates,
        metrics=judgement.evaluation.metrics,
        baseline=judgement.evaluation.baseline,
        selection=fitted.selection,
        split=prepared.split,
        train_rows=prepared.train.height,
        held_out_rows=prepared.held_out.height,
        findings=report.findings,
        set_aside=int(lineage["rows_set_aside"] or 0),
        latency=measure_latency(bundle, judgement.golden.rows, job.budget.now),
        seconds=job.budget.spent,
    )
    risk = msgspec.to_builtins(judgement.evaluation.risk)
    named = register(database, config.project.name, result, risk, lineage, job.clock.now_us())
    job.begin("done", f"{named.version} {'registered' if named.passed else 'refused by its gates'}")
    return named


def _fit(job: _Job, prepared: Prepared, reserve: float) -> Fitted:
    """Search within what the budget leaves, keeping back ``reserve`` seconds or more."""
    reserve = max(reserve, min(_RESERVE_SHARE * job.budget.seconds, _RESERVE_SECONDS))
    allowed = max(job.budget.left - reserve, _LEAST_SHARE * job.budget.seconds)
    start, width = _STAGES["fit"], _STAGES["judge"] - _STAGES["fit"]

    def tell(progress: Progress) -> None:
        job.report(Progress(progress.stage, start + width * progress.done, progress.message))

    names = job.config.train.candidates
    problem = affordable(prepared.problem, job.budget.seconds)
    search = Budget(allowed, job.budget.now)
    folds = inner_folds(problem, job.budget.seconds)
    candidates = fit_candidates(problem, folds, names, search, job.threads, tell)
    selection = select([each.contender for each in candidates], job.config.train.prefer_simple)
    chosen = next(each for each in candidates if each.name == selection.chosen)
    return Fitted(candidates=tuple(candidates), chosen=chosen, selection=selection)


def _meta(config: Config, prepared: Prepared, chosen: Candidate, lineage: Lineage) -> BundleMeta:
    target = prepared.held_out_target
    return BundleMeta(
        name=config.project.name,
        task=target.task,
        target=config.project.target,
        classes=target.classes,
        flavour=chosen.flavour,
        loss_range=target.loss_range,
        lineage=lineage,
    )


def _refuse_idle_settings(config: Config) -> None:
    """Refuse, before any time is spent, what could only fail at the end."""
    refuse_unknown_gates(config.gates, config.project.task)
    if not config.train.candidates:
        raise ConfigError(
            expected="at least one candidate",
            got="none",
            where="slipway.toml [train] candidates",
            next_step='write for example candidates = ["linear", "lightgbm"]',
        )


def _refuse_other_table(run: registry.RunRecord, snapshot: str) -> None:
    if run.lineage.get("snapshot") != snapshot:
        raise ConflictError(
            expected="the table that the run began with",
            got="another one",
            where=f"run {run.id}",
            next_step="train under a new run id",
        )


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
