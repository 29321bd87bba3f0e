"""Counts that may be published: with noise that hides whether any one person is in the table.

The noise is OpenDP's discrete Laplace mechanism, which has no gaps that a patient reader could exploit
(Canonne, Kamath, Steinke, NeurIPS 2020). OpenDP is an optional dependency: the extra ``privacy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any

import polars as pl

from slipway.base.errors import UsageError

#: More cells than this are no table that anyone reads, and mostly noise.
_MOST_CELLS = 100_000


@dataclass(frozen=True, kw_only=True)
class NoisyCounts:
    """Released counts.

    Each is off by at most ``accuracy`` with 95 % probability. ``counts`` may be negative: they are unbiased
    as they are, and cutting them at 0 would make every sum too large.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    counts: tuple[int, ...]
    epsilon: float
    per_person: int
    accuracy: int


def noisy_counts(
    df: pl.DataFrame,
    levels: Mapping[str, Sequence[str]],
    *,
    epsilon: float,
    per_person: int = 1,
) -> NoisyCounts:
    """Count the rows of each combination of levels, with noise.

    Guarantee: epsilon-differential privacy when a person with at most ``per_person`` rows is added to the
    table or taken from it: no output becomes more than exp(epsilon) times as likely. It holds for this
    release; the epsilons of several releases of one table add up.

    Args:
        df: a canonical table.
        levels: columns, and the levels of each as they are known without looking at the table: a list made
            from the table would give away that a rare level is there. Rows with other levels, or missing
            ones, are not counted.
        epsilon: privacy lost, positive; 1 is usual, 10 protects little.
        per_person: rows that one person may have.

    Raises:
        UsageError: OpenDP is not installed, a column that the table lacks, no or too many combinations, or
            numbers out of range.
    """
    groups = _combinations(df, levels, epsilon, per_person)
    dp = _opendp()
    texts = [df[name].cast(pl.String) for name in levels]
    code = {group: at for at, group in enumerate(groups)}
    codes = [code.get(row, -1) for row in zip(*(text.to_list() for text in texts), strict=True)]
    scale = per_person / epsilon
    space = (dp.vector_domain(dp.atom_domain(T=int)), dp.symmetric_distance())
    counting = space >> dp.t.then_count_by_categories(
        categories=list(range(len(groups))), null_category=False
    )
    release = counting >> dp.m.then_laplace(scale=scale)
    return NoisyCounts(
        columns=tuple(levels),
        groups=tuple(groups),
        counts=tuple(int(count) for count in release(codes)),
        epsilon=float(release.map(d_in=per_person)),
        per_person=per_person,
        accuracy=int(dp.discrete_laplacian_scale_to_accuracy(scale, 0.05)),
    )


def _combinations(
    df: pl.DataFrame, levels: Mapping[str, Sequence[str]], epsilon: float, per_person: int
) -> list[tuple[str, ...]]:
    absent = [name for name in levels if name not in df.columns]
    if absent:
        raise UsageError(
            expected="columns of the table", got=f"{absent[0]!r}, which it lacks", where="noisy counts"
        )
    if not 0.0 < epsilon <= 100.0 or per_person < 1:
        raise UsageError(
            expected="an epsilon above 0 and up to 100, and at least one row per person",
            got=f"epsilon {epsilon:g} and {per_person} rows",
            where="noisy counts",
        )
    size = 1
    for of_column in levels.values():
        size *= len(set(of_column))
    if not levels or not 0 < size <= _MOST_CELLS:
        raise UsageError(
            expected=f"1 to {_MOST_CELLS:,} combinations of levels",
            got=str(size if levels else 0),
            where="noisy counts",
            next_step="name fewer columns",
        )
    return list(product(*(dict.fromkeys(of_column) for of_column in levels.values())))


def _opendp() -> Any:
    try:
        dp: Any = import_module("opendp.prelude")  # optional, and typed differently where it is absent
    except ImportError:
        raise UsageError(
            expected="the library OpenDP",
            got="an installation without it",
            where="noisy counts",
            next_step="install it: pip install 'slipway[privacy]'",
        ) from None
    # OpenDP marks with this word whatever has not been proved on paper by two reviewers.
    dp.enable_features("contrib")
    return dp
