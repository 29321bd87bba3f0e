"""Hypotheses that keep arriving (alarms, deployments): levels for each so that few discoveries are false.

Levels of LOND, LORD++, SAFFRON and ADDIS agree with the onlineFDR reference to its printed digits.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, observations, within
from slipway.stats.sequential import Sequential


class OnlineProcedure(Sequential):
    """Shared shape: each value is judged when it comes, at a level that the earlier rejections set."""

    parameters = ("alpha",)
    memory = ("n", "rejections", "level")

    def __init__(self, alpha: float) -> None:
        self.alpha = within("alpha", alpha, 0.0, 1.0)
        self.n = 0
        #: Numbers, from 1, of the hypotheses rejected so far.
        self.rejections: list[int] = []
        #: Level used for the latest hypothesis; before any, 0.
        self.level = 0.0

    def update_many(self, xs: ArrayLike) -> None:
        """Judge (n,) values in order of arrival."""
        for x in self._values(xs).tolist():
            self.n += 1
            self.level = self._next_level(self.n)
            if self._rejects(x, self.level):
                self.rejections.append(self.n)

    def _values(self, xs: ArrayLike) -> Floats:
        return observations(xs, 0.0, 1.0, type(self).__name__)

    def _rejects(self, x: float, level: float) -> bool:
        return x <= level

    @abstractmethod
    def _next_level(self, t: int) -> float:
        """Level of the ``t``-th hypothesis."""


class ELond(OnlineProcedure):
    """e-LOND: alarm t if E_t >= 1 / alpha_t, alpha_t = alpha g_t (rejections so far + 1), g_t = 6 / (pi t)^2.

    Assumes e-values >= 0 (infinity allowed), each valid given nothing but its own null hypothesis; any
    dependence between them. E-processes of overlapping streams, read at any stopping times, are fine.

    Guarantee: false discovery rate <= alpha at every time.

    Args:
        alpha: in (0, 1).

    Source: Xu & Ramdas, "Online multiple testing with e-values", AISTATS 2024, arXiv 2311.06412.

    >>> procedure = ELond(alpha=0.1)
    >>> procedure.update_many([1.0, 200.0, 3.0, 140.0])
    >>> procedure.rejections, round(procedure.level, 5)
    ([2, 4], 0.0076)
    """

    def _values(self, xs: ArrayLike) -> Floats:
        es = np.asarray(xs, dtype=np.float64)
        if es.ndim != 1 or not np.all(es >= 0.0):
            raise DataError(
                expected="one-dimensional e-values of at least 0", got=f"shape {es.shape}", where="ELond"
            )
        return es

    def _rejects(self, x: float, level: float) -> bool:
        return x * level >= 1.0

    def _next_level(self, t: int) -> float:
        return self.alpha * 6.0 / (math.pi * t) ** 2 * (len(self.rejections) + 1)


class LordPlusPlus(OnlineProcedure):
    """LORD++: alpha_t = w0 g_t + (alpha - w0) g_{t - tau_1} + alpha sum_{j >= 2} g_{t - tau_j}, w0 = alpha
    / 10.

    tau_j are the rejections; g_j = 0.07720838 log(max(j, 2)) / (j exp(sqrt(log j))).

    Assumes p-values that are independent, each valid given its own null hypothesis. For e-processes of
    dependent streams use ``ELond``.

    Guarantee: false discovery rate <= alpha at every time.

    Args:
        alpha: in (0, 1).

    Source: Ramdas, Yang, Wainwright, Jordan, "Online control of the false discovery rate with decaying
    memory", NeurIPS 2017, arXiv 1710.00499.

    >>> procedure = LordPlusPlus(alpha=0.05)
    >>> procedure.update_many([2.9e-8, 0.06743, 0.01514])
    >>> procedure.rejections, round(procedure.level, 10)
    ([1], 0.0005732818)
    """

    def _next_level(self, t: int) -> float:
        w0 = self.alpha / 10.0
        level = w0 * _lord_weight(t)
        for j, tau in enumerate(self.rejections):
            level += (self.alpha - w0 if j == 0 else self.alpha) * _lord_weight(t - tau)
        return level


class Lond(OnlineProcedure):
    """LOND: alpha_t = alpha g_t (rejections so far + 1), g_j as in ``LordPlusPlus``.

    Assumes p-values that are independent, each valid given its own null hypothesis.

    Guarantee: false discovery rate <= alpha at every time.

    Args:
        alpha: in (0, 1).

    Source: Javanmard & Montanari, "Online rules for control of false discovery rate", AoS 2018, arXiv
    1603.09000.

    >>> procedure = Lond(alpha=0.05)
    >>> procedure.update_many([2.9e-8, 0.06743])
    >>> procedure.rejections, round(procedure.level, 10)
    ([1], 0.0011638206)
    """

    def _next_level(self, t: int) -> float:
        return self.alpha * _lord_weight(t) * (len(self.rejections) + 1)


class Saffron(OnlineProcedure):
    """SAFFRON: as LORD++, but its levels decay only with hypotheses that are *not* candidates (p > 1/2).

    alpha_t = min(l, (1 - l)(w0 g_{t - C_0} + (alpha - w0) g_{t - tau_1 - C_1} + alpha sum g_{t - tau_j -
    C_j})), l = 1/2, w0 = alpha / 2, g_j = 0.4374901658 j^-1.6, C_j the candidates since rejection j.

    Assumes p-values that are independent, each valid given its own null hypothesis.

    Guarantee: false discovery rate <= alpha at every time.

    Args:
        alpha: in (0, 1).

    Source: Ramdas, Zrnic, Wainwright, Jordan, "SAFFRON", ICML 2018, arXiv 1802.09098.

    >>> procedure = Saffron(alpha=0.05)
    >>> procedure.update_many([2.9e-8, 0.06743, 0.01514])
    >>> procedure.rejections, round(procedure.level, 9)
    ([1], 0.010937254)
    """

    memory = ("n", "rejections", "level", "_candidates")

    def __init__(self, alpha: float) -> None:
        super().__init__(alpha)
        #: Candidates since the start and since each rejection.
        self._candidates: list[int] = [0]

    def _next_level(self, t: int) -> float:
        w0 = self.alpha / 2.0
        total = w0 * _saffron_weight(t - self._candidates[0])
        for j, (tau, since) in enumerate(zip(self.rejections, self._candidates[1:], strict=True)):
            total += (self.alpha - w0 if j == 0 else self.alpha) * _saffron_weight(t - tau - since)
        return min(CANDIDATE, (1.0 - CANDIDATE) * total)

    def _rejects(self, x: float, level: float) -> bool:
        rejected = x <= level
        if x <= CANDIDATE:
            self._candidates = [since + 1 for since in self._candidates]
        if rejected:
            self._candidates.append(0)
        return rejected


class Addis(OnlineProcedure):
    """ADDIS: as SAFFRON, and p-values above tau = 1/2 are discarded: for conservative null p-values.

    alpha_t = min(l, (tau - l)(w0 g_{S_t - C_0} + (alpha - w0) g_{S_t - k_1 - C_1} + alpha sum_{j >= 2}
    g_{S_t - k_j - C_j})), l = 1/4, w0 = alpha / 2; S_t counts the p-values kept (<= tau) so far and this one,
    k_j those kept up to rejection j, C_j the candidates (p <= l) since rejection j; g_j as in ``Saffron``.

    Assumes p-values that are independent, with nulls that are uniform or conservative.

    Guarantee: false discovery rate <= alpha at every time.

    Args:
        alpha: in (0, 1).

    Source: Tian & Ramdas, "ADDIS", NeurIPS 2019, arXiv 1905.11465.

    >>> procedure = Addis(alpha=0.05)
    >>> procedure.update_many([2.9e-8, 0.06743])
    >>> procedure.rejections, round(procedure.level, 9)
    ([1], 0.005468627)
    """

    memory = ("n", "rejections", "level", "_kept", "_kept_at", "_candidates")

    def __init__(self, alpha: float) -> None:
        super().__init__(alpha)
        self._kept = 0
        #: P-values kept up to each rejection.
        self._kept_at: list[int] = []
        #: Candidates since the start and since each rejection.
        self._candidates: list[int] = [0]

    def _next_level(self, t: int) -> float:  # noqa: ARG002  (the time that counts is that of the kept ones)
        w0, now = self.alpha / 2.0, self._kept + 1
        total = w0 * _saffron_weight(now - self._candidates[0])
        for j, (kept, since) in enumerate(zip(self._kept_at, self._candidates[1:], strict=True)):
            total += (self.alpha - w0 if j == 0 else self.alpha) * _saffron_weight(now - kept - since)
        return min(_ADDIS_CANDIDATE, (_ADDIS_KEPT - _ADDIS_CANDIDATE) * total)

    def _rejects(self, x: float, level: float) -> bool:
        rejected = x <= level
        self._kept += x <= _ADDIS_KEPT
        if x <= _ADDIS_CANDIDATE:
            self._candidates = [since + 1 for since in self._candidates]
        if rejected:
            self._kept_at.append(self._kept)
            self._candidates.append(0)
        return rejected


_ADDIS_KEPT, _ADDIS_CANDIDATE = 0.5, 0.25

#: P-values up to here are candidates of SAFFRON.
CANDIDATE = 0.5


def _lord_weight(j: int) -> float:
    return 0.07720838 * math.log(max(j, 2)) / (j * math.exp(math.sqrt(math.log(j))))


def _saffron_weight(j: int) -> float:
    return 0.4374901658 * j**-1.6
