"""Whether a table treats groups of people alike: who is in it, and how often each gets the label.

Figures describe the table, not the world: a gap in label rates may be bias in the labels, bias in who was
sampled, or a real difference. The group that ratios are taken against is the largest one, because a group
chosen by its rate would make every interval too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from slipway.base.errors import DataError, UsageError
from slipway.base.vocabulary import Task
from slipway.data.bias_groups import Groups, group_rows
from slipway.data.bias_intervals import Figure, mean, ratio, share

#: A ratio of label rates under four fifths, or over its inverse, is the usual sign of adverse impact
#: (US Uniform Guidelines on Employee Selection Procedures, 1978, section 4 D).
FOUR_FIFTHS = 0.8
DEFAULT_MIN_GROUP = 50

Verdict = Literal["reference", "alike", "undecided", "unequal"]


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """One group.

    ``rate`` is the share of positive labels among labelled rows, or the mean target of a regression;
    ``impact`` is its ratio to the reference group's rate. ``verdict`` is "unequal" when the whole interval
    of the ratio lies outside four fifths to five quarters, "alike" when it lies inside.
    """

    group: str
    rows: int
    share: Figure
    labelled: int
    rate: Figure | None
    impact: Figure | None
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class GroupTable:
    """The groups of one sensitive column, or of the crossing of several.

    Groups under the minimum size are not shown one by one: ``small_groups`` and ``small_rows`` count them.
    """

    columns: tuple[str, ...]
    groups: tuple[GroupFigures, ...]
    small_groups: int
    small_rows: int


@dataclass(frozen=True, kw_only=True)
class BiasReport:
    """Representation and label rates of all groups; each table's intervals hold together at ``level``."""

    rows: int
    target: str
    #: What the rate counts; None for a regression (mean) or where no class was chosen.
    positive: str | None
    level: float
    min_group: int
    tables: tuple[GroupTable, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Target:
    """(n,) float64 label per row, NaN where there is none; ``kind`` says what a rate is."""

    values: npt.NDArray[np.float64]
    kind: Literal["share", "mean", "none"]


def bias_report(
    df: pl.DataFrame,
    sensitive: Sequence[str],
    target: str,
    task: Task,
    *,
    positive: object = None,
    level: float = 0.95,
    min_group: int = DEFAULT_MIN_GROUP,
) -> BiasReport:
    """Compare the groups of each sensitive column and, with several columns, of their crossing.

    Args:
        df: a canonical table.
        sensitive: columns that name groups of people.
        target: the label; rows without one count for representation only.
        task: kind of the target.
        positive: the class whose rate is compared; default in a binary task: the larger label. A
            multiclass table without it is compared by representation alone.
        level: confidence that all intervals of one table hold together (Bonferroni).
        min_group: rows a group must have to be shown.

    Raises:
        UsageError: columns that the table lacks, a target among the sensitive ones, a positive class that
            no row has, or settings out of range.
        DataError: no row has a label.
    """
    _refuse_settings(df, sensitive, target, level, min_group)
    labels = df[target]
    chosen = _positive(labels, task, positive)
    values = _values(labels, task, chosen)
    crossings = [(name,) for name in sensitive] + ([tuple(sensitive)] if len(sensitive) > 1 else [])
    tables = tuple(_table(group_rows(df, one), values, level, min_group) for one in crossings)
    return BiasReport(
        rows=df.height,
        target=target,
        positive=chosen if values.kind == "share" else None,
        level=level,
        min_group=min_group,
        tables=tables,
        notes=tuple(_notes(values, labels, tables)),
    )


def _refuse_settings(
    df: pl.DataFrame, sensitive: Sequence[str], target: str, level: float, min_group: int
) -> None:
    if not sensitive:
        raise UsageError(expected="at least one sensitive column", got="none", where="bias report")
    if target not in df.columns or target in sensitive:
        raise UsageError(
            expected="a target in the table that is not itself sensitive",
            got="one that is sensitive" if target in sensitive else f"{target!r}, which it lacks",
            where="target",
        )
    if not 0.0 < level < 1.0 or min_group < 2:
        raise UsageError(
            expected="a level between 0 and 1 and groups of at least 2 rows",
            got=f"level {level:g} and groups of {min_group}",
            where="bias report",
        )
    if df.height == 0 or df[target].null_count() == df.height:
        raise DataError(expected="rows with a label", got="none", where=f"column {target!r}")


def _positive(labels: pl.Series, task: Task, positive: object) -> str | None:
    """Text form of the class that counts as 1."""
    if task == "regression" or (task == "multiclass" and positive is None):
        return None
    if positive is None:
        return _text(labels.drop_nulls().max())
    wanted = _text(positive)
    if wanted not in {_text(label) for label in labels.drop_nulls().unique().to_list()}:
        raise UsageError(
            expected="a label that some row has",
            got="one that none has",
            where="the positive class",
            next_step="set --positive, or project.positive in slipway.toml",
        )
    return wanted


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(labels: pl.Series, task: Task, positive: str | None) -> _Target:
    if task == "regression":
        numbers = labels.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        return _Target(numbers, "mean")
    if positive is None:
        return _Target(np.full(len(labels), np.nan), "none")
    distinct = labels.drop_nulls().unique()
    hits = pl.Series([float(_text(label) == positive) for label in distinct.to_list()])
    found = pl.DataFrame({"label": distinct, "hit": hits})
    joined = labels.alias("label").to_frame().join(found, on="label", how="left", maintain_order="left")
    return _Target(joined["hit"].fill_null(float("nan")).to_numpy(), "share")


def _table(groups: Groups, target: _Target, level: float, min_group: int) -> GroupTable:
    sizes = groups.sizes
    shown = [at for at in range(len(sizes)) if sizes[at] >= min_group]
    alpha = (1.0 - level) / max(1, len(shown))
    # Ratios to one reference: one comparison fewer than there are groups.
    ratio_alpha = (1.0 - level) / max(1, len(shown) - 1)
    by_group = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(sizes)
    labelled = [_labelled(target.values[by_group[ends[at] - sizes[at] : ends[at]]]) for at in shown]
    figures = [
        _figures(
            groups.names[at],
            share(int(sizes[at]), len(groups.codes), alpha),
            own,
            labelled[0] if place else None,
            (target.kind, alpha, ratio_alpha),
        )
        for place, (at, own) in enumerate(zip(shown, labelled, strict=True))
    ]
    small = [int(size) for size in sizes if size < min_group]
    return GroupTable(
        columns=groups.columns, groups=tuple(figures), small_groups=len(small), small_rows=sum(small)
    )


@dataclass(frozen=True)
class _Labels:
    rows: int
    values: npt.NDArray[np.float64]

    @property
    def hits(self) -> int:
        return int(self.values.sum())


def _labelled(own: npt.NDArray[np.float64]) -> _Labels:
    return _Labels(len(own), own[~np.isnan(own)])


def _figures(
    name: str, size: Figure, own: _Labels, reference: _Labels | None, how: tuple[str, float, float]
) -> GroupFigures:
    kind, alpha, ratio_alpha = how
    n = len(own.values)
    rate = impact = None
    if n and kind == "share":
        rate = share(own.hits, n, alpha)
        if reference is not None and len(reference.values):
            impact = ratio(own.hits, n, reference.hits, len(reference.values), ratio_alpha)
    elif n and kind == "mean":
        rate = mean(own.values, alpha)
    return GroupFigures(
        group=name,
        rows=own.rows,
        share=size,
        labelled=n,
        rate=rate,
        impact=impact,
        verdict="reference" if reference is None else _verdict(impact),
    )


def _verdict(impact: Figure | None) -> Verdict:
    if impact is None or impact.lower is None or impact.upper is None:
        return "undecided"
    if impact.upper < FOUR_FIFTHS or impact.lower > 1.0 / FOUR_FIFTHS:
        return "unequal"
    inside = impact.lower >= FOUR_FIFTHS and impact.upper <= 1.0 / FOUR_FIFTHS
    return "alike" if inside else "undecided"


def _notes(target: _Target, labels: pl.Series, tables: Sequence[GroupTable]) -> list[str]:
    notes: list[str] = []
    if target.kind == "none":
        notes.append("no class was chosen: groups are compared by representation alone (--positive CLASS)")
    if labels.null_count():
        notes.append(f"{labels.null_count():,} rows have no label: they count for representation only")
    notes += [
        f"no group of {' x '.join(table.columns)} has enough rows" for table in tables if not table.groups
    ]
    return notes


def reweighing_weights(groups: npt.ArrayLike, labels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Weights under which group and label are independent: P(group) P(label) / P(group, label).

    Args:
        groups: (n,) int codes.
        labels: (n,) int codes.

    Returns:
        (n,) float64, positive, with mean 1 when each group has each label. A combination that no row has
        cannot be weighted up, so with such gaps the two stay dependent and the mean is under 1.

    Raises:
        DataError: lengths that differ, or no rows.

    Source: Kamiran & Calders, Knowledge and Information Systems 33, 2012, section 4.2.

    >>> reweighing_weights([0, 0, 0, 1], [1, 1, 0, 0]).round(3).tolist()
    [0.75, 0.75, 1.5, 0.5]
    """
    gs, ys = np.asarray(groups, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    if gs.ndim != 1 or gs.shape != ys.shape or gs.size == 0:
        raise DataError(
            expected="as many labels as group codes, at least one",
            got=f"{gs.size} and {ys.size}",
            where="reweighing",
        )
    _, gs = np.unique(gs, return_inverse=True)
    _, ys = np.unique(ys, return_inverse=True)
    counts = np.zeros((gs.max() + 1, ys.max() + 1))
    np.add.at(counts, (gs, ys), 1.0)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / gs.size
    return expected[gs, ys] / counts[gs, ys]


def with_weights(
    df: pl.DataFrame, sensitive: Sequence[str], target: str, name: str = "reweighing"
) -> pl.DataFrame:
    """The table with a Float64 column of ``reweighing_weights`` over the crossing of the sensitive columns.

    A row without a label gets null.

    Raises:
        UsageError: a column is missing, or ``name`` is taken.
        DataError: no row has a label.
    """
    if name in df.columns or target not in df.columns:
        raise UsageError(
            expected="a table with the target and without the weight column",
            got=f"one {'with' if name in df.columns else 'without'} "
            f"{name if name in df.columns else target!r}",
            where="reweighing",
        )
    known = df[target].is_not_null().to_numpy()
    weights = np.full(df.height, np.nan)
    labels = df[target].cast(pl.String).rank("dense").fill_null(0).to_numpy()
    weights[known] = reweighing_weights(group_rows(df, sensitive).codes[known], labels[known])
    return df.with_columns(pl.Series(name, weights).fill_nan(None))
