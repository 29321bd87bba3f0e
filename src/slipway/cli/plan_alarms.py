"""What a plan says about alarms: their run length, their delay, and what fixed thresholds would do.

Delays come from the real detectors on seeded streams that begin at the change; where that would cost too
many labels, from the formula log(run length) / growth of the evidence per label.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from scipy import special

from slipway.stats import divergences
from slipway.stats.arguments import Floats, count, not_negative, positive, within
from slipway.stats.categorical import BinDrift
from slipway.stats.detectors import LARGEST_BET, SMALLEST_BET, MeanShiftCusum

#: Streams per delay, and labels or rows that all of them together may cost.
RUNS, ROWS = 80, 500_000

#: Rises of the held-out risk that are asked about, and shifts of a number in standard deviations.
RISES = (1.1, 1.25, 1.5, 2.0, 3.0)
SHIFTS = (0.05, 0.1, 0.25, 0.5, 1.0)

#: Rows within which a shift must show; more means that it hides in the tolerance.
MOST_ROWS = 20_000

#: Losses that stand for their distribution in the formula.
DRAWS = 200_000

DAYS_PER_MONTH = 30.0

DETECTOR = "detector"
FORMULA = "formula"


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Observations from a change to the alarm."""

    #: New risk, or shift in standard deviations.
    size: float
    #: Median of the runs, and what 90 % stay below (None from the formula); None where there is no alarm.
    median: float | None
    most: float | None
    days: float | None
    method: str


class RiskAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """The monitor of labelled losses."""

    #: Bound that the mean loss is held against: upper bound of the held-out risk plus the tolerance.
    limit: float
    #: Labels between two false alarms, on average at least; and days.
    run_length: float
    days: float | None
    delays: list[Delay]


class DriftAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """The monitor of inputs, for one feature of ten equal bins among ``features``."""

    features: int
    tolerance: float
    reference_rows: int
    #: Rows between two false alarms of any feature, on average at least; and days.
    run_length: float
    days: float | None
    #: Rows within which a shift has to show.
    horizon: int
    delays: list[Delay]


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """False alarms of a rule with a fixed threshold, when nothing drifts."""

    rule: str
    #: Rows per window.
    window: int
    #: Chance of an alarm of one feature in one window.
    per_window: float
    #: Alarms in 30 days, all windows and features.
    per_month: float
    method: str


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """The stream to watch, checked by ``check``."""

    rows_per_day: float
    labels_per_day: float
    #: Rows between two tolerated false alarms.
    run_length: float
    features: int
    reference_rows: int
    tolerance: float
    #: Held-out mean loss and the bound it is held against; None: no labels to watch.
    risk: float | None
    limit: float | None
    #: Standard deviation of the loss of one row; None: losses of 0 and 1, which are the slowest.
    loss_sd: float | None

    def check(self) -> Traffic:
        """This stream, if it can be.

        Raises:
            UsageError: a number outside its range.
        """
        positive("--rows-per-day", self.rows_per_day)
        positive("--labels-per-day", self.labels_per_day)
        count("--features", self.features)
        count("--reference-rows", self.reference_rows, 100)
        not_negative("--tolerance", self.tolerance)
        if self.risk is not None and self.limit is not None:
            within("--risk", self.risk, 0.0, 1.0)
            within("--risk-limit", self.limit, 0.0, 1.0)
        return self


def risk_alarm(traffic: Traffic, rng: np.random.Generator) -> RiskAlarm | None:
    """Run length and delays of the risk monitor; None without a held-out risk.

    Raises:
        UsageError: see ``Traffic.check``.
    """
    t = traffic.check()
    if t.risk is None or t.limit is None:
        return None
    risks = [t.risk * rise for rise in RISES if t.risk * rise < 0.99]
    return RiskAlarm(
        limit=t.limit,
        run_length=t.run_length,
        days=t.run_length / t.labels_per_day,
        delays=[_risk_delay(t, t.limit, t.risk, risk, rng) for risk in risks],
    )


def _risk_delay(t: Traffic, limit: float, before: float, risk: float, rng: np.random.Generator) -> Delay:
    draw = _Losses(before, risk, t.loss_sd)
    expected = _formula(draw(rng, DRAWS), limit, t.run_length) if risk > limit else math.inf
    if RUNS * expected > ROWS:
        known = expected if math.isfinite(expected) else None
        return Delay(size=risk, median=known, most=None, days=_over(known, t.labels_per_day), method=FORMULA)
    found = np.full(RUNS, math.inf)
    for run in range(RUNS):
        detector = MeanShiftCusum(limit, t.run_length)
        while not detector.alarmed and detector.n < 20 * expected:
            detector.update_many(draw(rng, max(64, round(expected / 2))))
        found[run] = detector.alarmed_at or math.inf
    return _delay(risk, found, t.labels_per_day)


class _Losses:
    """Draws losses in [0, 1] of mean ``risk`` whose spread, as a share of the most there can be, is that
    of the losses before the change: beta distributed, or 0 and 1 where that spread is not known."""

    def __init__(self, before: float, risk: float, loss_sd: float | None) -> None:
        share = 1.0 if loss_sd is None else loss_sd**2 / (before * (1.0 - before))
        self.risk = risk
        self.weight = 1.0 / share - 1.0 if share < 1.0 else 0.0

    def __call__(self, rng: np.random.Generator, size: int) -> Floats:
        if self.weight <= 0.0:
            return (rng.random(size) < self.risk).astype(np.float64)
        return rng.beta(self.weight * self.risk, self.weight * (1.0 - self.risk), size)


