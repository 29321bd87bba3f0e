"""How far a table hides the people in it: rows that share their quasi-identifiers, and rows that stand alone.

Quasi-identifiers are traits that others may know of a person (age, sex, town). A row whose combination no
other row has can be linked to its person by whoever knows them. k-anonymity: each combination stands in at
least k rows (Sweeney, IJUFKS 10, 2002). It bounds linking within this table only: it says nothing of what
other tables add, and equal rows may still share the sensitive value (l-diversity, Machanavajjhala et al.,
TKDD 1, 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from slipway.base.errors import DataError, UsageError
from slipway.data.personal_names import is_quasi_identifier

#: Sizes of a class under which rows are counted.
THRESHOLDS = (2, 5, 10)
_SIZE = "rows in class"


@dataclass(frozen=True, kw_only=True)
class ColumnAnonymity:
    """One quasi-identifier: its distinct values, and what leaving it out would do to the others."""

    column: str
    distinct: int
    #: Rows that stand alone in this column.
    unique_alone: int
    #: Rows that would still stand alone in the other columns; all are in one class when there is no other.
    unique_without: int
    k_without: int


@dataclass(frozen=True, kw_only=True)
class AnonymityReport:
    """Figures of the classes of rows that share all quasi-identifiers.

    ``k`` is the size of the smallest class; ``unique`` counts classes of one row; ``under`` counts the rows
    in classes smaller than each of 2, 5 and 10; ``diversity`` is the least number of different values of
    ``sensitive`` in a class, None when none was named.
    """

    rows: int
    columns: tuple[str, ...]
    classes: int
    k: int
    unique: int
    under: dict[int, int]
    sensitive: str | None
    diversity: int | None
    of_columns: tuple[ColumnAnonymity, ...]

    @property
    def unique_share(self) -> float:
        """Share of rows that no other row is like."""
        return self.unique / self.rows


def guess_quasi_identifiers(df: pl.DataFrame, skip: Sequence[str] = ()) -> list[str]:
    """Columns whose header names a common trait of people, and that vary; ``skip`` are left out."""
    return [
        name
        for name in df.columns
        if name not in skip and is_quasi_identifier(name) and df[name].n_unique() > 1
    ]


def anonymity(df: pl.DataFrame, columns: Sequence[str], sensitive: str | None = None) -> AnonymityReport:
    """Count the classes of rows that share all of the columns; missing cells are a value like others.

    Raises:
        UsageError: no column, one twice, or one that the table lacks.
        DataError: the table has no rows.
    """
    wanted = [*columns, *([] if sensitive is None else [sensitive])]
    absent = [name for name in wanted if name not in df.columns]
    if absent or not columns or len(set(wanted)) != len(wanted):
        raise UsageError(
            expected="different columns of the table as quasi-identifiers, and another as the sensitive one",
            got=f"{absent[0]!r}, which it lacks" if absent else "none, or one twice",
            where="quasi-identifiers",
            next_step="name them, such as --quasi age,sex,town",
        )
    if df.height == 0:
        raise DataError(expected="a table with rows", got="none", where="k-anonymity")
    measures = [pl.len().alias(_SIZE)]
    if sensitive is not None:
        measures.append(pl.col(sensitive).n_unique().alias("values in class"))
    classes = df.group_by(list(columns)).agg(*measures)
    sizes = classes[_SIZE]
    return AnonymityReport(
        rows=df.height,
        columns=tuple(columns),
        classes=len(sizes),
        k=_least(sizes),
        unique=_ones(sizes),
        under={limit: int(sizes.filter(sizes < limit).sum()) for limit in THRESHOLDS},
        sensitive=sensitive,
        diversity=None if sensitive is None else _least(classes["values in class"]),
        of_columns=tuple(_of_column(df, columns, name) for name in columns),
    )


def _of_column(df: pl.DataFrame, columns: Sequence[str], name: str) -> ColumnAnonymity:
    alone = df.group_by(name).len(_SIZE)[_SIZE]
    others = [other for other in columns if other != name]
    without = df.group_by(others).len(_SIZE)[_SIZE] if others else pl.Series([df.height])
    return ColumnAnonymity(
        column=name,
        distinct=len(alone),
        unique_alone=_ones(alone),
        unique_without=_ones(without),
        k_without=_least(without),
    )


def _ones(sizes: pl.Series) -> int:
    return int((sizes == 1).sum())


def _least(sizes: pl.Series) -> int:
    return min(sizes.to_list())
