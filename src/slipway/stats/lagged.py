"""Paired comparison when each outcome is known only ``lag`` rows after the prediction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.vocabulary import Outcome
from slipway.stats.arguments import Floats, count, observations, positive, within
from slipway.stats.bets import BetMixture
from slipway.stats.sequential import Part, Sequential


class InterleavedClaim(Part):
    """One claim tested by ``lag`` interleaved wealth processes, merged through their anytime p-values."""

    memory = ("streams", "merged", "proved_at")

    def __init__(self, alpha: float, lag: int, scale: float) -> None:
        self.level = math.log(1.0 / alpha)
        self.streams = [BetMixture(math.inf, scale) for _ in range(lag)]
        # log of 1 / merged p: the mean of the largest log e-values, less 1 for merging
        self.merged = 0.0 if lag == 1 else -1.0
        self.proved_at: int | None = None

    def scan(self, zs: Floats, before: int) -> None:
        """Absorb centred differences after the first ``before``."""
        lag = len(self.streams)
        gains = np.zeros_like(zs)
        for index, stream in enumerate(self.streams):
            mine = slice((index - before) % lag, None, lag)
            start = stream.max_e
            tops = np.maximum.accumulate(
                np.concatenate([[start], np.minimum(stream.scan(zs[mine]), 2.0**1000)])
            )
            gains[mine] = np.diff(special.xlogy(1.0, tops)) / lag
        path = np.cumsum(np.concatenate([[self.merged], gains]))[1:]
        self.merged = float(path[-1])
        if self.proved_at is None and self.merged >= self.level:
            self.proved_at = before + 1 + int(np.argmax(path >= self.level))


class LaggedComparison(Sequential):
    """``PairedComparison`` for outcomes that are known only ``lag`` rows later.

    A difference d_t whose outcome was open while the next ``lag`` - 1 rows were scored is centred only
    given what was known ``lag`` rows before. So rows t, t + lag, t + 2 lag .. form one stream, each stream
    gathers its own evidence, and the streams' anytime p-values p_j = 1 / max E_j are merged as e *
    geometric mean(p_j), which is valid under any dependence between streams.

    Assumes differences in [-loss_range, loss_range], in the order of the predictions; under the hypothesis
    "not better" each stream's running mean of E[d_t | what was known lag rows before] is <= 0.

    Guarantee: P(ever calling a not better challenger better) <= alpha, and likewise for worse.

    Args:
        alpha: level of each claim, in (0, .5).
        lag: rows until an outcome is known, >= 1; 1 is no lag and costs nothing.
        loss_range: length of the interval that holds each loss.

    Source: Choe & Ramdas, arXiv 2110.00115, section 4.4; merging: Vovk & Wang, "Combining p-values via
    averaging", Biometrika 2020, arXiv 1212.4966.

    >>> rng = np.random.default_rng(0)
    >>> test = LaggedComparison(alpha=0.05, lag=5)
    >>> test.update_many(rng.normal(0.03, 0.1, 4000).clip(-1, 1))
    >>> test.verdict, test.decided_at
    ('better', 1323)
    """

    parameters = ("alpha", "lag", "loss_range")
    memory = ("n", "_better", "_worse", "verdict", "decided_at")

    def __init__(self, alpha: float, lag: int, loss_range: float = 1.0) -> None:
        self.alpha = within("alpha", alpha, 0.0, 0.5)
        self.lag = count("lag", lag)
        self.loss_range = positive("loss_range", loss_range)
        self._better = InterleavedClaim(self.alpha, self.lag, self.loss_range)
        self._worse = InterleavedClaim(self.alpha, self.lag, self.loss_range)
        self.n = 0
        self.verdict: Outcome = "insufficient"
        self.decided_at: int | None = None

    @property
    def p_better(self) -> float:
        """Anytime p-value of "the challenger is not better", at most 1."""
        return math.exp(-max(0.0, self._better.merged))

    @property
    def p_worse(self) -> float:
        """Anytime p-value of "the challenger is not worse", at most 1."""
        return math.exp(-max(0.0, self._worse.merged))

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) differences in the order of the predictions."""
        ds = observations(xs, -self.loss_range, self.loss_range, "LaggedComparison")
        if ds.size == 0:
            return
        self._better.scan(ds, self.n)
        self._worse.scan(-ds, self.n)
        self.n += ds.size
        if self.decided_at is not None:
            return
        proofs: tuple[tuple[int | None, Outcome], ...] = (
            (self._better.proved_at, "better"),
            (self._worse.proved_at, "worse"),
        )
        for at, verdict in proofs:
            if at is not None and (self.decided_at is None or at < self.decided_at):
                self.decided_at, self.verdict = at, verdict
