"""Group commit: one flush for all who wait, an error for each of them, and nothing owed is forgotten."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from served import wait_for

from slipway.base.errors import StoreError
from slipway.gateway.commit import GroupCommit
from slipway.gateway.metrics import WorkerMetrics
from slipway.store.frames import Dropped, encode_frame
from slipway.store.segments import SegmentWriter, list_segments, read_frames


class GatedWriter:
    """A writer whose disk answers when the test says so, and fails when the test says so."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.gate = threading.Event()
        self.broken = False
        self.closed = False
        self._buffer: list[bytes] = []

    def append(self, payload: bytes) -> None:
        self._buffer.append(payload)

    def flush(self) -> None:
        self.gate.wait(10)
        group, self._buffer = self._buffer, []
        if self.broken:
            raise StoreError(expected="a disk", got="none")
        self.groups.append(group)

    def close(self) -> None:
        self.closed = True


def run(
    writer: Any, folder: Path, scenario: Callable[[GroupCommit], Coroutine[Any, Any, None]]
) -> dict[str, float]:
    """Run a scenario on a loop with a commit thread; the counters afterwards."""
    metrics = WorkerMetrics(folder, 0)
    counters = {"commits": metrics.counter("slipway_log_commits_total")}
    counters["failures"] = metrics.counter("slipway_log_failures_total")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        commit = GroupCommit(writer, folder, loop, counters["commits"], counters["failures"])
        commit.start()
        try:
            await scenario(commit)
        finally:
            commit.close()

    asyncio.run(main())
    return {name: counter.value for name, counter in counters.items()}


def test_all_who_wait_share_one_flush(tmp_path: Path):
    writer = GatedWriter()

    async def scenario(commit: GroupCommit) -> None:
        first = commit.submit(b"first")
        await asyncio.to_thread(wait_for, lambda: not commit._pending)  # pyright: ignore[reportPrivateUsage]
        rest = [commit.submit(b"%d" % n) for n in range(20)]
        assert not first.done()
        writer.gate.set()
        await asyncio.gather(first, *rest)

    assert run(writer, tmp_path, scenario) == {"commits": 2, "failures": 0}
    assert writer.groups == [[b"first"], [b"%d" % n for n in range(20)]]
    assert writer.closed


def test_a_failed_flush_fails_those_who_wait_and_keeps_what_is_owed(tmp_path: Path):
    writer = GatedWriter()
    writer.gate.set()
    writer.broken = True

    async def scenario(commit: GroupCommit) -> None:
        commit.post(b"owed-1")
        commit.post(b"owed-2")
        with pytest.raises(StoreError):
            await commit.submit(b"refused")
        assert not commit.healthy
        writer.broken = False
        await asyncio.to_thread(commit.probe)
        assert commit.healthy
        await commit.submit(b"taken")

    counted = run(writer, tmp_path, scenario)
    assert counted["failures"] >= 1
    assert [payload for group in writer.groups for payload in group] == [b"owed-1", b"owed-2", b"taken"]


def test_a_probe_of_a_folder_that_is_gone_does_not_heal(tmp_path: Path):
    writer = GatedWriter()
    writer.gate.set()
    writer.broken = True
    folder = tmp_path / "segments"

    async def scenario(commit: GroupCommit) -> None:
        with pytest.raises(StoreError):
            await commit.submit(b"refused")
        folder.rename(tmp_path / "gone")
        await asyncio.to_thread(commit.probe)
        assert not commit.healthy

    folder.mkdir()
    run(writer, folder, scenario)


def test_a_waiter_that_was_cancelled_disturbs_nobody(tmp_path: Path):
    writer = GatedWriter()

    async def scenario(commit: GroupCommit) -> None:
        waiters = [commit.submit(b"%d" % n) for n in range(3)]
        waiters[1].cancel()
        writer.gate.set()
        await waiters[0]
        await waiters[2]

    assert run(writer, tmp_path, scenario)["commits"] >= 1


def test_frames_of_many_threads_are_in_the_segments_once_each(tmp_path: Path):
    frames = [
        [encode_frame(Dropped(n, "loan", f"loan@{thread}", b"", "error")) for n in range(500)]
        for thread in range(4)
    ]

    async def scenario(commit: GroupCommit) -> None:
        def post(payloads: list[bytes]) -> None:
            for payload in payloads:
                commit.post(payload)

        posting = [asyncio.to_thread(post, payloads) for payloads in frames[1:]]
        waiting = [commit.submit(payload) for payload in frames[0]]
        await asyncio.gather(*posting, *waiting)

    run(SegmentWriter(tmp_path, "w0", 4096), tmp_path, scenario)
    segments = list_segments(tmp_path)
    assert all(segment.closed for segment in segments)
    found = [encode_frame(frame) for segment in segments for _, frame in read_frames(segment.path)]
    assert sorted(found) == sorted(payload for payloads in frames for payload in payloads)
    for payloads in frames:
        assert [payload for payload in found if payload in set(payloads)] == payloads
