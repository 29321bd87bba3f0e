"""Few labels: guesses for all rows, corrected by the rows whose labels were bought."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.errors import DataError, UsageError
from slipway.stats.arguments import Floats, column, observations, rows, within
from slipway.stats.bets import BetMixture
from slipway.stats.sequential import Sequential


class PoweredEstimate(NamedTuple):
    """A mean with its fixed-n normal interval, and the weight given to the guesses, in [0, 1]."""

    mean: float
    low: float
    high: float
    weight: float


def powered_mean(
    labels: ArrayLike, guesses: ArrayLike, unlabelled_guesses: ArrayLike, alpha: float
) -> PoweredEstimate:
    """Prediction-powered mean (PPI++) of a loss from n labelled and N unlabelled rows.

    mean(l f over unlabelled) + mean(Y - l f over labelled), with the l in [0, 1] of least variance.

    Assumes both groups drawn at random from one population. Fixed n and asymptotic: for continuous looking
    use ``PredictionPoweredTest``.

    Raises:
        DataError: lengths that differ, fewer than two rows, or values that are not finite.

    Source: Angelopoulos et al., Science 2023, arXiv 2301.09633; Angelopoulos, Duchi, Zrnic, arXiv 2311.01453.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random(5000)
    >>> guess = truth + rng.normal(0, 0.1, 5000)
    >>> estimate = powered_mean(truth[:200], guess[:200], guess[200:], alpha=0.1)
    >>> round(estimate.low, 3), round(estimate.high, 3), round(estimate.weight, 2)
    (0.481, 0.507, 0.94)
    """
    ys = observations(labels, -np.inf, np.inf, "powered_mean")
    fs = observations(guesses, -np.inf, np.inf, "powered_mean")
    us = observations(unlabelled_guesses, -np.inf, np.inf, "powered_mean")
    if ys.size != fs.size or min(ys.size, us.size) < 2:
        raise DataError(
            expected="a guess for each of two or more labels, and two or more unlabelled guesses",
            got=f"{ys.size} labels, {fs.size} and {us.size} guesses",
            where="powered_mean",
        )
    spread = float(np.var(np.concatenate([fs, us]), ddof=1))
    shared = float(np.cov(ys, fs)[0, 1])
    weight = min(1.0, max(0.0, shared / ((1.0 + ys.size / us.size) * spread))) if spread > 0.0 else 0.0
    mean = float(weight * us.mean() + np.mean(ys - weight * fs))
    variance = float(np.var(ys - weight * fs, ddof=1)) / ys.size + weight**2 * spread / us.size
    half = float(special.ndtri(1.0 - within("alpha", alpha, 0.0, 1.0) / 2.0)) * math.sqrt(variance)
    return PoweredEstimate(mean, mean - half, mean + half, weight)


class PredictionPoweredTest(Sequential):
    """E-processes and confidence sequence for a mean loss when labels are bought with known probability.

    For a row with guess f, label probability p and, if bought (x = 1), loss l: z = f + x (l - f) / p has the
    row's expected loss as its mean, whatever the guess. Bets on z against ``m``, both sides.

    Assumes rows (f, p, x, l): f in [0, 1] and p in [floor, 1] fixed before the label is drawn, from earlier
    rows and this row's features only; x drawn with probability p; l in [0, 1] (any number where x = 0).

    Guarantee: P(ever showing the running mean loss to be above ``m`` if it never is) <= alpha, likewise for
    below; ``interval`` holds it at all rows with probability >= 1 - alpha. Good guesses only save labels:
    about Var(l) / E[(l - f)^2] times.

    Args:
        m: threshold in (0, 1).
        alpha: level in (0, 1).
        floor: smallest label probability, in (0, 1].

    Source: Zrnic & Candes, "Active statistical inference", ICML 2024, arXiv 2403.03208; bets:
    Waudby-Smith & Ramdas, arXiv 2010.09686.

    >>> rng = np.random.default_rng(0)
    >>> loss = (rng.random(8000) < 0.1).astype(float)
    >>> bought = rng.random(8000) < 0.25
    >>> test = PredictionPoweredTest(m=0.05, alpha=0.05, floor=0.25)
    >>> test.update_many(np.column_stack([np.full(8000, 0.1), np.full(8000, 0.25), bought, loss]))
    >>> test.above_at, test.below_at, test.labels
    (1447, None, 1896)
    """

    parameters = ("m", "alpha", "floor")
    memory = ("n", "labels", "_total", "_up", "_down")

    def __init__(self, m: float, alpha: float, floor: float) -> None:
        self.m = within("m", m, 0.0, 1.0)
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.floor = within("floor", floor, 0.0, 1.0 + 1e-12)
        # 1 - 1/floor <= z <= 1/floor
        low, high = self.m + 1.0 / self.floor - 1.0, 1.0 / self.floor - self.m
        self._up = BetMixture(1.0 / self.alpha, low, high)
        self._down = BetMixture(1.0 / self.alpha, high, low)
        self._total = 0.0
        self.n = 0
        #: Labels bought so far.
        self.labels = 0

    @property
    def mean(self) -> float:
        """Corrected mean loss of all rows so far; 0.0 before any."""
        return self._total / self.n if self.n else 0.0

    @property
    def log_e_above(self) -> float:
        """Current log evidence that the running mean loss is above ``m``."""
        return self._up.log_e

    @property
    def log_e_below(self) -> float:
        """Current log evidence that the running mean loss is below ``m``."""
        return self._down.log_e

    @property
    def above_at(self) -> int | None:
        """Row at which "above m" was shown."""
        return self._up.proved_at

    @property
    def below_at(self) -> int | None:
        """Row at which "below m" was shown."""
        return self._down.proved_at

    @property
    def interval(self) -> tuple[float, float]:
        """Confidence sequence for the running mean loss."""
        level = math.log(2.0 / self.alpha)
        low, high = self.m + self._up.lower_limit(level), self.m - self._down.lower_limit(level)
        return (max(0.0, low), min(1.0, high))

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n, 4) rows of guess, label probability, bought 0/1, loss."""
        where = "PredictionPoweredTest"
        values = rows(xs, 4, where)
        f = column(values[:, 0], "guesses", 0.0, 1.0, where)
        p = column(values[:, 1], "probabilities", self.floor, 1.0, where)
        bought = values[:, 2]
        column(np.abs(bought - 0.5), "bought as 0 or 1, as |bought - 1/2|,", 0.5, 0.5, where)
        loss = np.where(bought == 1.0, values[:, 3], f)
        column(loss, "losses", 0.0, 1.0, where)
        if loss.size == 0:
            return
        z = f + (loss - f) / p
        self._up.scan(z - self.m)
        self._down.scan(self.m - z)
        self._total = float(np.cumsum(np.concatenate([[self._total], z]))[-1])
        self.n += loss.size
        self.labels += int(np.count_nonzero(bought))


