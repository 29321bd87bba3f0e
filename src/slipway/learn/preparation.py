"""From a table to what fitting and judging need: two parts, an encoder, and numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from slipway.base.config import Config
from slipway.data.contract import Contract
from slipway.data.splits import split
from slipway.data.steps import Steps
from slipway.data.tables import conform
from slipway.learn.encoding import feature_columns, fit_encoder
from slipway.learn.metrics import FloatArray
from slipway.learn.problem import IndexArray, Problem
from slipway.learn.target import Target, part_of, read_target
from slipway.models.encoder import CategoryColumn, Encoder

#: Rows are held out by the same draw whatever the seed of the models: versions trained on one table are
#: then measured on one set of rows, which neither of them was fitted on.
_SPLIT_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The two parts of a table. Nothing but labels and their range was learned from the held-out one.

    Args:
        table: the rows of both parts, in the contract's columns and types; train part first.
        train: rows to fit on.
        held_out: rows to judge on.
        split: how they were told apart.
        encoder: fitted on the train part.
        problem: the train part, encoded.
        held_out_matrix: (n, k) float64.
        held_out_target: n values.
    """

    table: pl.DataFrame
    train: pl.DataFrame
    held_out: pl.DataFrame
    split: str
    encoder: Encoder
    problem: Problem
    held_out_matrix: FloatArray
    held_out_target: Target


def prepare(df: pl.DataFrame, config: Config, contract: Contract, seed: int, steps: Steps = ()) -> Prepared:
    """Split a checked table, fit the encoder on the train part and encode both parts.

    The rows that are handed on are as they came: the encoder does the cleaning ``steps``, as it does for a
    request, so that monitors and the live version see the values that serving sees.

    Raises:
        TargetError: the target cannot be learned.
        DataError: the rows cannot be split.
        ConfigError: a feature that no candidate can learn from, or ``train.gap`` without a time column.
    """
    parts = split(df, contract, config.train.holdout, _SPLIT_SEED, config.train.gap_seconds)
    order = np.concatenate([parts.train, parts.test])
    table = conform(df, contract)[order.tolist()]
    cut = len(parts.train)
    train, held_out = table[:cut], table[cut:]
    target = read_target(table, config, contract)
    encoder = fit_encoder(train, contract, steps)
    fitted_on = part_of(target, slice(None, cut))
    problem = Problem(
        task=target.task,
        classes=len(target.classes),
        matrix=encoder.encode(feature_columns(train, contract), train.height),
        target=fitted_on.values,
        levels=_levels(encoder),
        ordered=parts.kind == "temporal",
        groups=_groups(train, contract) if parts.kind == "grouped" else None,
        loss_range=target.loss_range,
        seed=seed,
    )
    return Prepared(
        table=table,
        train=train,
        held_out=held_out,
        split=parts.kind,
        encoder=encoder,
        problem=problem,
        held_out_matrix=encoder.encode(feature_columns(held_out, contract), held_out.height),
        held_out_target=part_of(target, slice(cut, None)),
    )


def _levels(encoder: Encoder) -> dict[int, int]:
    specs = [spec for spec in encoder.specs if isinstance(spec, CategoryColumn)]
    return {at: len(spec.levels) for at, spec in zip(encoder.categorical, specs, strict=True)}


def _groups(train: pl.DataFrame, contract: Contract) -> IndexArray:
    """Group number of each row; a row without a group is one of its own."""
    assert contract.group is not None
    codes = train[contract.group.name].rank("dense").fill_null(0).to_numpy().astype(np.int64)
    alone = codes == 0
    codes[alone] = codes.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return codes
