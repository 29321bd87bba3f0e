"""What a monitor says: frozen, with the evidence it rests on."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

AlarmKind = Literal["risk", "drift"]

#: Natural logarithm of the largest e-value written as a number; JSON has no infinity.
_LOG_LARGEST = 700.0


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor's claim that the stream is no longer what the champion was trained and tested on."""

    kind: AlarmKind
    #: Features that moved; empty for a risk alarm.
    features: tuple[str, ...]
    #: Observations (labels for risk, rows for drift) since the monitor started.
    n: int
    #: Observation after which the change is estimated to have come.
    change_n: int
    #: Place in the log of that observation's row; rows after it are "after the change".
    change: int
    e_value: float
    #: Tolerated rows between two false alarms: the e-value had to reach this.
    run_length: float
    message: str
    guarantee: str


def finite(value: float) -> float:
    """The e-value as a number that JSON can carry, cut at e^700.

    >>> finite(float("inf")) == finite(1e308)
    True
    """
    return min(value, math.exp(_LOG_LARGEST))


def run_length_guarantee(run_length: float, what: str) -> str:
    """The guarantee of an e-detector in words."""
    return (
        f"average run length: while nothing changes, false {what} alarms come on average at least "
        f"{run_length:,.0f} rows apart; not a bound on ever raising one"
    )
