"""Is the stream still exchangeable with its own past? Conformal martingales on scores of a fixed model."""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import ArrayLike

from slipway.stats.arguments import column, observations, rows, within
from slipway.stats.banks import DetectorBank
from slipway.stats.evidence import Evidence
from slipway.stats.sequential import Part, Sequential

#: Directions of the bets on a p-value: small ones, none, large ones.
DIRECTIONS = (-1.0, 0.0, 1.0)


class Jumper(Part):
    """Wealth of the Simple Jumper: three bettors on p-values who swap a share of their wealth each step."""

    memory = ("capital", "log_scale")

    def __init__(self, jump: float) -> None:
        self.jump = jump
        self.capital = [1.0 / 3.0] * 3
        self.log_scale = 0.0

    @property
    def log_wealth(self) -> float:
        """Log of the wealth of all three."""
        return self.log_scale + math.log(sum(self.capital))

    def step(self, p: float) -> float:
        """Absorb a p-value; returns the log of the factor by which the wealth moved."""
        low, middle, high = self.capital
        total = low + middle + high
        keep, share = 1.0 - self.jump, self.jump * total / 3.0
        low = (keep * low + share) * (1.0 - (p - 0.5))
        middle = keep * middle + share
        high = (keep * high + share) * (1.0 + (p - 0.5))
        grown = low + middle + high
        if grown > 1e100 or grown < 1e-100:
            self.log_scale += math.log(grown)
            low, middle, high = low / grown, middle / grown, high / grown
        self.capital = [low, middle, high]
        return math.log(grown / total)


class SimpleJumper(Sequential):
    """Test martingale against "the p-values are independent and uniform".

    Assumes p-values in [0, 1] made without knowledge of later ones, such as ``smoothed_ranks``; p-values of
    many rows against one frozen reference share its noise and are *not* independent (a trap).

    Guarantee: P(ever rejecting exchangeability if it holds) <= alpha. A harmless shift rejects it too.

    Args:
        alpha: level in (0, 1).
        jump: share of wealth that is spread anew at each step, in (0, 1).

    Source: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson, Gammerman, "Retrain or not retrain: conformal test
    martingales for change-point detection", COPA 2021, arXiv 2102.10439.

    >>> rng = np.random.default_rng(0)
    >>> test = SimpleJumper(alpha=0.01)
    >>> test.update_many(rng.beta(1.0, 2.0, 500))
    >>> test.rejected_at
    68
    """

    parameters = ("alpha", "jump")
    memory = ("n", "_jumper", "_evidence")

    def __init__(self, alpha: float, jump: float = 0.01) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.jump = within("jump", jump, 0.0, 1.0)
        self._jumper = Jumper(self.jump)
        self._evidence = Evidence(self.alpha)
        self.n = 0

    @property
    def log_e(self) -> float:
        """Log of the current wealth."""
        return self._evidence.log_e

    @property
    def rejected_at(self) -> int | None:
        """Row at which the wealth first reached 1/alpha."""
        return self._evidence.rejected_at

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) p-values."""
        ps = observations(xs, 0.0, 1.0, "SimpleJumper").tolist()
        logs: list[float] = []
        for p in ps:
            self._jumper.step(p)
            logs.append(self._jumper.log_wealth)
        self._evidence.absorb(np.array(logs), self.n)
        self.n += len(ps)


class ConformalDrift(Sequential):
    """CUSUM of a conformal martingale: alarms when a model's scores stop looking like their own past.

    Each row's score is ranked among all earlier ones (ties broken by the given uniform number), the rank
    drives a Simple Jumper, and the growth factors of its wealth drive a CUSUM.

    Assumes rows (score, uniform): scores of a model fixed before the stream began; uniforms in [0, 1] drawn
    by the caller, independent of everything (the generator's seed belongs in the log).

    Guarantee: while the rows are exchangeable, the expected number of rows to the first alarm is at least
    ``run_length``. Benign changes alarm as well: read it as "look", not as "worse". Memory grows by one
    number per row, and new rows slowly become the past: evidence fades some time after a change.

    Args:
        run_length: A > 1, in rows.
        jump: share of wealth that is spread anew at each step, in (0, 1).

    Source: Vovk et al., arXiv 2102.10439 (conformal CUSUM).

    >>> rng = np.random.default_rng(0)
    >>> drift = ConformalDrift(run_length=1e4)
    >>> scores = np.concatenate([rng.normal(0, 1, 1000), rng.normal(1, 1, 500)])
    >>> drift.update_many(np.column_stack([scores, rng.random(1500)]))
    >>> drift.alarmed_at, drift.change_point
    (1049, 945)
    """

    parameters = ("run_length", "jump")
    memory = ("n", "_past", "_jumper", "_bank")

    def __init__(self, run_length: float, jump: float = 0.01) -> None:
        self.run_length = within("run_length", run_length, 1.0, math.inf)
        self.jump = within("jump", jump, 0.0, 1.0)
        self._past: list[float] = []
        self._jumper = Jumper(self.jump)
        self._bank = DetectorBank(1, self.run_length)
        self.n = 0

    @property
    def alarmed_at(self) -> int | None:
        """Row of the first alarm."""
        return self._bank.alarmed_at

    @property
    def alarmed(self) -> bool:
        """Whether the detector has alarmed."""
        return self._bank.alarmed_at is not None

    @property
    def log_value(self) -> float:
        """Log of the detector's value; the alarm comes at log(run_length)."""
        return self._bank.log_value

    @property
    def change_point(self) -> int:
        """Rows before the estimated change, roughly: a bettor idles before it wins; fixed at the alarm."""
        return self._bank.change_point

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n, 2) rows of score and uniform number."""
        values = rows(xs, 2, "ConformalDrift")
        column(values[:, 1], "uniform numbers", 0.0, 1.0, "ConformalDrift")
        for score, uniform in values.tolist():
            factor = self._jumper.step(_rank(self._past, score, uniform))
            self._bank.step(np.array([factor]))
            self.n += 1


def smoothed_ranks(scores: ArrayLike, uniforms: ArrayLike) -> np.ndarray:
    """Conformal p-values of (n,) scores, each among itself and its predecessors: independent and uniform.

    p_t = (#{i: a_i > a_t} + u_t #{i: a_i = a_t}) / t over i <= t, if the scores are exchangeable.

    Raises:
        DataError: scores that are not finite or uniforms outside [0, 1].

    >>> smoothed_ranks([3.0, 1.0, 2.0, 2.0], [0.5, 0.5, 0.5, 0.5]).tolist()
    [0.5, 0.75, 0.5, 0.5]
    """
    xs = observations(scores, -np.inf, np.inf, "smoothed_ranks")
    us = observations(uniforms, 0.0, 1.0, "smoothed_ranks")
    past: list[float] = []
    return np.array([_rank(past, x, u) for x, u in zip(xs.tolist(), us.tolist(), strict=True)])


def _rank(past: list[float], score: float, uniform: float) -> float:
    """Smoothed rank of ``score``, which is then inserted into the sorted ``past``."""
    first = bisect.bisect_left(past, score)
    last = bisect.bisect_right(past, score)
    past.insert(last, score)
    return (len(past) - 1 - last + uniform * (last - first + 1)) / len(past)
