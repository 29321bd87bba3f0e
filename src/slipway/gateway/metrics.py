"""Counters that cost a memory write, and the Prometheus page that adds the workers up.

Each worker counts into a memory-mapped file of its own under ``run/metrics``; whichever worker is
scraped reads all of them. A worker that replaces a killed one goes on counting in the same file, so a
counter never falls while the gateway is up. The page carries one sample per worker (label ``worker``).
"""

from __future__ import annotations

import mmap
import struct
import threading
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

_SLOTS = 2048
_NAME_BYTES = 248
_VALUE = struct.Struct("<d")
_FILE_BYTES = _SLOTS * (_VALUE.size + _NAME_BYTES)
_NAMES_AT = _SLOTS * _VALUE.size
_SEPARATOR = "\x1f"

#: Upper edges of the latency buckets, in seconds.
LATENCY_BOUNDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_EDGES = (*(str(bound) for bound in LATENCY_BOUNDS), "+Inf")

#: Every metric family: its type and what it says.
FAMILIES: dict[str, tuple[Literal["counter", "gauge", "histogram"], str]] = {
    "slipway_requests_total": ("counter", "Requests answered, by endpoint, route and status."),
    "slipway_request_seconds": ("histogram", "Seconds from the request line to the answer."),
    "slipway_rows_total": ("counter", "Rows answered."),
    "slipway_flagged_rows_total": ("counter", "Rows answered that break a rule of the contract."),
    "slipway_outcomes_total": ("counter", "Outcomes accepted."),
    "slipway_log_commits_total": ("counter", "Group commits that reached the disk."),
    "slipway_log_failures_total": ("counter", "Group commits that did not reach the disk."),
    "slipway_log_healthy": ("gauge", "1 while the log can be written."),
    "slipway_shadow_rows_total": ("counter", "Rows scored unseen, by endpoint."),
    "slipway_shadow_dropped_total": ("counter", "Rows a shadow version will never score, by reason."),
    "slipway_shadow_queue_rows": ("gauge", "Rows that wait to be scored unseen."),
    "slipway_inflight_bytes": ("gauge", "Bytes of requests not yet answered."),
    "slipway_plan_serial": ("gauge", "Serial of the plan that answers."),
    "slipway_plan_errors_total": ("counter", "Plans that could not be put to work."),
    "slipway_worker_starts_total": ("counter", "Times this worker was started."),
}


class Counter:
    """One number of one worker. A counter is written by one thread only."""

    __slots__ = ("_slot", "_values")

    def __init__(self, values: memoryview[float], slot: int) -> None:
        self._values = values
        self._slot = slot

    def add(self, amount: float) -> None:
        """Count up."""
        self._values[self._slot] += amount

    def set(self, value: float) -> None:
        """Set a gauge."""
        self._values[self._slot] = value

    @property
    def value(self) -> float:
        """The number."""
        return self._values[self._slot]


class Histogram:
    """Latencies of one route in fixed buckets."""

    __slots__ = ("_first", "_sum", "_values")

    def __init__(self, values: memoryview[float], slots: list[int], total: int) -> None:
        self._values = values
        self._first = slots[0]
        self._sum = total

    def observe(self, seconds: float) -> None:
        """Count one latency."""
        values = self._values
        values[self._first + bisect_left(LATENCY_BOUNDS, seconds)] += 1.0
        values[self._sum] += seconds


class WorkerMetrics:
    """The counters of one worker, in one file that outlives it.

    Args:
        folder: ``run/metrics``; must exist.
        worker: index of the worker, which names the file.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(self, folder: Path, worker: int) -> None:
        self._lock = threading.Lock()
        self._map = _open_map(folder / f"worker-{worker}.bin")
        self._values = memoryview(self._map)[:_NAMES_AT].cast("d")
        self._slots = {name: slot for slot, name in enumerate(_names(self._map))}

    def counter(self, family: str, **labels: str) -> Counter:
        """The counter or gauge of ``family`` with these labels, made if it is new."""
        return Counter(self._values, self._slot(family, labels, ""))

    def histogram(self, family: str, **labels: str) -> Histogram:
        """The histogram of ``family`` with these labels, made if it is new."""
        slots = [self._slot(family, labels, edge) for edge in _EDGES]
        return Histogram(self._values, slots, self._slot(family, labels, "sum"))

    def _slot(self, family: str, labels: dict[str, str], part: str) -> int:
        pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
        name = _SEPARATOR.join((family, pairs, part))
        with self._lock:
            slot = self._slots.get(name)
            if slot is None:
                # The last slot takes what does not fit: a metric may be lost, a request never.
                slot = min(len(self._slots), _SLOTS - 1)
                self._slots[name] = slot
                at = _NAMES_AT + slot * _NAME_BYTES
                self._map[at : at + _NAME_BYTES] = name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")
            return slot


def reset_metrics(folder: Path) -> None:
    """Forget the counters of an earlier gateway."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("worker-*.bin"):
        path.unlink()


def render_metrics(folder: Path) -> bytes:
    """The Prometheus text page of all workers that count into ``folder``."""
    families: dict[str, list[str]] = {name: [] for name in FAMILIES}
    for path in sorted(folder.glob("worker-*.bin")):
        worker = path.stem.removeprefix("worker-")
        for family, lines in _samples(path.read_bytes(), worker):
            families[family].extend(lines)
    page: list[str] = []
    for name, lines in families.items():
        if lines:
            kind, text = FAMILIES[name]
            page += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines]
    return ("\n".join(page) + "\n").encode()


def _samples(content: bytes, worker: str) -> Iterator[tuple[str, list[str]]]:
    histograms: dict[tuple[str, str], dict[str, float]] = {}
    for slot, name in enumerate(_names(content)):
        family, pairs, part = name.split(_SEPARATOR)
        labels = f'{pairs},worker="{worker}"' if pairs else f'worker="{worker}"'
        value = float(_VALUE.unpack_from(content, slot * _VALUE.size)[0])
        if part:
            histograms.setdefault((family, labels), {})[part] = value
        else:
            yield family, [f"{family}{{{labels}}} {value:.17g}"]
    for (family, labels), parts in histograms.items():
        yield family, _histogram_lines(family, labels, parts)


def _histogram_lines(family: str, labels: str, parts: dict[str, float]) -> list[str]:
    lines: list[str] = []
    running = 0.0
    for edge in _EDGES:
        running += parts.get(edge, 0.0)
        lines.append(f'{family}_bucket{{{labels},le="{edge}"}} {running:.17g}')
    lines.append(f"{family}_sum{{{labels}}} {parts.get('sum', 0.0):.17g}")
    lines.append(f"{family}_count{{{labels}}} {running:.17g}")
    return lines


def _open_map(path: Path) -> mmap.mmap:
    with path.open("a+b") as file:
        file.truncate(_FILE_BYTES)
        return mmap.mmap(file.fileno(), _FILE_BYTES)


def _names(content: bytes | mmap.mmap) -> Iterator[str]:
    for slot in range(_SLOTS):
        at = _NAMES_AT + slot * _NAME_BYTES
        name = content[at : at + _NAME_BYTES].rstrip(b"\0").decode()
        if not name:
            return
        yield name
