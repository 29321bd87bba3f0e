"""Evidence is a pure function of events and moves: exact cuts, no strangers' rows, state that survives."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.config import Monitor, Rollout
from slipway.control.evidence import EndpointEvidence, Rules
from slipway.control.facts import VersionFacts
from slipway.control.joining import Events, Labelled, Pair
from slipway.control.places import end_of, place_of
from slipway.models.losses import ClassIndex
from slipway.models.reference import RiskReference

RULES = Rules(
    rollout=Rollout(alpha=0.05, bake_labels=200, max_labels=1000),
    monitor=Monitor(false_alarms="1 per 100000 rows"),
)
RISK = RiskReference(n=1000, mean=0.2, upper=0.25, alpha=0.025, loss_range=1.0)


def facts(version):
    return VersionFacts(version, "d", "binary", ClassIndex((0, 1)), 1.0, None, RISK)


def stream(n, answers="m@1", unseen="m@2", *, start=1, seed=0, good="m@2"):
    """Labelled pairs, one per event; ``good`` is right more often."""
    rng = np.random.default_rng(seed)
    events = Events()
    for event in range(start, start + n):
        label = int(rng.random() < 0.5)
        sharp = [0.9 if label else 0.1]
        blunt = [0.6 if label else 0.4]
        output, shadow_output = (sharp, blunt) if good == answers else (blunt, sharp)
        at = place_of(event)
        events.labelled.append(Labelled(at, at, answers, output, label))
        events.pairs.append(Pair(at, at, answers, unseen, output, shadow_output, label))
    return events


def joined(*parts):
    whole = Events()
    for part in parts:
        whole.labelled += part.labelled
        whole.pairs += part.pairs
    return whole


def cut(events, start, stop):
    """The part of the events in [start, stop)."""
    return Events(
        labelled=[row for row in events.labelled if start <= row.at < stop],
        pairs=[pair for pair in events.pairs if start <= pair.at < stop],
    )


def shadowed():
    evidence = EndpointEvidence("e", facts)
    evidence.start("m@1", 0, RULES)
    evidence.open_shadow(7, "m@2", 0, RULES)
    return evidence


def test_without_a_champion_nothing_is_judged():
    evidence = EndpointEvidence("e", facts)
    assert evidence.absorb(stream(500)) == []
    assert evidence.labels == 500


def test_what_follows_the_deciding_label_in_the_same_batch_belongs_to_the_next_state():
    evidence = shadowed()
    # the former champion is better after all: rows of the new champion prove it in the same batch
    events = joined(stream(300), stream(300, "m@2", "m@1", start=301, good="m@1"))
    promoted, rolled_back = evidence.absorb(events)
    assert (promoted.kind, promoted.version, promoted.other, promoted.rollout) == (
        "promoted",
        "m@2",
        "m@1",
        7,
    )
    assert promoted.evidence.n == promoted.labels
    assert promoted.at == place_of(promoted.evidence.n)
    assert (rolled_back.kind, rolled_back.version) == ("rolled_back", "m@2")
    assert rolled_back.at == place_of(300 + rolled_back.evidence.n)
    assert evidence.champion == "m@1"
    assert evidence.trial is None
    assert evidence.since == rolled_back.at


def test_rows_answered_before_the_rollout_or_by_another_version_do_not_count():
    evidence = EndpointEvidence("e", facts)
    evidence.start("m@1", 0, RULES)
    evidence.open_shadow(7, "m@2", end_of(100), RULES)
    strangers = joined(
        stream(100), stream(100, "m@3", "m@2", start=101), stream(100, "m@1", "m@3", start=201)
    )
    assert evidence.absorb(strangers) == []
    assert evidence.trial.guard.n == 0
    assert evidence.watch.risk.n == 200


def test_the_budget_of_labels_ends_a_rollout_undecided_and_a_bake_settled():
    rng = np.random.default_rng(0)
    same = Events()
    for event in range(1, 1501):
        at, label, p = place_of(event), int(rng.random() < 0.5), [float(rng.random())]
        same.pairs.append(Pair(at, at, "m@1", "m@2", p, p, label))
    evidence = shadowed()
    (refused,) = evidence.absorb(same)
    assert (refused.kind, refused.evidence.outcome, refused.evidence.n) == ("refused", "undecided", 1000)
    evidence.go_live(8, "m@2", end_of(1500))
    (settled,) = evidence.absorb(stream(300, "m@2", "m@1", start=1501, good="m@2"))
    assert (settled.kind, settled.evidence.n, settled.rollout) == ("settled", 200, 8)
    assert evidence.champion == "m@2"


def test_labels_that_a_version_cannot_read_are_counted_and_passed_over():
    clean, dirty = shadowed(), shadowed()
    events = stream(100)
    (expected,) = clean.absorb(events)
    odd = Events()
    for number in range(5):
        at = place_of(0, number + 1)
        odd.labelled.append(Labelled(at, at, "m@1", [0.5], "maybe"))
        odd.pairs.append(Pair(at, at, "m@1", "m@2", [0.5], [0.5], "maybe"))
    (found,) = dirty.absorb(joined(odd, events))
    assert found.evidence == expected.evidence
    assert dirty.unusable == 10


def test_a_margin_accepts_an_equal_challenger_and_zero_does_not():
    events = Events()
    for event in range(1, 901):
        at, label = place_of(event), event % 2
        events.pairs.append(Pair(at, at, "m@1", "m@2", [0.5], [0.5], label))
    for margin, kind in ((0.0, []), (0.1, ["promoted"])):
        rules = Rules(rollout=Rollout(margin=margin, max_labels=1000))
        evidence = EndpointEvidence("e", facts)
        evidence.start("m@1", 0, rules)
        evidence.open_shadow(7, "m@2", 0, rules)
        assert [one.kind for one in evidence.absorb(events)] == kind


def test_approval_is_asked_for_once_and_the_evidence_then_rests():
    rules = Rules(rollout=Rollout(promote="approve", max_labels=1000))
    evidence = EndpointEvidence("e", facts)
    evidence.start("m@1", 0, rules)
    evidence.open_shadow(7, "m@2", 0, rules)
    (asked,) = evidence.absorb(stream(500))
    assert asked.kind == "awaiting_approval"
    assert evidence.absorb(stream(400, start=501)) == []
    assert evidence.trial.guard.n == asked.evidence.n
    assert evidence.champion == "m@1"


@given(cuts=st.lists(st.integers(1, 700), max_size=10), restart=st.booleans())
@settings(max_examples=40, deadline=None)
def test_batches_and_restarts_do_not_change_a_decision(cuts, restart):
    events = joined(
        stream(250),
        stream(300, "m@2", "m@1", start=251, good="m@2"),
        stream(150, "m@2", "m@1", start=551, good="m@1"),
    )
    whole = shadowed()
    expected = whole.absorb(events)
    assert [one.kind for one in expected] == ["promoted", "settled"]
    parts, found, edges = shadowed(), [], sorted({0, 10_000, *cuts})
    for start, stop in itertools.pairwise(edges):
        if restart:
            parts = EndpointEvidence.from_state("e", facts, json.loads(json.dumps(parts.to_state())))
        found += parts.absorb(cut(events, place_of(start), place_of(stop)))
    assert found == expected
    assert parts.to_state() == whole.to_state()


def test_settings_are_frozen_when_a_version_is_deployed():
    evidence = shadowed()
    again = EndpointEvidence.from_state("e", facts, json.loads(json.dumps(evidence.to_state())))
    assert again.rules == RULES
    assert again.trial.guard.limit == 1000
    assert again.trial.guard.alpha == pytest.approx(0.05)
