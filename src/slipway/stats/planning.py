"""How many labels, how many days, how many false alarms: arithmetic before a test begins."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from slipway.stats.arguments import Floats, count, not_negative, positive, within
from slipway.stats.bets import BETS
from slipway.stats.detectors import LARGEST_BET, SMALLEST_BET

#: Steps at which a simulated path is looked at.
LOOKS = 2000

#: A path is followed for this many times the expected number of labels.
HORIZON = 6.0


class LabelsNeeded(NamedTuple):
    """Labels until a decision: the median of runs, what 90 % of runs stay below, and a fixed-n test's
    number."""

    median: float
    most: float
    fixed_sample: float


class ComparisonCost(NamedTuple):
    """Rows of traffic for one decision: all paired, or all of both arms together, and their ratio."""

    paired: float
    arms: float
    ratio: float


def labels_to_decide(
    delta: float, sd: float, alpha: float, rng: np.random.Generator, runs: int = 400, loss_range: float = 1.0
) -> LabelsNeeded:
    """Labels until ``paired.PairedComparison`` shows a mean difference ``delta``, by simulation.

    Paths of the six bets' wealth at ``LOOKS`` points, for differences with mean ``delta`` and standard
    deviation ``sd`` (the second-order growth of the wealth: exact enough when sd is well below the loss
    range; a few labels optimistic for disasters). Infinite where paths end undecided.

    Args:
        delta: mean difference, > 0, in the unit of the loss.
        sd: standard deviation of the paired differences, > 0.
        alpha: level in (0, .5).
        rng: source of the paths.
        runs: number of paths.
        loss_range: length of the interval that holds each loss.

    Raises:
        UsageError: an argument outside its range.

    >>> needed = labels_to_decide(0.005, 0.07, 0.025, np.random.default_rng(0))
    >>> round(needed.median, -2), round(needed.most, -2), round(needed.fixed_sample, -2)
    (1900.0, 3700.0, 2100.0)
    """
    mean = positive("delta", delta) / positive("loss_range", loss_range)
    spread = positive("sd", sd) / loss_range
    level = math.log(1.0 / within("alpha", alpha, 0.0, 0.5))
    bets = np.array(BETS)
    growth = float(np.max(bets * mean - 0.5 * bets**2 * (spread**2 + mean**2)))
    fixed = fixed_sample_labels(delta, sd, alpha)
    if growth <= 0.0:
        return LabelsNeeded(math.inf, math.inf, fixed)
    horizon = HORIZON * (level + math.log(len(BETS))) / growth
    step = horizon / LOOKS
    decided = np.full(count("runs", runs), math.inf)
    for run in range(runs):
        sums = np.cumsum(mean * step + spread * math.sqrt(step) * rng.standard_normal(LOOKS))
        times = step * np.arange(1.0, LOOKS + 1.0)
        logs = bets[:, None] * sums - 0.5 * bets[:, None] ** 2 * (spread**2 + mean**2) * times
        proved = np.logaddexp.reduce(logs, axis=0) - math.log(len(BETS)) >= level
        if proved.any():
            decided[run] = times[int(np.argmax(proved))]
    median, most = np.quantile(decided, [0.5, 0.9], method="higher")
    return LabelsNeeded(float(median), float(most), fixed)


def fixed_sample_labels(delta: float, sd: float, alpha: float, power: float = 0.9) -> float:
    """Labels of a one-sided z test judged once, at the end: (z_alpha + z_power)^2 sd^2 / delta^2.

    >>> round(fixed_sample_labels(0.1, 1.0, 0.05))
    856
    """
    z = -float(special.ndtri(within("alpha", alpha, 0.0, 1.0))) + float(
        special.ndtri(within("power", power, 0.0, 1.0))
    )
    return (z * positive("sd", sd) / positive("delta", delta)) ** 2


def paired_versus_arms(
    delta: float,
    sd_champion: float,
    sd_challenger: float,
    correlation: float,
    alpha: float,
    power: float = 0.9,
) -> ComparisonCost:
    """Traffic for one decision with a shadow (paired rows) and with two equal arms, each of half the rows.

    For equal spreads the ratio is 2 / (1 - correlation): the losses of two decent models on the same row are
    alike, and pairing takes that common part away. Fixed-n figures; an anytime test needs about the same
    factor more on both sides.

    Raises:
        UsageError: an argument outside its range.

    >>> round(paired_versus_arms(0.01, 0.2, 0.2, 0.9, 0.05).ratio, 6)
    20.0
    """
    within("correlation", correlation, -1.0, 1.0)
    a, b = positive("sd_champion", sd_champion), positive("sd_challenger", sd_challenger)
    variance = a * a + b * b - 2.0 * correlation * a * b
    paired = fixed_sample_labels(delta, math.sqrt(variance), alpha, power)
    arms = 2.0 * fixed_sample_labels(delta, math.sqrt(a * a + b * b), alpha, power)
    return ComparisonCost(paired, arms, arms / paired)


def run_length(rows_per_day: float, days: float, streams: int = 1) -> float:
    """Run length of each of ``streams`` detectors so that one false alarm of any comes in ``days`` at most.

    >>> run_length(rows_per_day=5000, days=180, streams=4)
    3600000.0
    """
    return positive("rows_per_day", rows_per_day) * positive("days", days) * count("streams", streams)


def days(labels: float, labels_per_day: float) -> float:
    """Days until that many labels have come.

    >>> days(1800, 600)
    3.0
    """
    return not_negative("labels", labels) / positive("labels_per_day", labels_per_day)


def detection_delay(m: float, risk: float, length: float, bets: int = 20) -> float:
    """Labels after a change until ``detectors.MeanShiftCusum`` alarms, for 0/1 losses of rate ``risk``
    after it.

    log(A) / D at the best of the bets, D the expected log growth per label; infinite when the risk does not
    exceed ``m``, or by less than the smallest bet can use. Losses between 0 and 1 have less variance and are
    found sooner.

    Args:
        m: bound of the mean loss before the change, in (0, 1).
        risk: mean loss after it, in (0, 1).
        length: run length A > 1.
        bets: number of bets of the detector.

    Raises:
        UsageError: an argument outside its range.

    >>> round(detection_delay(0.0592, 0.0868, 1e4), -2)
    1500.0
    """
    within("m", m, 0.0, 1.0)
    within("risk", risk, 0.0, 1.0)
    grid: Floats = np.geomspace(SMALLEST_BET, LARGEST_BET, count("bets", bets)) / m
    growth = risk * np.log1p(grid * (1.0 - m)) + (1.0 - risk) * np.log1p(-grid * m)
    best = float(growth.max())
    return math.log(within("length", length, 1.0, math.inf)) / best if best > 0.0 else math.inf


def looks_error(looks: int, rng: np.random.Generator, alpha: float = 0.05, runs: int = 2000) -> float:
    """How often a z test at level ``alpha``, looked at ``looks`` times, is wrong at least once with no
    difference.

    >>> round(looks_error(10, np.random.default_rng(0)), 1)
    0.2
    """
    z = -float(special.ndtri(within("alpha", alpha, 0.0, 1.0) / 2.0))
    sums = np.cumsum(rng.standard_normal((count("runs", runs), count("looks", looks))), axis=1)
    return float((np.abs(sums) > z * np.sqrt(np.arange(1.0, looks + 1.0))).any(axis=1).mean())
