"""Looking at a guard changes nothing, and its trace shows the label that decided."""

import numpy as np

from slipway.stats.paired import PairedComparison
from slipway.stats.plots import evidence_plot, sequence_plot
from slipway.stats.traces import trace


def test_a_trace_shows_the_decision_and_ends_where_the_guard_ends():
    differences = np.random.default_rng(1).normal(0.02, 0.07, 2_000).clip(-1, 1)
    guard = PairedComparison(0.05, margin=0.01)
    untouched = guard.to_state()
    path = trace(guard, differences, looks=50)
    assert guard.to_state() == untouched
    guard.update_many(differences)
    assert guard.decided_at in path.labels
    assert path.labels[-1] == guard.n
    assert path.log_e_better[-1] == guard.log_e_better
    assert (path.low[-1], path.high[-1]) == guard.interval
    at = path.labels.tolist().index(guard.decided_at)
    assert path.log_e_better[at] >= np.log(20) > path.log_e_better[:at].max()
    assert np.all(path.low <= path.mean)
    assert np.all(path.mean <= path.high)
    svg = evidence_plot(path.labels, path.log_e_better, 0.05, title="Better?", decided_at=guard.decided_at)
    assert f"decided at label {guard.decided_at}" in svg
    assert "<polygon" in sequence_plot(path.labels, path.low, path.high, title="Difference", mean=path.mean)


def test_a_trace_continues_from_a_guard_that_has_seen_labels():
    differences = np.random.default_rng(2).normal(0.0, 0.1, 600).clip(-1, 1)
    guard = PairedComparison(0.05)
    guard.update_many(differences[:200])
    path = trace(guard, differences[200:], looks=4)
    assert path.labels.tolist() == [300, 400, 500, 600]
    assert trace(guard, [], looks=4).labels.size == 0
