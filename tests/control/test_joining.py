"""Rows join in any order, once, and nobody's bet is undone."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.control.joining import PENDING_EVENTS, Joiner, MemoryRows
from slipway.control.places import event_of, place_of, row_of
from slipway.store.frames import Dropped, Outcomes, Prediction, Shadow


def key(number):
    return number.to_bytes(16, "big")


def keys(*numbers):
    return b"".join(key(number) for number in numbers)


def prediction(*numbers, version="m@1", shadows=(), endpoint="e"):
    n = len(numbers)
    rows, outputs = [[1.0]] * n, [[number / 1000] for number in numbers]
    return Prediction(
        5,
        endpoint,
        version,
        "champion",
        1.0,
        "r",
        keys(*numbers),
        ("x",),
        rows,
        outputs,
        [0] * n,
        None,
        shadows,
    )


def shadow(*numbers, version="m@2", endpoint="e"):
    return Shadow(6, endpoint, version, keys(*numbers), [[number / 500] for number in numbers])


def outcomes(*pairs, endpoint="e", time=None):
    numbers, values = zip(*pairs, strict=True)
    return Outcomes(7, endpoint, keys(*numbers), list(values), [time] * len(values))


def run(frames, cuts=()):
    """Events and counts of one stream, cut into batches at the given positions."""
    joiner = Joiner(MemoryRows())
    numbered = list(enumerate(frames, 1))
    edges = [0, *sorted(cut for cut in cuts if cut < len(numbered)), len(numbered)]
    labelled, pairs, totals = [], [], {}
    for start, stop in itertools.pairwise(edges):
        events, counts = joiner.absorb(numbered[start:stop])
        for endpoint, found in events.items():
            labelled += found.labelled
            pairs += found.pairs
            for name in vars(counts[endpoint]):
                totals[name] = totals.get(name, 0) + getattr(counts[endpoint], name)
    return labelled, pairs, totals


def test_places_order_rows_within_events():
    assert place_of(2, 3) > place_of(2, 2) > place_of(1, 9)
    assert (event_of(place_of(9, 4)), row_of(place_of(9, 4))) == (9, 4)


def test_an_outcome_completes_the_row_and_its_pairs_at_its_own_place():
    labelled, pairs, counts = run(
        [prediction(1, 2, shadows=("m@2",)), shadow(1, 2), outcomes((2, 1), (1, 0))]
    )
    assert [(row.at, row.row, row.label) for row in labelled] == [
        (place_of(3, 0), place_of(1, 1), 1),
        (place_of(3, 1), place_of(1, 0), 0),
    ]
    assert [(pair.version, pair.shadow, pair.output, pair.shadow_output) for pair in pairs] == [
        ("m@1", "m@2", [0.002], [0.004]),
        ("m@1", "m@2", [0.001], [0.002]),
    ]
    assert counts["predictions"] == counts["outcomes"] == counts["shadows"] == 2


def test_a_late_shadow_completes_the_pair_alone():
    labelled, pairs, _ = run([prediction(1, shadows=("m@2",)), outcomes((1, 1)), shadow(1)])
    assert [row.at for row in labelled] == [place_of(2)]
    assert [pair.at for pair in pairs] == [place_of(3)]


def test_an_outcome_and_a_shadow_that_come_first_wait_for_the_prediction():
    labelled, pairs, counts = run([outcomes((1, 1)), shadow(1), prediction(1, shadows=("m@2",))])
    assert [row.at for row in labelled] == [pair.at for pair in pairs] == [place_of(3)]
    assert (counts["unknown"], counts["resolved"]) == (1, 1)


def test_an_unknown_id_is_counted_and_gives_nothing():
    labelled, pairs, counts = run([prediction(1), outcomes((8, 1)), outcomes((8, 1)), outcomes((8, 0))])
    assert labelled == pairs == []
    assert (counts["unknown"], counts["repeated"], counts["corrected"]) == (1, 1, 1)


def test_an_id_of_another_endpoint_is_unknown_here():
    labelled, _, counts = run([prediction(1), outcomes((1, 1), endpoint="other"), outcomes((1, 1))])
    assert len(labelled) == 1
    assert counts["unknown"] == 1


def test_repeated_and_corrected_outcomes_are_counted_and_never_bet_again():
    labelled, _, counts = run(
        [
            prediction(1),
            outcomes((1, 1)),
            outcomes((1, 1)),
            outcomes((1, 0)),
            outcomes((1, 0)),
            outcomes((1, 1), time=1),
        ]
    )
    assert [row.label for row in labelled] == [1]
    # the last one is older than the correction by event time: counted, and the newer label stays
    assert (counts["outcomes"], counts["repeated"], counts["corrected"]) == (5, 2, 2)


def test_a_dropped_shadow_is_waited_for_no_longer():
    rows = MemoryRows()
    joiner = Joiner(rows)
    frames = [prediction(1, shadows=("m@2",)), outcomes((1, 1)), Dropped(8, "e", "m@2", key(1), "queue_full")]
    events, counts = joiner.absorb(list(enumerate(frames, 1)))
    assert events["e"].pairs == []
    assert counts["e"].dropped == 1
    assert rows.find({key(1)}) == {}


def test_an_id_without_prediction_is_let_go_after_a_while():
    rows = MemoryRows()
    joiner = Joiner(rows)
    joiner.absorb([(1, outcomes((1, 1)))])
    assert key(1) in rows.find({key(1)})
    joiner.absorb([(PENDING_EVENTS + 2, prediction(2))])
    assert rows.find({key(1)}) == {}
    events, _ = joiner.absorb([(PENDING_EVENTS + 3, prediction(1))])
    assert events["e"].labelled == []


def test_whether_a_waiting_id_still_counts_does_not_depend_on_batches():
    late = PENDING_EVENTS + 2
    for split in (False, True):
        joiner = Joiner(MemoryRows())
        frames = [(1, outcomes((1, 1))), (late, prediction(1))]
        batches = [[frame] for frame in frames] if split else [frames]
        labelled = [row for batch in batches for row in joiner.absorb(batch)[0]["e"].labelled]
        assert labelled == []


def test_a_null_outcome_is_no_outcome_of_none():
    labelled, _, counts = run([prediction(1), outcomes((1, None)), outcomes((1, None))])
    assert [row.label for row in labelled] == [None]
    assert counts["repeated"] == 1


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 60), max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_row_joins_exactly_once_in_any_order_and_any_batches(seed, cuts):
    rng = random.Random(seed)
    frames = []
    for number in range(0, 20, 2):
        frames.append(prediction(number, number + 1, shadows=("m@2", "m@3")))
        frames += [shadow(number, number + 1), shadow(number + 1, number, version="m@3")]
        frames += [outcomes((number, 1)), outcomes((number + 1, 0)), outcomes((number, 1))]
    rng.shuffle(frames)
    labelled, pairs, counts = run(frames)
    assert len(labelled) == 20
    assert len({row.row for row in labelled}) == 20
    assert len({(pair.row, pair.shadow) for pair in pairs}) == len(pairs) == 40
    assert counts["repeated"] == 10
    assert counts["unknown"] == counts["resolved"]
    assert [row.at for row in labelled] == sorted(row.at for row in labelled)
    assert run(frames, cuts)[:2] == (labelled, pairs)


@pytest.mark.parametrize("order", ["op", "po"])
def test_an_output_is_never_taken_twice(order):
    frames = {"o": outcomes((1, 1)), "p": prediction(1, shadows=("m@2",))}
    _, pairs, _ = run([*(frames[name] for name in order), shadow(1), shadow(1)])
    assert len(pairs) == 1


def test_a_score_that_nobody_awaits_is_passed_over():
    dropped = Dropped(8, "e", "m@2", key(1), "error")
    for frames in (
        [prediction(1), shadow(1), outcomes((1, 1))],
        [prediction(1), outcomes((1, 1)), shadow(1)],
        [shadow(1), prediction(1), outcomes((1, 1))],
        [prediction(1, shadows=("m@2",)), dropped, shadow(1), outcomes((1, 1))],
        [prediction(1, shadows=("m@2",)), outcomes((1, 1)), dropped, shadow(1)],
    ):
        assert run(frames)[1] == run(frames, cuts=[1, 2, 3])[1] == []
