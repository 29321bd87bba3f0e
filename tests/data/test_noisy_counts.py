"""Noisy counts: right but for noise of the size that was said, and never of levels taken from the table."""

from __future__ import annotations

import importlib.util

import numpy as np
import polars as pl
import pytest

from slipway.base.errors import UsageError
from slipway.data.noisy_counts import noisy_counts

WITH = importlib.util.find_spec("opendp") is not None
needs_opendp = pytest.mark.skipif(not WITH, reason="the extra privacy is not installed")
DF = pl.DataFrame({"sex": ["f"] * 30 + ["m"] * 50 + [None] * 5, "ok": [True] * 40 + [False] * 45})


@needs_opendp
def test_a_huge_epsilon_shows_the_counts_themselves() -> None:
    made = noisy_counts(DF, {"sex": ["f", "m", "x"], "ok": ["false", "true"]}, epsilon=100.0)
    assert dict(zip(made.groups, made.counts, strict=True)) == {
        ("f", "false"): 0,
        ("f", "true"): 30,
        ("m", "false"): 40,
        ("m", "true"): 10,
        ("x", "false"): 0,
        ("x", "true"): 0,
    }
    assert made.epsilon == pytest.approx(100.0)


@needs_opendp
@pytest.mark.parametrize(("epsilon", "per_person"), [(0.5, 1), (1.0, 3)])
def test_the_noise_is_as_large_as_said(epsilon: float, per_person: int) -> None:
    """400 cells of truth 0: discrete Laplace noise has mean 0, and 5 % of it beyond the accuracy."""
    levels = [f"level {n}" for n in range(400)]
    made = noisy_counts(DF, {"sex": levels}, epsilon=epsilon, per_person=per_person)
    assert made.epsilon == pytest.approx(epsilon)
    scale = per_person / epsilon
    noise = np.asarray(made.counts)
    assert abs(noise.mean()) < 5 * scale * 2**0.5 / 20
    assert 0.6 < np.abs(noise).mean() / scale < 1.4
    assert (np.abs(noise) > made.accuracy).mean() < 0.11
    assert noise.min() < 0


@needs_opendp
def test_two_releases_differ() -> None:
    levels = {"sex": [f"level {n}" for n in range(50)]}
    assert noisy_counts(DF, levels, epsilon=0.1).counts != noisy_counts(DF, levels, epsilon=0.1).counts


@pytest.mark.parametrize(
    ("levels", "epsilon", "per_person", "message"),
    [
        ({}, 1.0, 1, "1 to 100,000 combinations"),
        ({"sex": []}, 1.0, 1, "1 to 100,000 combinations"),
        ({"sex": [str(n) for n in range(1000)], "ok": [str(n) for n in range(101)]}, 1.0, 1, "combinations"),
        ({"nose": ["x"]}, 1.0, 1, "'nose', which it lacks"),
        ({"sex": ["f"]}, 0.0, 1, "epsilon above 0"),
        ({"sex": ["f"]}, float("nan"), 1, "epsilon above 0"),
        ({"sex": ["f"]}, 1.0, 0, "at least one row per person"),
    ],
)
def test_requests_that_cannot_be_are_refused(
    levels: dict[str, list[str]], epsilon: float, per_person: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        noisy_counts(DF, levels, epsilon=epsilon, per_person=per_person)


@pytest.mark.skipif(WITH, reason="the extra privacy is installed")
def test_without_the_library_the_next_step_is_said() -> None:
    with pytest.raises(UsageError, match=r"pip install 'slipway\[privacy\]'"):
        noisy_counts(DF, {"sex": ["f"]}, epsilon=1.0)
