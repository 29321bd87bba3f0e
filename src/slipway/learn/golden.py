"""Golden rows: a few rows whose answers are kept with the model, among them the awkward ones.

They prove before registration that serving gives the bits that training gives, and later, on another
machine, that the bundle still does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from slipway.base.vocabulary import Value
from slipway.data.contract import Column, Contract
from slipway.data.tables import conform
from slipway.learn.encoding import feature_columns
from slipway.learn.metrics import FloatArray
from slipway.models.encoder import Encoder

Row = dict[str, Value]

#: Ordinary rows, drawn from the train part.
ORDINARY = 24
#: Features that get awkward rows of their own; wide tables are sampled evenly.
_FEATURES = 40
#: A level that no training table holds.
_NEVER_SEEN = "\N{REPLACEMENT CHARACTER} never seen"
_EXTREMES = (0.0, -1e15, 1e15, 5e-324)


@dataclass(frozen=True)
class Golden:
    """Rows as a client would send them, and the matrix, shape (n, k), that training makes of them."""

    rows: list[Row]
    matrix: FloatArray


def golden_rows(df: pl.DataFrame, contract: Contract, encoder: Encoder, seed: int) -> Golden:
    """Draw ordinary rows from the train part, and add awkward variations of them.

    The ordinary rows are encoded from the table's own columns, as in training, and not from what a client
    would send: a difference between the two shows in the parity gate.
    """
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(df.height, size=min(ORDINARY, df.height), replace=False))
    part = df[drawn.tolist()]
    ordinary = json_rows(part, contract)
    awkward = awkward_rows(ordinary, contract)
    columns = {name: [row.get(name) for row in awkward] for name in encoder.columns}
    made = encoder.encode(feature_columns(part, contract), part.height)
    return Golden(ordinary + awkward, np.concatenate([made, encoder.encode(columns, len(awkward))]))


def json_rows(df: pl.DataFrame, contract: Contract) -> list[Row]:
    """Rows of a table as a client would send them: features only."""
    names = [column.name for column in contract.features]
    return conform(df, contract).select(names).to_dicts()


def awkward_rows(rows: Sequence[Row], contract: Contract) -> list[Row]:
    """Variations of ordinary rows: null, absent key, unseen level, extreme numbers, and all of it missing.

    Args:
        rows: ordinary rows, at least one.
        contract: names and types of the features.
    """
    features = contract.features
    step = max(1, -(-len(features) // _FEATURES))
    made: list[Row] = [{}, dict.fromkeys((column.name for column in features), None)]
    for number, column in enumerate(features[::step]):
        base = rows[number % len(rows)]
        made.append({name: value for name, value in base.items() if name != column.name})
        made.extend(base | {column.name: value} for value in _awkward_values(column))
    return made


def _awkward_values(column: Column) -> Iterator[Value]:
    yield None
    if column.type == "category":
        yield _NEVER_SEEN
        yield ""
    elif column.type == "int":
        yield from (int(value) for value in _EXTREMES[:3])
    elif column.type == "float":
        yield from _EXTREMES
    elif column.type == "datetime":
        yield "1970-01-01T00:00:00Z"
        yield "2100-12-31T23:59:59+02:00"
