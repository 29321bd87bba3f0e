"""The evidence of one endpoint: a pure function of its log, in order, and of the moves made from outside.

``EndpointEvidence`` holds the guard of the open rollout and the monitors of the champion. It absorbs
events, says what follows from them (``Decision``) and takes the new state itself, at the very event that
decided: what comes later in the same batch already belongs to the new state. Persisting and announcing
the decisions is the loop's business; ``slipway replay`` runs this same code.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from slipway.base.config import Config, Monitor, Retrain, Rollout
from slipway.base.vocabulary import State
from slipway.control.facts import Facts
from slipway.control.joining import Events, Labelled, Pair
from slipway.monitor.alarm import Alarm
from slipway.monitor.watch import Watch
from slipway.rollout.guard import BakeGuard, Guard, ShadowGuard, guard_from_state
from slipway.rollout.verdict import Verdict

Kind = Literal["promoted", "refused", "rolled_back", "settled", "awaiting_approval", "alarm"]
TrialKind = Literal["shadow", "live"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force, frozen when a version is deployed: editing the file moves no running test."""

    rollout: Rollout = Rollout()
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()

    @classmethod
    def of(cls, config: Config) -> Rules:
        """The rules that a settings file states."""
        return cls(rollout=config.rollout, monitor=config.monitor, retrain=config.retrain)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict or an alarm, and what follows from it."""

    kind: Kind
    endpoint: str
    #: The version that the decision is about: challenger, new champion, or the champion that alarms.
    version: str
    #: The other version of the comparison; empty for an alarm.
    other: str
    #: Rollout that it moves; None for an alarm.
    rollout: int | None
    #: Place of the event that decided.
    at: int
    #: Rows that the endpoint had answered, and outcomes that it had joined, up to there.
    rows: int
    labels: int
    evidence: Verdict | Alarm


class Trial:
    """An open rollout: a baseline and a candidate that score the same rows.

    Args:
        rollout: its number.
        kind: ``shadow``: the baseline answers. ``live``: the candidate does (bake).
        since: only rows answered after this place count.
    """

    def __init__(
        self, rollout: int, kind: TrialKind, baseline: str, candidate: str, since: int, guard: Guard
    ) -> None:
        self.rollout = rollout
        self.kind: TrialKind = kind
        self.baseline = baseline
        self.candidate = candidate
        self.since = since
        self.guard = guard
        #: Whether a favourable verdict waits for a person.
        self.awaiting = False

    @property
    def answering(self) -> str:
        """The version that answers."""
        return self.baseline if self.kind == "shadow" else self.candidate

    @property
    def unseen(self) -> str:
        """The version that scores the same rows unseen."""
        return self.candidate if self.kind == "shadow" else self.baseline

    def counts(self, pair: Pair) -> bool:
        """Whether a pair is evidence in this trial."""
        return pair.row > self.since and pair.version == self.answering and pair.shadow == self.unseen

    def to_state(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "rollout": self.rollout,
            "kind": self.kind,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "since": self.since,
            "awaiting": self.awaiting,
            "guard": self.guard.to_state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Trial:
        """Read ``to_state`` back."""
        trial = cls(
            state["rollout"],
            state["kind"],
            state["baseline"],
            state["candidate"],
            state["since"],
            guard_from_state(state["guard"]),
        )
        trial.awaiting = state["awaiting"]
        return trial


class EndpointEvidence:
    """Guard and monitors of one endpoint.

    Args:
        endpoint: its name.
        facts: looks up what a version's training left.
    """

    def __init__(self, endpoint: str, facts: Facts) -> None:
        self.endpoint = endpoint
        self.champion = ""
        self.since = 0
        self.rules = Rules()
        self.trial: Trial | None = None
        self.watch: Watch | None = None
        #: Rows answered and outcomes joined, by whichever version.
        self.rows = 0
        self.labels = 0
        #: Of those, the ones whose label or output could not be scored.
        self.unusable = 0
        self._facts = facts

    # --- moves ---

    def deploy(self, state: State, rollout: int, version: str, place: int, rules: Rules) -> None:
        """A deployment that took effect in ``state``: settled (a first version), live (forced) or shadow."""
        if state == "settled":
            self.start(version, place, rules)
        elif state == "live":
            self.go_live(rollout, version, place, rules)
        else:
            self.open_shadow(rollout, version, place, rules)

    def start(self, version: str, place: int, rules: Rules) -> None:
        """``version`` answers from ``place`` on, with nothing to compare it with."""
        self.rules = rules
        self.trial = None
        self._crown(version, place)

    def open_shadow(self, rollout: int, challenger: str, place: int, rules: Rules) -> None:
        """``challenger`` scores unseen beside the champion, which keeps its monitors."""
        self.rules = rules
        guard = ShadowGuard(rules.rollout.alpha, rules.rollout.margin, rules.rollout.max_labels)
        self.trial = Trial(rollout, "shadow", self.champion, challenger, place, guard)

    def go_live(self, rollout: int, version: str, place: int, rules: Rules | None = None) -> None:
        """``version`` answers; the champion so far scores in reverse shadow, in a test that starts here."""
        self.rules = rules or self.rules
        guard = BakeGuard(self.rules.rollout.alpha, self.rules.rollout.margin, self.rules.rollout.bake_labels)
        self.trial = Trial(rollout, "live", self.champion, version, place, guard)
        self._crown(version, place)

    def back_to(self, version: str, place: int) -> None:
        """``version`` answers again, alone."""
        self.trial = None
        self._crown(version, place)

    def close_trial(self) -> None:
        """The champion goes on alone."""
        self.trial = None

    def _crown(self, version: str, place: int) -> None:
        self.champion, self.since = version, place
        facts = self._facts(version)
        self.watch = Watch(version, facts.reference, facts.risk, self.rules.monitor, place)

    # --- evidence ---

    def absorb(self, events: Events) -> list[Decision]:
        """Take the events of a batch, in order.

        Returns:
            What follows, in the order of the places that decided.
        """
        decisions: list[Decision] = []
        start = -1
        while self.champion:
            verdict = self._judge(events, start)
            stop = verdict.at if verdict else None
            decisions += self._monitor(events, start, stop)
            if verdict is None or stop is None:
                break
            decisions.append(verdict)
            self._follow(verdict)
            start = stop
        self.rows += _rows_until(events, None)
        self.labels += len(events.labelled)
        return decisions

    def _judge(self, events: Events, start: int) -> Decision | None:
        """Feed the guard with the pairs after ``start``, up to the one that decides."""
        trial = self.trial
        if trial is None or trial.awaiting:
            return None
        pairs = [pair for pair in events.pairs if pair.at > start and trial.counts(pair)]
        if not pairs:
            return None
        usable, differences = self._differences(trial, pairs)
        taken = trial.guard.absorb(differences)
        closed = trial.guard.closed
        # rows behind the deciding one are looked at again in the next state
        last = usable[taken - 1] if closed else len(pairs) - 1
        self.unusable += last + 1 - taken
        if not closed:
            return None
        verdict = trial.guard.verdict()
        return self._decision(
            events,
            self._consequence(trial, verdict),
            pairs[last].at,
            verdict,
            version=trial.candidate,
            other=trial.baseline,
            rollout=trial.rollout,
        )

    def _decision(
        self,
        events: Events,
        kind: Kind,
        at: int,
        evidence: Verdict | Alarm,
        *,
        version: str,
        other: str = "",
        rollout: int | None = None,
    ) -> Decision:
        return Decision(
            kind=kind,
            endpoint=self.endpoint,
            version=version,
            other=other,
            rollout=rollout,
            at=at,
            rows=self.rows + _rows_until(events, at),
            labels=self.labels + sum(1 for row in events.labelled if row.at <= at),
            evidence=evidence,
        )

    def _differences(self, trial: Trial, pairs: list[Pair]) -> tuple[list[int], NDArray[np.float64]]:
        """Positions of the usable pairs, and loss of the baseline minus loss of the candidate for each."""
        answering, unseen = self._facts(trial.answering), self._facts(trial.unseen)
        loss_range = self._facts(trial.baseline).loss_range
        labels = [pair.label for pair in pairs]
        difference = answering.losses([pair.output for pair in pairs], labels, loss_range)
        difference -= unseen.losses([pair.shadow_output for pair in pairs], labels, loss_range)
        if trial.kind == "live":
            difference = -difference
        usable = np.flatnonzero(np.isfinite(difference))
        return usable.tolist(), difference[usable]

    def _consequence(self, trial: Trial, verdict: Verdict) -> Kind:
        if isinstance(trial.guard, BakeGuard):
            return "rolled_back" if verdict.outcome == "worse" else "settled"
        if not trial.guard.acceptable:
            return "refused"
        return "promoted" if self.rules.rollout.promote == "auto" else "awaiting_approval"

    def _follow(self, decision: Decision) -> None:
        """Take the state that the decision leads to."""
        assert self.trial is not None
        trial = self.trial
        if decision.kind == "promoted":
            self.go_live(trial.rollout, trial.candidate, decision.at)
        elif decision.kind == "rolled_back":
            self.back_to(trial.baseline, decision.at)
        elif decision.kind == "awaiting_approval":
            trial.awaiting = True
        else:
            self.close_trial()

    def _monitor(self, events: Events, start: int, stop: int | None) -> list[Decision]:
        """Feed the champion's monitors with what lies after ``start`` and not after ``stop``."""
        watch = self.watch
        if watch is None:
            return []
        alarms: list[tuple[int, Alarm]] = []
        if not watch.risk_closed:
            alarms += self._risk(watch, [row for row in events.labelled if self._mine(row, start, stop)])
        alarms += self._drift(watch, events, start, stop)
        return [
            self._decision(events, "alarm", at, alarm, version=self.champion)
            for at, alarm in sorted(alarms, key=lambda found: found[0])
        ]

    def _mine(self, row: Labelled, start: int, stop: int | None) -> bool:
        return (
            row.at > start
            and row.version == self.champion
            and row.row > self.since
            and (stop is None or row.at <= stop)
        )

    def _risk(self, watch: Watch, rows: list[Labelled]) -> list[tuple[int, Alarm]]:
        if not rows:
            return []
        facts = self._facts(self.champion)
        losses = facts.losses([row.output for row in rows], [row.label for row in rows], facts.loss_range)
        usable = np.flatnonzero(np.isfinite(losses))
        self.unusable += len(rows) - len(usable)
        places = np.array([row.row for row in rows], dtype=np.int64)[usable]
        found = watch.absorb_losses(losses[usable], places)
        return [(rows[int(usable[found[0]])].at, found[1])] if found else []

    def _drift(self, watch: Watch, events: Events, start: int, stop: int | None) -> list[tuple[int, Alarm]]:
        alarms: list[tuple[int, Alarm]] = []
        after = max(start, self.since)
        for columns, places, rows in _runs(events, self.champion, after, stop):
            positions = {name: at for at, name in enumerate(columns)}
            values = {
                name: [row[at] for row in rows] for name, at in positions.items() if name in watch.features
            }
            alarms += watch.absorb_rows(values, places)
        return alarms

    # --- state ---

    def to_state(self) -> dict[str, Any]:
        """JSON-able; ``from_state`` continues bit for bit."""
        return {
            "champion": self.champion,
            "since": self.since,
            "rules": msgspec.to_builtins(self.rules),
            "trial": self.trial.to_state() if self.trial else None,
            "watch": self.watch.to_state() if self.watch else None,
            "rows": self.rows,
            "labels": self.labels,
            "unusable": self.unusable,
        }

    @classmethod
    def from_state(cls, endpoint: str, facts: Facts, state: dict[str, Any]) -> EndpointEvidence:
        """Read ``to_state`` back."""
        self = cls(endpoint, facts)
        self.champion = state["champion"]
        self.since = state["since"]
        self.rules = msgspec.convert(state["rules"], Rules)
        self.trial = Trial.from_state(state["trial"]) if state["trial"] else None
        if state["watch"]:
            found = facts(self.champion)
            self.watch = Watch.from_state(state["watch"], self.champion, found.reference, found.risk)
        self.rows, self.labels, self.unusable = state["rows"], state["labels"], state["unusable"]
        return self


