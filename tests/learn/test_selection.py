"""The choice between candidates: simple unless the evidence for complexity is there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slipway.learn.selection import Contender, paired_interval, select


def contenders(*means: float, noise: float = 0.05, n: int = 500, seed: int = 0) -> list[Contender]:
    """Candidates that share each row's difficulty and differ in their mean loss."""
    rng = np.random.default_rng(seed)
    shared = rng.uniform(0.2, 0.4, size=n)
    return [
        Contender(f"c{k}", k, np.clip(shared + mean + rng.normal(0, noise, size=n), 0, 1))
        for k, mean in enumerate(means)
    ]


def test_a_clearly_better_complex_candidate_is_kept():
    found = select(contenders(0.1, 0.0), prefer_simple=True)
    assert found.chosen == found.best == "c1"
    assert found.rivals[0].name == "c0"
    assert found.rivals[0].upper < 0
    assert found.message.endswith("proved")
    assert "saves 0.1" in found.message or "saves 0.09" in found.message


def test_the_simplest_of_equals_is_kept_and_the_price_is_told():
    rows = contenders(0.0, 0.0, 0.0)
    rows[2] = Contender("c2", 2, rows[0].losses - np.where(np.arange(500) % 2, 0.02, -0.0199))
    found = select(rows, prefer_simple=True)
    assert found.chosen == "c0"
    assert "would have bought" in found.message
    lost = next(rival for rival in found.rivals if rival.name == found.best)
    assert lost.gain > 0 >= lost.lower


def test_without_the_preference_the_lowest_loss_wins():
    rows = contenders(0.0005, 0.0)
    found = select(rows, prefer_simple=False)
    assert found.chosen == found.best == min(rows, key=lambda each: each.losses.mean()).name


def test_the_only_candidate_is_chosen():
    found = select(contenders(0.0), prefer_simple=True)
    assert (found.chosen, found.rivals, found.message) == ("c0", (), "c0 was the only candidate")


def test_one_validation_row_is_no_evidence_for_complexity():
    found = select(
        [Contender("a", 0, np.array([0.9])), Contender("b", 1, np.array([0.1]))], prefer_simple=True
    )
    assert found.chosen == "a"


def test_identical_losses_prefer_the_simpler_in_both_modes():
    losses = np.linspace(0, 1, 50)
    rows = [Contender("b", 1, losses), Contender("a", 0, losses)]
    assert {select(rows, prefer_simple=flag).chosen for flag in (True, False)} == {"a"}


def test_the_test_keeps_its_level_on_equal_candidates():
    """Two candidates of equal risk: the complex one is kept about as often as the level says, or less."""
    kept = sum(
        select(contenders(0.0, 0.0, seed=seed), prefer_simple=True).chosen == "c1" for seed in range(600)
    )
    assert kept / 600 < 0.08


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
def test_paired_interval_is_symmetric_in_the_two_sides(values: list[float]):
    differences = np.array(values)
    lower, upper = paired_interval(differences, 0.9)
    assert lower <= differences.mean() <= upper
    mirrored = paired_interval(-differences, 0.9)
    assert np.allclose((-mirrored[1], -mirrored[0]), (lower, upper))
