"""NannyML's verdicts with its defaults; run by the interpreter of its own environment.

    python worker_nannyml.py JOBS.json VERDICTS.json

Drift is `UnivariateDriftCalculator` (by default the Jensen-Shannon distance, alarm above the mean plus three
standard deviations of the reference chunks), missing values `MissingValuesCalculator`, labelled performance
`PerformanceCalculator` on accuracy, and estimated performance `CBPE` where the table has scores.
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

import nannyml as nml  # noqa: E402


def load(folder, job):
    """The reference and the stream of a table, as frames."""
    with np.load(Path(folder) / f"{job['table']}.npz") as arrays:
        return [
            pd.DataFrame({name: arrays[f"{part}:{name}"] for name in job["kinds"]})
            for part in ("reference", "stream")
        ]


def windows_of(stream, job, size):
    """The rows that make whole windows."""
    count = min((len(stream) - job["start"]) // size, job["most"])
    return stream.iloc[job["start"] : job["start"] + count * size].reset_index(drop=True)


def alerts(result, key):
    frame = result.filter(period="analysis").to_df()
    return [int(alert) for alert in frame[(*key, "alert")]]


def drift(folder, job):
    reference, stream = load(folder, job)
    names = list(job["kinds"])
    with_missing = [name for name in names if reference[name].isna().any()]
    for size in job["windows"]:
        rows = windows_of(stream, job, size)
        found = (
            nml.UnivariateDriftCalculator(column_names=names, chunk_size=size).fit(reference).calculate(rows)
        )
        for name in names:
            alarms = alerts(found, (name, "jensen_shannon"))
            yield {"column": name, "method": "drift", "window": size, "alarms": alarms}
        if with_missing:
            calculator = nml.MissingValuesCalculator(column_names=with_missing, chunk_size=size).fit(
                reference
            )
            found = calculator.calculate(rows)
            for name in with_missing:
                yield {"column": name, "method": "missing", "window": size, "alarms": alerts(found, (name,))}


def performance(folder, job):
    reference, stream = load(folder, job)
    for frame in (reference, stream):
        if "score" not in frame:
            # the calculator asks for a score; accuracy, the metric used, does not look at it
            frame["score"] = 0.1 + 0.8 * frame["answer"]
    settings = {
        "problem_type": "classification_binary",
        "y_true": "label",
        "y_pred": "answer",
        "y_pred_proba": "score",
        "metrics": job["metrics"],
    }
    for size in job["windows"]:
        rows = windows_of(stream, job, size)
        found = nml.PerformanceCalculator(chunk_size=size, **settings).fit(reference).calculate(rows)
        for metric in job["metrics"]:
            alarms = alerts(found, (metric,))
            yield {"column": metric, "method": "realised", "window": size, "alarms": alarms}
        if "score" in job["kinds"]:
            found = nml.CBPE(chunk_size=size, **settings).fit(reference).estimate(rows)
            for metric in job["metrics"]:
                alarms = alerts(found, (metric,))
                yield {"column": metric, "method": "estimated", "window": size, "alarms": alarms}


TASKS = {"drift": drift, "performance": performance}


def work(jobs_file, verdicts_file):
    jobs = json.loads(Path(jobs_file).read_text())
    started = time.process_time()
    verdicts = []
    for job in jobs["jobs"]:
        verdicts += [{"table": job["table"], **found} for found in TASKS[job["task"]](jobs["folder"], job)]
    result = {
        "versions": {name: metadata.version(name) for name in ("nannyml", "pandas", "numpy", "scipy")},
        "cpu_seconds": time.process_time() - started,
        "verdicts": verdicts,
    }
    Path(verdicts_file).write_text(json.dumps(result))


if __name__ == "__main__":
    work(*sys.argv[1:])
