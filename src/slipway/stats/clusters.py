"""Rows that hang together (one user, one session, one day): one loss per cluster before any bet."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import DataError
from slipway.base.vocabulary import Outcome
from slipway.stats.arguments import Floats, column, not_negative, observations, positive, rows, within
from slipway.stats.paired import PairedComparison
from slipway.stats.sequential import Sequential


def cluster_means(values: ArrayLike, clusters: ArrayLike) -> Floats:
    """One mean per cluster, in the order in which the clusters end: (n,) values and labels -> (k,).

    A cluster's mean keeps the range of its values, so every bounded-mean test takes it; what is then tested
    is the mean over clusters, each counted once.

    Raises:
        DataError: lengths that differ, or values that are not finite.

    >>> cluster_means([1.0, 0.0, 0.0, 1.0, 1.0], ["a", "b", "a", "c", "b"]).tolist()
    [0.5, 1.0, 0.5]
    """
    xs = observations(values, -np.inf, np.inf, "cluster_means")
    labels = np.asarray(clusters)
    if labels.shape != xs.shape:
        raise DataError(
            expected=f"{xs.size} cluster labels", got=f"shape {labels.shape}", where="cluster_means"
        )
    if xs.size == 0:
        return xs
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    last = np.zeros(sizes.size, np.int64)
    np.maximum.at(last, codes, np.arange(xs.size))
    means = np.bincount(codes, weights=xs) / sizes
    return means[np.argsort(last)]


class ClusteredComparison(Sequential):
    """``PairedComparison`` on cluster means: each cluster of consecutive rows counts once.

    Assumes rows (cluster, difference) with whole-number clusters whose rows arrive together; a cluster
    ends when the next one begins, and the last one waits. Differences within a cluster may depend on each
    other in any way.

    Guarantee: as ``PairedComparison``, for the running mean over clusters. Betting on the rows themselves
    would count one user's hundred rows as a hundred facts, and errs far more often than alpha.

    Args:
        alpha: level of each claim, in (0, .5).
        margin: difference of mean loss that does not matter, >= 0.
        loss_range: length of the interval that holds each loss.

    Source: Choe & Ramdas, arXiv 2110.00115, on the means of independent clusters.

    >>> rng = np.random.default_rng(0)
    >>> day = np.arange(9600) // 48
    >>> test = ClusteredComparison(alpha=0.05)
    >>> test.update_many(np.column_stack([day, rng.normal(0.05, 0.1, 9600).clip(-1, 1)]))
    >>> test.verdict, test.decided_at, test.clusters
    ('better', 101, 199)
    """

    parameters = ("alpha", "margin", "loss_range")
    memory = ("n", "_cluster", "_sum", "_size", "_comparison")

    def __init__(self, alpha: float, margin: float = 0.0, loss_range: float = 1.0) -> None:
        self.alpha = within("alpha", alpha, 0.0, 0.5)
        self.margin = not_negative("margin", margin)
        self.loss_range = positive("loss_range", loss_range)
        self._comparison = PairedComparison(self.alpha, self.margin, self.loss_range)
        self._cluster: float | None = None
        self._sum = 0.0
        self._size = 0
        self.n = 0

    @property
    def clusters(self) -> int:
        """Clusters that have ended."""
        return self._comparison.n

    @property
    def verdict(self) -> Outcome:
        """As ``PairedComparison.verdict``."""
        return self._comparison.verdict

    @property
    def decided_at(self) -> int | None:
        """Cluster that decided, counted from 1."""
        return self._comparison.decided_at

    @property
    def interval(self) -> tuple[float, float]:
        """Confidence sequence for the running mean over clusters."""
        return self._comparison.interval

    def update_many(self, xs: ArrayLike) -> None:
        """Absorb (n, 2) rows of cluster and difference."""
        values = rows(xs, 2, "ClusteredComparison")
        if len(values) == 0:
            return
        ids = values[:, 0]
        column(
            np.abs(ids - np.round(ids)),
            "distance of a cluster to a whole number",
            0.0,
            0.0,
            "ClusteredComparison",
        )
        ds = column(values[:, 1], "differences", -self.loss_range, self.loss_range, "ClusteredComparison")
        starts = np.flatnonzero(np.diff(ids)) + 1
        means: list[float] = []
        for part_ids, part in zip(np.split(ids, starts), np.split(ds, starts), strict=True):
            if self._size and float(part_ids[0]) != self._cluster:
                means.append(self._close())
            self._cluster = float(part_ids[0])
            self._sum = float(np.cumsum(np.concatenate([[self._sum], part]))[-1])
            self._size += part.size
        self._comparison.update_many(means)
        self.n += ds.size

    def _close(self) -> float:
        # rounding of the sum must not push a mean of extremes out of the range
        mean = min(self.loss_range, max(-self.loss_range, self._sum / self._size))
        self._sum, self._size = 0.0, 0
        return mean
