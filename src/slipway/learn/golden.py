"""Golden rows: a few rows whose answers are kept with the model, among them the awkward ones.

They prove before registration that serving gives the bits that training gives, and later, on another
machine, that the bundle still does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from slipway.base.vocabulary import Value
from slipway.data.contract import Column, Contract

Row = dict[str, Value]

#: Ordinary rows, drawn from the train part.
ORDINARY = 24
#: Features that get awkward rows of their own; wide tables are sampled evenly.
_FEATURES = 40
#: A level that no training table holds.
_NEVER_SEEN = "\N{REPLACEMENT CHARACTER} never seen"
_EXTREMES = (0.0, -1e15, 1e15, 5e-324)


def ordinary_rows(df: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows drawn from the train part, at most ``ORDINARY``, in table order."""
    rng = np.random.default_rng(seed)
    n = min(ORDINARY, df.height)
    return df[np.sort(rng.choice(df.height, size=n, replace=False)).tolist()]


def json_rows(df: pl.DataFrame, contract: Contract) -> list[Row]:
    """Rows of a table as a client would send them: features only, dates as ISO 8601 text."""
    names = [column.name for column in contract.features]
    return [{name: _value(cell) for name, cell in row.items()} for row in df.select(names).to_dicts()]


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


def _value(cell: Any) -> Value:
    return cell.isoformat() if isinstance(cell, datetime | date) else cell
