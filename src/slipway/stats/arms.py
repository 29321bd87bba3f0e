"""Two arms that see different rows: canaries and key figures, compared by inverse-propensity weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.vocabulary import Outcome
from slipway.stats.arguments import column, not_negative, rows, within
from slipway.stats.evidence import running
from slipway.stats.paired import PairedComparison
from slipway.stats.sequential import Sequential


class ArmComparison(Sequential):
    """Is the challenger's arm better? Each row goes to one arm at random, with a known probability.

    With A = 1 for the challenger's arm, p the probability of that, and c the mean loss of all earlier rows,
    d = (loss - c) ((1 - A) / (1 - p) - A / p) has the difference champion - challenger as its conditional
    mean, and goes into a ``PairedComparison`` of loss_range 1 / ``floor``.

    Assumes rows (arm, loss, p): arm 0 or 1 drawn by the gateway with probability p of 1, independent of the
    row; loss in [0, 1]; p in [floor, 1 - floor], free to change over time (a canary that grows). If arms are
    chosen by anything that also moves the loss (a region, a user's wish), there is no guarantee at all.

    Guarantee: as ``PairedComparison``, for the running mean of the difference in expected loss, at every
    label. Rows needed: about 2 / (1 - correlation) times those of a shadow comparison (``planning``):
    prefer a shadow wherever the challenger can score without acting.

    Args:
        alpha: level of each claim, in (0, .5).
        margin: difference of mean loss that does not matter, >= 0.
        floor: smallest probability of either arm, in (0, .5].

    Source: Waudby-Smith et al., "Anytime-valid off-policy inference for contextual bandits", ACM/IMS J. Data
    Science 2024, arXiv 2210.10768; Choe & Ramdas, arXiv 2110.00115.

    >>> rng = np.random.default_rng(0)
    >>> arm = rng.random(4000) < 0.5
    >>> loss = rng.random(4000) < np.where(arm, 0.10, 0.25)
    >>> test = ArmComparison(alpha=0.05, floor=0.5)
    >>> test.update_many(np.column_stack([arm, loss, np.full(4000, 0.5)]))
    >>> test.verdict, test.decided_at
    ('better', 78)
    """

    parameters = ("alpha", "margin", "floor")
    memory = ("n", "_total", "_comparison")

    def __init__(self, alpha: float, margin: float = 0.0, floor: float = 0.05) -> None:
        self.alpha = within("alpha", alpha, 0.0, 0.5)
        self.margin = not_negative("margin", margin)
        self.floor = within("floor", floor, 0.0, 0.5 + 1e-12)
        self.n = 0
        self._total = 0.0
        self._comparison = PairedComparison(self.alpha, self.margin, 1.0 / self.floor)

    @property
    def verdict(self) -> Outcome:
        """As ``PairedComparison.verdict``."""
        return self._comparison.verdict

    @property
    def decided_at(self) -> int | None:
        """Row that decided."""
        return self._comparison.decided_at

    @property
    def mean(self) -> float:
        """Weighted estimate of the difference champion - challenger in mean loss."""
        return self._comparison.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Confidence sequence for the running mean difference, within [-1, 1]."""
        low, high = self._comparison.interval
        return (max(-1.0, low), min(1.0, high))

    @property
    def max_log_e_better(self) -> float:
        """Largest log evidence against "the challenger is not better"."""
        return self._comparison.max_log_e_better

    @property
    def max_log_e_worse(self) -> float:
        """Largest log evidence against "the challenger is not worse than the margin"."""
        return self._comparison.max_log_e_worse

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n, 3) rows of arm, loss, probability of arm 1."""
        values = rows(xs, 3, "ArmComparison")
        arm = column(values[:, 0], "arm", 0.0, 1.0, "ArmComparison")
        loss = column(values[:, 1], "loss", 0.0, 1.0, "ArmComparison")
        p = column(values[:, 2], "probability", self.floor, 1.0 - self.floor, "ArmComparison")
        column(np.abs(arm - 0.5), "arm of 0 or 1, as |arm - 1/2|,", 0.5, 0.5, "ArmComparison")
        if loss.size == 0:
            return
        totals = running(self._total, loss)
        # c may use earlier rows only; one imagined loss of 1/2 gives the first row a centre
        centre = (0.5 + np.concatenate([[self._total], totals[:-1]])) / np.arange(
            self.n + 1.0, self.n + loss.size + 1
        )
        self._comparison.update_many((loss - centre) * ((1.0 - arm) / (1.0 - p) - arm / p))
        self._total = float(totals[-1])
        self.n += loss.size
