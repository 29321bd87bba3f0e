"""``python -m benchmarks.serving [--seconds 8] [--rounds 5]`` writes benchmarks/results/serving.json.

Server on the first core, load on the second, one worker. Each round runs all modes at all numbers of
connections, so that whatever else the machine does meets every mode; figures are medians over rounds, and
ratios are medians of the ratios within a round. Answers are compared with the bundle's before timing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.serving.load import Load, client_name, run_load
from benchmarks.serving.project import LEAVES, TREES, BenchProject, make_rows
from slipway.gateway.http import listen

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "serving.json"
PATH = "/v1/endpoints/bench/predict"
MODES: dict[str, tuple[str, ...] | None] = {
    "constant": None,
    "durable log": (),
    "durable log and shadow": ("bench@2",),
}
CONNECTIONS = (1, 32)
_GATEWAY = """
import pathlib, sys
from slipway.gateway.server import run_gateway
run_gateway(pathlib.Path(sys.argv[1]), "127.0.0.1", 0, 1)
"""


class Server(NamedTuple):
    """A running server: where it listens, and the process that works."""

    port: int
    worker: int


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let what is started in the block run on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def constant_server() -> Iterator[Server]:
    """The ceiling."""
    with listen("127.0.0.1", 0) as listener:
        fd = listener.fileno()
        command = [sys.executable, "-m", "benchmarks.serving.constant", str(fd)]
        with on_core(0):
            process = subprocess.Popen(command, cwd=ROOT, pass_fds=(fd,), stderr=subprocess.DEVNULL)
        try:
            yield Server(listener.getsockname()[1], process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@contextmanager
def gateway_server(project: BenchProject, shadows: tuple[str, ...]) -> Iterator[Server]:
    """The product."""
    project.publish(*shadows)
    with on_core(0):
        command = [sys.executable, "-c", _GATEWAY, str(project.layout.root)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = project.layout.run / "gateway.json"
    try:
        while not address.exists():
            time.sleep(0.01)
        content = json.loads(address.read_bytes())
        yield Server(content["port"], content["workers"][0])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        for segment in project.layout.segments.glob("*.seg"):
            segment.unlink()


def post(port: int, body: bytes) -> Any:
    """One answer, decoded."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", PATH, body, {"content-type": "application/json"})
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    if response.status != 200:
        raise SystemExit(f"the server answered {response.status}: {content}")
    return content


def verify(project: BenchProject, port: int, rows: list[dict[str, Any]]) -> int:
    """Compare answers with the bundle's in-process outputs; how many were compared."""
    bundle = project.champion()
    columns = {name: [row[name] for row in rows] for name in bundle.encoder.columns}
    expected = bundle.predict(columns, len(rows))[:, 0].tolist()
    answers = [post(port, json.dumps({"rows": [row]}).encode())["predictions"][0] for row in rows]
    wrong = sum(answer["probability"] != value for answer, value in zip(answers, expected, strict=True))
    if wrong:
        raise SystemExit(f"{wrong} of {len(rows)} answers differ from the bundle's")
    return len(rows)


def cpu_us(pid: int) -> float:
    """Processor time of a process so far, in microseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def measure(server: Server, bodies: list[bytes], seconds: float) -> dict[int, tuple[Load, float]]:
    """A run at each number of connections, with the worker's processor time per request."""
    found: dict[int, tuple[Load, float]] = {}
    with on_core(1):
        for connections in CONNECTIONS:
            run_load(server.port, PATH, bodies, connections, 1)
            before = cpu_us(server.worker)
            load = run_load(server.port, PATH, bodies, connections, seconds)
            found[connections] = (load, (cpu_us(server.worker) - before) / load.requests)
    return found


def summarise(rounds: list[dict[str, dict[int, tuple[Load, float]]]]) -> dict[str, Any]:
    """Medians over rounds."""
    results: dict[str, Any] = {}
    for mode in MODES:
        for connections in CONNECTIONS:
            runs = [one[mode][connections] for one in rounds]
            ceiling = [one["constant"][connections][0].per_second for one in rounds]
            ratios = [load.per_second / top for (load, _), top in zip(runs, ceiling, strict=True)]
            results.setdefault(mode, {})[f"{connections} connections"] = {
                "requests_per_second": round(median(load.per_second for load, _ in runs)),
                "ratio_to_constant": round(median(ratios), 3),
                "ratio_lowest_highest": [round(min(ratios), 3), round(max(ratios), 3)],
                "p50_ms": round(median(load.p50 for load, _ in runs), 3),
                "p99_ms": round(median(load.p99 for load, _ in runs), 3),
                "cpu_us_per_request": round(median(cpu for _, cpu in runs), 1),
                "failed": sum(load.failed for load, _ in runs),
            }
    return results


def machine() -> dict[str, Any]:
    """What it ran on."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
    }


def fdatasync_ms(tries: int = 200) -> float:
    """Median time of a 300-byte append made durable where the log would lie."""
    times: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(tries):
            file.write(b"x" * 300)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(median(times) * 1e3, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serving benchmark")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = make_rows(128, 7)
    bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
    rounds: list[dict[str, dict[int, tuple[Load, float]]]] = []
    load_before, sync_before = os.getloadavg()[0], fdatasync_ms()
    with tempfile.TemporaryDirectory() as folder:
        project = BenchProject(Path(folder))
        project.create()
        with gateway_server(project, ()) as server:
            verified = verify(project, server.port, rows)
        for number in range(options.rounds):
            found: dict[str, dict[int, tuple[Load, float]]] = {}
            for mode, shadows in MODES.items():
                running = constant_server() if shadows is None else gateway_server(project, shadows)
                with running as server:
                    post(server.port, bodies[0])
                    found[mode] = measure(server, bodies, options.seconds)
            rounds.append(found)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    content = {
        "what": "one-row predict requests: decode, check, encode, predict, durable log, answer",
        "command": f"python -m benchmarks.serving --seconds {options.seconds:g} --rounds {options.rounds}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_average_before": round(load_before, 2),
        "fdatasync_ms_before_and_after": [sync_before, fdatasync_ms()],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("granian", "msgspec", "lightgbm", "numpy")},
        },
        "setup": {
            "model": f"LightGBM, {TREES} trees of {LEAVES} leaves, 6 numbers and 8 strings, 5 % null",
            "body_bytes": round(median(map(len, bodies))),
            "client": client_name(),
            "cores": "server on one, load on another",
            "workers": 1,
            "answers_verified": verified,
        },
        "results": summarise(rounds),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content["results"], indent=2))


if __name__ == "__main__":
    main()
