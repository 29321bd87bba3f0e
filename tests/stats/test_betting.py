"""The hedged interval is the set of thresholds that hedged capital keeps, and the narrowest of three."""

import numpy as np
import pytest

from slipway.stats.betting import hedged_path
from slipway.stats.means import HedgedCapital
from slipway.stats.sequences import EmpiricalBernsteinSequence


def hoeffding_path(xs, alpha):
    """Predictable plug-in Hoeffding, the widest of the paper's three."""
    t = np.arange(1.0, xs.size + 1.0)
    bets = np.minimum(np.sqrt(8 * np.log(2 / alpha) / (t * np.log(1 + t))), 1.0)
    centre = np.cumsum(bets * xs) / np.cumsum(bets)
    half = (np.log(2 / alpha) + np.cumsum(bets**2) / 8) / np.cumsum(bets)
    return np.maximum.accumulate(centre - half), np.minimum.accumulate(centre + half)


def test_the_interval_is_what_the_thresholds_say():
    xs = np.random.default_rng(1).beta(2, 5, 300)
    low, high = hedged_path(xs, 0.05, points=100)
    kept = []
    for j in range(1, 100):
        test = HedgedCapital(j / 100, 0.05)
        test.update_many(xs)
        if not test.rejected:
            kept.append(j / 100)
    assert (low[-1], high[-1]) == pytest.approx((kept[0] - 0.01, kept[-1] + 0.01))


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: (rng.random(n) < 0.5).astype(float),
        lambda rng, n: (rng.random(n) < 0.1).astype(float),
        lambda rng, n: rng.random(n),
        lambda rng, n: rng.beta(10, 30, n),
    ],
    ids=["bernoulli 1/2", "bernoulli 1/10", "uniform", "beta 10 30"],
)
def test_widths_come_in_the_order_of_the_paper(draw):
    rng = np.random.default_rng(2)
    early, late = np.zeros(3), np.zeros(3)
    for _ in range(5):
        xs = draw(rng, 2_000)
        bernstein = EmpiricalBernsteinSequence(0.05).path(xs)
        paths = (hedged_path(xs, 0.05, points=1_000), bernstein, hoeffding_path(xs, 0.05))
        for k, (low, high) in enumerate(paths):
            early[k] += np.minimum(high, 1.0)[60] - np.maximum(low, 0.0)[60]
            late[k] += high[-1] - low[-1]
    # hedged betting wins while labels are few; later the grid's two steps are all that is between the two
    assert early[0] < 0.95 * early[1]
    assert late[0] <= late[1] + 5 * 0.006
    assert late[1] <= 1.05 * late[2]


def test_coverage_at_all_labels():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(100):
        low, high = hedged_path((rng.random(400) < 0.3).astype(float), 0.1, points=100)
        missed += not (low.max() <= 0.3 <= high.min())
    assert missed <= 10


def test_constants_and_no_values():
    low, high = hedged_path(np.zeros(3_000), 0.05, points=100)
    assert low[-1] == 0.0
    assert high[-1] <= 0.02
    low, high = hedged_path(np.ones(3_000), 0.05, points=100)
    assert low[-1] >= 0.98
    assert high[-1] == 1.0
    assert hedged_path([], 0.05)[0].size == 0
