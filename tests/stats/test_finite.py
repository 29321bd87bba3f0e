"""Audits of a finite batch: level at any stopping point, certainty at the end."""

import numpy as np
import pytest

from slipway.base.errors import DataError
from slipway.stats.finite import FiniteBatchTest, finite_batch_interval
from slipway.stats.means import HedgedCapital


def batch(rate, size=1_000):
    return (np.arange(size) < rate * size).astype(float)


def test_level_and_power_over_random_orders():
    rng = np.random.default_rng(1)
    wrong = found = 0
    for _ in range(150):
        null = FiniteBatchTest(1_000, 0.1, 0.05, "greater")
        null.update_many(rng.permutation(batch(0.1)))
        wrong += null.rejected_at is not None
        true = FiniteBatchTest(1_000, 0.1, 0.05, "greater")
        true.update_many(rng.permutation(batch(0.13)))
        assert true.rejected_at is not None  # the whole batch has been seen
        found += true.rejected_at < 900
    assert wrong <= 7
    assert found >= 120


def test_fewer_rows_than_sampling_with_replacement_would_take():
    rng = np.random.default_rng(2)
    finite, endless = [], []
    for _ in range(60):
        order = rng.permutation(batch(0.15))
        for kind, store in ((FiniteBatchTest(1_000, 0.1, 0.05), finite), (HedgedCapital(0.1, 0.05), endless)):
            kind.update_many(order)
            store.append(kind.rejected_at or 1_001)
    assert np.mean(finite) < np.mean(endless)


def test_impossible_sums_reject_at_once():
    audit = FiniteBatchTest(10, 0.25, 0.05, "greater")
    audit.update_many([1.0, 1.0])
    assert audit.rejected_at is None
    audit.update(1.0)
    assert (audit.rejected_at, audit.log_e) == (3, np.inf)
    low = FiniteBatchTest(4, 0.9, 0.05, "less")
    low.update_many([0.0])
    assert low.rejected_at == 1


def test_interval_covers_at_random_stopping_points():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(20):
        rows = rng.permutation(batch(0.2, 400))[: rng.integers(20, 400)]
        low, high = finite_batch_interval(rows, 400, 0.1, points=200)
        missed += not low <= 0.2 <= high
    assert missed <= 4
    assert finite_batch_interval(batch(0.2, 50), 50, 0.1, points=100) == pytest.approx((0.2, 0.2))


def test_more_rows_than_the_batch_are_refused():
    audit = FiniteBatchTest(3, 0.5, 0.05)
    audit.update_many([0.0, 1.0])
    with pytest.raises(DataError, match="expected at most 3 rows, got 4"):
        audit.update_many([0.0, 1.0])
    assert audit.n == 2
