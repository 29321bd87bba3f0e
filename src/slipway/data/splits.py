"""Rows for fitting and rows held out: in time order, by group, or stratified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from slipway.base.errors import ConfigError, DataError, TargetError
from slipway.data.contract import NUMERIC, Column, Contract
from slipway.data.tables import conform_column, moments

Indices = NDArray[np.int64]

#: With more different labels the target is a quantity.
_MOST_CLASSES = 100


@dataclass(frozen=True)
class Split:
    """Row numbers of the two parts; together all rows that have a label, none twice, but for those in a gap.

    A temporal split has them in time order, the others in table order.
    """

    train: Indices
    test: Indices
    kind: Literal["temporal", "grouped", "stratified", "random"]


def split(df: pl.DataFrame, contract: Contract, share: float, seed: int, gap_seconds: float = 0.0) -> Split:
    """Hold out a share of the labelled rows.

    Temporal when the contract has a time column: the newest rows, where rows of one instant stay together
    and rows without a time count as oldest. Else grouped when it has a group column: whole groups. Else
    stratified by class: of each class with two rows or more at least one lies on both sides, a class with
    one row goes to training. Else, where the labels are quantities (numbers, over 100 different ones or
    hardly any twice), at random.

    "At random" means by a hash of the row's features (or of its group): a row that was held out stays held
    out when the table grows, but for a few at the edge of the share, so that an older version can be
    measured on rows that it was not fitted on, and equal rows tend to lie on one side.

    Args:
        df: the table; columns of the contract's names.
        contract: says which columns are target, time and group.
        share: of the rows to hold out, in (0, 1); met as nearly as whole instants, groups and classes allow.
        seed: of the hash; the same seed, table and share give the same split.
        gap_seconds: rows less than this older than the first held-out one are on neither side, so that what
            was not known yet when the held-out rows came (late labels, windows) teaches nothing.

    Raises:
        ConfigError: a gap, but no column of times to measure it by.
        ContractError: the column to split by is missing or of another type.
        DataError: one side would be empty.
        TargetError: the rows for training would all have the same label.
    """
    target = _column(df, contract.target)
    labelled = np.flatnonzero(target.is_not_null().to_numpy()).astype(np.int64)
    if gap_seconds:
        _refuse_gap_without_times(contract)
    kind, held_out = _held_out(df, contract, target, labelled, share, seed)
    train, test = labelled[~held_out], labelled[held_out]
    if gap_seconds and len(test):
        train = _before_gap(df, contract, train, test, gap_seconds)
    if kind == "temporal":
        order = _time_ranks(df, contract)
        train, test = (part[np.argsort(order[part], kind="stable")] for part in (train, test))
    if not len(train) or not len(test):
        raise DataError(
            expected="rows on both sides of the split",
            got=f"{len(train)} to train and {len(test)} to test ({kind})",
            next_step="add rows, or change train.holdout, train.gap or the time or group column",
        )
    if target.gather(train).n_unique() < 2:
        raise TargetError(
            expected="at least two different labels among the rows for training",
            got=f"one, after a {kind} split",
            where=f"target column {target.name!r}",
            next_step="add rows with the other outcome, or change the time or group column",
        )
    return Split(train, test, kind)


def _held_out(
    df: pl.DataFrame,
    contract: Contract,
    target: pl.Series,
    labelled: Indices,
    share: float,
    seed: int,
) -> tuple[Literal["temporal", "grouped", "stratified", "random"], NDArray[np.bool_]]:
    """Which of the labelled rows to hold out."""
    if contract.time is not None:
        return "temporal", _newest(_time_ranks(df, contract)[labelled], share)
    if contract.group is not None:
        groups = _column(df, contract.group).gather(labelled)
        return "grouped", _whole_groups(groups, share, seed)
    draws = _draws(df, contract, seed)[labelled]
    labels = _codes(target.gather(labelled))
    numbers = contract.target.type in NUMERIC
    if numbers and len(np.unique(labels)) > min(_MOST_CLASSES, len(labels) / 2):
        return "random", _of_each_class(np.zeros_like(labels), share, draws)
    return "stratified", _of_each_class(labels, share, draws)


def _draws(df: pl.DataFrame, contract: Contract, seed: int) -> NDArray[np.uint64]:
    """A number per row that depends on the row's features alone."""
    known = [column for column in contract.features if column.name in df.columns]
    features = pl.DataFrame([conform_column(df[column.name], column) for column in known])
    return features.hash_rows(seed).to_numpy()


