"""The training process of a retraining job: ``python -m slipway.control.retraining FOLDER JOB``.

The rows are fixed by the log alone: those answered after the change, up to the outcome that made
``min_labels`` of them labelled. Whenever the process runs, and however often it is killed, it trains on the
same table under the same run id, and so registers the same version once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import polars as pl

from slipway.base.config import load_config
from slipway.base.errors import ConflictError, DataError, SlipwayError
from slipway.base.failpoint import failpoint
from slipway.base.files import exclusive_lock
from slipway.base.ids import split_ids
from slipway.base.layout import Layout
from slipway.base.processes import exit_with_parent
from slipway.base.vocabulary import Value, VersionName
from slipway.control.places import event_of, place_of
from slipway.control.retrainer import BUSY, KIND
from slipway.data.contract import Column, Contract, load_contract
from slipway.learn.training import train
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys
from slipway.models.values import to_float, to_text
from slipway.store import jobs, registry
from slipway.store.database import Database, open_database
from slipway.store.frames import Frame, Outcomes, Prediction
from slipway.store.history import Batch, iter_events
from slipway.store.jobs import Job


class LabelledRows:
    """Collects rows of one endpoint with their outcomes, up to a number of labelled ones.

    Args:
        endpoint: its name.
        change: place after which rows count.
        wanted: labelled rows to collect.
    """

    def __init__(self, endpoint: str, change: int, wanted: int) -> None:
        self._endpoint = endpoint
        self._change = change
        self._wanted = wanted
        self._rows: dict[bytes, tuple[int, Prediction, int]] = {}
        self._outcomes: dict[bytes, tuple[int, Value]] = {}
        self._labelled: set[bytes] = set()

    @property
    def full(self) -> bool:
        """Whether enough rows are labelled."""
        return len(self._labelled) >= self._wanted

    def absorb(self, event: int, frame: Frame) -> None:
        """Take the frame with that number; ignored once full."""
        if frame.endpoint != self._endpoint or self.full:
            return
        if isinstance(frame, Prediction):
            self._predictions(event, frame)
        elif isinstance(frame, Outcomes):
            self._labels(frame)

    def _predictions(self, event: int, frame: Prediction) -> None:
        for row, key in enumerate(split_ids(frame.ids)):
            place = place_of(event, row)
            if place > self._change and not self.full:
                self._rows[key] = (place, frame, row)
                if key in self._outcomes:
                    self._labelled.add(key)

    def _labels(self, frame: Outcomes) -> None:
        for key, value, event_time in zip(split_ids(frame.ids), frame.values, frame.event_times, strict=True):
            if value is None or self.full:
                continue
            time = frame.time if event_time is None else event_time
            known = self._outcomes.get(key)
            if known is None or time >= known[0]:
                self._outcomes[key] = (time, value)
            if key in self._rows:
                self._labelled.add(key)

    def table(self, contract: Contract) -> pl.DataFrame:
        """The rows as a table in the contract's types, in the order in which they were answered.

        A time column that clients did not send holds the time of the answer.
        """
        keys = sorted(self._labelled, key=lambda key: self._rows[key][0])
        rows = [self._rows[key] for key in keys]
        series: list[pl.Series] = []
        for column in contract.inputs:
            values = [_cell(frame, row, column.name) for _, frame, row in rows]
            if column.role == "time" and all(value is None for value in values):
                series.append(
                    pl.Series(column.name, [frame.time for _, frame, _ in rows]).cast(pl.Datetime("us"))
                )
            else:
                series.append(_series(column, values))
        labels = [self._outcomes[key][1] for key in keys]
        return pl.DataFrame([*series, _series(contract.target, labels)])


def collect(layout: Layout, database: Database, job: Job) -> LabelledRows:
    """The rows that a job trains on.

    Raises:
        DataError: the log does not hold enough of them yet.
    """
    endpoint, change = cast("str", job.payload["endpoint"]), cast("int", job.payload["change"])
    wanted = cast("int", job.payload["min_labels"])
    rows = LabelledRows(endpoint, change, wanted)
    with database.read() as tx:
        history = iter_events(layout, tx, after_seq=max(0, event_of(change) - 1))
    for event, frame in _numbered(history):
        rows.absorb(event, frame)
        if rows.full:
            return rows
    raise DataError(
        expected=f"{wanted} labelled rows after the change",
        got="fewer",
        where=f"the log of endpoint {endpoint!r}",
        next_step="wait for more outcomes",
    )


def retrain(layout: Layout, job_id: int) -> None:
    """Train the job's version and close the job.

    Raises:
        ConflictError: another process trains for this project.
        SlipwayError: the training failed; the job stays as it is.
    """
    with exclusive_lock(layout.run / "retraining.lock", "retraining"):
        database = open_database(layout)
        try:
            _retrain(layout, database, job_id)
        finally:
            database.close()


def _retrain(layout: Layout, database: Database, job_id: int) -> None:
    with database.read() as tx:
        job = next((one for one in jobs.list_jobs(tx, KIND) if one.id == job_id), None)
    if job is None or job.status != "running":
        return
    contract = load_contract(layout.contract)
    table = collect(layout, database, job).table(contract)
    failpoint("retraining.collected")
    result = train(
        layout,
        load_config(layout.config),
        contract,
        table,
        champion=_champion(layout, database, cast("str", job.payload["champion"])),
        origin=f"retraining job {job.id}",
        run_id=f"retraining-{job.id}",
    )
    failpoint("retraining.trained")
    with database.write() as tx:
        jobs.finish_job(
            tx,
            job.key,
            {
                "version": str(result.version),
                "accepted": result.passed,
                "rows": len(table),
                "gates": [f"{gate.name}: {gate.message}" for gate in result.gates if not gate.passed],
            },
        )
    failpoint("retraining.finished")


def _champion(layout: Layout, database: Database, version: str) -> Bundle:
    name = VersionName.parse(version)
    with database.read() as tx:
        digest = registry.get_version(tx, name).digest
    return load_bundle(layout.bundles / digest, digest, trusted_keys(layout), name)


def _numbered(batches: Iterator[Batch]) -> Iterator[tuple[int, Frame]]:
    for batch in batches:
        yield from enumerate(batch.frames, batch.after_seq + 1)


def _cell(frame: Prediction, row: int, name: str) -> Value:
    try:
        return frame.rows[row][frame.columns.index(name)]
    except ValueError:
        return None


def _series(column: Column, values: Sequence[Value]) -> pl.Series:
    dtype, convert = _TYPES[column.type]
    return pl.Series(column.name, [None if value is None else convert(value) for value in values], dtype)


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_is(value: Value) -> Value:
    return value


_TYPES: dict[str, tuple[type[pl.DataType], Callable[[Value], Value]]] = {
    "float": (pl.Float64, to_float),
    "int": (pl.Int64, _whole),
    "bool": (pl.Boolean, _as_is),
    "category": (pl.String, to_text),
    "text": (pl.String, to_text),
    "datetime": (pl.String, to_text),
}


def main(arguments: Sequence[str]) -> int:
    """Run one job; returns the exit status."""
    try:
        retrain(Layout(Path(arguments[0])), int(arguments[1]))
    except ConflictError as error:
        print(error, file=sys.stderr)
        return BUSY
    except SlipwayError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    exit_with_parent()
    sys.exit(main(sys.argv[1:]))
