"""Drift scores that people expect, as descriptions: each comes with the band it shows with no drift at all.

A fixed threshold on any of them has no error rate behind it: with 100 rows the usual rules fire on 35 to
99 % of windows that did not drift, and with many rows they miss what matters (``null_scores`` shows both).
And none says whether the model got worse. Decide with ``categorical.BinDrift``; show these beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from slipway.base.errors import DataError
from slipway.stats.arguments import Floats, count, observations, within

#: Shares below this are raised to it in the PSI, which is infinite for an empty bin.
LEAST_SHARE = 1e-4


class Band(NamedTuple):
    """What a score shows with no drift: its mean, and the value it exceeds with probability 1 - level."""

    mean: float
    upper: float


class ChiSquare(NamedTuple):
    """Pearson's two-sample statistic, its degrees of freedom and asymptotic p-value."""

    statistic: float
    freedom: int
    p_value: float


def psi(reference: ArrayLike, production: ArrayLike) -> float:
    """Population stability index, sum (p - q) log(p / q), from (B,) counts or shares of fixed bins.

    Usual thresholds: .1 and .25 (Lewis 1994); no error rate stands behind them.

    >>> round(psi([50, 50], [60, 40]), 4)
    0.0405
    """
    p, q = _shares(reference, production, "psi")
    p, q = np.maximum(p, LEAST_SHARE), np.maximum(q, LEAST_SHARE)
    return float(np.sum((p - q) * np.log(p / q)))


def psi_band(bins: int, n_reference: int, n: int, level: float = 0.95) -> Band:
    """Band of the PSI with no drift: chi-square with bins - 1 degrees of freedom times 1/n + 1/n_reference.

    >>> [round(value, 3) for value in psi_band(10, 5000, 100)]
    [0.092, 0.173]
    """
    unit = 1.0 / count("n", n) + 1.0 / count("n_reference", n_reference)
    freedom = count("bins", bins, 2) - 1
    return Band(freedom * unit, float(special.chdtri(freedom, 1.0 - within("level", level, 0.0, 1.0))) * unit)


