"""Is the challenger better, worse or the same? Paired losses, looked at after every label."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.vocabulary import Outcome
from slipway.stats.arguments import Floats, blocks, not_negative, observation, observations, positive, within
from slipway.stats.bets import BetMixture
from slipway.stats.evidence import running
from slipway.stats.sequential import Sequential


class PairedComparison(Sequential):
    """Paired e-processes and a confidence sequence for the running mean of loss differences.

    d_t = loss of the champion - loss of the challenger on the same row: positive = challenger better. Each
    claim has an e-process, the mean wealth E(z) of six fixed bets on z (``stats.bets``):

    - ``better``: E(d) reaches 1/alpha; rejects "mean difference <= 0";
    - ``worse``: E(-d - margin) reaches 1/alpha; rejects "mean difference >= -margin";
    - ``non_inferior``: E(d + margin) reaches 1/alpha; rejects "mean difference <= -margin";
    - ``equivalent``: E(d + margin) and E(margin - d) are at 1/alpha at the same label, which is to say that
      ``interval`` lies inside [-margin, margin] (two one-sided tests: both must err for it to be false).

    ``verdict`` takes the first of better, worse, equivalent and keeps it; ``decided_at`` is the label
    that decided, also inside ``update_many``. Later labels still enter the evidence.

    Assumes that d_t lies in [-loss_range, loss_range] and that labels come in an order that does not
    depend on the losses (else see ``stats.cohorts``). Rows need be neither identically distributed nor
    independent: "mean" is the average, over the labels so far, of each conditional mean, and it may drift.

    Guarantee: a claim that is false at every label is ever made with probability at most ``alpha``, however
    often one looks; each bound of ``interval`` holds at all labels with probability at least 1 - alpha, so
    that without a margin it excludes 0 exactly where a claim has its proof.
    Identical models (d = 0) are never called better or worse.

    Measured (normal differences, alpha .025): labels to the verdict, median and 90 % of runs, are 1,800 and
    3,700 for mean .005 and sd .07 (two decent models, Brier score), 310 and 400 for mean .02 and sd .07, 28
    and 43 for a disaster of mean .3 and sd .4. A gamma-exponential mixture of scale 2 with its best tuning
    needs about twice as many (tests/stats/test_paired_power.py), hence no tuning argument.

    Args:
        alpha: level of each claim, in (0, .5).
        margin: difference of mean loss that does not matter, >= 0; 0 leaves "equivalent" out of reach.
        loss_range: length of the interval that holds each loss.

    Raises:
        UsageError: an argument outside its range.
        DataError: from ``update`` and ``update_many``: differences outside the range; nothing is absorbed.

    Sources: Choe & Ramdas, "Comparing sequential forecasters", Operations Research 2023, arXiv 2110.00115
    (paired running-mean e-processes); Waudby-Smith & Ramdas, JRSSB 2023 (fixed bets).

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> test = PairedComparison(alpha=0.025)
    >>> test.update_many(rng.normal(0.02, 0.07, 1000).clip(-1, 1))
    >>> test.verdict, test.decided_at, test.n
    ('better', 434, 1000)
    """

    parameters = ("alpha", "margin", "loss_range")
    memory = ("n", "_total", "_better", "_worse", "_above", "_below", "verdict", "decided_at")

    def __init__(self, alpha: float, margin: float = 0.0, loss_range: float = 1.0) -> None:
        self.alpha = within("alpha", alpha, 0.0, 0.5)
        self.margin = not_negative("margin", margin)
        self.loss_range = positive("loss_range", loss_range)
        level = 1.0 / self.alpha
        reach = self.loss_range + self.margin
        self._better = BetMixture(level, self.loss_range, reach)
        self._worse = BetMixture(level, self.loss_range + self.margin, reach)
        # the two distances to the margins; without a margin they are the claims above
        self._above = BetMixture(level, self.loss_range, reach) if self.margin else self._better
        self._below = BetMixture(level, self.loss_range, reach) if self.margin else self._worse
        self.n = 0
        self._total = 0.0
        self.verdict: Outcome = "insufficient"
        self.decided_at: int | None = None

    @property
    def mean(self) -> float:
        """Mean difference so far; 0.0 before any label."""
        return self._total / self.n if self.n else 0.0

    @property
    def log_e_better(self) -> float:
        """Current log evidence against "mean difference <= 0"."""
        return self._better.log_e

    @property
    def log_e_worse(self) -> float:
        """Current log evidence against "mean difference >= -margin"."""
        return self._worse.log_e

    @property
    def log_e_non_inferior(self) -> float:
        """Current log evidence against "mean difference <= -margin"."""
        return self._above.log_e

    @property
    def max_log_e_better(self) -> float:
        """Largest ``log_e_better`` at any label so far; exp of its negative is an anytime p-value."""
        return self._better.max_log_e

    @property
    def max_log_e_worse(self) -> float:
        """Largest ``log_e_worse`` at any label so far."""
        return self._worse.max_log_e

    @property
    def max_log_e_non_inferior(self) -> float:
        """Largest ``log_e_non_inferior`` at any label so far."""
        return self._above.max_log_e

    @property
    def non_inferior_at(self) -> int | None:
        """Label at which "mean difference <= -margin" was first rejected."""
        return self._above.proved_at

    @property
    def non_inferior(self) -> bool:
        """Whether "mean difference <= -margin" has been rejected at some label."""
        return self._above.proved_at is not None

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper confidence bound for the running mean difference at the current label.

        Each is a confidence sequence at level 1 - alpha, both together at 1 - 2 alpha.
        """
        level = math.log(1.0 / self.alpha)
        low = self._above.lower_limit(level) - self.margin
        high = self.margin - self._below.lower_limit(level)
        return (max(-self.loss_range, low), min(self.loss_range, high))

    def update(self, x: float) -> None:
        """Absorb one difference."""
        d = observation(x, -self.loss_range, self.loss_range, "PairedComparison")
        self.n += 1
        self._total += d
        z = d + self.margin
        self._better.step(d)
        self._worse.step(-z)
        equivalent_at = None
        if self.margin:
            near = min(self._above.step(z), self._below.step(self.margin - d))
            equivalent_at = self.n if near >= 1.0 / self.alpha else None
        if self.decided_at is None:
            self._conclude(equivalent_at)

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n,) differences in order of arrival."""
        ds = observations(xs, -self.loss_range, self.loss_range, "PairedComparison")
        for block in blocks(ds):
            self._absorb(block)

    def _absorb(self, ds: Floats) -> None:
        before = self.n
        self.n += ds.size
        # cumsum adds one by one, in order, as update does; np.sum would not
        self._total = float(running(self._total, ds)[-1])
        zs = ds + self.margin
        self._better.scan(ds)
        self._worse.scan(-zs)
        equivalent_at = None
        if self.margin:
            near = np.minimum(self._above.scan(zs), self._below.scan(self.margin - ds)) >= 2.0 / self.alpha
            equivalent_at = before + 1 + int(np.argmax(near)) if near.any() else None
        if self.decided_at is None:
            self._conclude(equivalent_at)

    def _conclude(self, equivalent_at: int | None) -> None:
        """Take the earliest proof; a strict claim wins a tie."""
        proofs: tuple[tuple[int | None, Outcome], ...] = (
            (self._better.proved_at, "better"),
            (self._worse.proved_at, "worse"),
            (equivalent_at, "equivalent"),
        )
        for at, verdict in proofs:
            if at is not None and (self.decided_at is None or at < self.decided_at):
                self.decided_at, self.verdict = at, verdict
