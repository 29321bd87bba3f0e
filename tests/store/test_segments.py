"""Segments: what is flushed is read back, damage is named, a dead writer costs nothing answered."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.clock import FixedClock
from slipway.base.errors import IntegrityError, StoreError, UsageError
from slipway.store.frames import Dropped, Frame, Outcomes, Prediction, Shadow, decode_frame, encode_frame
from slipway.store.segments import (
    END_MARKER,
    HEADER_BYTES,
    MAX_PAYLOAD,
    Segment,
    SegmentWriter,
    list_segments,
    read_frames,
    sync_segment,
)

MEGABYTE = 1 << 20


def outcome(number: int, size: int = 0) -> Outcomes:
    return Outcomes(number, "loan", number.to_bytes(16, "big"), ["x" * size or None], [None])


def write(
    folder: Path, frames: list[Frame], *, close: bool = True, max_bytes: int = MEGABYTE
) -> list[Segment]:
    writer = SegmentWriter(folder, "w0", max_bytes, FixedClock(1_700_000_000_000_000))
    for frame in frames:
        writer.append(encode_frame(frame))
        writer.flush()
    if close:
        writer.close()
    return list_segments(folder)


def times(path: Path, start: int = 0, stop: int | None = None) -> list[int]:
    return [frame.time for _, frame in read_frames(path, start, stop)]


def run(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
names = st.text(max_size=8)
frames = st.one_of(
    st.builds(
        Prediction,
        time=st.integers(0, 2**60),
        endpoint=names,
        version=names,
        arm=names,
        propensity=st.floats(0, 1),
        request_id=names,
        ids=st.binary(max_size=48),
        columns=st.lists(names, max_size=3).map(tuple),
        rows=st.lists(st.lists(values, max_size=3), max_size=3),
        outputs=st.lists(st.lists(st.floats(allow_nan=False), max_size=3), max_size=3),
        flags=st.lists(st.integers(0, 9), max_size=3),
        keys=st.none() | st.lists(st.none() | names, max_size=3),
        shadows=st.lists(names, max_size=2).map(tuple),
    ),
    st.builds(Shadow, st.integers(0, 2**60), names, names, st.binary(max_size=32), st.just([[0.5]])),
    st.builds(Dropped, st.integers(0, 2**60), names, names, st.binary(max_size=32), names),
    st.builds(Outcomes, st.integers(0, 2**60), names, st.binary(), st.lists(values), st.lists(st.none())),
)


@given(frames)
def test_a_frame_comes_back_equal_and_with_the_types_it_had(frame: Frame) -> None:
    again = decode_frame(encode_frame(frame))
    assert again == frame
    assert repr(again) == repr(frame)


@given(st.lists(frames, max_size=6))
def test_frames_come_back_from_a_segment_in_order(
    tmp_path_factory: pytest.TempPathFactory, many: list[Frame]
) -> None:
    segments = write(tmp_path_factory.mktemp("log"), many)
    assert [frame for segment in segments for _, frame in read_frames(segment.path)] == many


def test_reading_resumes_at_any_yielded_offset_and_obeys_stop(tmp_path: Path) -> None:
    (segment,) = write(tmp_path, [outcome(n, size=n * 7) for n in range(20)])
    ends = [end for end, _ in read_frames(segment.path)]
    for seen, end in enumerate(ends, 1):
        assert times(segment.path, end) == list(range(seen, 20))
        assert times(segment.path, 0, end) == list(range(seen))
        assert times(segment.path, 0, end - 1) == list(range(seen - 1))


def test_a_frame_longer_than_the_reading_window_is_read(tmp_path: Path) -> None:
    (segment,) = write(
        tmp_path, [outcome(1), outcome(2, size=3 * MEGABYTE), outcome(3)], max_bytes=9 * MEGABYTE
    )
    assert times(segment.path) == [1, 2, 3]


def test_segments_rotate_close_and_sort_by_age(tmp_path: Path) -> None:
    segments = write(tmp_path, [outcome(n, size=200) for n in range(11)], max_bytes=1000)
    assert len(segments) == 3
    assert all(segment.closed and segment.final and not segment.abandoned for segment in segments)
    assert [t for segment in segments for t in times(segment.path)] == list(range(11))
    assert segments[0].name.startswith("1700000000000000-w0-0000")
    assert segments[0].path.stat().st_mode & 0o777 == 0o600


def test_a_new_writer_with_the_same_name_and_time_takes_another_file(tmp_path: Path) -> None:
    write(tmp_path, [outcome(1)])
    assert len(write(tmp_path, [outcome(2)])) == 2


def test_nothing_is_created_before_there_is_something_to_write(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w0", MEGABYTE)
    writer.flush()
    writer.close()
    assert list(tmp_path.iterdir()) == []
    assert list_segments(tmp_path / "absent") == []


def test_what_a_writer_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="letters, digits"):
        SegmentWriter(tmp_path, "../w", MEGABYTE)
    with pytest.raises(StoreError, match=f"1 to {MAX_PAYLOAD} bytes, got 0"):
        SegmentWriter(tmp_path, "w", MEGABYTE).append(b"")


def test_a_live_segment_is_neither_closed_nor_abandoned(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w0", MEGABYTE)
    writer.append(encode_frame(outcome(1)))
    writer.flush()
    (segment,) = list_segments(tmp_path)
    assert (segment.closed, segment.abandoned, segment.final) == (False, False, False)
    assert sync_segment(segment.path) == segment.size
    writer.close()
    assert segment.final
    assert times(segment.path) == [1]


def test_every_torn_tail_stops_at_the_last_whole_frame(tmp_path: Path) -> None:
    (segment,) = write(tmp_path, [outcome(n, size=5) for n in range(4)])
    whole = segment.path.read_bytes()
    ends = [HEADER_BYTES, *(end for end, _ in read_frames(segment.path))]
    for size in range(HEADER_BYTES, len(whole)):
        segment.path.write_bytes(whole[:size])
        assert times(segment.path) == list(range(sum(end <= size for end in ends) - 1))
        assert segment.abandoned
        segment.path.write_bytes(whole[:size] + bytes(16))
        assert times(segment.path) == list(range(sum(end <= size for end in ends) - 1))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_damaged_byte_is_named_or_stops_at_the_tail(tmp_path: Path, closed: bool, flip: int) -> None:
    (segment,) = write(tmp_path, [outcome(n, size=9) for n in range(4)])
    whole = segment.path.read_bytes()
    if not closed:
        whole = whole.removesuffix(END_MARKER)
    segment.path.write_bytes(whole)
    ends = [end for end, _ in read_frames(segment.path)]
    protected = ends[-1] if closed else ends[-2]
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= flip
        segment.path.write_bytes(damaged)
        if at < protected:
            with pytest.raises(IntegrityError):
                times(segment.path)
            continue
        assert times(segment.path) == list(range(4 if at >= ends[-1] else 3))


def test_damage_is_reported_with_its_place_after_the_good_frames(tmp_path: Path) -> None:
    (segment,) = write(tmp_path, [outcome(n) for n in range(4)])
    second = next(iter(read_frames(segment.path)))[0]
    damaged = bytearray(segment.path.read_bytes())
    damaged[second + 12] ^= 1
    segment.path.write_bytes(damaged)
    reader = read_frames(segment.path)
    assert next(reader)[1].time == 0
    with pytest.raises(IntegrityError, match=rf"{segment.path.name} at byte {second}"):
        next(reader)
    damaged[second + 12] ^= 1
    segment.path.write_bytes(bytes(damaged) + b"more")
    with pytest.raises(IntegrityError):
        times(segment.path)


def test_a_payload_of_another_structure_is_refused_without_quoting_it(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w0", MEGABYTE)
    writer.append(b"\x96\xa1zsecret")
    writer.close()
    (segment,) = list_segments(tmp_path)
    with pytest.raises(IntegrityError, match="another structure") as caught:
        times(segment.path)
    assert "secret" not in str(caught.value)


def test_frames_appended_by_many_threads_are_all_durable_when_their_flush_returns(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "w0", 4096)

    def work(worker: int) -> None:
        for n in range(100):
            writer.append(encode_frame(outcome(worker * 1000 + n)))
            writer.flush()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [t for segment in list_segments(tmp_path) for t in times(segment.path)]
    assert sorted(seen) == [worker * 1000 + n for worker in range(4) for n in range(100)]
    for worker in range(4):
        assert [t for t in seen if t // 1000 == worker] == sorted(t for t in seen if t // 1000 == worker)


APPEND = """
    import sys
    from pathlib import Path
    from slipway.store.frames import Outcomes, encode_frame
    from slipway.store.segments import SegmentWriter
    writer = SegmentWriter(Path(sys.argv[1]), "w0", 2000)
    for n in range(200):
        writer.append(encode_frame(Outcomes(n, "loan", bytes(16), ["x" * 50], [None])))
        writer.flush()
        print(n, flush=True)  # the answer leaves
