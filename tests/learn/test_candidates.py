"""Candidates: they learn, serve what they predict, keep to the clock, and come out the same twice."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np
import pytest

from slipway.learn.boosting import boost
from slipway.learn.budget import Budget, Progress, silent
from slipway.learn.candidates import Candidate, constant, fit_candidates
from slipway.learn.linear import fit_linear, terms_of
from slipway.learn.problem import Problem, inner_folds
from slipway.models.linear import LinearPredictor
from slipway.models.predictor import load_predictor

BOTH = ("linear", "lightgbm")


def fit(
    problem: Problem,
    seconds: float = 60.0,
    report: Callable[[Progress], None] = silent,
    now: Callable[[], float] = time.monotonic,
) -> list[Candidate]:
    return fit_candidates(problem, inner_folds(problem, 60.0), BOTH, Budget(seconds, now), 2, report)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_candidates_learn_and_serve_what_they_predict(make_problem: Callable[..., Problem], classes: int):
    problem = make_problem(classes=classes)
    fresh = make_problem(rows=200, classes=classes, seed=1)
    everyone = np.arange(200)
    baseline = constant(problem)
    candidates = fit(problem)
    assert [each.name for each in candidates] == list(BOTH)
    loss = {}
    for each in [baseline, *candidates]:
        outputs = each.predict(fresh.matrix)
        loss[each.name] = fresh.losses(outputs, everyone).mean()
        served = load_predictor(each.flavour, each.content, 3, problem.outputs)
        assert np.array_equal(served.predict(fresh.matrix), outputs)
        assert [served.predict_row(row) for row in fresh.matrix[:20].tolist()] == outputs[:20].tolist()
    assert loss["lightgbm"] < loss["linear"] < loss["constant"]


def test_candidates_are_judged_on_the_same_rows_and_never_on_seen_ones(
    make_problem: Callable[..., Problem],
):
    problem = make_problem()
    linear, trees = fit(problem)
    assert len(linear.losses) == len(trees.losses) == 300  # five folds check every row once
    noise = make_problem(target=np.random.default_rng(9).integers(0, 2, 300).astype(float))
    for each in fit(noise):
        assert each.losses.mean() > 0.23  # on rows it had seen a tree would be far below a coin's 0.25


def test_the_same_seed_rows_and_threads_give_the_same_model(make_problem: Callable[..., Problem]):
    one, two = fit(make_problem()), fit(make_problem())
    assert [each.content for each in one] == [each.content for each in two]
    assert one[1].recipe == two[1].recipe
    assert one[1].recipe["cut_short"] is False


@pytest.mark.parametrize("rows", [4, 12, 40])
@pytest.mark.parametrize("classes", [0, 2, 4])
def test_hardly_any_rows_still_give_models(make_problem: Callable[..., Problem], rows: int, classes: int):
    problem = make_problem(rows=rows, classes=classes)
    for each in [constant(problem), *fit(problem)]:
        assert np.isfinite(each.predict(problem.matrix)).all()


def test_a_class_of_one_row_and_one_of_none_get_a_probability(make_problem: Callable[..., Problem]):
    target = np.repeat([0.0, 1.0, 2.0], [60, 59, 1])
    problem = make_problem(rows=120, classes=4, target=target)
    for each in [constant(problem), *fit(problem)]:
        outputs = each.predict(problem.matrix)
        assert outputs.shape == (120, 4)
        assert np.allclose(outputs.sum(axis=1), 1.0)


def test_one_class_in_a_time_fold_does_not_stop_the_search(make_problem: Callable[..., Problem]):
    target = np.repeat([0.0, 1.0], [100, 60])
    problem = make_problem(rows=160, target=target, ordered=True)
    for each in fit(problem):
        assert np.isfinite(each.predict(problem.matrix)).all()


def test_columns_without_values_or_variation_do_no_harm(make_problem: Callable[..., Problem]):
    base = make_problem()
    matrix = np.column_stack([base.matrix, np.full(300, np.nan), np.ones(300), np.full(300, 1e300)])
    matrix[0, 5] = -1e300
    for each in fit(make_problem(matrix=matrix)):
        assert np.isfinite(each.predict(matrix)).all()


def test_the_constant_is_the_share_or_the_median(make_problem: Callable[..., Problem]):
    target = np.repeat([0.0, 1.0], [225, 75])
    assert constant(make_problem(target=target)).predict(np.zeros((2, 3))).tolist() == [[0.25], [0.25]]
    skewed = np.concatenate([np.zeros(200), np.full(100, 9.0)])
    assert constant(make_problem(classes=0, target=skewed)).predict(np.zeros((1, 3))).tolist() == [[0.0]]


def test_progress_runs_forward_from_start_to_end(make_problem: Callable[..., Problem]):
    seen: list[Progress] = []
    fit(make_problem(), report=seen.append)
    done = [each.done for each in seen]
    assert done == sorted(done)
    assert done[0] == 0.0
    assert 0.5 < done[-1] <= 1.0
    assert seen[0].message.startswith("linear: ")
    assert "final fit" in seen[-1].message


def test_time_that_is_up_still_gives_models(make_problem: Callable[..., Problem]):
    linear, trees = fit(make_problem(), seconds=0.0)
    assert trees.recipe["cut_short"] is True
    assert trees.recipe["configurations_tried"] == 1
    assert linear.recipe["cut_short"] is True
    assert len(linear.losses) == len(trees.losses)


def test_an_ensemble_without_time_for_the_final_fit_is_the_one_that_was_judged(
    make_problem: Callable[..., Problem],
):
    problem = make_problem(rows=1000)
    folds = inner_folds(problem, 0.0)
    ticks = itertools.count()
    found = boost(problem, folds, Budget(60.0, lambda: next(ticks)), 1, lambda _done, _message: None)
    assert found.cut_short
    assert found.rows == len(folds[-1].fit) == 800
    assert 1 <= found.rounds <= 60


def test_wall_time_is_kept_on_a_table_that_would_take_far_longer(make_problem: Callable[..., Problem]):
    problem = make_problem(rows=60_000, classes=5)
    start = time.monotonic()
    trees = fit(problem, seconds=3.0)[1]
    assert time.monotonic() - start < 4.0
    assert trees.recipe["cut_short"] is True


def test_a_linear_model_finds_the_line_it_was_drawn_from(make_problem: Callable[..., Problem]):
    base = make_problem(rows=2000, classes=0)
    matrix = np.nan_to_num(base.matrix, nan=0.0)
    target = (
        5.0 + 3.0 * matrix[:, 0] - 2.0 * matrix[:, 1] + np.array([0.0, 1.0, 4.0])[matrix[:, 2].astype(int)]
    )
    problem = make_problem(rows=2000, classes=0, matrix=matrix, target=target)
    fitted = fit_linear(problem, inner_folds(problem, 60.0), Budget(60.0, time.monotonic))
    found = LinearPredictor(fitted.model, 3).predict(matrix)[:, 0]
    assert np.abs(found - target).max() < 0.05
    assert fitted.penalty == 0.05
    assert not fitted.cut_short


def test_terms_learn_centre_and_spread_from_the_rows_they_get(make_problem: Callable[..., Problem]):
    matrix = np.column_stack([np.array([1.0, 2.0, 3.0, np.nan, 1e9]), np.zeros(5), np.zeros(5)])
    first, second, third = terms_of(make_problem(rows=5, matrix=matrix), np.arange(4))
    assert (first.impute, first.center, first.scale) == (2.0, 2.0, pytest.approx(np.std([1, 2, 3])))
    assert second.scale == 1.0
    assert third.levels == 3
