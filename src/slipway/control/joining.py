"""Joins what was answered, what was scored unseen and what came true, row by row, in any order.

An event leaves here at the place of the frame that completed it: a *labelled* row when its outcome is
known, a *pair* when the output of an unseen version is known too. The first outcome of a row is the one
that guards bet on; a repeated or corrected one is counted and never undoes a bet.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from slipway.base.ids import ID_BYTES, split_ids
from slipway.base.vocabulary import Value
from slipway.control.places import event_of, place_of
from slipway.store.frames import Dropped, Frame, Outcomes, Prediction, Shadow
from slipway.store.joins import Join

#: Log events for which an id that came before its prediction waits for it.
PENDING_EVENTS = 1_000_000


class Labelled(NamedTuple):
    """An answered row whose outcome came."""

    at: int
    row: int
    version: str
    output: list[float]
    label: Value


class Pair(NamedTuple):
    """An answered row whose outcome and whose unseen score came."""

    at: int
    row: int
    version: str
    shadow: str
    output: list[float]
    shadow_output: list[float]
    label: Value


class Rows(Protocol):
    """Where rows live between batches."""

    def find(self, ids: set[bytes]) -> dict[bytes, Join]:
        """The rows known under these ids. The caller may change them in place."""
        ...

    def save(self, gone: Sequence[bytes], new: dict[bytes, Join], changed: dict[bytes, Join]) -> None:
        """Forget ids, then keep rows that are new, and rows given out before that changed."""
        ...

    def pending(self) -> dict[bytes, Join]:
        """Rows whose prediction has not come yet, oldest first."""
        ...


@dataclass
class Events:
    """What one batch brought for one endpoint, in order."""

    #: Place of the first row, and the frame.
    predictions: list[tuple[int, Prediction]] = field(default_factory=list[tuple[int, Prediction]])
    labelled: list[Labelled] = field(default_factory=list[Labelled])
    pairs: list[Pair] = field(default_factory=list[Pair])


@dataclass
class Counts:
    """What a batch held, counted per endpoint."""

    predictions: int = 0
    shadows: int = 0
    dropped: int = 0
    outcomes: int = 0
    repeated: int = 0
    corrected: int = 0
    #: Outcomes that came before their prediction, or for an id that nobody answered.
    unknown: int = 0
    #: Of those, the ones whose prediction came later.
    resolved: int = 0


class Joiner:
    """Turns frames into events.

    A row is a ``Join``; its ``seq`` holds the place of the prediction, or minus the event that first named
    the id while the prediction has not come.

    Args:
        rows: where rows live between batches.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._pending: dict[bytes, Join] | None = None
        self._known: dict[bytes, Join] = {}
        self._gone: list[bytes] = []
        self._new: dict[bytes, Join] = {}
        self._changed: dict[bytes, Join] = {}
        self._events: dict[str, Events] = {}
        self._counts: dict[str, Counts] = {}

    def absorb(self, frames: Sequence[tuple[int, Frame]]) -> tuple[dict[str, Events], dict[str, Counts]]:
        """Take frames, each with the number of its event, in the recorded order.

        Returns:
            Events and counts by endpoint.
        """
        if self._pending is None:
            self._pending = self._rows.pending()
        self._events, self._counts = {}, {}
        self._gone, self._new, self._changed = [], {}, {}
        self._known = self._rows.find(self._ids_to_find(frame for _, frame in frames))
        for event, frame in frames:
            _HANDLERS[type(frame)](self, event, frame)
        if frames:
            self._forget_before(frames[-1][0] - PENDING_EVENTS)
        self._rows.save(self._gone, self._new, self._changed)
        return self._events, self._counts

    def _ids_to_find(self, frames: Iterable[Frame]) -> set[bytes]:
        """Ids that frames name and that neither the batch nor the waiting room will know."""
        issued: set[bytes] = set()
        named: set[bytes] = set()
        for frame in frames:
            target = issued if type(frame) is Prediction else named
            if len(frame.ids) == ID_BYTES:
                target.add(frame.ids)
            else:
                target.update(split_ids(frame.ids))
        return named.difference(issued, self._pending or ())

    def _of(self, endpoint: str) -> tuple[Events, Counts]:
        if endpoint not in self._events:
            self._events[endpoint], self._counts[endpoint] = Events(), Counts()
        return self._events[endpoint], self._counts[endpoint]

    def _get(self, key: bytes) -> Join | None:
        """A row whose prediction came, to be changed: it is saved after the batch."""
        row = self._new.get(key)
        if row is None and (row := self._known.get(key)) is not None:
            self._changed[key] = row
        return None if row is None or row.seq <= 0 else row

    def _await(self, key: bytes, endpoint: str, event: int, time: int) -> Join:
        """The waiting row of an id whose prediction has not been seen."""
        assert self._pending is not None
        row = self._pending.get(key)
        if row is not None and -row.seq >= event - PENDING_EVENTS:
            if key not in self._new:
                self._changed[key] = row
            return row
        if row is not None:
            self._leave(key)
        row = self._pending[key] = self._new[key] = Join(key, endpoint, -event, time, "", {})
        return row

    def _leave(self, key: bytes) -> Join:
        """Take an id out of the waiting room."""
        assert self._pending is not None
        if self._new.pop(key, None) is None:
            self._changed.pop(key, None)
            self._gone.append(key)
        return self._pending.pop(key)

    def _forget_before(self, event: int) -> None:
        """Let go of ids that waited too long; they are in order of age."""
        assert self._pending is not None
        pending = self._pending
        for key in list(itertools.takewhile(lambda key: -pending[key].seq < event, pending)):
            self._leave(key)

    def _prediction(self, event: int, frame: Prediction) -> None:
        events, counts = self._of(frame.endpoint)
        place = place_of(event)
        events.predictions.append((place, frame))
        counts.predictions += len(frame.outputs)
        endpoint, time, version = frame.endpoint, frame.time, frame.version
        awaited = dict.fromkeys(frame.shadows)
        keys = (frame.ids,) if len(frame.ids) == ID_BYTES else split_ids(frame.ids)
        for key, output in zip(keys, frame.outputs, strict=True):
            row = Join(key, endpoint, place, time, version, {version: output, **awaited})
            if self._pending and key in self._pending:
                self._adopt(row, self._leave(key), events, counts)
            self._new[key] = row
            place += 1

    def _adopt(self, row: Join, early: Join, events: Events, counts: Counts) -> None:
        """A prediction whose outcome or shadow was read first."""
        if early.endpoint != row.endpoint or -early.seq < event_of(row.seq) - PENDING_EVENTS:
            return
        for version, output in early.outputs.items():
            if _is_awaited(row, version):
                row.outputs[version] = output
        if early.outcome is not None:
            counts.resolved += 1
            row.outcome, row.event_time = early.outcome, early.event_time
            _complete(row, row.seq, events)

    def _shadow(self, event: int, frame: Shadow) -> None:
        events, counts = self._of(frame.endpoint)
        counts.shadows += len(frame.outputs)
        version, at = frame.version, place_of(event)
        keys = (frame.ids,) if len(frame.ids) == ID_BYTES else split_ids(frame.ids)
        for key, output in zip(keys, frame.outputs, strict=True):
            row = self._get(key)
            if row is None:
                self._await(key, frame.endpoint, event, frame.time).outputs.setdefault(version, output)
            elif row.endpoint == frame.endpoint and _is_awaited(row, version):
                row.outputs[version] = output
                if row.outcome is not None:
                    events.pairs.append(_pair(at, row, version, output))
            at += 1

    def _dropped(self, event: int, frame: Dropped) -> None:  # noqa: ARG002  (one signature for all handlers)
        counts = self._of(frame.endpoint)[1]
        for key in split_ids(frame.ids):
            counts.dropped += 1
            row = self._get(key)
            if row is not None and _is_awaited(row, frame.version):
                row.outputs[frame.version] = []

    def _outcomes(self, event: int, frame: Outcomes) -> None:
        events, counts = self._of(frame.endpoint)
        at = place_of(event)
        keys = (frame.ids,) if len(frame.ids) == ID_BYTES else split_ids(frame.ids)
        for key, value, event_time in zip(keys, frame.values, frame.event_times, strict=True):
            time = frame.time if event_time is None else event_time
            row = self._get(key) or self._await(key, frame.endpoint, event, frame.time)
            self._outcome(row, value, time, at, frame.endpoint, events, counts)
            at += 1

    def _outcome(
        self, row: Join, value: Value, time: int, at: int, endpoint: str, events: Events, counts: Counts
    ) -> None:
        counts.outcomes += 1
        if row.endpoint != endpoint:
            counts.unknown += 1
        elif row.outcome is None:
            row.outcome, row.event_time = (value,), time
            if row.seq > 0:
                _complete(row, at, events)
            else:
                counts.unknown += 1
        elif value == row.outcome[0]:
            counts.repeated += 1
        else:
            counts.corrected += 1
            if time >= (row.event_time or 0):
                row.outcome, row.event_time = (value,), time


