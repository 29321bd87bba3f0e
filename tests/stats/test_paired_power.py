"""Labels to the verdict: the figures in the docstring of PairedComparison, and the engine they justify."""

import numpy as np
import pytest

from slipway.stats.mixtures import GammaExponentialMixture
from slipway.stats.paired import PairedComparison

ALPHA = 0.025
RUNS = 300


def labels_to_verdict(streams):
    for stream in streams:
        test = PairedComparison(ALPHA)
        test.update_many(stream)
        yield test.decided_at if test.verdict == "better" else np.inf


def labels_of_gamma_exponential(streams, v_opt):
    mixture = GammaExponentialMixture(v_opt, ALPHA, scale=2.0)
    for stream in streams:
        total = np.cumsum(stream)
        guess = np.concatenate([[0.0], total[:-1]]) / np.maximum(np.arange(stream.size), 1.0)
        proved = mixture.log_value(total, np.cumsum((stream - guess) ** 2)) >= -np.log(ALPHA)
        yield 1 + int(np.argmax(proved)) if proved.any() else np.inf


@pytest.mark.parametrize(
    ("mean", "sd", "horizon", "median", "most"),
    [(0.005, 0.07, 6_000, 1_800, 3_700), (0.02, 0.07, 2_000, 310, 400), (0.3, 0.4, 500, 28, 43)],
)
def test_measured_labels_to_the_verdict(mean, sd, horizon, median, most):
    rng = np.random.default_rng(21)
    streams = rng.normal(mean, sd, (RUNS, horizon)).clip(-1, 1)
    labels = list(labels_to_verdict(streams))
    assert np.median(labels) == pytest.approx(median, rel=0.15)
    assert np.quantile(labels, 0.9) == pytest.approx(most, rel=0.15)
    peer = min(np.median(list(labels_of_gamma_exponential(streams[:60], v))) for v in (3.0, 10.0, 30.0))
    assert peer > 1.5 * np.median(labels)
