"""From a contract and training rows to the encoder that serving will use too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import polars as pl

from slipway.base.errors import ConfigError
from slipway.data.contract import Column, ColumnType, Contract
from slipway.data.steps import Steps
from slipway.data.tables import conform
from slipway.models.cleaning import Cleaner
from slipway.models.encoder import (
    BoolColumn,
    CategoryColumn,
    DatetimeColumn,
    EncodedColumn,
    Encoder,
    NumberColumn,
)
from slipway.models.reference import FeatureKind
from slipway.models.values import Column as Cells
from slipway.models.values import texts

#: A level needs this many training rows; with fewer it is coded like an unseen one, which so gets learned.
RARE = 3
#: More levels than this are not kept: the most frequent are.
MAX_LEVELS = 1_000


def fit_encoder(df: pl.DataFrame, contract: Contract, steps: Steps = ()) -> Encoder:
    """Fit the encoder on the train part of a table.

    Args:
        df: training rows, not cleaned.
        contract: says which columns are features, and of which type.
        steps: what the encoder mends first, here and in serving.

    Raises:
        ConfigError: a feature of type ``text``, which no candidate can learn from.
        ContractError: a feature is missing or of another type.
    """
    columns = Cleaner(steps).columns(feature_columns(df, contract), df.height)
    return Encoder([_fitter(spec)(spec.name, columns[spec.name]) for spec in contract.features], steps)


def feature_columns(df: pl.DataFrame, contract: Contract) -> dict[str, Cells]:
    """The features of a table as the encoder takes them: numbers as float64 arrays, the rest as lists.

    Raises:
        ContractError: a feature is missing or of another type.
    """
    table = conform(df, contract)
    return {spec.name: _cells(table[spec.name]) for spec in contract.features}


def reference_kinds(contract: Contract) -> Mapping[str, FeatureKind]:
    """Features whose distribution can be watched in bins, and how: as numbers or as categories."""
    kinds: dict[ColumnType, FeatureKind] = {
        "float": "number",
        "int": "number",
        "bool": "category",
        "category": "category",
    }
    return {spec.name: kinds[spec.type] for spec in contract.features if spec.type in kinds}


def _cells(series: pl.Series) -> Cells:
    if series.dtype.is_numeric():
        return series.cast(pl.Float64).to_numpy()
    return series.to_list()


def _number(name: str, _: Cells) -> EncodedColumn:
    return NumberColumn(name)


def _bool(name: str, _: Cells) -> EncodedColumn:
    return BoolColumn(name)


def _datetime(name: str, _: Cells) -> EncodedColumn:
    return DatetimeColumn(name)


def _category(name: str, values: Cells) -> EncodedColumn:
    counts = Counter(text for text in texts(values, name) if text is not None)
    common = [level for level, rows in counts.items() if rows >= RARE]
    kept = sorted(common, key=lambda level: (-counts[level], level))[:MAX_LEVELS]
    return CategoryColumn(name, tuple(sorted(kept)))


_FITTERS: dict[ColumnType, Callable[[str, Cells], EncodedColumn]] = {
    "float": _number,
    "int": _number,
    "bool": _bool,
    "category": _category,
    "datetime": _datetime,
}


def _fitter(spec: Column) -> Callable[[str, Cells], EncodedColumn]:
    try:
        return _FITTERS[spec.type]
    except KeyError:
        raise ConfigError(
            expected=f"features of type {', '.join(_FITTERS)}",
            got=f"type {spec.type!r}",
            where=f"contract.toml, column {spec.name!r}",
            next_step='set role = "ignore", or type = "category" where the texts repeat',
        ) from None
