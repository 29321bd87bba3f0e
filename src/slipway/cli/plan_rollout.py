"""What a plan says about a comparison: labels and days until the guards of a rollout decide.

Decisions come from the real ``PairedComparison`` on seeded streams where that costs about a second at most,
from ``stats.planning``'s simulated paths of its bets (``PATHS``) where it would cost more. Each figure says
which.
"""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import numpy as np

from slipway.base.errors import UsageError
from slipway.base.vocabulary import Outcome
from slipway.stats import planning
from slipway.stats.arguments import Floats, count, not_negative, positive, within
from slipway.stats.paired import PairedComparison

#: Streams per figure, and labels that all of them together may cost.
RUNS, LABELS = 150, 1_000_000

#: Paths that say beforehand what a simulation would cost.
PATHS_RUNS = 200

#: Most readings of a z test that are simulated.
MOST_LOOKS = 1000

#: Labels per step of a stream: a decision in the first ones is the usual case.
FIRST_STEP, LARGEST_STEP = 256, 4096

GUARD = "guard"
PATHS = "paths"


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """Labels until a guard decides, when the mean loss difference is really ``difference``."""

    #: Positive: the candidate is better.
    difference: float
    #: The usual verdict: of most runs, or the claim that gets there first; ``undecided`` at the limit.
    verdict: Outcome
    #: Median of the runs, and what 90 % of them stay below; None where so many end undecided.
    labels_median: float | None
    labels_most: float | None
    days_median: float | None
    days_most: float | None
    #: Labels after which the guard stops, and the share of runs that decide before; None where the method
    #: does not tell.
    limit: int
    decided: float | None
    #: Share of runs with the wrong verdict; None where the method does not tell.
    wrong: float | None
    method: str


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic that one way of comparing costs, in labelled rows of all arms together."""

    name: str
    labels_median: float | None
    labels_most: float | None
    days_median: float | None
    days_most: float | None
    #: Labelled rows of a test with one look at the end and 90 % power.
    fixed_sample: float
    method: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The guards of a rollout, in labels and days."""

    alpha: float
    margin: float
    delta: float
    sd: float
    #: None where the traffic is not known; then there are no days either.
    labels_per_day: float | None
    #: A challenger in shadow, by its true difference.
    shadow: list[Decided]
    #: A launch that is really worse, during the bake.
    bake: list[Decided]
    #: Paired rows against two arms, for the difference ``delta``.
    designs: list[Design]
    #: Rows of the two arms per paired row, for the same proof.
    arms_ratio: float | None
    #: Days to ``max_labels`` and ``bake_labels``.
    shadow_days: float | None
    bake_days: float | None
    #: Chance that a two-sided z test at ``alpha``, read once a day for ``shadow_days`` (at most 1,000),
    #: finds a difference where there is none.
    daily_z_test: float | None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers behind a ``Comparison``, checked by ``check``."""

    delta: float
    sd: float
    #: None where the traffic is not known.
    labels_per_day: float | None
    alpha: float
    margin: float
    max_labels: int
    bake_labels: int
    #: Standard deviation of the loss of one model; None where it is not known.
    loss_sd: float | None

    def check(self) -> Question:
        """This question, if it can be answered.

        Raises:
            UsageError: a number outside its range, or numbers that contradict each other.
        """
        within("--delta", self.delta, 0.0, 1.0)
        within("--alpha", self.alpha, 0.0, 0.5)
        not_negative("--margin", self.margin)
        count("--max-labels", self.max_labels)
        count("--bake-labels", self.bake_labels)
        if self.labels_per_day is not None:
            positive("--labels-per-day", self.labels_per_day)
        limit = math.sqrt(1.0 - self.delta**2)
        if not 0.0 < self.sd < limit:
            raise UsageError(
                expected=f"--sd above 0 and below {limit:.4g}, the most that losses in [0, 1] can have "
                f"at a difference of {self.delta:g}",
                got=f"{self.sd:g}",
                where="--sd",
                next_step="give losses as Brier scores or as shares of their range",
            )
        if self.loss_sd is not None:
            within("--loss-sd", self.loss_sd, 0.0, 0.5 + 1e-12)
        return self


def compare(question: Question, seed: int) -> Comparison:
    """Answer a question; the same seed gives the same figures.

    Raises:
        UsageError: see ``Question.check``.
    """
    q = question.check()
    rng = np.random.default_rng(seed)
    sizes = [size for size in (2.0 * q.delta, q.delta, 0.5 * q.delta) if size < 1.0]
    shadow_days = _days(q.max_labels, q.labels_per_day)
    looks = None if shadow_days is None else min(MOST_LOOKS, max(1, round(shadow_days)))
    shadow = {size: _shadow(q, size, rng) for size in (*sizes, -q.delta)}
    return Comparison(
        alpha=q.alpha,
        margin=q.margin,
        delta=q.delta,
        sd=q.sd,
        labels_per_day=q.labels_per_day,
        shadow=list(shadow.values()),
        bake=[_bake(q, -size, rng) for size in _disasters(q)],
        designs=_designs(q, shadow[q.delta], rng),
        arms_ratio=None if q.loss_sd is None else 4.0 * q.loss_sd**2 / q.sd**2,
        shadow_days=shadow_days,
        bake_days=_days(q.bake_labels, q.labels_per_day),
        daily_z_test=None if looks is None else planning.looks_error(looks, rng, q.alpha),
    )


def _disasters(q: Question) -> list[float]:
    """How much worse the launches are that the bake is asked about."""
    return [size for factor in (1.0, 2.0, 5.0, 20.0) if (size := q.margin + factor * q.delta) < 0.6]


def _shadow(q: Question, difference: float, rng: np.random.Generator) -> Decided:
    claims: dict[Outcome, float] = {"better": difference, "worse": -difference - q.margin}
    if q.margin:
        # equivalence needs both distances to the margins
        claims["equivalent"] = q.margin - abs(difference)
    return _decided(q, difference, claims, q.max_labels, rng)


def _bake(q: Question, difference: float, rng: np.random.Generator) -> Decided:
    return _decided(q, difference, {"worse": -difference - q.margin}, q.bake_labels, rng)


def _decided(
    q: Question, difference: float, claims: dict[Outcome, float], limit: int, rng: np.random.Generator
) -> Decided:
    spread = _spread(q.sd, difference)
    expected, guess = _first_claim(q, spread, claims, rng)
    if RUNS * min(float(limit), 0.5 * (guess.median + guess.most)) <= LABELS:
        found, verdicts = simulate(difference, spread, q.alpha, q.margin, limit, rng)
        # a bake hears "worse" only
        found = np.where([verdict in claims for verdict in verdicts], found, math.inf)
        median, most = quantiles(found)
        decided = float(np.isfinite(found).mean())
        wrong = sum(not _true(verdict, difference, q.margin) for verdict in verdicts) / len(verdicts)
        usual, method = Counter(verdicts).most_common(1)[0][0], GUARD
    else:
        median, most = (_up_to(labels, limit) for labels in guess[:2])
        usual = expected if math.isfinite(median) else "undecided"
        decided, wrong, method = None, None, PATHS
    return Decided(
        difference=difference,
        verdict=usual,
        labels_median=_known(median),
        labels_most=_known(most),
        days_median=_days(median, q.labels_per_day),
        days_most=_days(most, q.labels_per_day),
        limit=limit,
        decided=decided,
        wrong=wrong,
        method=method,
    )


def _true(verdict: Outcome, difference: float, margin: float) -> bool:
    truth = {
        "better": difference > 0.0,
        "worse": difference < -margin,
        "equivalent": abs(difference) <= margin,
    }
    return truth.get(verdict, True)


def _first_claim(
    q: Question, spread: float, claims: dict[Outcome, float], rng: np.random.Generator
) -> tuple[Outcome, planning.LabelsNeeded]:
    """The true claim that gets there first by the paths of the bets, and when."""
    found: dict[Outcome, planning.LabelsNeeded] = {
        claim: planning.labels_to_decide(distance, spread, q.alpha, rng, runs=PATHS_RUNS)
        for claim, distance in claims.items()
        if distance > 0.0
    }
    if not found:
        return "undecided", planning.LabelsNeeded(math.inf, math.inf, math.inf)
    return min(found.items(), key=lambda item: item[1].median)


def _spread(sd: float, difference: float) -> float:
    """The spread at this difference: as measured, but never more than losses in [0, 1] allow."""
    return min(sd, 0.99 * math.sqrt(1.0 - difference**2))


def simulate(
    difference: float,
    sd: float,
    alpha: float,
    margin: float,
    limit: int,
    rng: np.random.Generator,
    runs: int = RUNS,
) -> tuple[Floats, list[Outcome]]:
    """Run the guard's comparison on ``runs`` streams of differences with this mean and spread.

    Differences are drawn from the beta distribution on [-1, 1] that has both.

    Returns:
        (runs,) labels to the verdict, infinite where ``limit`` labels do not bring one, and the verdicts.
    """
    centre = (1.0 + difference) / 2.0
    weight = 4.0 * centre * (1.0 - centre) / sd**2 - 1.0
    a, b = centre * weight, (1.0 - centre) * weight
    labels = np.full(runs, math.inf)
    verdicts: list[Outcome] = ["undecided"] * runs
    for run in range(runs):
        test = PairedComparison(alpha, margin)
        step = FIRST_STEP
        while test.decided_at is None and test.n < limit:
            test.update_many(2.0 * rng.beta(a, b, min(step, limit - test.n)) - 1.0)
            step = min(2 * step, LARGEST_STEP)
        if test.decided_at is not None:
            labels[run], verdicts[run] = test.decided_at, test.verdict
    return labels, verdicts


def quantiles(labels: Floats) -> tuple[float, float]:
    """Median and what 90 % stay below."""
    median, most = np.quantile(labels, [0.5, 0.9], method="higher")
    return float(median), float(most)


def _designs(q: Question, shadow: Decided, rng: np.random.Generator) -> list[Design]:
    paired = planning.labels_to_decide(q.delta, q.sd, q.alpha, rng)
    found = [_design("shadow: each row scored by both", paired, q.labels_per_day)]
    if not q.margin and shadow.method == GUARD:
        found = [
            msgspec.structs.replace(
                found[0],
                labels_median=shadow.labels_median,
                labels_most=shadow.labels_most,
                days_median=shadow.days_median,
                days_most=shadow.days_most,
                method=GUARD,
            )
        ]
    if q.loss_sd is not None:
        # each row bets its loss with the factor +-2 of its arm, so in [-2, 2] and with twice the spread
        arms = planning.labels_to_decide(q.delta, 2.0 * q.loss_sd, q.alpha, rng, loss_range=2.0)
        found.append(_design("A/B: each row to one of two arms", arms, q.labels_per_day))
    return found


def _design(name: str, needed: planning.LabelsNeeded, per_day: float | None) -> Design:
    return Design(
        name=name,
        labels_median=_known(needed.median),
        labels_most=_known(needed.most),
        days_median=_days(needed.median, per_day),
        days_most=_days(needed.most, per_day),
        fixed_sample=needed.fixed_sample,
        method=PATHS,
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _up_to(labels: float, limit: int) -> float:
    return labels if labels <= limit else math.inf


def _days(labels: float, per_day: float | None) -> float | None:
    return labels / per_day if per_day is not None and math.isfinite(labels) else None
