"""Banks of e-detector components: many bets on one stream, restarted after every loss.

A component k gets the log of a one-step e-value at each step; with S its running sum, S_0 = 0,

    CUSUM:            log M_t = S_t - min(S_0 .. S_{t-1})            (M_t = L_t max(M_{t-1}, 1), M_0 = 0)
    Shiryaev-Roberts: log M_t = S_t + log(exp(-S_0) + .. + exp(-S_{t-1}))    (M_t = L_t (M_{t-1} + 1))

and the bank's value is the mean of M over components, with equal or given weights: again an e-detector, so
that the mean number of steps to the first alarm at threshold A is at least A while nothing has changed.

Source: Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
New England Journal of Statistics in Data Science 2024, arXiv 2203.03532.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from slipway.stats.arguments import Floats, Ints
from slipway.stats.sequential import Part

Recursion = Literal["cusum", "shiryaev_roberts"]


def log_mean_exp(logs: Floats, weights: Floats | None = None) -> float:
    """log(mean(exp(logs))) of a one-dimensional array; ``weights`` sum to 1."""
    top = float(logs.max())
    if math.isinf(top):
        return top
    if weights is not None:
        return top + math.log(float((weights * np.exp(logs - top)).sum()))
    return top + math.log(float(np.exp(logs - top).sum()) / logs.size)


class DetectorBank(Part):
    """State of K components, their mean, and the step at which it first reached the threshold.

    Args:
        size: K.
        threshold: A >= 1.
        recursion: how a component restarts.
        weights: (K,) positive weights of the components that sum to 1; equal ones without.
    """

    memory = ("steps", "_sums", "_lows", "_floors", "_restarts", "_logs", "alarmed_at", "change_at")

    def __init__(
        self,
        size: int,
        threshold: float,
        recursion: Recursion = "cusum",
        weights: Floats | None = None,
    ) -> None:
        self.log_threshold = math.log(threshold)
        self.recursion = recursion
        self._weights = weights
        self.steps = 0
        self._sums = np.zeros(size)
        self._lows = np.zeros(size)
        # what is subtracted from the sums: the lowest sum, or its soft minimum
        self._floors = np.zeros(size)
        self._restarts = np.zeros(size, np.int64)
        self._logs = np.full(size, -np.inf)
        self.alarmed_at: int | None = None
        self.change_at: int | None = None

    @property
    def log_value(self) -> float:
        """Log of the mean of the components; -inf before the first step."""
        return log_mean_exp(self._logs, self._weights)

    @property
    def values(self) -> Floats:
        """(K,) logs of the components."""
        return self._logs

    @property
    def leader(self) -> int:
        """Index of the largest component (the first of equals)."""
        return int(np.argmax(self._logs))

    @property
    def change_point(self) -> int:
        """Steps before the estimated change: where the largest component last restarted.

        Frozen at the alarm.
        """
        return int(self._restarts[self.leader]) if self.change_at is None else self.change_at

    @property
    def restarts(self) -> Ints:
        """Steps, ascending, that the components last restarted after: any may still become
        ``change_point``."""
        restarts = self._restarts.tolist()
        return np.array(sorted({*restarts, self.change_point}), np.int64)

    def step(self, increments: Floats) -> None:
        """Absorb the (K,) log e-values of one step."""
        sums = self._sums + increments
        logs = sums - self._floors
        self._logs, self._sums = logs, sums
        self.steps += 1
        if self.alarmed_at is None and logs.max() >= self.log_threshold:
            self._maybe_alarm(logs, self.steps, self._restarts)
        lower = sums <= self._lows
        if lower.any():
            self._restarts = np.where(lower, self.steps, self._restarts)
            self._lows = np.minimum(sums, self._lows)
        self._floors = self._lows if self.recursion == "cusum" else -np.logaddexp(-self._floors, -sums)

    def scan(self, increments: Floats) -> None:
        """Absorb the (T, K) log e-values of T steps, exactly as ``step`` would."""
        if increments.shape[0] == 0:
            return
        sums = np.cumsum(np.vstack([self._sums, increments]), axis=0)
        lows = np.minimum.accumulate(np.vstack([self._lows, sums[1:]]), axis=0)
        if self.recursion == "cusum":
            floors = lows
        else:
            floors = -np.logaddexp.accumulate(-np.vstack([self._floors, sums[1:]]), axis=0)
        logs = sums[1:] - floors[:-1]
        if self.alarmed_at is None:
            # a mean reaches the threshold only where the largest component does
            for row in np.flatnonzero(logs.max(axis=1) >= self.log_threshold):
                restarts = self._latest_restarts(sums[1 : row + 1], lows[row])
                if self._maybe_alarm(logs[row], self.steps + int(row) + 1, restarts):
                    break
        self._restarts = self._latest_restarts(sums[1:], lows[-1])
        self.steps += increments.shape[0]
        self._sums, self._lows, self._floors, self._logs = sums[-1], lows[-1], floors[-1], logs[-1]

    def _latest_restarts(self, sums: Floats, low: Floats) -> Ints:
        """(K,) steps at which each sum was last at its lowest, ``low``."""
        if sums.shape[0] == 0:
            return self._restarts
        at_low = sums[::-1] == low
        latest = self.steps + sums.shape[0] - np.argmax(at_low, axis=0)
        return np.where(at_low.any(axis=0), latest, self._restarts)

    def _maybe_alarm(self, logs: Floats, step: int, restarts: Ints) -> bool:
        if log_mean_exp(logs, self._weights) < self.log_threshold:
            return False
        self.alarmed_at = step
        self.change_at = int(restarts[int(np.argmax(logs))])
        return True
