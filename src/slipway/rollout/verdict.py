"""What a guard says: frozen, with the evidence it rests on."""

from __future__ import annotations

import math

import msgspec

from slipway.base.vocabulary import Outcome

#: Natural logarithm of the largest e-value written as a number; JSON has no infinity.
_LOG_LARGEST = 700.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Result of judging a challenger on labelled pairs.

    Losses lie in [0, 1]; a difference is loss of the baseline minus loss of the candidate, so that a
    positive mean speaks for the candidate.
    """

    outcome: Outcome
    #: Labelled pairs seen.
    n: int
    #: Pair at which the evidence sufficed; None while it does not.
    decided_at: int | None
    #: Logarithm of the e-value for the claim ``outcome`` (for the leading claim while undecided).
    log_e: float
    e_value: float
    #: Mean loss difference, and bounds for it; each holds at every look with probability 1 - alpha.
    mean: float
    interval: tuple[float, float]
    alpha: float
    margin: float
    message: str
    #: Which error is bounded, in words.
    guarantee: str


def e_value(log_e: float) -> float:
    """The e-value as a finite number, cut at e^700.

    >>> e_value(0.0), e_value(1e9) < float("inf")
    (1.0, True)
    """
    return math.exp(min(log_e, _LOG_LARGEST))