def _runs(
    events: Events, version: str, after: int, stop: int | None
) -> list[tuple[tuple[str, ...], NDArray[np.int64], list[list[Any]]]]:
    """Rows that ``version`` answered after ``after`` and not after ``stop``, by runs of equal columns."""
    runs: list[tuple[tuple[str, ...], list[int], list[list[Any]]]] = []
    for first, frame in events.predictions:
        if (
            frame.version != version
            or first + len(frame.rows) - 1 <= after
            or (stop is not None and first > stop)
        ):
            continue
        if not runs or runs[-1][0] != frame.columns:
            runs.append((frame.columns, [], []))
        _, places, rows = runs[-1]
        if len(frame.rows) == 1:
            places.append(first)
            rows.append(frame.rows[0])
            continue
        for at, row in enumerate(frame.rows, first):
            if at > after and (stop is None or at <= stop):
                places.append(at)
                rows.append(row)
    return [(columns, np.array(places, dtype=np.int64), rows) for columns, places, rows in runs]


def _rows_until(events: Events, at: int | None) -> int:
    """Rows answered in a batch, up to a place."""
    if at is None:
        return sum(len(frame.rows) for _, frame in events.predictions)
    return sum(
        min(len(frame.rows), max(0, at - first + 1)) for first, frame in events.predictions if first <= at
    )
