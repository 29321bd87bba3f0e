"""Evidently's verdicts with its defaults; run by the interpreter of its own environment.

    python worker_evidently.py JOBS.json VERDICTS.json

A drift verdict is the default test of `ValueDrift`, of which `DataDriftPreset` holds one per column; the
first window of each table also goes through the preset, whose scores must be the same. A missing-value
verdict is the default test of `MissingValueCount` on the share, an accuracy verdict that of `Accuracy`.
"""

import json
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

from evidently import BinaryClassification, DataDefinition, Dataset, Report  # noqa: E402
from evidently.metrics import Accuracy, MissingValueCount, ValueDrift  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402


def load(folder, job):
    """The reference and the stream of a table, as frames."""
    with np.load(Path(folder) / f"{job['table']}.npz") as arrays:
        return [
            pd.DataFrame({name: arrays[f"{part}:{name}"] for name in job["kinds"]})
            for part in ("reference", "stream")
        ]


def definition_of(kinds):
    return DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == "number"],
        categorical_columns=[name for name, kind in kinds.items() if kind == "category"],
    )


def shares_only(snapshot):
    """Tests, less those on counts: a count over a shorter window says nothing."""
    return [test for test in snapshot.dict()["tests"] if not test["bound_test"].get("is_count")]


def judge(reference, window, definition, columns, missing):
    """Alarms of one window: {(column, "drift" | "missing"): bool}."""
    metrics = [ValueDrift(column=name) for name in columns]
    metrics += [MissingValueCount(column=name) for name in missing]
    current = Dataset.from_pandas(window, data_definition=definition)
    snapshot = Report(metrics, include_tests=True).run(current, reference)
    methods = {"ValueDrift": "drift", "MissingValueCount": "missing"}
    alarms = {}
    for test in shares_only(snapshot):
        params = test["metric_config"]["params"]
        method = methods[params["type"].rsplit(":", 1)[-1]]
        alarms[params["column"], method] = str(test["status"]).endswith("FAIL")
    assert set(alarms) == {(c, "drift") for c in columns} | {(c, "missing") for c in missing}
    return alarms


def check_preset(reference, window, definition, columns):
    """The documented preset gives the scores and thresholds of the metrics used here."""
    current = Dataset.from_pandas(window, data_definition=definition)
    found = []
    for metrics in ([ValueDrift(column=name) for name in columns], [DataDriftPreset()]):
        values = Report(metrics).run(current, reference).dict()["metrics"]
        found.append(
            {v["metric_name"]: float(v["value"]) for v in values if "ValueDrift" in v["metric_name"]}
        )
    assert found[0] == found[1], "the preset differs from its metrics"


def drift(folder, job):
    reference, stream = load(folder, job)
    definition = definition_of(job["kinds"])
    baseline = Dataset.from_pandas(reference, data_definition=definition)
    first = stream.iloc[job["start"] : job["start"] + job["windows"][0]].reset_index(drop=True)
    check_preset(baseline, first, definition, list(job["kinds"]))
    with_missing = [name for name in job["kinds"] if reference[name].isna().any()]
    for size in job["windows"]:
        verdicts = {(name, "drift"): [] for name in job["kinds"]}
        verdicts |= {(name, "missing"): [] for name in with_missing}
        open_ = set(verdicts)
        last = min(len(stream), job["start"] + size * job["most"])
        for at in range(job["start"], last - size + 1, size):
            window = stream.iloc[at : at + size].reset_index(drop=True)
            columns = [name for name in job["kinds"] if (name, "drift") in open_]
            missing = [name for name in with_missing if (name, "missing") in open_]
            for key, alarm in judge(baseline, window, definition, columns, missing).items():
                verdicts[key].append(int(alarm))
                if alarm and job["stop"]:
                    open_.discard(key)
            if not open_:
                break
        for (column, method), alarms in verdicts.items():
            yield {"column": column, "method": method, "window": size, "alarms": alarms}


def performance(folder, job):
    reference, stream = load(folder, job)
    definition = DataDefinition(
        numerical_columns=[],
        classification=[BinaryClassification(target="label", prediction_labels="answer")],
    )
    columns = ["label", "answer"]
    whole = reference[columns].astype(int)
    baseline = Dataset.from_pandas(whole, data_definition=definition)
    for size in job["windows"]:
        alarms = []
        for at in range(job["start"], len(stream) - size + 1, size):
            window = stream[columns].astype(int).iloc[at : at + size].reset_index(drop=True)
            current = Dataset.from_pandas(window, data_definition=definition)
            tests = Report([Accuracy()], include_tests=True).run(current, baseline).dict()["tests"]
            alarms.append(int(any(str(test["status"]).endswith("FAIL") for test in tests)))
        yield {"column": "accuracy", "method": "realised", "window": size, "alarms": alarms}


TASKS = {"drift": drift, "performance": performance}


def work(jobs_file, verdicts_file):
    jobs = json.loads(Path(jobs_file).read_text())
    started = time.process_time()
    verdicts = []
    for job in jobs["jobs"]:
        verdicts += [{"table": job["table"], **found} for found in TASKS[job["task"]](jobs["folder"], job)]
    result = {
        "versions": {name: metadata.version(name) for name in ("evidently", "pandas", "numpy", "scipy")},
        "cpu_seconds": time.process_time() - started,
        "verdicts": verdicts,
    }
    Path(verdicts_file).write_text(json.dumps(result))


if __name__ == "__main__":
    work(*sys.argv[1:])
