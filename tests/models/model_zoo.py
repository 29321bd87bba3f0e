"""Seeded tables and fitted models that the tests of this package share."""

from __future__ import annotations

import math

import lightgbm
import numpy as np

from slipway.models.encoder import BoolColumn, CategoryColumn, DatetimeColumn, Encoder, NumberColumn

JOBS = ("clerk", "nurse", "pilot", "teacher")
ENCODER = Encoder(
    [
        *(NumberColumn(f"n{at}") for at in range(6)),
        *(CategoryColumn(f"c{at}", JOBS) for at in range(6)),
        BoolColumn("b"),
        DatetimeColumn("t"),
    ]
)


def make_columns(n, seed=0):
    """14 raw columns with nulls and unseen levels."""
    rng = np.random.default_rng(seed)
    columns = {}
    for at in range(6):
        values = (rng.normal(size=n) * 10.0 ** rng.integers(-3, 6)).tolist()
        columns[f"n{at}"] = [None if rng.random() < 0.1 else value for value in values]
        jobs = rng.choice([*JOBS, "astronaut"], size=n).tolist()
        columns[f"c{at}"] = [None if rng.random() < 0.1 else job for job in jobs]
    columns["b"] = [None if rng.random() < 0.1 else bool(rng.random() < 0.5) for _ in range(n)]
    days = rng.integers(0, 20_000, size=n)
    columns["t"] = [
        str(moment) for moment in np.datetime64("1990-01-01T03:00:00") + days.astype("timedelta64[D]")
    ]
    return columns


#: Cells that break servers: missing, unseen, huge, tiny, and integers that float64 rounds.
EXTREMES = {
    "n": [None, math.nan, math.inf, -math.inf, 1.7976931348623157e308, 5e-324, -0.0, 0, 2**53 + 1, -(10**18)],
    "c": [None, "", "astronaut", "clerk", "CLERK", "ünïcode", "nurse ", "0", "pilot", "null"],
    "b": [None, True, False, 1, 0, None, True, False, True, None],
    "t": [None, "1970-01-01", "9999-12-31T23:59:59", "0001-01-01", "2024-02-29T12:00:00+02:00"] * 2,
}


def extreme_columns():
    """Ten rows of the extremes, in the columns of ``make_columns``."""
    return {name: EXTREMES[name[0]] for name in ENCODER.columns}


def make_labels(columns, classes, seed=0):
    """Labels that depend on the columns: class positions, or numbers when ``classes`` is 0."""
    rng = np.random.default_rng(seed)
    matrix = np.nan_to_num(ENCODER.encode(columns, len(columns["b"])))
    score = matrix[:, 0] / (1 + np.abs(matrix[:, 0])) + matrix[:, 6] / 4 + 0.3 * rng.normal(size=len(matrix))
    if classes == 0:
        return score
    return np.searchsorted(np.quantile(score, np.arange(1, classes) / classes), score)


def fit_booster(classes=2, rows=3000, trees=40, leaves=31, seed=0):
    """A LightGBM model on the zoo's table, in process."""
    columns = make_columns(rows, seed)
    labels = make_labels(columns, classes, seed)
    objective = {0: "regression", 2: "binary"}.get(classes, "multiclass")
    parameters = {
        "objective": objective,
        "num_leaves": leaves,
        "min_data_in_leaf": 5,
        "num_threads": 1,
        "verbosity": -1,
        "seed": seed,
        "deterministic": True,
    }
    if classes > 2:
        parameters["num_class"] = classes
    table = lightgbm.Dataset(
        ENCODER.encode(columns, rows),
        labels,
        feature_name=[f"f{at}" for at in range(len(ENCODER.names))],
        categorical_feature=list(ENCODER.categorical),
    )
    return lightgbm.train(parameters, table, num_boost_round=trees)


def booster_outputs(booster, matrix):
    """What the Python package predicts, as (n, outputs)."""
    return np.asarray(booster.predict(matrix, num_threads=1)).reshape(len(matrix), -1)
