"""e-BH against its definition, and its share of false discoveries under dependence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import DataError, UsageError
from slipway.stats.multiplicity import e_bh, mean_e

e_values = st.lists(st.one_of(st.floats(0, 1e4), st.just(np.inf)), max_size=12)


@given(es=e_values, alpha=st.floats(0.01, 0.5))
def test_e_bh_is_its_definition(es, alpha):
    m = len(es)
    ordered = sorted(es, reverse=True)
    k = max((k for k in range(1, m + 1) if ordered[k - 1] >= m / (k * alpha)), default=0)
    kept = e_bh(es, alpha)
    assert len(kept) == k
    assert all(es[i] >= ordered[k - 1] for i in kept)


@given(es=e_values, seed=st.integers(0, 99))
def test_order_of_features_does_not_matter(es, seed):
    shuffled = np.random.default_rng(seed).permutation(len(es))
    kept = {es[i] for i in e_bh(es, 0.1)}
    assert {es[shuffled[i]] for i in e_bh([es[i] for i in shuffled], 0.1)} == kept


def test_false_discoveries_stay_rare_under_full_dependence():
    rng = np.random.default_rng(5)
    shared = np.exp(2.0 * rng.normal(size=(4000, 1)) - 2.0)
    rejected = [e_bh(np.repeat(row, 20), 0.1).size > 0 for row in shared]
    assert np.mean(rejected) <= 0.1


def test_averages_are_valid_and_the_largest_of_several_is_not():
    """Trap: the mean of null e-values reaches 1/alpha rarely under any dependence; their maximum does not."""
    rng = np.random.default_rng(6)
    null = np.where(rng.random((20_000, 10)) < 0.05, 20.0, 0.0)
    assert np.mean([mean_e(row) >= 20.0 for row in null[:2000]]) <= 0.05
    assert np.mean(null.max(axis=1) >= 20.0) > 0.3


def test_trap_products_need_e_values_that_are_valid_given_the_earlier_ones():
    """Ten metrics of the same rows: their product proves a true hypothesis wrong, their mean does not."""
    rng = np.random.default_rng(7)
    shared = np.exp(rng.normal(size=4000) - 0.5)
    same = np.repeat(shared[:, None], 10, axis=1)
    assert np.mean(same.prod(axis=1) >= 20.0) > 4 * 0.05
    assert np.mean([mean_e(row) >= 20.0 for row in same]) <= 0.05
    independent = np.exp(0.5 * rng.normal(size=(4000, 10)) - 0.125)
    assert np.mean(independent.prod(axis=1) >= 20.0) <= 0.05


def test_weights_fixed_in_advance():
    assert mean_e([np.inf, 3.0], weights=[0.0, 2.0]) == 3.0
    assert mean_e([10.0, 2.0], weights=[1.0, 3.0]) == 4.0


@pytest.mark.parametrize("bad", [[-1.0], [np.nan], [[1.0]]])
def test_values_that_are_no_e_values_are_refused(bad):
    with pytest.raises(DataError):
        e_bh(bad, 0.1)
    with pytest.raises(DataError):
        mean_e(bad)


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError):
        e_bh([1.0], 1.0)
    for values, weights in (([], None), ([1.0], [1.0, 2.0]), ([1.0], [0.0]), ([1.0], [-1.0])):
        with pytest.raises(DataError):
            mean_e(values, weights)
    assert e_bh([], 0.1).tolist() == []
