"""Folds: no row on both sides, time forward only, groups whole, rare classes survived."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.learn.problem import ONE_FOLD_ROWS, Problem, affordable, inner_folds


def problem(
    target: np.ndarray, *, ordered: bool = False, groups: np.ndarray | None = None, seed: int = 0
) -> Problem:
    classes = int(target.max()) + 1
    return Problem(
        task="multiclass",
        classes=classes,
        matrix=np.zeros((len(target), 1)),
        target=target.astype(float),
        levels={},
        ordered=ordered,
        groups=groups,
        loss_range=1.0,
        seed=seed,
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.booleans(), st.integers(0, 9))
def test_folds_never_overlap_and_always_have_rows(labels: list[int], ordered: bool, seed: int):
    folds = inner_folds(problem(np.array(labels), ordered=ordered, seed=seed), 60.0)
    assert folds
    checked = np.concatenate([fold.check for fold in folds])
    assert len(np.unique(checked)) == len(checked)
    for fold in folds:
        assert min(len(fold.fit), len(fold.check)) > 0
        assert not np.intersect1d(fold.fit, fold.check).size


def test_small_unordered_tables_check_every_row_once():
    folds = inner_folds(problem(np.arange(100) % 3), 60.0)
    assert len(folds) == 5
    assert sorted(np.concatenate([fold.check for fold in folds])) == list(range(100))


def test_classes_are_dealt_evenly():
    target = np.array([0] * 90 + [1] * 10)
    for fold in inner_folds(problem(target), 60.0):
        assert target[fold.check].sum() == 2


def test_time_runs_forward():
    folds = inner_folds(problem(np.arange(100) % 2, ordered=True), 60.0)
    assert all(fold.fit.max() < fold.check.min() for fold in folds)
    assert folds[-1].check.max() == 99


@pytest.mark.parametrize("ordered", [True, False])
def test_large_tables_get_one_fold(ordered: bool):
    (fold,) = inner_folds(problem(np.arange(ONE_FOLD_ROWS) % 2, ordered=ordered), 60.0)
    assert len(fold.check) == ONE_FOLD_ROWS // 5


def test_groups_stay_whole():
    groups = np.repeat(np.arange(20), 5)
    folds = inner_folds(problem(np.arange(100) % 2, groups=groups), 60.0)
    for fold in folds:
        assert not np.intersect1d(groups[fold.fit], groups[fold.check]).size


def test_folds_follow_the_seed():
    target = np.arange(100) % 2
    one, same, other = (inner_folds(problem(target, seed=seed), 60.0) for seed in (1, 1, 2))
    assert np.array_equal(one[0].check, same[0].check)
    assert not np.array_equal(one[0].check, other[0].check)


def test_a_small_budget_thins_a_large_table_class_by_class():
    target = np.repeat([0, 1], [900_000, 100_000])
    whole = problem(target, groups=np.arange(1_000_000))
    assert affordable(whole, 60.0) is whole
    part = affordable(whole, 1.0)  # two outputs per row: 2,000,000 cells for 600,000
    assert len(part.target) == len(part.matrix) == 250_000
    assert part.target.mean() == pytest.approx(0.1)
    assert part.groups is not None
    assert (np.diff(part.groups) > 0).all()
