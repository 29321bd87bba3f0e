"""Numbers of a plan, with where they come from."""

from __future__ import annotations

import msgspec


class Known(msgspec.Struct, frozen=True):
    """A number and where it comes from."""

    value: float
    source: str


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions on the same labelled rows."""

    #: The version that answered, and the one that scored unseen.
    answered: str
    unseen: str
    n: int
    #: Loss of the first minus loss of the second.
    mean: float
    sd: float
    #: Root mean square of the two versions' own standard deviations, and their correlation.
    loss_sd: float
    correlation: float | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a plan, by name, and the pairs of versions in the log, newest first."""

    numbers: dict[str, Known]
    #: The setting, in its own words.
    false_alarms: str
    pairs: list[Pairs] = []