def _column(df: pl.DataFrame, column: Column) -> pl.Series:
    if column.name not in df.columns:
        raise DataError(
            expected=f"the {column.role} column {column.name!r}",
            got="a table without it",
            next_step="check the source, or change the contract",
        )
    return conform_column(df[column.name], column)


def _codes(series: pl.Series) -> Indices:
    """Equal values get equal numbers; the order of the values decides, so it does not hang on the rows'."""
    return series.rank("dense").to_numpy().astype(np.int64)


def _refuse_gap_without_times(contract: Contract) -> None:
    if contract.time is None or contract.time.type in NUMERIC:
        raise ConfigError(
            expected="a time column of dates, by which train.gap is measured",
            got="no time column" if contract.time is None else f"one of type {contract.time.type}",
            where="contract.toml",
            next_step="name the column with data.time and run `slipway init` again, or remove train.gap",
        )


def _before_gap(
    df: pl.DataFrame, contract: Contract, train: Indices, test: Indices, gap_seconds: float
) -> Indices:
    """The training rows that are old enough; a row without a time counts as oldest."""
    assert contract.time is not None
    times = moments(_column(df, contract.time)).dt.epoch("us")
    # the held-out rows are the newest, so each of them has a time
    newest = times.gather(test).to_numpy().min() - round(gap_seconds * 1e6)
    return train[(times <= int(newest)).fill_null(value=True).gather(train).to_numpy()]


def _time_ranks(df: pl.DataFrame, contract: Contract) -> Indices:
    """Rank of each row's time; 0 where it has none."""
    assert contract.time is not None
    series = _column(df, contract.time)
    if series.dtype == pl.String:
        series = moments(series)
    return series.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _newest(ranks: Indices, share: float) -> NDArray[np.bool_]:
    """The last rows in time; the cut moves to the nearest change of the instant."""
    if not len(ranks):
        return np.zeros(0, dtype=np.bool_)
    order = np.sort(ranks)
    changes = np.flatnonzero(np.diff(order)) + 1
    if not len(changes):
        return np.zeros(len(ranks), dtype=np.bool_)
    wanted = len(ranks) - round(len(ranks) * share)
    cut = changes[np.argmin(np.abs(changes - wanted))]
    return ranks >= order[cut]


def _whole_groups(groups: pl.Series, share: float, seed: int) -> NDArray[np.bool_]:
    """Groups by their hash until the share is reached; each row without a group is one of its own."""
    codes = groups.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    alone = codes == 0
    codes[alone] = codes.max(initial=0) + 1 + np.arange(int(alone.sum()))
    names, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    if len(names) < 2:
        return np.zeros(len(codes), dtype=np.bool_)
    draws = groups.hash(seed).to_numpy()
    # rows without a group have one hash in common: their number in the table tells them apart
    draws = np.where(alone, pl.Series(codes).hash(seed).to_numpy(), draws)
    order = np.argsort(draws[first], kind="stable")
    reached = np.cumsum(sizes[order])
    count = int(np.argmin(np.abs(reached - share * len(codes)))) + 1
    return np.isin(codes, names[order[: min(count, len(names) - 1)]])


def _of_each_class(codes: Indices, share: float, draws: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """The rows with the lowest draws of each class, at least one row and not all."""
    held_out = np.zeros(len(codes), dtype=np.bool_)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        count = min(max(round(len(rows) * share), 1), len(rows) - 1)
        held_out[rows[np.argsort(draws[rows], kind="stable")[:count]]] = True
    return held_out