def _is_awaited(row: Join, version: str) -> bool:
    """Whether the row was sent to a version that has neither scored it nor given it up."""
    return version in row.outputs and row.outputs[version] is None


def _complete(row: Join, at: int, events: Events) -> None:
    """Prediction and outcome are known: the row is labelled, and paired with every unseen score so far."""
    assert row.outcome is not None
    version = row.version
    events.labelled.append(Labelled(at, row.seq, version, row.outputs[version] or [], row.outcome[0]))
    if len(row.outputs) > 1:
        for name, output in row.outputs.items():
            if output and name != version:
                events.pairs.append(_pair(at, row, name, output))


def _pair(at: int, row: Join, shadow: str, output: list[float]) -> Pair:
    assert row.outcome is not None
    return Pair(at, row.seq, row.version, shadow, row.outputs[row.version] or [], output, row.outcome[0])


class MemoryRows:
    """Rows of a replay: kept only while something may still complete them."""

    def __init__(self) -> None:
        self._open: dict[bytes, Join] = {}

    def find(self, ids: set[bytes]) -> dict[bytes, Join]:
        """The rows known under these ids."""
        return {key: row for key in ids if (row := self._open.get(key)) is not None}

    def save(self, gone: Sequence[bytes], new: dict[bytes, Join], changed: dict[bytes, Join]) -> None:
        """Keep what is still open."""
        for key in gone:
            self._open.pop(key, None)
        for key, row in (*new.items(), *changed.items()):
            if row.seq > 0 and row.outcome is not None and None not in row.outputs.values():
                self._open.pop(key, None)
            else:
                self._open[key] = row

    def pending(self) -> dict[bytes, Join]:
        """None: a replay starts at the beginning of the log."""
        return {}


_HANDLERS: dict[type, Callable[[Joiner, int, Any], None]] = {
    Prediction: Joiner._prediction,  # pyright: ignore[reportPrivateUsage]  (the table of this module's handlers)
    Shadow: Joiner._shadow,  # pyright: ignore[reportPrivateUsage]
    Dropped: Joiner._dropped,  # pyright: ignore[reportPrivateUsage]
    Outcomes: Joiner._outcomes,  # pyright: ignore[reportPrivateUsage]
}