def _formula(losses: Floats, m: float, length: float) -> float:
    grid = np.geomspace(SMALLEST_BET, LARGEST_BET, 20) / m
    growth = max(float(np.log1p(bet * (losses - m)).mean()) for bet in grid)
    return math.log(length) / growth if growth > 0.0 else math.inf


def drift_alarm(traffic: Traffic, rng: np.random.Generator) -> DriftAlarm:
    """Run length and delays of the drift monitor.

    Raises:
        UsageError: see ``Traffic.check``.
    """
    t = traffic.check()
    return DriftAlarm(
        features=t.features,
        tolerance=t.tolerance,
        reference_rows=t.reference_rows,
        run_length=t.run_length,
        days=t.run_length / t.rows_per_day,
        horizon=MOST_ROWS,
        delays=[_drift_delay(t, shift, rng) for shift in SHIFTS],
    )


def _drift_delay(t: Traffic, shift: float, rng: np.random.Generator) -> Delay:
    edges = special.ndtri(np.arange(1, 10) / 10.0)
    found = np.full(RUNS // 2, math.inf)
    shares = [*[0.1] * 10, 0.0]  # tenths of the values, and none missing
    for run in range(found.size):
        # e-BH asks a feature that moves alone for the threshold of all of them together
        detector = BinDrift(shares, t.reference_rows, t.tolerance, t.run_length * t.features, ordered=10)
        while not detector.alarmed and detector.n < MOST_ROWS:
            detector.update_many(np.searchsorted(edges, rng.normal(shift, 1.0, 1000)))
        found[run] = detector.alarmed_at or math.inf
    return _delay(shift, found, t.rows_per_day)


def _delay(size: float, found: Floats, per_day: float) -> Delay:
    median, most = (
        float(value) if math.isfinite(value) else None
        for value in np.quantile(found, [0.5, 0.9], method="higher")
    )
    return Delay(size=size, median=median, most=most, days=_over(median, per_day), method=DETECTOR)


def _over(observations: float | None, per_day: float) -> float | None:
    return None if observations is None else observations / per_day


def peers(traffic: Traffic, windows: list[int], rng: np.random.Generator) -> list[Peer]:
    """False alarms of usual drift rules on windows of these sizes, with no drift at all.

    Thresholds are the usual defaults of such tools; the rules are replicas, not the tools themselves.

    Raises:
        UsageError: see ``Traffic.check``, and a window below 20 rows.
    """
    t = traffic.check()
    found: list[Peer] = []
    by_chunks = _chunk_rate(rng)
    for window in windows:
        looks = t.rows_per_day * DAYS_PER_MONTH / count("--window", window, 20) * t.features
        for rule, rate, method in (
            ("PSI > 0.1, 10 bins", _psi_rate(window, t.reference_rows), "chi-square formula"),
            ("Jensen-Shannon >= 0.1, 20 levels", _js_rate(window, t.reference_rows, rng), "simulated"),
            ("Wasserstein >= 0.1 sd", _wasserstein_rate(window, t.reference_rows, rng), "simulated"),
            ("KS p < 0.05", 0.05, "by definition"),
            ("KS > mean + 3 sd of 10 chunks", by_chunks, "simulated"),
        ):
            found.append(
                Peer(rule=rule, window=window, per_window=rate, per_month=rate * looks, method=method)
            )
    return found


def _psi_rate(n: int, n_reference: int) -> float:
    return float(special.chdtrc(9, 0.1 / (1.0 / n + 1.0 / n_reference)))


def _js_rate(n: int, n_reference: int, rng: np.random.Generator) -> float:
    draw = divergences.draw_counts([0.05] * 20)
    return float(
        (divergences.null_scores(divergences.jensen_shannon, draw, n_reference, n, rng) >= 0.1).mean()
    )


def _wasserstein_rate(n: int, n_reference: int, rng: np.random.Generator) -> float:
    # two samples of equal size with the same 1/n + 1/m as these two; from 2,000 rows each the distance is
    # about 0.04, and 0.1 out of reach
    half = min(2_000, round(2.0 / (1.0 / n + 1.0 / n_reference)))
    scores = divergences.null_scores(
        divergences.wasserstein, lambda generator, size: generator.standard_normal(size), half, half, rng, 200
    )
    return float((scores >= 0.1).mean())


def _chunk_rate(rng: np.random.Generator) -> float:
    """A window against a threshold of mean + 3 sd of the scores of ten chunks of the reference, each
    compared with the reference that contains it; values in 100 equal bins. Hardly depends on the window."""
    rows, runs = 500, 2000
    chunks = rng.multinomial(rows, [0.01] * 100, (runs, 11)) / rows
    reference = chunks[:, :10].mean(axis=1, keepdims=True)
    scores = np.abs(np.cumsum(chunks - reference, axis=2)).max(axis=2)
    limit = scores[:, :10].mean(axis=1) + 3.0 * scores[:, :10].std(axis=1)
    return float((scores[:, 10] > limit).mean())
