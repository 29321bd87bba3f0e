"""A small log for the tests: two workers' segments, consumed in turns, as the controller would."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.base.clock import FixedClock
from slipway.base.layout import Layout
from slipway.base.vocabulary import Value
from slipway.store.database import Database
from slipway.store.frames import Dropped, Frame, Outcomes, Prediction, Shadow, encode_frame
from slipway.store.history import Batch, iter_events
from slipway.store.intake import append_batch, offsets
from slipway.store.segments import SegmentWriter, list_segments, read_frames

DAY = 86_400_000_000
NOON = 1_700_049_600_000_000


def make_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def prediction(
    number: int, rows: Sequence[dict[str, Value]], time: int = NOON, version: str = "loan@1"
) -> Prediction:
    columns = tuple(rows[0])
    return Prediction(
        time=time,
        endpoint="loan",
        version=version,
        arm="champion",
        propensity=1.0,
        request_id=f"r{number}",
        ids=b"".join(make_id(number + at) for at in range(len(rows))),
        columns=columns,
        rows=[[row[name] for name in columns] for row in rows],
        outputs=[[0.1 + number / 7]] * len(rows),
        flags=[0] * len(rows),
        keys=None,
        shadows=("loan@2",),
    )


def outcomes(numbers: Sequence[int], values: Sequence[Value], time: int = NOON, event: int = 0) -> Outcomes:
    ids = b"".join(map(make_id, numbers))
    return Outcomes(time, "loan", ids, list(values), [event or None] * len(values))


def shadow(number: int, time: int = NOON) -> Shadow:
    return Shadow(time, "loan", "loan@2", make_id(number), [[0.5]])


def dropped(number: int, time: int = NOON) -> Dropped:
    return Dropped(time, "loan", "loan@2", make_id(number), "queue_full")


def sample(number: int) -> list[Frame]:
    """Four frames that belong together, each kind once; two days, odd values."""
    time = NOON + (number % 2) * DAY
    row: dict[str, Value] = {"age": number, "town": f"Malmö {number}", "ok": number % 3 == 0, "gap": None}
    return [
        prediction(number, [row], time),
        shadow(number, time),
        dropped(number, time),
        outcomes([number], [number % 2], time),
    ]


def write_log(layout: Layout, n: int, *, close: bool = True, max_bytes: int = 1500) -> None:
    """``n`` samples from each of two workers."""
    for worker in range(2):
        clock = FixedClock(NOON + worker)
        writer = SegmentWriter(layout.segments, f"w{worker}", max_bytes, clock)
        for number in range(n):
            for frame in sample(worker * 1_000_000 + number):
                writer.append(encode_frame(frame))
                writer.flush()
            clock.value += 10
        if close:
            writer.close()


def consume(layout: Layout, db: Database, at_most: int = 3, rounds: int = 10_000) -> list[Frame]:
    """Consume in turns, at most so many frames of a segment at a time; returns what was consumed."""
    consumed: list[Frame] = []
    for _ in range(rounds):
        before = len(consumed)
        for segment in list_segments(layout.segments):
            with db.write() as tx:
                start = offsets(tx).get(segment.name, 0)
                taken = [
                    pair for pair, _ in zip(read_frames(segment.path, start), range(at_most), strict=False)
                ]
                if taken:
                    append_batch(tx, segment.name, start, taken[-1][0], len(taken))
                    consumed += [frame for _, frame in taken]
        if len(consumed) == before:
            break
    return consumed


def replay(layout: Layout, db: Database, after_seq: int = 0, until: int | None = None) -> list[Frame]:
    with db.read() as tx:
        batches: list[Batch] = list(iter_events(layout, tx, after_seq, until))
    expected = after_seq
    for batch in batches:
        assert batch.after_seq == expected
        expected = batch.last_seq
    return [frame for batch in batches for frame in batch.frames]