def jensen_shannon(reference: ArrayLike, production: ArrayLike) -> float:
    """Jensen-Shannon distance (square root of the divergence, natural log) from (B,) counts or shares.

    >>> round(jensen_shannon([50, 50], [60, 40]), 4)
    0.0711
    """
    p, q = _shares(reference, production, "jensen_shannon")
    middle = (p + q) / 2.0
    divergence = (special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2.0
    return math.sqrt(max(0.0, float(divergence)))


def hellinger(reference: ArrayLike, production: ArrayLike) -> float:
    """Hellinger distance in [0, 1] from (B,) counts or shares.

    >>> round(hellinger([50, 50], [60, 40]), 4)
    0.0712
    """
    p, q = _shares(reference, production, "hellinger")
    return math.sqrt(max(0.0, 1.0 - float(np.sqrt(p * q).sum())))


def l_infinity(reference: ArrayLike, production: ArrayLike) -> float:
    """Largest difference of a bin's share, in [0, 1], from (B,) counts or shares.

    >>> round(l_infinity([50, 50], [60, 40]), 4)
    0.1
    """
    p, q = _shares(reference, production, "l_infinity")
    return float(np.abs(p - q).max())


def chi_square(reference: ArrayLike, production: ArrayLike) -> ChiSquare:
    """Pearson's test that two (B,) arrays of *counts* come from one distribution; bins empty in both are
    left out.

    At large n its p-value falls for any difference, however small.

    >>> round(chi_square([50, 50], [60, 40]).p_value, 4)
    0.1552
    """
    a, b = _counts(reference, "chi_square"), _counts(production, "chi_square")
    if a.size != b.size:
        raise DataError(expected=f"{a.size} bins", got=f"{b.size}", where="chi_square")
    table = np.array([a, b])
    table = table[:, table.sum(axis=0) > 0.0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    freedom = table.shape[1] - 1
    return ChiSquare(statistic, freedom, float(special.chdtrc(freedom, statistic)) if freedom else 1.0)


def kolmogorov_smirnov(reference: ArrayLike, production: ArrayLike) -> float:
    """Largest gap between the two empirical distribution functions of (n,) and (m,) values.

    >>> kolmogorov_smirnov([1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0])
    0.5
    """
    a, b = _sorted_pair(reference, production, "kolmogorov_smirnov")
    values = np.concatenate([a, b])
    gap = (
        np.searchsorted(a, values, side="right") / a.size - np.searchsorted(b, values, side="right") / b.size
    )
    return float(np.abs(gap).max())


def kolmogorov_smirnov_p(statistic: float, n_reference: int, n: int) -> float:
    """Asymptotic p-value of ``kolmogorov_smirnov``; useless at large n, where any difference is significant.

    >>> round(kolmogorov_smirnov_p(0.1, 500, 500), 4)
    0.0135
    """
    return float(special.kolmogorov(statistic * math.sqrt(n_reference * n / (n_reference + n))))


def wasserstein(reference: ArrayLike, production: ArrayLike) -> float:
    """Earth mover's distance of (n,) and (m,) values, in standard deviations of the reference.

    A constant reference has no unit: 0 if production equals it, else infinity.

    >>> round(wasserstein([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]), 4)
    0.8944
    """
    a, b = _sorted_pair(reference, production, "wasserstein")
    values = np.sort(np.concatenate([a, b]))
    gaps = (
        np.searchsorted(a, values[:-1], side="right") / a.size
        - np.searchsorted(b, values[:-1], side="right") / b.size
    )
    distance = float(np.sum(np.abs(gaps) * np.diff(values)))
    sd = float(a.std())
    if sd == 0.0:
        return 0.0 if distance == 0.0 else math.inf
    return distance / sd


#: A score of two arrays: counts per bin, or values.
Score = Callable[[ArrayLike, ArrayLike], float]


def null_scores(
    score: Score,
    draw: Callable[[np.random.Generator, int], Floats],
    n_reference: int,
    n: int,
    rng: np.random.Generator,
    runs: int = 300,
) -> Floats:
    """(runs,) scores of ``n`` rows against ``n_reference`` rows when both come from ``draw``: no drift at
    all.

    ``draw(rng, size)`` gives what ``score`` takes for ``size`` rows: ``draw_counts`` or ``draw_values``. The
    share above a threshold is the rate of false alarms of a rule with that threshold.

    >>> rng = np.random.default_rng(7)
    >>> scores = null_scores(jensen_shannon, draw_counts([0.05] * 20), 5000, 100, rng)
    >>> bool((scores >= 0.1).mean() > 0.97)
    True
    """
    return np.array([score(draw(rng, n_reference), draw(rng, n)) for _ in range(count("runs", runs))])


def null_band(scores: ArrayLike, level: float = 0.95) -> Band:
    """Mean and upper quantile of ``null_scores``."""
    values = observations(scores, -np.inf, np.inf, "null_band")
    return Band(float(values.mean()), float(np.quantile(values, within("level", level, 0.0, 1.0))))


def draw_counts(shares: ArrayLike) -> Callable[[np.random.Generator, int], Floats]:
    """Draws (B,) counts of rows that fall into bins with these shares, for ``null_scores``."""
    p, _ = _shares(shares, shares, "draw_counts")
    return lambda rng, size: rng.multinomial(size, p).astype(np.float64)


def draw_values(population: ArrayLike) -> Callable[[np.random.Generator, int], Floats]:
    """Draws values with replacement from a large reference sample, for ``null_scores``."""
    values = observations(population, -np.inf, np.inf, "draw_values")
    return lambda rng, size: rng.choice(values, size)


def _counts(values: ArrayLike, where: str) -> Floats:
    xs = observations(values, 0.0, np.inf, where)
    if not xs.sum() > 0.0:
        raise DataError(expected="at least one row in some bin", got="none", where=where)
    return xs


def _shares(reference: ArrayLike, production: ArrayLike, where: str) -> tuple[Floats, Floats]:
    p, q = _counts(reference, where), _counts(production, where)
    if p.size != q.size:
        raise DataError(expected=f"{p.size} bins", got=f"{q.size}", where=where)
    return p / p.sum(), q / q.sum()


def _sorted_pair(reference: ArrayLike, production: ArrayLike, where: str) -> tuple[Floats, Floats]:
    a = np.sort(observations(reference, -np.inf, np.inf, where))
    b = np.sort(observations(production, -np.inf, np.inf, where))
    if min(a.size, b.size) == 0:
        raise DataError(expected="at least one value on both sides", got="none", where=where)
    return a, b
