"""Summaries of a stream of rows whose memory does not grow with the stream."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

#: Number of different hashes.
_SPACE = 2.0**64
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Distinct:
    """Number of different values from their hashes: exact below ``limit``, then within about 1/sqrt(limit).

    Keeps the ``limit`` smallest hashes. Source: Bar-Yossef et al., RANDOM 2002; estimator of Beyer et al.,
    SIGMOD 2007.

    >>> sketch = Distinct(limit=8)
    >>> sketch.add(np.array([1, 2, 2, 3], dtype=np.uint64))
    >>> sketch.estimate, sketch.exact
    (3, True)
    """

    def __init__(self, limit: int = 16_384) -> None:
        self._limit = limit
        self._kept: Hashes = np.empty(0, dtype=np.uint64)

    def add(self, hashes: Hashes) -> None:
        """Take (n,) hashes; the order and the batches do not matter."""
        if not self.exact:
            hashes = hashes[hashes < self._kept[-1]]
        if hashes.size:
            self._kept = _different(np.concatenate([self._kept, hashes]))[: self._limit]

    @property
    def exact(self) -> bool:
        """Whether fewer than ``limit`` different hashes came."""
        return self._kept.size < self._limit

    @property
    def estimate(self) -> int:
        """Different values."""
        if self.exact:
            return int(self._kept.size)
        return round((self._limit - 1) * (_SPACE / float(self._kept[-1])))


class Repeats:
    """Rows that equal an earlier one: exact up to ``limit`` rows, then from those whose hash is small.

    All copies of a row have the same hash, so they are kept or dropped together and the share is unbiased.
    """

    def __init__(self, limit: int = 1 << 21) -> None:
        self._limit = limit
        self._halvings = 0
        self._parts: list[Hashes] = []
        self._size = 0

    def add(self, hashes: Hashes) -> None:
        """Take (n,) hashes of whole rows."""
        kept = hashes[self._small(hashes)]
        self._parts.append(kept)
        self._size += kept.size
        while self._size > self._limit:
            self._halvings += 1
            self._parts = [part[self._small(part)] for part in self._parts]
            self._size = sum(part.size for part in self._parts)

    def _small(self, hashes: Hashes) -> NDArray[np.bool_]:
        return hashes <= np.uint64((1 << (64 - self._halvings)) - 1)

    @property
    def exact(self) -> bool:
        """Whether every row was kept."""
        return self._halvings == 0

    @property
    def estimate(self) -> int:
        """Rows that repeat an earlier one."""
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *self._parts])
        return int(hashes.size - _different(hashes).size) << self._halvings


def _different(hashes: Hashes) -> Hashes:
    """Each once, ascending. ``numpy.unique`` builds a hash table first, which is slower by far here."""
    ordered = np.sort(hashes)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if ordered.size else ordered


def row_hashes(columns: list[Hashes]) -> Hashes:
    """One hash for each row from the (n,) hashes of its cells, in order."""
    made = columns[0].copy()
    for hashes in columns[1:]:
        # multiply and fold: the low bits of a product know nothing of the high bits of its factors
        made *= _MIX
        made ^= made >> np.uint64(29)
        made += hashes
    made *= _MIX
    made ^= made >> np.uint64(32)
    return made


class RowSample:
    """A uniform sample without replacement, in row order; the whole table while it has few rows."""

    def __init__(self, rng: np.random.Generator, limit: int) -> None:
        self._rng = rng
        self.limit = limit
        self._seen = 0
        self._highest = np.inf
        self._parts: list[pl.DataFrame] = []
        self._keys: list[Floats] = []
        self._rows: list[NDArray[np.int64]] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Take the next rows."""
        keys = self._rng.random(batch.height)
        chosen = keys < self._highest
        self._parts.append(batch.filter(pl.Series(chosen)))
        self._keys.append(keys[chosen])
        self._rows.append(self._seen + np.nonzero(chosen)[0])
        self._seen += batch.height
        if sum(part.size for part in self._keys) > 2 * self.limit:
            self._shrink()

    def _shrink(self) -> None:
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        table = pl.concat(self._parts)
        if keys.size > self.limit:
            self._highest = float(np.partition(keys, self.limit)[self.limit])
            chosen = keys < self._highest
            table, keys, rows = table.filter(pl.Series(chosen)), keys[chosen], rows[chosen]
        self._parts, self._keys, self._rows = [table], [keys], [rows]

    def taken(self) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        """The sampled rows, and (n,) their positions in the table, ascending."""
        self._shrink()
        return self._parts[0], self._rows[0]


class CoMoments:
    """Means, variances and pairwise-complete correlations of k columns in one pass.

    Sums are taken around an origin near the mean, so that large offsets cost no digits.
    """

    def __init__(self, k: int) -> None:
        self._origin: Floats = np.zeros(k)
        self._started = False
        self._count = np.zeros((k, k))
        self._sum = np.zeros((k, k))
        self._square = np.zeros((k, k))
        self._product = np.zeros((k, k))

    def add(self, matrix: Floats) -> None:
        """Take (n, k) values, NaN where there is none."""
        absent = np.isnan(matrix)
        if not self._started:
            self._started = True
            present = np.maximum((~absent).sum(axis=0), 1)
            self._origin = np.where(absent, 0.0, matrix).sum(axis=0) / present
        # products of numbers near the largest float overflow; what comes of them is not finite and not shown
        with np.errstate(over="ignore", invalid="ignore"):
            self._add_around_origin(matrix - self._origin, absent)

    def _add_around_origin(self, matrix: Floats, absent: NDArray[np.bool_]) -> None:
        if absent.any():
            matrix[absent] = 0.0
            present = (~absent).astype(np.float64)
            self._count += present.T @ present
            self._sum += matrix.T @ present
            self._product += matrix.T @ matrix
            self._square += (matrix * matrix).T @ present
            return
        self._count += matrix.shape[0]
        self._sum += matrix.sum(axis=0)[:, None]
        product = matrix.T @ matrix
        self._product += product
        self._square += np.diag(product)[:, None]

    def means(self) -> Floats:
        """(k,) means; NaN for a column without values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.diag(self._sum) / np.diag(self._count) + self._origin

    def deviations(self) -> Floats:
        """(k,) standard deviations, dividing by n - 1."""
        count, total = np.diag(self._count), np.diag(self._sum)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(np.maximum(np.diag(self._square) - total**2 / count, 0.0) / (count - 1.0))

    def correlations(self) -> Floats:
        """(k, k) Pearson correlations; NaN where a column is constant or fewer than three rows have both."""
        n, s = self._count, self._sum
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            across = self._product - s * s.T / n
            spread = np.maximum(self._square - s * s / n, 0.0)
            # what is left of a constant after subtracting is rounding, not spread
            spread[spread <= 1e-12 * self._square] = np.nan
            made = across / np.sqrt(spread * spread.T)
        made[n < 3] = np.nan
        return np.clip(made, -1.0, 1.0)
