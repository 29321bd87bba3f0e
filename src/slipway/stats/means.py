"""Tests of "the mean of a bounded loss is at most / at least / equal to m", valid at every label.

Three ways to bet. ``HedgedCapital`` and ``AGrapa`` let the bet follow the data: fast, but their hypothesis
is that *each conditional mean* satisfies the bound. ``FixedBets`` stays valid when single means cross the
bound and only their running average satisfies it, as under drift or seasons.

Source of all three: Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting",
JRSSB 2023, arXiv 2010.09686.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.stats.arguments import Floats, blocks, observation, observations, within
from slipway.stats.bets import LARGEST_E, BetMixture
from slipway.stats.evidence import Evidence, Side, running, side_of
from slipway.stats.moments import Before, RunningMoments, plug_in_bets
from slipway.stats.sequential import Sequential

#: Bets stay below this share of the one that could lose everything.
CAUTION = 0.5


class MeanTest(Sequential):
    """Shared shape of the tests of a bounded mean against a threshold ``m``."""

    m: float
    alpha: float
    side: Side

    @property
    @abstractmethod
    def log_e(self) -> float:
        """Current log evidence against the hypothesis."""

    @property
    @abstractmethod
    def max_log_e(self) -> float:
        """Largest log evidence at any label so far."""

    @property
    @abstractmethod
    def rejected_at(self) -> int | None:
        """Label at which the evidence first reached 1/alpha."""

    @property
    def rejected(self) -> bool:
        """Whether the evidence has ever reached 1/alpha."""
        return self.rejected_at is not None

    @property
    def p_value(self) -> float:
        """Anytime p-value: 1 / the largest e-value so far."""
        return math.exp(-self.max_log_e)


class VariableBets(MeanTest):
    """Wealth of predictable bets on both sides of ``m``; a subclass says how large they are."""

    parameters = ("m", "alpha", "side")
    memory = ("n", "_moments", "_log_up", "_log_down", "_evidence")

    def __init__(self, m: float, alpha: float, side: Side = "two-sided") -> None:
        self.m = within("m", m, 0.0, 1.0)
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.side = side_of(side)
        self.n = 0
        self._moments = RunningMoments()
        self._log_up = 0.0
        self._log_down = 0.0
        self._evidence = Evidence(self.alpha)

    @property
    def log_e(self) -> float:
        """Current log evidence against the hypothesis."""
        return self._evidence.log_e

    @property
    def max_log_e(self) -> float:
        """Largest log evidence at any label so far."""
        return self._evidence.max_log_e

    @property
    def rejected_at(self) -> int | None:
        """Label at which the evidence first reached 1/alpha."""
        return self._evidence.rejected_at

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) values in [0, 1] in order of arrival."""
        for block in blocks(observations(xs, 0.0, 1.0, type(self).__name__)):
            self._absorb(block)

    def _absorb(self, values: Floats) -> None:
        up, down = self._bets(self._moments.scan(values))
        excess = values - self.m
        ups = running(self._log_up, special.log1p(np.minimum(up, CAUTION / self.m) * excess))
        downs = running(self._log_down, special.log1p(-np.minimum(down, CAUTION / (1.0 - self.m)) * excess))
        self._log_up, self._log_down = float(ups[-1]), float(downs[-1])
        both = np.logaddexp(ups, downs) - math.log(2.0) if self.side == "two-sided" else ups
        self._evidence.absorb(downs if self.side == "less" else both, self.n)
        self.n += values.size

    @abstractmethod
    def _bets(self, before: Before) -> tuple[Floats, Floats]:
        """Nonnegative bets (up, down) from what was known before each value."""


class HedgedCapital(VariableBets):
    """Hedged capital: half of the wealth bets that the mean is above ``m``, half that it is below.

    Bets l_t = sqrt(2 log(2/alpha) / (variance_{t-1} t log(1 + t))), capped at half of the ruinous one; the
    two halves are added (at least as large as the paper's maximum of them). One-sided: all wealth on one
    side.

    Assumes values in [0, 1] in order of arrival; under the hypothesis each value's mean given the earlier
    ones is <= m (side "greater"), >= m ("less") or = m ("two-sided"). A mean that only *averages* to m is
    outside: then use ``FixedBets``.

    Guarantee: P(ever rejecting a true hypothesis) <= alpha, however often one looks.

    Args:
        m: threshold in (0, 1).
        alpha: level in (0, 1).
        side: what is to be shown of the mean: "greater", "less" or "two-sided".

    Source: Waudby-Smith & Ramdas, arXiv 2010.09686, section 4.

    >>> rng = np.random.default_rng(0)
    >>> test = HedgedCapital(m=0.06, alpha=0.05, side="greater")
    >>> test.update_many((rng.random(2000) < 0.1).astype(float))
    >>> test.rejected_at
    63
    """

    def _bets(self, before: Before) -> tuple[Floats, Floats]:
        bets = plug_in_bets(before, math.log(2.0 / self.alpha))
        return bets, bets


