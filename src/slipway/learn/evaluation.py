"""What rows held out from training say: metrics with intervals, losses, and the risk to hold the model to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from slipway.base.errors import ContractError
from slipway.data.contract import Contract
from slipway.data.tables import moments
from slipway.learn.encoding import feature_columns, reference_kinds
from slipway.learn.metrics import FloatArray, Metric, measure
from slipway.learn.target import Target
from slipway.models.bundle import Bundle
from slipway.models.losses import ClassIndex, losses
from slipway.models.reference import Reference, RiskReference, fit_reference
from slipway.stats.bounds import upper_risk_bound

#: The monitors compare live risk with a bound that the true risk exceeds with at most this probability.
RISK_ALPHA = 0.025
#: Traffic assumed where the table has no times.
_ROWS_PER_DAY = 10_000.0
_US_PER_DAY = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model and the constant baseline on the same held-out rows; losses are shaped (n,), in [0, 1]."""

    outputs: FloatArray
    metrics: tuple[Metric, ...]
    baseline: tuple[Metric, ...]
    losses: FloatArray
    baseline_losses: FloatArray
    risk: RiskReference


def evaluate(target: Target, outputs: FloatArray, baseline: FloatArray) -> Evaluation:
    """Measure a model beside the baseline.

    Args:
        target: of the held-out rows, n at least 1.
        outputs: the model's, shape (n, outputs).
        baseline: those of a constant, of the same shape.
    """
    model_losses = _losses(target, outputs)
    return Evaluation(
        outputs=outputs,
        metrics=measure(target.task, outputs, target.values),
        baseline=measure(target.task, baseline, target.values),
        losses=model_losses,
        baseline_losses=_losses(target, baseline),
        risk=RiskReference(
            n=len(model_losses),
            mean=float(model_losses.mean()),
            upper=upper_risk_bound(model_losses, RISK_ALPHA),
            alpha=RISK_ALPHA,
            loss_range=target.loss_range,
        ),
    )


def champion_losses(champion: Bundle, df: pl.DataFrame, target: Target) -> FloatArray | None:
    """Losses of the live version on held-out rows, on the scale of the new one; shape (n,).

    None where they cannot be compared: another task, columns of another type, or labels that the live
    version does not know.
    """
    if champion.task != target.task:
        return None
    labels = target.values.tolist() if not target.classes else _labels(target)
    try:
        columns = feature_columns(df, champion.contract)
        outputs = champion.predict(columns, df.height)
        return losses(target.task, outputs, labels, champion.class_index, target.loss_range)
    except ContractError:
        return None


def reference(df: pl.DataFrame, contract: Contract) -> Reference:
    """Bins and shares of every feature for the drift monitor, and the traffic that the times tell of."""
    return fit_reference(feature_columns(df, contract), reference_kinds(contract), rows_per_day(df, contract))


def rows_per_day(df: pl.DataFrame, contract: Contract) -> float:
    """Rows per day between the first and the last time of a table; 10,000 where it has no times."""
    if contract.time is None or df.height < 2:
        return _ROWS_PER_DAY
    series = df[contract.time.name]
    if series.dtype != pl.String:
        return _ROWS_PER_DAY
    times = moments(series).drop_nulls().cast(pl.Int64).to_numpy()
    span = float(np.ptp(times)) / _US_PER_DAY if len(times) > 1 else 0.0
    return (len(times) - 1) / span if span > 0 else _ROWS_PER_DAY


def _losses(target: Target, outputs: FloatArray) -> FloatArray:
    find = ClassIndex(range(len(target.classes)))
    return losses(target.task, outputs, target.values.tolist(), find, target.loss_range)


def _labels(target: Target) -> list[str | int | float | bool]:
    return [target.classes[int(at)] for at in target.values]