"""


@pytest.mark.parametrize(
    "place",
    ["segment.headed", "segment.headed:2", "segment.created:2", "segment.written:30", "segment.synced:31"],
)
def test_a_killed_writer_loses_nothing_answered(tmp_path: Path, place: str) -> None:
    done = run(APPEND, tmp_path, SLIPWAY_FAILPOINT=place)
    assert done.returncode == -9
    answered = [int(line) for line in done.stdout.split()]
    segments = list_segments(tmp_path)
    logged = [t for segment in segments for t in times(segment.path)]
    assert logged[: len(answered)] == answered
    assert len(logged) - len(answered) in (0, 1)
    assert all(segment.final for segment in segments)


def test_what_a_killed_writer_left_unnamed_is_cleared_by_the_next_one(tmp_path: Path) -> None:
    assert run(APPEND, tmp_path, SLIPWAY_FAILPOINT="segment.headed").returncode == -9
    other = tmp_path / ".0000000000000001-w10-0000.seg.tmp"
    other.write_bytes(b"")
    assert len(list(tmp_path.glob(".*.tmp"))) == 2
    write(tmp_path, [outcome(1)])
    assert list(tmp_path.glob(".*.tmp")) == [other]


DISK_FULL = """
    import resource, sys
    from pathlib import Path
    from slipway.base.errors import StoreError
    from slipway.store.frames import Outcomes, encode_frame
    from slipway.store.segments import SegmentWriter
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    writer = SegmentWriter(Path(sys.argv[1]), "w0", 1 << 20)
    def post(*numbers):
        for n in numbers:
            writer.append(encode_frame(Outcomes(n, "loan", bytes(16), ["x" * 50], [None])))
        try:
            writer.flush()
        except StoreError as error:
            assert error.http_status == 503 and "File too large" in error.message, error
            return "refused"
        return "answered"
    for n in range(0, 100, 2):
        if post(n, n + 1) == "refused":
            break
        print(n, n + 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert post(100, 101) == "answered"
    print(100, 101)
    writer.close()
"""


@pytest.mark.parametrize("limit", [4, 8, 20, 300, 395, 420, 450, 1000])
def test_a_full_disk_refuses_answers_keeps_the_log_readable_and_is_recovered_from(
    tmp_path: Path, limit: int
) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = run(DISK_FULL, tmp_path, limit)
    assert done.returncode == 0, done.stderr
    answered = [int(word) for word in done.stdout.split()]
    segments = list_segments(tmp_path)
    logged = [t for segment in segments for t in times(segment.path)]
    assert set(answered) <= set(logged)
    assert logged == sorted(set(logged))
    assert len(logged) - len(answered) <= 1
    assert all(segment.final for segment in segments)
    assert list(tmp_path.glob(".*")) == []


def test_the_gateway_side_of_the_store_stays_light() -> None:
    done = run("""
        import sys, slipway.store.segments, slipway.store.secrets
        heavy = {"sqlalchemy", "alembic", "duckdb", "pyarrow", "polars", "numpy", "sqlite3"}
        print(*sorted(heavy & set(sys.modules)))
    """)
    assert (done.returncode, done.stdout.strip()) == (0, "")
