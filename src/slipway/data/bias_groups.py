"""The groups of people that a table is compared by: levels of sensitive columns, and their crossings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from slipway.base.errors import UsageError

Indices = npt.NDArray[np.int64]

MISSING = "(missing)"
#: Numbers with more values than this are cut at their quartiles.
_MOST_NUMBERS = 10


@dataclass(frozen=True)
class Groups:
    """Which group each row belongs to.

    ``codes`` is (n,) int64 and indexes ``names``; names stand in order of size, the largest first.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    codes: Indices

    @property
    def sizes(self) -> Indices:
        """Rows of each group, (groups,) int64."""
        return np.bincount(self.codes, minlength=len(self.names)).astype(np.int64)


def group_rows(df: pl.DataFrame, columns: Sequence[str]) -> Groups:
    """Assign each row its level of one column, or its combination of levels of several.

    A number with more than 10 values is cut at its quartiles; a missing value is a level of its own.

    Raises:
        UsageError: no column is named, one twice, or one that the table lacks.
    """
    absent = [name for name in columns if name not in df.columns]
    if absent or not columns or len(set(columns)) != len(columns):
        raise UsageError(
            expected="different columns of the table",
            got=f"{absent[0]!r}, which it lacks" if absent else "none, or one twice",
            where="sensitive columns",
            next_step="name them as the table's header does, such as --sensitive sex,race",
        )
    parts = [_coded(levels(df[name])) for name in columns]
    joined = np.zeros(df.height, dtype=np.int64)
    for names, codes in parts:
        joined = joined * len(names) + codes
    present, first, joined = np.unique(joined, return_index=True, return_inverse=True)
    texts = [" / ".join(names[codes[at]] for names, codes in parts) for at in first.tolist()]
    sizes = np.bincount(joined, minlength=len(present))
    order = sorted(range(len(present)), key=lambda at: (-int(sizes[at]), texts[at]))
    place = np.empty(len(present), dtype=np.int64)
    place[order] = np.arange(len(present))
    return Groups(tuple(columns), tuple(texts[at] for at in order), place[joined])


def _coded(series: pl.Series) -> tuple[list[str], Indices]:
    """The distinct texts of a column without nulls, and which of them each row has."""
    names = series.unique(maintain_order=True)
    found = pl.DataFrame({"level": names, "code": np.arange(len(names))})
    codes = (
        series.alias("level").to_frame().join(found, on="level", how="left", maintain_order="left")["code"]
    )
    return names.to_list(), codes.to_numpy()


def levels(series: pl.Series) -> pl.Series:
    """A column as text levels, without nulls."""
    if series.dtype.is_numeric() and series.n_unique() > _MOST_NUMBERS:
        return _quartiles(series.cast(pl.Float64)).fill_null(MISSING).alias(series.name)
    return series.cast(pl.String).fill_null(MISSING)


def _quartiles(series: pl.Series) -> pl.Series:
    """Text of the quartile that each number lies in: names hold inner edges only, never an extreme value."""
    present = series.drop_nulls()
    edges = sorted({float(edge) for q in (0.25, 0.5, 0.75) if (edge := present.quantile(q)) is not None})
    shown = [f"{edge:g}" for edge in edges]
    inner = [f"{low} to under {high}" for low, high in pairwise(shown)]
    names = [f"under {shown[0]}", *inner, f"{shown[-1]} and over"]
    at = np.searchsorted(np.asarray(edges), series.fill_null(0.0).to_numpy(), side="right")
    return pl.Series([names[place] for place in at], dtype=pl.String).set(series.is_null(), None)
