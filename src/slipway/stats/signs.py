"""Right or wrong only: a test on the rows where two models differ."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.stats.arguments import Floats, observations, within
from slipway.stats.evidence import Evidence
from slipway.stats.sequential import Sequential


class SignTest(Sequential):
    """E-process for "the challenger wins at most half of the rows on which the two differ" (0/1 loss).

    With s wins in n discordant rows E = 2^n B(1+s, 1+n-s) I(1+s, 1+n-s) / (B(1, 1) I(1, 1)), I the upper
    incomplete beta integral from 1/2: a uniform mixture over win rates above 1/2.

    Assumes signs in order of arrival: > 0 a win, < 0 a loss, 0 a tie that says nothing. Under the hypothesis
    each discordant row is won with conditional probability at most 1/2.

    Guarantee: P(ever rejecting a true hypothesis) <= alpha. Exact, but it sees only right or wrong: a
    proper score (Brier, in ``PairedComparison``) usually needs far fewer labels.

    Args:
        alpha: level in (0, 1).

    Source: Henzi & Ziegel, "Valid sequential inference on probability forecast performance", Biometrika
    2022, arXiv 2103.08402, with the truncated uniform mixture.

    >>> test = SignTest(alpha=0.05)
    >>> test.update_many([1] * 30 + [-1] * 10 + [0] * 100)
    >>> round(test.log_e, 4), test.rejected_at
    (4.1467, 7)
    """

    parameters = ("alpha",)
    memory = ("n", "wins", "losses", "_lead", "_evidence")

    def __init__(self, alpha: float) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.n = 0
        self.wins = 0
        self.losses = 0
        self._lead = 0
        self._evidence = Evidence(self.alpha)

    @property
    def log_e(self) -> float:
        """Current log evidence that the challenger wins more than half."""
        return float(sign_log_e([self.wins], [self.losses])[0])

    @property
    def max_log_e(self) -> float:
        """Largest log evidence at any row so far."""
        return self._evidence.max_log_e

    @property
    def rejected_at(self) -> int | None:
        """Row at which the evidence first reached 1/alpha."""
        return self._evidence.rejected_at

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) signs or differences."""
        values = observations(xs, -math.inf, math.inf, "SignTest")
        wins = self.wins + np.cumsum(values > 0.0)
        losses = self.losses + np.cumsum(values < 0.0)
        if values.size:
            # a win and a loss together lower the e-value: only a new largest lead can raise its maximum
            leads = wins - losses
            records = np.flatnonzero(
                leads > np.maximum.accumulate(np.concatenate([[self._lead], leads[:-1]]))
            )
            self._evidence.absorb_some(sign_log_e(wins[records], losses[records]), self.n + 1 + records)
            self._lead = max(self._lead, int(leads.max()))
            self.wins, self.losses = int(wins[-1]), int(losses[-1])
            self.n += values.size


def sign_log_e(wins: ArrayLike, losses: ArrayLike) -> Floats:
    """Log e-value of ``SignTest`` from (n,) counts of wins and losses."""
    a = 1.0 + np.asarray(wins, dtype=np.float64)
    b = 1.0 + np.asarray(losses, dtype=np.float64)
    # the upper tail by symmetry; where it underflows, the few wins make the e-value vanish all the same
    tail = np.maximum(special.betainc(b, a, 0.5), np.finfo(np.float64).tiny)
    return (a + b - 2.0) * math.log(2.0) + special.betaln(a, b) + special.xlogy(1.0, tail) + math.log(2.0)
