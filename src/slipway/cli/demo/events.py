"""What happened in the demo: events with their row and evidence, told as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from slipway.cli.output import say

#: Kinds in the order in which the story needs them.
EXPECTED = (
    ("trained", "loans@1"),
    ("trained", "loans@2"),
    ("shadow", "loans@2"),
    ("killed", "worker"),
    ("recovered", "worker"),
    ("promoted", "loans@2"),
    ("killed", "controller"),
    ("recovered", "controller"),
    ("trained", "loans@3"),
    ("shadow", "loans@3"),
    ("refused", "loans@3"),
    ("forced", "loans@3"),
    ("rolled_back", "loans@3"),
    ("alarm", "loans@2"),
    ("retrained", "loans@4"),
    ("shadow", "loans@4"),
    ("promoted", "loans@4"),
)

#: What ``--json`` lists; ``settled`` is told, but nothing hangs on it.
KINDS = frozenset(kind for kind, _ in EXPECTED)

_SIGNS = {
    "trained": "[cyan]+[/]",
    "shadow": "[cyan]~[/]",
    "promoted": "[green]^[/]",
    "settled": "[green]=[/]",
    "refused": "[yellow]x[/]",
    "forced": "[red]![/]",
    "rolled_back": "[green]<[/]",
    "killed": "[red]#[/]",
    "recovered": "[green]*[/]",
    "alarm": "[red]?[/]",
    "retrained": "[cyan]+[/]",
}


def short(e_value: float) -> str:
    """An e-value as people read it.

    >>> short(25.4), short(1234567.0)
    ('25', '1.2e+06')
    """
    return f"{e_value:,.0f}" if e_value < 1e6 else f"{e_value:.1e}"


class Event(msgspec.Struct, frozen=True):
    """One thing that happened.

    ``version`` is a model version, or the kind of process for ``killed`` and ``recovered``; ``row`` counts
    the rows of the monitoring period that were answered when it was seen.
    """

    kind: str
    version: str
    row: int
    evidence: dict[str, Any]


class Chronicle:
    """Collects events and tells them.

    Args:
        row: says how many rows are answered now.
    """

    def __init__(self, row: Callable[[], int]) -> None:
        self._row = row
        self.events: list[Event] = []

    def record(self, kind: str, version: str, evidence: dict[str, Any], text: str) -> Event:
        """Keep an event and narrate it in one line."""
        event = Event(kind, version, self._row(), evidence)
        self.events.append(event)
        sign = _SIGNS.get(kind, "-")
        say(f"{sign} [dim]row {event.row:>6,}[/]  [bold]{kind.replace('_', ' '):<11}[/] {version:<10} {text}")
        return event

    def happened(self, kind: str, version: str) -> Event | None:
        """The first event of that kind about that version, or None."""
        return next((one for one in self.events if (one.kind, one.version) == (kind, version)), None)

    def missing(self) -> list[str]:
        """What the story needs and has not seen."""
        return [f"{kind} {version}" for kind, version in EXPECTED if not self.happened(kind, version)]
