"""What the rules of a profile look at: facts of the columns, and a sample of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from slipway.base.vocabulary import Task
from slipway.data.profile_columns import time_values
from slipway.data.profile_facts import ColumnProfile
from slipway.data.profile_relation import Codes, Labels, binned, labels
from slipway.data.profile_scan import Scan


@dataclass(frozen=True)
class View:
    """One table, looked at.

    Args:
        scan: what the streaming pass kept.
        columns: facts of each column, by name.
        target: the column to predict.
        task: what kind of target; None without one.
        time: the column that says when the row's prediction would be made.
        markers: texts read as missing, and their cells, by column.
        set_aside: rows of the source that could not be read.
    """

    scan: Scan
    columns: dict[str, ColumnProfile]
    target: str | None
    task: Task | None
    time: str | None
    markers: Mapping[str, Mapping[str, int]]
    set_aside: int

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.scan.rows

    @property
    def sample(self) -> pl.DataFrame:
        """Sampled rows."""
        return self.scan.sample

    @property
    def others(self) -> list[ColumnProfile]:
        """The columns that are not the target."""
        return [column for column in self.columns.values() if column.name != self.target]

    @cached_property
    def labels(self) -> Labels | None:
        """The target of the sampled rows that have one."""
        if self.target is None or self.task is None:
            return None
        return labels(self.sample[self.target], self.task)

    @cached_property
    def codes(self) -> dict[str, Codes]:
        """Bins of every other column, of the sampled rows that have a label."""
        rows = np.arange(self.sample.height) if self.labels is None else self.labels.rows
        return {
            column.name: binned(self.sample[column.name])[rows]
            for column in self.others
            if column.kind not in ("empty", "constant")
        }

    @cached_property
    def times(self) -> dict[str, pl.Series]:
        """Time columns of the sample."""
        found = {name: time_values(self.sample[name]) for name in self.sample.columns}
        return {name: values for name, values in found.items() if values is not None}

    def share(self, rows: int) -> str:
        """A number of rows and their share, for a sentence."""
        return f"{rows:,} of {self.rows:,} rows ({percent(rows / max(1, self.rows))})"


def percent(share: float) -> str:
    """A share in per cent with the digits that matter.

    >>> percent(0.5), percent(0.0123), percent(0.00004), percent(0.9996)
    ('50 %', '1.2 %', '< 0.01 %', '99.96 %')
    """
    if 0 < share < 0.0001:
        return "< 0.01 %"
    if share > 0.99 and share < 1:
        return f"{share:.2%}".replace("%", " %")
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.3g} %"
