"""The shadow lane: each row of a request is scored or written down as dropped, exactly once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
from served import wait_for

from slipway.base.clock import FixedClock
from slipway.base.ids import split_ids
from slipway.base.vocabulary import Value
from slipway.gateway.metrics import WorkerMetrics
from slipway.gateway.shadow import Scorer, ShadowLane, ShadowTarget, ShadowWork
from slipway.store.frames import Dropped, Frame, Shadow, decode_frame


class Doubling:
    """Scores a row as twice its shifted value, when let; refuses negative ones."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[int] = []

    def predict_rows(self, rows: Sequence[Sequence[Value]], columns: tuple[str, ...]) -> list[list[float]]:
        assert columns == ("x",)
        self.gate.wait(10)
        self.calls.append(len(rows))
        values = [float(row[0] or 0) + self.shift for row in rows]
        if min(values) < 0:
            raise ValueError("a text that must not reach the log")
        return [[2 * value] for value in values]


_CONFORMS: tuple[Scorer, ...] = (Doubling(),)


class Harness:
    """A lane with one target and what it wrote."""

    def __init__(self, folder: Path, max_rows: int = 1000, **scorers: Doubling) -> None:
        self.frames: list[Frame] = []
        self.metrics = WorkerMetrics(folder, 0)
        self.lane = ShadowLane(
            lambda payload: self.frames.append(decode_frame(payload)),
            max_rows,
            self.metrics.counter("slipway_shadow_queue_rows"),
            FixedClock(7),
        )
        self.target = ShadowTarget("loan", ("x",), list(scorers.items()), self.metrics)
        self._next = 0

    def offer(self, *values: float) -> list[bytes]:
        ids = [(self._next + n).to_bytes(16, "big") for n in range(len(values))]
        self._next += len(values)
        self.lane.offer(ShadowWork(self.target, b"".join(ids), [(value,) for value in values], 100))
        return ids

    def scored(self, version: str) -> dict[bytes, list[float]]:
        frames = [f for f in self.frames if isinstance(f, Shadow) and f.version == version]
        return {one: output for f in frames for one, output in zip(split_ids(f.ids), f.outputs, strict=True)}

    def dropped(self, version: str) -> dict[bytes, str]:
        frames = [f for f in self.frames if isinstance(f, Dropped) and f.version == version]
        return {one: f.reason for f in frames for one in split_ids(f.ids)}


def test_every_version_scores_every_row(tmp_path: Path):
    harness = Harness(tmp_path, a=Doubling(), b=Doubling())
    harness.lane.start()
    first = harness.offer(1, 2)
    second = harness.offer(3)
    harness.lane.close()
    for version in ("a", "b"):
        assert harness.scored(version) == dict(zip([*first, *second], [[2.0], [4.0], [6.0]], strict=True))
    assert harness.target.scored.value == 6
    assert harness.lane.depth == 0


def test_what_gathers_is_scored_in_one_call(tmp_path: Path):
    scorer = Doubling()
    scorer.gate.clear()
    harness = Harness(tmp_path, a=scorer)
    harness.lane.start()
    harness.offer(1)
    wait_for(lambda: harness.lane.depth == 0)
    for value in range(100):
        harness.offer(value)
    scorer.gate.set()
    wait_for(lambda: len(harness.scored("a")) == 101)
    harness.lane.close()
    assert scorer.calls == [1, 100]


def test_a_full_queue_drops_whole_requests_and_says_so(tmp_path: Path):
    scorer = Doubling()
    scorer.gate.clear()
    harness = Harness(tmp_path, max_rows=5, a=scorer, b=Doubling())
    harness.lane.start()
    kept = harness.offer(1, 2)
    wait_for(lambda: harness.lane.depth == 0)
    kept += harness.offer(1, 2, 3)
    lost = harness.offer(4, 5, 6)
    kept += harness.offer(7, 8)
    assert harness.dropped("a") == harness.dropped("b") == dict.fromkeys(lost, "queue_full")
    scorer.gate.set()
    harness.lane.close()
    assert list(harness.scored("a")) == list(harness.scored("b")) == kept
    assert harness.target.dropped["queue_full"].value == 6


def test_a_version_that_raises_drops_its_rows_only(tmp_path: Path):
    class Picky(Doubling):
        def predict_rows(
            self, rows: Sequence[Sequence[Value]], columns: tuple[str, ...]
        ) -> list[list[float]]:
            return super().predict_rows([(float(row[0] or 0) - 10,) for row in rows], columns)

    harness = Harness(tmp_path, a=Doubling(), b=Picky())
    harness.lane.start()
    ids = harness.offer(1, 20)
    wait_for(lambda: harness.dropped("b"))
    later = harness.offer(20)
    harness.lane.close()
    assert list(harness.scored("a")) == [*ids, *later]
    assert harness.dropped("b") == dict.fromkeys(ids, "error")
    assert harness.scored("b") == {later[0]: [20.0]}
    assert b"must not reach" not in msgspec.msgpack.encode(harness.frames)


def test_after_the_end_rows_are_dropped_as_unloaded(tmp_path: Path):
    harness = Harness(tmp_path, a=Doubling())
    harness.lane.start()
    harness.lane.close()
    ids = harness.offer(1)
    assert harness.dropped("a") == {ids[0]: "unloaded"}
