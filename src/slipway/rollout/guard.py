"""Guards: sequential tests on labelled pairs that say when a rollout must move.

A guard absorbs loss differences in the order in which labels arrived and stops at the very label that
decides. How the stream is cut into batches does not change a bit of what it says.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slipway.base.vocabulary import Outcome
from slipway.rollout.verdict import Verdict, e_value
from slipway.stats.paired import PairedComparison

Floats = NDArray[np.float64]
State = dict[str, Any]
Kind = Literal["shadow", "bake"]

#: Up to here labels are taken one by one, which is then cheaper than to vectorise and to look back.
_FEW = 16


class _Guard(ABC):
    """What both guards share: a comparison, a budget of labels and the exact stop."""

    kind: Kind

    def __init__(self, alpha: float, margin: float, limit: int, comparison: PairedComparison | None = None):
        self.alpha = alpha
        self.margin = margin
        self.limit = limit
        self.comparison = comparison or PairedComparison(alpha, margin=margin)

    @property
    def n(self) -> int:
        """Labelled pairs absorbed."""
        return self.comparison.n

    @property
    def closed(self) -> bool:
        """Whether a verdict stands; further pairs are then not taken."""
        return self._crossed(self.comparison) or self.comparison.n >= self.limit

    def absorb(self, differences: Floats) -> int:
        """Take loss differences (baseline minus candidate, each in [-1, 1]) in order of label arrival.

        Returns:
            How many were taken: fewer than given when one of them decided or used up the budget.
        """
        if self.closed:
            return 0
        taken = differences[: self.limit - self.comparison.n]
        if len(taken) <= _FEW:
            return self._absorb_few(taken)
        before = self.comparison.to_state()
        self.comparison.update_many(taken)
        if self._crossed(self.comparison):
            self.comparison, count = _first_crossing(before, taken, self._crossed)
            return count
        return len(taken)

    def _absorb_few(self, differences: Floats) -> int:
        for count, difference in enumerate(differences.tolist(), 1):
            self.comparison.update(difference)
            if self._crossed(self.comparison):
                return count
        return len(differences)

    def verdict(self) -> Verdict:
        """What the evidence says now."""
        outcome = self._outcome()
        decided = outcome not in ("insufficient", "undecided")
        c = self.comparison
        log_e = {"better": c.max_log_e_better, "worse": c.max_log_e_worse}.get(
            outcome, max(c.log_e_better, c.log_e_worse)
        )
        low, high = c.interval
        return Verdict(
            outcome=outcome,
            n=c.n,
            decided_at=c.n if decided else None,
            log_e=float(log_e),
            e_value=e_value(float(log_e)),
            mean=float(c.mean),
            interval=(float(low), float(high)),
            alpha=self.alpha,
            margin=self.margin,
            message=self._message(outcome),
            guarantee=self._guarantee(),
        )

    def to_state(self) -> State:
        """Numbers and strings that JSON can carry; ``guard_from_state`` continues bit for bit."""
        return {
            "kind": self.kind,
            "alpha": self.alpha,
            "margin": self.margin,
            "limit": self.limit,
            "comparison": self.comparison.to_state(),
        }

    def _evidence(self) -> str:
        low, high = self.comparison.interval
        return (
            f"mean loss difference {self.comparison.mean:+.5f} "
            f"({low:+.5f} to {high:+.5f}, each bound at {100 * (1 - self.alpha):g}%) "
            f"on {self.n:,} labelled pairs"
        )

    @abstractmethod
    def _crossed(self, comparison: PairedComparison) -> bool: ...

    @abstractmethod
    def _outcome(self) -> Outcome: ...

    @abstractmethod
    def _message(self, outcome: Outcome) -> str: ...

    @abstractmethod
    def _guarantee(self) -> str: ...


class ShadowGuard(_Guard):
    """Judges a challenger that scores unseen beside the champion.

    ``better``: mean loss of the champion exceeds that of the challenger. ``worse``: the reverse (by more
    than ``margin``). ``equivalent``: the interval lies inside the margin, possible only with
    ``margin > 0``. ``undecided``: ``limit`` pairs were not enough.

    Args:
        alpha: bound on P(ever promoting a challenger that is not better), over the whole rollout and
            any number of looks; with ``margin > 0`` on P(ever accepting one worse by the margin or more).
        margin: loss difference that does not matter, in [0, 1).
        limit: pairs after which the answer is ``undecided``.
        comparison: state to continue from.
    """

    kind: Kind = "shadow"

    def _crossed(self, comparison: PairedComparison) -> bool:
        return comparison.verdict != "insufficient"

    def _outcome(self) -> Outcome:
        verdict: Outcome = self.comparison.verdict
        if verdict == "insufficient" and self.n >= self.limit:
            return "undecided"
        return verdict

    @property
    def acceptable(self) -> bool:
        """Whether the verdict allows promotion: better, or equivalent within a declared margin."""
        outcome = self._outcome()
        return outcome == "better" or (outcome == "equivalent" and self.margin > 0)

    def _message(self, outcome: Outcome) -> str:
        says = {
            "better": "the challenger is better",
            "worse": "the challenger is worse",
            "equivalent": f"the challenger is equivalent within {self.margin:g}",
            "undecided": "the label budget is spent without evidence that the challenger is better",
            "insufficient": "not enough labelled pairs yet",
        }
        return f"{says[outcome]}: {self._evidence()}"

    def _guarantee(self) -> str:
        wrong = f"is worse by {self.margin:g} or more" if self.margin > 0 else "is not better"
        return (
            f"P(ever promoting a challenger that {wrong}) <= {self.alpha:g} for this rollout, "
            "however often it is looked at; each rollout has its own test at this level"
        )


class BakeGuard(_Guard):
    """Judges a new champion against the former one, which scores the same rows in reverse shadow.

    Only ``worse`` moves anything: early good news never silences later bad news.

    Args:
        alpha: bound on P(ever rolling back a champion that is not worse by more than ``margin``).
        margin: loss difference that does not matter, in [0, 1).
        limit: labelled pairs after which the promotion is settled.
        comparison: state to continue from.
    """

    kind: Kind = "bake"

    def _crossed(self, comparison: PairedComparison) -> bool:
        return comparison.max_log_e_worse >= math.log(1.0 / self.alpha)

    def _outcome(self) -> Outcome:
        if self._crossed(self.comparison):
            return "worse"
        if self.n < self.limit:
            return "insufficient"
        return "undecided" if self.comparison.verdict == "insufficient" else self.comparison.verdict

    def _message(self, outcome: Outcome) -> str:
        says = {
            "better": "the bake is over and the new champion is better than the former",
            "worse": "the new champion is worse than the former",
            "equivalent": f"the bake is over and both are equivalent within {self.margin:g}",
            "undecided": "the bake is over without evidence that the new champion is worse",
            "insufficient": "no evidence so far that the new champion is worse",
        }
        return f"{says[outcome]}: {self._evidence()}"

    def _guarantee(self) -> str:
        good = f"at most {self.margin:g} worse" if self.margin > 0 else "not worse"
        return (
            f"P(ever rolling back a champion that is {good}) <= {self.alpha:g} for this promotion, "
            "however often it is looked at"
        )


Guard = ShadowGuard | BakeGuard
_GUARDS: dict[str, type[ShadowGuard] | type[BakeGuard]] = {"shadow": ShadowGuard, "bake": BakeGuard}


def guard_from_state(state: State) -> Guard:
    """The guard that wrote ``state``."""
    return _GUARDS[state["kind"]](
        state["alpha"], state["margin"], state["limit"], PairedComparison.from_state(state["comparison"])
    )


def _first_crossing(
    before: State, differences: Floats, crossed: Callable[[PairedComparison], bool]
) -> tuple[PairedComparison, int]:
    """The comparison right after the first difference that decides, and how many that took.

    The condition is about running maxima, so it is monotone in the prefix and bisection finds the label.
    """
    low, high = 0, len(differences)
    while high - low > 1:
        middle = (low + high) // 2
        if crossed(_after(before, differences[:middle])):
            high = middle
        else:
            low = middle
    return _after(before, differences[:high]), high


def _after(before: State, differences: Floats) -> PairedComparison:
    comparison = PairedComparison.from_state(before)
    comparison.update_many(differences)
    return comparison
