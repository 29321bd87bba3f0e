"""Retraining as the controller sees it: a job per alarmed champion, a process, and a shadow at the end.

A job waits until enough labelled rows came after the change, is trained by ``python -m
slipway.control.retraining`` so that the loop keeps running, and its version goes to shadow by itself when
its gates passed and no other rollout is open. Everything that must survive is in the database: after a
crash the next controller starts the process again, which trains on the same rows of the log.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from sqlalchemy import func, select

from slipway.base.failpoint import failpoint
from slipway.control import actions, moves
from slipway.control.evidence import Decision, Rules
from slipway.control.places import event_of
from slipway.control.workspace import Workspace
from slipway.monitor.alarm import Alarm
from slipway.rollout.states import OPEN
from slipway.store import alarms, jobs, registry, states
from slipway.store.database import Transaction
from slipway.store.jobs import Job
from slipway.store.tables import predictions

KIND = "retraining"
#: Failures after which a job is given up.
MAX_FAILURES = 3
#: Exit status of a training process that found another one at work.
BUSY = 75

_STOP_SECONDS = 5.0
_WITHDRAWN = "withdrawn"


class Progress(msgspec.Struct):
    """What the controller remembers of a job beside its row."""

    failures: int = 0
    #: Nothing is left to do: deployed, refused or given up.
    closed: bool = False


class Retrainer:
    """Tends to the retraining jobs of a project, one process at a time.

    Args:
        workspace: the project.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._process: subprocess.Popen[bytes] | None = None
        self._key = ""
        #: Per waiting job: how many outcomes the endpoint must have joined before a count can suffice.
        self._count_at: dict[str, int] = {}

    def open(self, tx: Transaction, decision: Decision, rules: Rules) -> None:
        """Open the job that an alarm calls for. Alarms of one champion share one job."""
        alarm = decision.evidence
        if not isinstance(alarm, Alarm) or alarm.kind not in rules.retrain.on:
            return
        key = _free_key(tx, f"{decision.endpoint}/{decision.version}")
        if key is None:
            return
        payload = {
            "endpoint": decision.endpoint,
            "champion": decision.version,
            "alarm": alarm.kind,
            "features": list(alarm.features),
            "change": alarm.change,
            "at": decision.at,
            "min_labels": rules.retrain.min_labels,
        }
        job = jobs.add_job(tx, KIND, key, payload, self._workspace.clock.now_us())
        failpoint("retraining.opened")
        message = (
            f"a {alarm.kind} alarm of {decision.version}: retraining on the first "
            f"{rules.retrain.min_labels:,} labelled rows after the change"
        )
        self._write(tx, "retraining_opened", job, message)

    def step(self, labels: Mapping[str, int]) -> None:
        """Look after the process, start one, or deploy what is finished.

        Args:
            labels: outcomes joined so far, by endpoint.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            self._collect(self._process.returncode)
            self._process = None
        with self._workspace.database.read() as tx:
            known = list(jobs.list_jobs(tx, KIND))
            open_jobs = [job for job in known if not _progress(tx, job).closed]
        for job in open_jobs:
            if job.status == "waiting" and self._outlived(job):
                self._withdraw(job)
            elif job.status == "done":
                self._deploy(job)
            elif self._process is None and (job.status == "running" or self._enough(job, labels)):
                self._start(job)

    def close(self) -> None:
        """Stop the process; the next controller starts it again."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _enough(self, job: Job, labels: Mapping[str, int]) -> bool:
        """Whether enough rows after the change have an outcome; counts only when that can be."""
        if job.status != "waiting":
            return False
        endpoint, change, wanted = _text(job, "endpoint"), _number(job, "change"), _number(job, "min_labels")
        joined = labels.get(endpoint, 0)
        if joined < self._count_at.get(job.key, 0):
            return False
        table = predictions.c
        query = (
            select(func.count())
            .select_from(predictions)
            .where(table.endpoint == endpoint, table.seq > change, table.outcome.is_not(None))
        )
        with self._workspace.database.read() as tx:
            found = tx.scalar(query) or 0
        self._count_at[job.key] = joined + wanted - found
        return found >= wanted

    def _outlived(self, job: Job) -> bool:
        """Whether the champion that raised the alarm neither answers nor may come back by itself."""
        with self._workspace.database.read() as tx:
            record = registry.get_endpoint(tx, _text(job, "endpoint"))
        return record is None or _text(job, "champion") not in (str(record.champion), str(record.reverse))

    def _withdraw(self, job: Job) -> None:
        """Give up a job whose alarm was about a version that is gone; its successor has alarms of its own."""
        with self._workspace.database.write() as tx:
            jobs.finish_job(tx, job.key, {_WITHDRAWN: True}, failed=True)
            _save_progress(tx, job, Progress(closed=True))
            self._write(
                tx, "retraining_withdrawn", job, f"{job.payload['champion']}, which alarmed, answers no more"
            )

    def _start(self, job: Job) -> None:
        with self._workspace.database.write() as tx:
            job = jobs.start_job(tx, job.key)
            if job.attempts == 1:
                self._write(tx, "retraining_started", job, "enough labelled rows: training begins")
        failpoint("retraining.started")
        self._key = job.key
        with (self._workspace.layout.run / "retraining.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "slipway.control.retraining",
                    str(self._workspace.layout.root),
                    str(job.id),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _collect(self, status: int) -> None:
        """The process ended: it closed the job, or it failed."""
        with self._workspace.database.write() as tx:
            job = jobs.find_job(tx, self._key)
            if job is None or job.status != "running" or status == BUSY:
                return
            progress = _progress(tx, job)
            progress.failures += 1
            given_up = progress.failures >= MAX_FAILURES
            message = (
                f"training failed (exit status {status}), attempt {progress.failures} of {MAX_FAILURES}; "
                "see .slipway/run/retraining.log"
            )
            if given_up:
                progress.closed = True
                jobs.finish_job(tx, job.key, {"status": status}, failed=True)
                payload = {"job": job.id, "message": message}
                alarms.add_alarm(
                    tx,
                    _text(job, "endpoint"),
                    "retraining_failed",
                    event_of(_number(job, "at")),
                    self._workspace.clock.now_us(),
                    payload,
                )
            _save_progress(tx, job, progress)
            self._write(tx, "retraining_failed", job, message, given_up=given_up)

    def _deploy(self, job: Job) -> None:
        """Send the finished version to shadow, once, as soon as no rollout is open."""
        assert job.result is not None
        endpoint, version = _text(job, "endpoint"), cast("str", job.result["version"])
        with self._workspace.database.write() as tx:
            if not job.result["accepted"]:
                self._write(
                    tx, "retraining_refused", job, f"the gates refused {version}", gates=job.result["gates"]
                )
            else:
                record = registry.get_endpoint(tx, endpoint)
                if record is None or record.state in OPEN:
                    return
                failpoint("retraining.deploying")
                actions.deploy_within(
                    tx,
                    self._workspace,
                    version,
                    endpoint=endpoint,
                    actor="controller",
                    reason=f"retrained (job {job.id}) after an alarm of {job.payload['champion']}",
                )
            _save_progress(tx, job, Progress(closed=True))
        failpoint("retraining.deployed")

    def _write(self, tx: Transaction, kind: str, job: Job, message: str, **more: Any) -> None:
        payload = {"job": job.id, "actor": "controller", **job.payload, "message": message, **more}
        moves.write_ledger(tx, kind, payload, self._workspace.clock.now_us())


def _free_key(tx: Transaction, key: str) -> str | None:
    """The key for a new job of a champion; None where an earlier one is open or came to its end."""
    number = 1
    while (job := jobs.find_job(tx, key if number == 1 else f"{key}#{number}")) is not None:
        if not (job.result or {}).get(_WITHDRAWN):
            return None
        number += 1
    return key if number == 1 else f"{key}#{number}"


def _progress(tx: Transaction, job: Job) -> Progress:
    found = states.load_state(tx, _text(job, "endpoint"), f"{KIND}:{job.id}")
    return msgspec.convert(found, Progress) if found else Progress()


def _save_progress(tx: Transaction, job: Job, progress: Progress) -> None:
    states.save_state(
        tx,
        _text(job, "endpoint"),
        f"{KIND}:{job.id}",
        msgspec.to_builtins(progress),
        event_of(_number(job, "at")),
    )


def _text(job: Job, name: str) -> str:
    return cast("str", job.payload[name])


def _number(job: Job, name: str) -> int:
    return cast("int", job.payload[name])
