"""The counters: cheap to write, whole for whoever reads, alive across a killed worker."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from slipway.gateway.metrics import LATENCY_BOUNDS, WorkerMetrics, render_metrics, reset_metrics


def samples(folder: Path) -> dict[tuple[str, str], float]:
    page = render_metrics(folder).decode()
    return {
        (sample.name, re.sub(r"[{} ']", "", str(sample.labels))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_page_of_several_workers_reads_as_prometheus_text(tmp_path: Path):
    for worker, rows in ((0, 3), (1, 4)):
        metrics = WorkerMetrics(tmp_path, worker)
        metrics.counter("slipway_rows_total", endpoint="loan").add(rows)
        latency = metrics.histogram("slipway_request_seconds", endpoint="loan", route="predict")
        latency.observe(0.0004)
        latency.observe(99.0)
    found = samples(tmp_path)
    assert found["slipway_rows_total", "endpoint:loan,worker:0"] == 3
    assert found["slipway_rows_total", "endpoint:loan,worker:1"] == 4
    labels = "endpoint:loan,route:predict,worker:1"
    assert found["slipway_request_seconds_count", labels] == 2
    assert found["slipway_request_seconds_sum", labels] == 99.0004
    assert found["slipway_request_seconds_bucket", f"{labels},le:0.0002"] == 0
    assert found["slipway_request_seconds_bucket", f"{labels},le:0.0005"] == 1
    assert found["slipway_request_seconds_bucket", f"{labels},le:{LATENCY_BOUNDS[-1]}"] == 1
    assert found["slipway_request_seconds_bucket", f"{labels},le:+Inf"] == 2


def test_a_bound_belongs_to_its_bucket(tmp_path: Path):
    metrics = WorkerMetrics(tmp_path, 0)
    metrics.histogram("slipway_request_seconds", route="x").observe(LATENCY_BOUNDS[0])
    assert samples(tmp_path)["slipway_request_seconds_bucket", "route:x,worker:0,le:0.0002"] == 1


def test_a_replaced_worker_goes_on_counting(tmp_path: Path):
    first = WorkerMetrics(tmp_path, 0)
    first.counter("slipway_rows_total", endpoint="loan").add(5)
    second = WorkerMetrics(tmp_path, 0)
    counter = second.counter("slipway_rows_total", endpoint="loan")
    counter.add(2)
    assert counter.value == 7
    assert samples(tmp_path)["slipway_rows_total", "endpoint:loan,worker:0"] == 7
    reset_metrics(tmp_path)
    assert samples(tmp_path) == {}


def test_more_series_than_a_file_holds_share_the_last_slot(tmp_path: Path):
    metrics = WorkerMetrics(tmp_path, 0)
    for number in range(3000):
        metrics.counter("slipway_rows_total", endpoint=f"e{number}").add(1)
    found = samples(tmp_path)
    assert len(found) == 2048
    assert found["slipway_rows_total", "endpoint:e0,worker:0"] == 1
    assert sum(found.values()) == 3000
