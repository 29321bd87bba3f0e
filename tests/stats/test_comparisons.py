"""Arms, lags, clusters and alpha spending: each trap that they exist for, stepped into and avoided."""

import numpy as np
import pytest

from slipway.base.errors import DataError, UsageError
from slipway.stats.arms import ArmComparison
from slipway.stats.clusters import ClusteredComparison, cluster_means
from slipway.stats.lagged import LaggedComparison
from slipway.stats.paired import PairedComparison
from slipway.stats.spending import deployment_alpha

ALPHA = 0.05


def arm_rows(rng, n, champion, challenger, share):
    share = np.broadcast_to(share, n)
    arm = rng.random(n) < share
    loss = rng.random(n) < np.where(arm, challenger, champion)
    return np.column_stack([arm, loss, share]).astype(float)


def test_arms_keep_their_level_also_while_a_canary_grows():
    rng = np.random.default_rng(1)
    growing = np.linspace(0.1, 0.5, 1_500)
    verdicts = []
    for _ in range(300):
        test = ArmComparison(ALPHA, floor=0.1)
        test.update_many(arm_rows(rng, 1_500, 0.3, 0.3, growing))
        verdicts.append(test.verdict)
    assert verdicts.count("better") <= ALPHA * 300
    assert verdicts.count("worse") <= ALPHA * 300


def test_trap_raw_means_of_a_growing_canary_in_a_changing_world():
    """Losses fall for both arms while the canary grows: raw arm means call it better, weights do not."""
    rng = np.random.default_rng(2)
    share = np.linspace(0.1, 0.9, 3_000)
    risk = np.linspace(0.6, 0.2, 3_000)
    raw, weighted, better = [], [], 0
    for _ in range(60):
        values = arm_rows(rng, 3_000, risk, risk, share)
        arm = values[:, 0] == 1
        raw.append(values[~arm, 1].mean() - values[arm, 1].mean())
        test = ArmComparison(ALPHA, floor=0.1)
        test.update_many(values)
        weighted.append(test.mean)
        better += test.verdict == "better"
    assert np.mean(raw) > 0.1
    assert abs(np.mean(weighted)) < 0.02
    assert better <= 5


def test_true_differences_between_arms_are_found_and_covered():
    rng = np.random.default_rng(3)
    test = ArmComparison(ALPHA, floor=0.2)
    test.update_many(arm_rows(rng, 6_000, 0.30, 0.15, 0.2))
    assert test.verdict == "better"
    low, high = test.interval
    assert low < 0.15 < high
    assert test.max_log_e_better > 3.0 > test.max_log_e_worse
    worse = ArmComparison(ALPHA, floor=0.5)
    worse.update_many(arm_rows(rng, 3_000, 0.1, 0.3, 0.5))
    assert worse.verdict == "worse"
    assert worse.decided_at < 1_000


@pytest.mark.parametrize("bad", [[0.5, 0.1, 0.5], [1, 1.5, 0.5], [1, 0.5, 0.01], [1, 0.5, np.nan], [1, 0.5]])
def test_rows_that_are_not_arm_loss_probability_are_refused(bad):
    with pytest.raises(DataError):
        ArmComparison(ALPHA).update_many([bad])


def lagged_noise(rng, n, lag):
    """Differences that hang together over ``lag`` rows, as overlapping outcome windows make them."""
    steps = rng.normal(0.0, 0.1, n + lag)
    return np.convolve(steps, np.ones(lag) / np.sqrt(lag), mode="valid")[:n].clip(-1, 1)


def test_trap_overlapping_outcomes_break_the_plain_comparison():
    rng = np.random.default_rng(4)
    plain = lagged = 0
    for _ in range(150):
        ds = lagged_noise(rng, 1_200, 12)
        one, two = PairedComparison(ALPHA), LaggedComparison(ALPHA, lag=12)
        one.update_many(ds)
        two.update_many(ds)
        plain += one.verdict == "better"
        lagged += two.verdict == "better"
    assert plain > 2 * ALPHA * 150
    assert lagged <= ALPHA * 150


def test_lag_one_is_the_plain_comparison():
    ds = np.random.default_rng(5).normal(0.03, 0.1, 1_000).clip(-1, 1)
    plain, lagged = PairedComparison(ALPHA), LaggedComparison(ALPHA, lag=1)
    plain.update_many(ds)
    lagged.update_many(ds)
    assert (plain.verdict, plain.decided_at) == (lagged.verdict, lagged.decided_at)
    assert lagged.p_better == pytest.approx(np.exp(-plain.max_log_e_better))
    assert lagged.p_worse == pytest.approx(np.exp(-plain.max_log_e_worse))


def test_lagged_differences_are_still_found():
    rng = np.random.default_rng(6)
    test = LaggedComparison(ALPHA, lag=6)
    test.update_many(-0.1 + lagged_noise(rng, 3_000, 6))
    assert test.verdict == "worse"
    assert test.p_better == 1.0


def test_trap_rows_of_one_user_are_not_a_hundred_facts():
    rng = np.random.default_rng(7)
    by_row = by_user = 0
    for _ in range(120):
        user = np.repeat(np.arange(60), 20)
        ds = (rng.normal(0, 0.2, 60)[user] + rng.normal(0, 0.05, 1_200)).clip(-1, 1)
        rows, clusters = PairedComparison(ALPHA), ClusteredComparison(ALPHA)
        rows.update_many(ds)
        clusters.update_many(np.column_stack([user, ds]))
        by_row += rows.verdict in ("better", "worse")
        by_user += clusters.verdict in ("better", "worse")
    assert by_row > 0.3 * 120
    assert by_user <= 2 * ALPHA * 120


def test_clusters_may_be_split_between_calls():
    test = ClusteredComparison(ALPHA)
    test.update_many([[1, 0.5], [1, -0.1]])
    test.update_many([[1, 0.2], [2, 1.0]])
    assert test.clusters == 1
    test.update((3, 0.0))
    assert (test.clusters, test.n) == (2, 5)
    plain = PairedComparison(ALPHA)
    plain.update_many([0.6 / 3, 1.0])
    assert test.interval == pytest.approx(plain.interval)


def test_cluster_means_come_in_the_order_in_which_clusters_end():
    assert cluster_means([1, 2, 3, 4], [7, 5, 7, 9]).tolist() == [2.0, 2.0, 4.0]
    assert cluster_means([], []).size == 0
    with pytest.raises(DataError, match="expected 2 cluster labels"):
        cluster_means([1.0, 2.0], ["a"])
    with pytest.raises(DataError, match="whole number"):
        ClusteredComparison(ALPHA).update((1.5, 0.0))


def test_spent_levels_add_up_to_the_budget():
    assert sum(deployment_alpha(0.05, k) for k in range(1, 200_000)) == pytest.approx(0.05, abs=1e-6)
    with pytest.raises(UsageError):
        deployment_alpha(0.05, 0)


def test_trap_every_deployment_opens_a_new_test():
    """Forty equal challengers in a row: at one level each, one slips through too often; spent levels hold."""
    rng = np.random.default_rng(8)
    fixed = spent = 0
    for _ in range(60):
        fixed_hit = spent_hit = False
        for k in range(1, 41):
            ds = rng.choice([-0.5, 0.5], 200)
            test = PairedComparison(ALPHA)
            test.update_many(ds)
            fixed_hit |= test.verdict == "better"
            spent_hit |= test.max_log_e_better >= -np.log(deployment_alpha(ALPHA, k))
        fixed += fixed_hit
        spent += spent_hit
    assert fixed > 4 * ALPHA * 60
    assert spent <= 2 * ALPHA * 60
