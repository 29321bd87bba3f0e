"""The choice between candidates: the simplest that paired evidence cannot tell from the best.

All losses come from rows of the train part that a candidate's fold models had not seen. The held-out rows
play no part, so that what is measured on them later is not flattered by the choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from slipway.learn.metrics import FloatArray

#: One-sided level at which a complex candidate must beat a simple one to be worth its complexity.
LEVEL = 0.05


@dataclass(frozen=True)
class Contender:
    """A candidate as the choice sees it: its loss on the shared validation rows, shape (n,)."""

    name: str
    complexity: int
    losses: FloatArray


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A candidate beside the one chosen.

    ``gain`` is the mean loss that choosing it instead would save per row (negative: cost), and ``lower``
    to ``upper`` the interval of that saving at twice the one-sided level.
    """

    name: str
    loss: float
    gain: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which candidate is kept, and what the others would have brought."""

    chosen: str
    best: str
    loss: float
    n: int
    level: float
    rivals: tuple[Rival, ...]
    message: str


def select(contenders: list[Contender], prefer_simple: bool, level: float = LEVEL) -> Selection:
    """Choose between candidates judged on the same validation rows.

    Args:
        contenders: at least one; all losses of equal length and row order, each in [0, 1].
        prefer_simple: keep the least complex candidate that the best one does not beat in a one-sided
            paired test (Student, on loss differences); otherwise keep the best.
        level: of that test, within (0, 0.5).
    """
    best = min(contenders, key=lambda each: (float(each.losses.mean()), each.complexity))
    chosen = best
    if prefer_simple:
        by_complexity = sorted(contenders, key=lambda each: each.complexity)
        chosen = next(each for each in by_complexity if each is best or not beats(best, each, level))
    rivals = tuple(_rival(each, chosen, level) for each in contenders if each is not chosen)
    return Selection(
        chosen=chosen.name,
        best=best.name,
        loss=float(chosen.losses.mean()),
        n=len(chosen.losses),
        level=level,
        rivals=rivals,
        message=_message(chosen, best, rivals, prefer_simple),
    )


def beats(one: Contender, other: Contender, level: float) -> bool:
    """Whether paired losses show that ``one`` has the lower risk."""
    return paired_interval(other.losses - one.losses, 1 - 2 * level)[0] > 0


def paired_interval(differences: FloatArray, level: float) -> tuple[float, float]:
    """Student interval of the mean difference; unbounded for fewer than two rows."""
    n = len(differences)
    if n < 2:
        return -float("inf"), float("inf")
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * float(np.std(differences, ddof=1)) / n**0.5
    mean = float(differences.mean())
    return mean - half, mean + half


def _rival(each: Contender, chosen: Contender, level: float) -> Rival:
    differences = chosen.losses - each.losses
    lower, upper = paired_interval(differences, 1 - 2 * level)
    return Rival(
        name=each.name,
        loss=float(each.losses.mean()),
        gain=float(differences.mean()),
        lower=lower,
        upper=upper,
    )


def _message(chosen: Contender, best: Contender, rivals: tuple[Rival, ...], prefer_simple: bool) -> str:
    rows = f"on {len(chosen.losses)} validation rows"
    if not rivals:
        return f"{chosen.name} was the only candidate"
    if chosen is not best:
        lost = next(rival for rival in rivals if rival.name == best.name)
        return (
            f"{chosen.name} kept: {rows} {best.name} would have bought {lost.gain:.5f} of loss per row "
            f"[{lost.lower:.5f}, {lost.upper:.5f}], which may be nothing"
        )
    closest = min(rivals, key=lambda rival: rival.loss)
    proof = "proved" if closest.upper < 0 else "not proved"
    reason = "" if prefer_simple else " (prefer_simple is off)"
    return (
        f"{chosen.name} kept{reason}: {rows} it saves {-closest.gain:.5f} of loss per row over "
        f"{closest.name} [{-closest.upper:.5f}, {-closest.lower:.5f}], {proof}"
    )
