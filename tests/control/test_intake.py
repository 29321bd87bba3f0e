"""What gateways logged is read once, in nearly the order of events, and damage stops one segment only."""

import itertools

import pytest
from control_world import START, Traffic, drain, make_project, open_world, register

from slipway.control import actions
from slipway.control.intake import Intake, lag_bytes, read_offsets
from slipway.control.loop import Controller
from slipway.control.status import decisions, status
from slipway.store.frames import Outcomes, encode_frame
from slipway.store.segments import SegmentWriter, list_segments


def frame(time):
    return encode_frame(Outcomes(time, "loan", bytes(16), [1], [None]))


def writer(layout, name, times, max_bytes=1_000_000):
    made = SegmentWriter(layout.segments, name, max_bytes)
    for time in times:
        made.append(frame(time))
        made.flush()
    return made


def read_all(layout, limit):
    """Times in the order of consumption, in rounds of about ``limit`` frames."""
    intake, offsets, rounds = Intake(layout.segments), {}, []
    while slices := intake.read(offsets, limit):
        rounds.append([one.time for part in slices for one in part.frames])
        for part in slices:
            assert offsets.get(part.segment, 8) == part.start
            offsets[part.segment] = part.stop
    return rounds


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_everything_is_read_once_whatever_the_limit(tmp_path, limit):
    layout = make_project(tmp_path)
    writers = [
        writer(layout, "a", range(0, 40, 2), max_bytes=200),
        writer(layout, "b", range(1, 40, 4)),
        writer(layout, "c", []),
    ]
    rounds = read_all(layout, limit)
    assert sorted(time for part in rounds for time in part) == sorted([*range(0, 40, 2), *range(1, 40, 4)])
    for one in writers:
        one.close()


def test_rounds_move_through_time_together(tmp_path):
    layout = make_project(tmp_path)
    writers = [writer(layout, "a", range(100)), writer(layout, "b", range(50, 150))]
    rounds = read_all(layout, 20)
    for earlier, later in itertools.pairwise(rounds):
        # nothing that comes in a later round lies before what every worker had reached
        assert min(later) >= max(earlier) - 10
    for one in writers:
        one.close()


def test_growth_is_seen_and_rest_costs_nothing(tmp_path):
    layout = make_project(tmp_path)
    one = writer(layout, "a", [1])
    intake, offsets = Intake(layout.segments), {}
    (part,) = intake.read(offsets, 10)
    offsets[part.segment] = part.stop
    assert intake.read(offsets, 10) == []
    one.append(frame(2))
    one.flush()
    (part,) = intake.read(offsets, 10)
    assert [found.time for found in part.frames] == [2]
    one.close()


def test_damage_stops_its_segment_is_named_once_and_the_others_go_on(tmp_path):
    layout = make_project(tmp_path)
    with open_world(layout) as workspace:
        register(workspace, 1)
        actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout, workers=2)
    traffic.rows(100, "loan@1", {"loan@1": 0.1})
    traffic.close()
    path = list_segments(layout.segments)[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.chmod(0o600)
    path.write_bytes(content)
    for _ in range(2):
        with Controller(layout) as loop:
            drain(loop.tick)
            for _ in range(2):
                loop.housekeep()
    damage = [line for line in decisions(layout) if line.kind == "log_damaged"]
    assert len(damage) == 1
    assert path.stem in damage[0].message
    assert 50 <= status(layout).endpoints[0].counts["predictions"] < 100


def test_lag_is_what_is_logged_and_not_consumed(tmp_path):
    layout = make_project(tmp_path)
    with open_world(layout) as workspace:
        register(workspace, 1)
        actions.deploy(workspace, "loan@1", actor="ann")
        traffic = Traffic(layout)
        traffic.rows(50, "loan@1", {"loan@1": 0.1})
        with workspace.database.read() as tx:
            assert lag_bytes(layout, tx) > 5000
        with Controller(layout) as loop:
            drain(loop.tick)
        with workspace.database.read() as tx:
            assert lag_bytes(layout, tx) == 0
            assert set(read_offsets(layout, tx)) == {one.name for one in list_segments(layout.segments)}
        traffic.close()
        with workspace.database.read() as tx:
            assert lag_bytes(layout, tx) == 0


def test_sealed_segments_are_not_read_again_and_the_log_goes_on(tmp_path):
    layout = make_project(tmp_path)
    with open_world(layout) as workspace:
        register(workspace, 1)
        actions.deploy(workspace, "loan@1", actor="ann")
    traffic = Traffic(layout)
    traffic.rows(3000, "loan@1", {"loan@1": 0.1})
    with Controller(layout) as loop:
        first = drain(loop.tick)
        loop.housekeep()
        assert list_segments(layout.segments) == []
        assert list(layout.parquet.glob("predictions/*/*.parquet"))
        traffic.rows(100, "loan@1", {"loan@1": 0.1})
        more = drain(loop.tick)
    report = status(layout)
    assert report.events == first + more
    assert report.endpoints[0].counts["predictions"] == 3100
    assert traffic.time > START
