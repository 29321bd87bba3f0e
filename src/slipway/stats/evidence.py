"""What every test remembers of its e-process, and the words for its sides."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from slipway.base.errors import UsageError
from slipway.stats.arguments import Floats, Ints
from slipway.stats.sequential import Part

#: What is to be shown of the mean: above the threshold, below it, or different from it.
Side = Literal["greater", "less", "two-sided"]

SIDES: tuple[Side, ...] = ("greater", "less", "two-sided")


def side_of(value: Side) -> Side:
    """``value`` if it is one of ``SIDES``.

    Raises:
        UsageError: it is not.
    """
    if value not in SIDES:
        raise UsageError(expected=f"side as one of {', '.join(SIDES)}", got=f"{value}", where="side")
    return value


class Evidence(Part):
    """Current and largest log e-value, and the observation at which it first reached the level.

    Args:
        alpha: level; the hypothesis is rejected at log(1/alpha).
    """

    memory = ("log_e", "max_log_e", "rejected_at")

    def __init__(self, alpha: float) -> None:
        self.level = math.log(1.0 / alpha)
        self.log_e = 0.0
        self.max_log_e = 0.0
        self.rejected_at: int | None = None

    def absorb(self, log_es: Floats, before: int) -> None:
        """Take the log e-values of the observations after the first ``before``."""
        self.absorb_some(log_es, np.arange(before + 1, before + 1 + log_es.size))

    def absorb_some(self, log_es: Floats, labels: Ints) -> None:
        """Take the log e-values at some ``labels``, ascending; the others are known to be no larger."""
        if log_es.size == 0:
            return
        self.log_e = float(log_es[-1])
        self.max_log_e = max(self.max_log_e, float(log_es.max()))
        if self.rejected_at is None and self.max_log_e >= self.level:
            self.rejected_at = int(labels[np.argmax(log_es >= self.level)])

    @property
    def p_value(self) -> float:
        """Anytime p-value: 1 / the largest e-value so far."""
        return math.exp(-self.max_log_e)


def running(start: float, increments: Floats) -> Floats:
    """Partial sums start + x_1 + .. + x_i, added one by one in order: (n,) -> (n,)."""
    return np.cumsum(np.concatenate([[start], increments]))[1:]
