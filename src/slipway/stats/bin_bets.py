"""What ``categorical.BinDrift`` bets on: means of numbers that depend on the bin of a row."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from slipway.base.errors import UsageError
from slipway.stats.arguments import Floats, Ints

#: Bets as shares of the largest one: Kelly's bet for a bin that grows from m to q is (q - m) / (1 - m).
BETS = (0.03, 0.1, 0.3, 0.9)

#: Standard errors of a reference mean that the tolerance grows by.
REFERENCE_ERRORS = 3.0

#: Ends of the ordered bins, in bins at either end, that are bet on together.
ENDS = (1, 2)


class _Score(NamedTuple):
    """What is bet on: the mean over rows of a number in [0, 1] that depends on the bin.

    Attributes:
        family: what it shares its weight with.
        values: (B,) number of each bin.
        reach: the most that its mean moves when each share, and each share up to an edge, moves by at most 1.
        bin: the bin, where it is a single one.
    """

    family: str
    values: Floats
    reach: float
    bin: int | None = None


class Bets(NamedTuple):
    """Components of the detector.

    Attributes:
        bins: bin of each of the first components, those on single bins.
        logs: (B, K) log factor of a row in each bin of each component.
        weights: (K,) weights that sum to 1, or None for equal ones.
    """

    bins: Ints
    logs: Floats
    weights: Floats | None


def bets_on(shares: Floats, n: int, tolerance: float, ordered: int) -> Bets:
    """All bets of a detector.

    Args:
        shares: (B,) reference shares.
        n: rows behind them.
        tolerance: change of a share that does not matter.
        ordered: number of leading bins that are in the order of a number.

    Raises:
        UsageError: the tolerance and the standard errors leave nothing to bet on.
    """
    families: list[str] = []
    bins: list[int] = []
    logs: list[Floats] = []
    for score in _scores(shares, ordered):
        mean = float(shares @ score.values)
        slack = tolerance * score.reach + REFERENCE_ERRORS * _standard_error(shares, score.values, n)
        found = _two_sided(score.values, mean + slack, mean - slack)
        logs += found
        families += [score.family] * len(found)
        bins += [] if score.bin is None else [score.bin] * len(found)
    if not logs:
        raise UsageError(
            expected="a tolerance that some bin could exceed",
            got=f"tolerance {tolerance:g} with {n} reference rows",
            where="BinDrift",
            next_step="lower the tolerance or take more reference rows",
        )
    names = sorted(set(families))
    weights = np.array([1.0 / (len(names) * families.count(name)) for name in families])
    return Bets(np.array(bins, np.int64), np.array(logs).T.copy(), weights if len(names) > 1 else None)


def _scores(shares: Floats, ordered: int) -> list[_Score]:
    """Single bins first, then what an order allows and what no single bin is already."""
    size = shares.size
    place = np.arange(size)
    found = [
        _Score("bins" if at < ordered else "others", (place == at).astype(np.float64), 1.0, at)
        for at in place.tolist()
    ]
    found += [_Score("half-lines", (place < edge).astype(np.float64), 1.0) for edge in range(2, ordered - 1)]
    found += [_Score("ends", _ends(place, ordered, width), 2.0) for width in ENDS if ordered - 2 * width >= 2]
    valued = shares[:ordered]
    if ordered >= 3 and valued.sum() > 0.0:
        ranks = (np.cumsum(valued) - valued / 2.0) / valued.sum()
        # left of the middle the mean rank moves with the shares up to an edge, right of it with those above
        reach = float(ranks[-1] - ranks[0])
        values = np.full(size, 0.5)
        values[:ordered] = ranks
        found.append(_Score("ranks", values, reach))
    return found


def _ends(place: Ints, ordered: int, width: int) -> Floats:
    upper = (place >= ordered - width) & (place < ordered)
    return ((place < width) | upper).astype(np.float64)


def _standard_error(shares: Floats, values: Floats, n: int) -> float:
    """Of a reference mean, kept above 0 by the error that one row more would make."""
    mean = float(shares @ values)
    if np.isin(values, (0.0, 1.0)).all():
        smoothed = (mean * n + 1.0) / (n + 2.0)
        return math.sqrt(smoothed * (1.0 - smoothed) / n)
    return math.sqrt((float(shares @ (values - mean) ** 2) + 1.0 / n) / n)


def _two_sided(values: Floats, high: float, low: float) -> list[Floats]:
    """(B,) log factors of the bets that a mean exceeds ``high``, and that it falls below ``low``."""
    found: list[Floats] = []
    if high < 1.0:
        found += [np.log1p(bet * (values - high) / high) for bet in BETS]
    if low > 0.0:
        found += [np.log1p(bet * (low - values) / (1.0 - low)) for bet in BETS]
    return found


def exact(logs: Floats, block: int) -> Floats:
    """Log factors rounded down, so that their sums over a block are exact in any order of addition.

    Rounding down only lowers an e-value.
    """
    largest = block * float(np.abs(logs).max())
    digits = min(52 - math.frexp(largest)[1], 40)
    return np.ldexp(np.floor(np.ldexp(logs, digits)), -digits)