def label_probabilities(uncertainty: ArrayLike, budget: float, floor: float) -> Floats:
    """Active labelling: (n,) probabilities in [floor, 1] with mean ``budget``, proportional to uncertainty.

    Proportional to the standard deviation of loss - guess, they give the least variance for the budget. For
    a comparison of two models take their disagreement: rows on which they agree say nothing.

    Args:
        uncertainty: (n,) values >= 0, known before the labels (``brier_uncertainty``, or |p_1 - p_2|).
        budget: share of rows to label, in [floor, 1].
        floor: smallest probability, in (0, 1]; also keeps the guarantee when the uncertainty is wrong.

    Raises:
        UsageError: a budget outside [floor, 1].
        DataError: uncertainty that is negative or not finite.

    Source: Zrnic & Candes, arXiv 2403.03208.

    >>> label_probabilities([0.0, 0.1, 0.4, 2.0], budget=0.4, floor=0.1).round(3).tolist()
    [0.1, 0.1, 0.4, 1.0]
    """
    us = observations(uncertainty, 0.0, np.inf, "label_probabilities")
    if not 0.0 < floor <= budget <= 1.0:
        raise UsageError(expected="0 < floor <= budget <= 1", got=f"{floor:g} and {budget:g}", where="budget")
    if us.size == 0 or us.max() == 0.0:
        return np.full_like(us, budget)
    shares = us / us.max()
    low, high = 0.0, 1.0 / max(float(shares[shares > 0.0].min()), 1e-12)
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.clip(middle * shares, floor, 1.0).mean() < budget else (low, middle)
    return np.clip(high * shares, floor, 1.0)


def brier_guess(scores: ArrayLike) -> Floats:
    """Expected Brier loss of (n,) calibrated probabilities: p (1 - p)."""
    ps = observations(scores, 0.0, 1.0, "brier_guess")
    return ps * (1.0 - ps)


def brier_uncertainty(scores: ArrayLike) -> Floats:
    """Standard deviation of the Brier loss of (n,) calibrated probabilities: sqrt(p (1 - p)) |1 - 2 p|."""
    ps = observations(scores, 0.0, 1.0, "brier_uncertainty")
    return np.sqrt(ps * (1.0 - ps)) * np.abs(1.0 - 2.0 * ps)