class AGrapa(VariableBets):
    """Approximately growth-optimal bets: l_t = (mean - m) / (variance + (mean - m)^2), from earlier values.

    Bets only on the side where the values so far lie, so it finds a true difference faster than
    ``HedgedCapital`` and gives less attention to plots of a whole interval.

    Assumes values in [0, 1] in order of arrival; under the hypothesis each value's mean given the earlier
    ones is <= m (side "greater"), >= m ("less") or = m ("two-sided").

    Guarantee: P(ever rejecting a true hypothesis) <= alpha, however often one looks.

    Args:
        m: threshold in (0, 1).
        alpha: level in (0, 1).
        side: what is to be shown of the mean: "greater", "less" or "two-sided".

    Source: Waudby-Smith & Ramdas, arXiv 2010.09686, section B.3.

    >>> rng = np.random.default_rng(0)
    >>> test = AGrapa(m=0.06, alpha=0.05, side="greater")
    >>> test.update_many((rng.random(2000) < 0.1).astype(float))
    >>> test.rejected_at
    153
    """

    def _bets(self, before: Before) -> tuple[Floats, Floats]:
        distance = before.means - self.m
        bets = distance / (before.variances + distance**2)
        return np.maximum(bets, 0.0), np.maximum(-bets, 0.0)


class FixedBets(MeanTest):
    """Average wealth of six bets that never change (``stats.bets``).

    Assumes values in [0, 1] in order of arrival; under the hypothesis the *running average* of the
    conditional means is <= m (side "greater") or >= m ("less") at every label; "two-sided" is both halves.

    Guarantee: P(ever rejecting a true hypothesis) <= alpha, however often one looks, also under drift.

    Args:
        m: threshold in (0, 1).
        alpha: level in (0, 1).
        side: what is to be shown of the mean: "greater", "less" or "two-sided".

    Source: Waudby-Smith & Ramdas, arXiv 2010.09686, section B.6, with the running-mean argument of
    Choe & Ramdas, arXiv 2110.00115.

    >>> rng = np.random.default_rng(0)
    >>> test = FixedBets(m=0.06, alpha=0.05, side="greater")
    >>> test.update_many((rng.random(2000) < 0.1).astype(float))
    >>> test.rejected_at
    224
    """

    parameters = ("m", "alpha", "side")
    memory = ("n", "_up", "_down", "_rejected_at", "_max_e")

    def __init__(self, m: float, alpha: float, side: Side = "two-sided") -> None:
        self.m = within("m", m, 0.0, 1.0)
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.side = side_of(side)
        self.n = 0
        self._up = BetMixture(1.0 / self.alpha, self.m, 1.0 - self.m)
        self._down = BetMixture(1.0 / self.alpha, 1.0 - self.m, self.m)
        self._rejected_at: int | None = None
        self._max_e = 1.0

    @property
    def log_e(self) -> float:
        """Current log evidence against the hypothesis."""
        up, down = self._up.log_e, self._down.log_e
        return {"greater": up, "less": down}.get(self.side, float(np.logaddexp(up, down)) - math.log(2.0))

    @property
    def max_log_e(self) -> float:
        """Largest log evidence at any label so far."""
        return math.log(self._max_e)

    @property
    def rejected_at(self) -> int | None:
        """Label at which the evidence first reached 1/alpha."""
        return self._rejected_at

    def update(self, x: float) -> None:
        """Absorb one value in [0, 1]."""
        excess = observation(x, 0.0, 1.0, "FixedBets") - self.m
        self.n += 1
        e = self._mix(self._up.step(excess), self._down.step(-excess))
        if e > self._max_e:
            self._max_e = min(e, LARGEST_E)
            if e >= 1.0 / self.alpha and self._rejected_at is None:
                self._rejected_at = self.n

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) values in [0, 1] in order of arrival."""
        for block in blocks(observations(xs, 0.0, 1.0, "FixedBets")):
            self._absorb(block - self.m)

    def _absorb(self, excess: Floats) -> None:
        es = self._mix(self._up.scan(excess), self._down.scan(-excess))
        self._max_e = min(LARGEST_E, max(self._max_e, float(es.max())))
        if self._max_e >= 1.0 / self.alpha and self._rejected_at is None:
            self._rejected_at = self.n + 1 + int(np.argmax(es >= 1.0 / self.alpha))
        self.n += excess.size

    def _mix(self, up: Any, down: Any) -> Any:
        """The side's e-values from those of both halves (floats or arrays)."""
        if self.side == "two-sided":
            return 0.5 * up + 0.5 * down
        return up if self.side == "greater" else down
