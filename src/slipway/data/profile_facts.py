"""What a profile says: plain frozen values, ready for JSON, the terminal and the report."""

from __future__ import annotations

from typing import Literal

import msgspec

from slipway.base.vocabulary import Task

#: ``serious``: a model trained on this would mislead. ``check``: somebody who knows the data must say.
Severity = Literal["serious", "check", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "check", "note")

#: What a column is, beyond its physical type.
Kind = Literal["number", "code", "bool", "category", "text", "time", "id", "constant", "empty"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth knowing before training. Quotes levels of small categories only, never a row."""

    rule: str
    severity: Severity
    columns: tuple[str, ...]
    evidence: str
    advice: str


class Level(msgspec.Struct, frozen=True):
    """A value that many rows share."""

    value: str
    rows: int


class Histogram(msgspec.Struct, frozen=True):
    """Counts between (k + 1,) ascending edges; ``below`` and ``above`` lie outside of them."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a number column, or of a time column in seconds since 1970."""

    min: float
    max: float
    mean: float
    std: float
    zeros: int
    negative: int
    infinite: int
    #: Keys p01, p05, p25, p50, p75, p95, p99.
    quantiles: dict[str, float]
    histogram: Histogram


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths of the texts of a column, in characters."""

    shortest: int
    longest: int
    mean: float


class Relation(msgspec.Struct, frozen=True):
    """How well one column alone tells the target, out of fold, in a sample.

    ``auc``: 0.5 nothing to 1 all (binary). ``explained``: share of the target's entropy (classes) or variance
    (regression), 0 nothing to 1 all.
    """

    explained: float
    auc: float | None = None


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column."""

    name: str
    #: float, int, bool, text or time, as stored.
    type: str
    kind: Kind
    missing: int
    distinct: int
    distinct_exact: bool
    #: Most frequent first; empty where ``withheld`` says why.
    levels: tuple[Level, ...] = ()
    withheld: str = ""
    numbers: Numbers | None = None
    texts: Texts | None = None
    #: First and last day of a time column, ISO 8601.
    days: tuple[str, str] | None = None
    relation: Relation | None = None


class TargetProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The column to predict, and what answering without a model would reach."""

    name: str
    task: Task
    labelled: int
    #: Rows of each class, most frequent first; empty for regression.
    classes: tuple[Level, ...] = ()
    #: Metric: value of the best constant answer.
    baseline: dict[str, float]
    #: Sentences on what the balance means for the metrics.
    meaning: tuple[str, ...]
    #: Mean (regression), or share of ``followed`` (classes), in equal stretches of the table, in order.
    stretches: tuple[float, ...] = ()
    followed: str = ""
    #: Share of rows whose label repeats the one of the row before; None for regression.
    repeats: float | None = None


class Correlation(msgspec.Struct, frozen=True):
    """Pearson's correlation of two number columns over the rows that have both."""

    first: str
    second: str
    value: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole table."""

    source: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    #: Rows that repeat an earlier one.
    duplicates: int
    duplicates_exact: bool
    target: TargetProfile | None
    #: Strongest first.
    correlations: tuple[Correlation, ...]
    #: Most serious first.
    findings: tuple[Finding, ...]
    #: Columns without plain values, which were left out.
    skipped: tuple[str, ...] = ()
    #: How the figures were made: what is exact, what comes from a sample.
    method: tuple[str, ...] = ()

    def column(self, name: str) -> ColumnProfile:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
