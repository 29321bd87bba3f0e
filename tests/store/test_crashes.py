"""The whole store under fire: a writer and a consumer are killed again and again, and no answer is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from store_logs import consume, make_id, replay

from slipway.base.layout import Layout
from slipway.store.database import open_database
from slipway.store.frames import Prediction
from slipway.store.ledger import verify
from slipway.store.query import connect
from slipway.store.sealing import seal_ready
from slipway.store.segments import list_segments

WRITER = """
import sys
from pathlib import Path
from slipway.store.frames import Prediction, encode_frame
from slipway.store.segments import SegmentWriter
first = int(sys.argv[2])
writer = SegmentWriter(Path(sys.argv[1]), "w0", 3000)
for n in range(first, first + 60):
    frame = Prediction(1_700_000_000_000_000 + n, "loan", "loan@1", "champion", 1.0, "r",
                       n.to_bytes(16, "big"), ("a",), [[n]], [[0.5]], [0], None, ())
    writer.append(encode_frame(frame))
    writer.flush()
    print(n, flush=True)
writer.close()
"""

CONSUMER = """
import sys
from itertools import islice
from pathlib import Path
from slipway.base.failpoint import failpoint
from slipway.base.layout import Layout
from slipway.store.database import open_database
from slipway.store.intake import append_batch, offsets
from slipway.store.joins import Join, put_many
from slipway.store.ledger import append
from slipway.store.sealing import seal_ready
from slipway.store.segments import list_segments, read_frames, sync_segment
layout = Layout(Path(sys.argv[1]))
db = open_database(layout)
for segment in list_segments(layout.segments):
    size = sync_segment(segment.path)
    while True:
        with db.write() as tx:
            start = offsets(tx).get(segment.name, 0)
            taken = list(islice(read_frames(segment.path, start, size), 7))
            if not taken:
                break
            append_batch(tx, segment.name, start, taken[-1][0], len(taken))
            failpoint("consumed")
            put_many(tx, [Join(f.ids, f.endpoint, 0, f.time, f.version, {f.version: f.outputs[0]})
                          for _, f in taken])
            append(tx, "tick", {"frames": len(taken)}, 0)
            failpoint("before commit")
        failpoint("committed")
    seal_ready(layout, db)
"""


def start(code: str, folder: Path, *arguments: int, die_at: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder), *map(str, arguments)],
        env={**os.environ, "SLIPWAY_FAILPOINT": f"*:{die_at}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_answered_row_is_lost_or_doubled_however_often_all_are_killed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    open_database(layout).close()
    rng = random.Random(7)
    answered: list[int] = []
    codes: Counter[int] = Counter()
    for turn in range(8):
        writer = start(WRITER, layout.segments, turn * 1000, die_at=rng.randint(2, 150))
        consumer = start(CONSUMER, layout.root, die_at=rng.randint(1, 60))
        for process in (writer, consumer):
            out, err = process.communicate(timeout=60)
            assert process.returncode in (0, -9), err
            codes[process.returncode] += 1
            answered += [int(line) for line in out.split()]
    assert codes[-9] >= 8
    db = open_database(layout)
    consume(layout, db)
    seal_ready(layout, db)
    assert list_segments(layout.segments) == []
    frames = replay(layout, db)
    logged = Counter(frame.ids for frame in frames if isinstance(frame, Prediction))
    assert set(logged.values()) == {1}
    assert {make_id(n) for n in answered} <= set(logged)
    assert len(logged) - len(answered) <= 8  # at most one flushed, unanswered row per killed writer
    with db.read() as tx:
        assert verify(tx).ok
    connection = connect(layout)
    counted = connection.execute("SELECT count(*), count(DISTINCT prediction_id) FROM predictions").fetchall()
    assert counted == [(len(logged), len(logged))]
    connection.close()
    db.close()
