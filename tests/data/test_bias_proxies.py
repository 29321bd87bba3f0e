"""Proxies: a column that gives a group away is found, noise is not, and time and seed are kept to."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from slipway.base.config import Data
from slipway.base.errors import DataError, UsageError
from slipway.data.bias import bias_report
from slipway.data.bias_proxies import proxies
from slipway.data.source import read_table


def table(n: int = 1500, seed: int = 3) -> pl.DataFrame:
    """Height leans on the group, the club nearly names it, the rest is noise."""
    rng = np.random.default_rng(seed)
    side = rng.random(n) < 0.5
    club = np.where(rng.random(n) < 0.9, side, ~side)
    return pl.DataFrame(
        {
            "side": np.where(side, "a", "b"),
            "club": np.where(club, "rowing", "chess"),
            "height": rng.normal(size=n) + side,
            "noise": rng.normal(size=n),
            "member": rng.random(n) < 0.5,
        }
    )


def test_the_columns_that_give_a_group_away_are_named_first() -> None:
    report = proxies(table(), "side", ["noise", "height", "member", "club"])
    (level,) = report.levels
    assert [proxy.feature for proxy in level.features[:2]] == ["club", "height"]
    assert level.verdict == "given away"
    assert level.area.lower is not None
    assert level.area.lower < level.area.value < 1.0
    assert level.features[0].alone is not None
    assert 0.85 < level.features[0].alone < 0.95
    assert level.features[0].loss > 0.1
    assert report.complete


def test_noise_gives_nothing_away() -> None:
    (level,) = proxies(table(), "side", ["noise", "member"]).levels
    assert level.verdict == "hidden or nearly so"
    assert level.area.lower is not None
    assert level.area.lower < 0.55


def test_the_same_seed_gives_the_same_figures() -> None:
    first, again = (proxies(table(), "side", ["height", "club"], seed=5) for _ in range(2))
    assert first == again


def test_time_bounds_the_single_columns_only() -> None:
    ticks = count()
    report = proxies(
        table(), "side", ["height", "club", "noise"], seconds=2.0, now=lambda: float(next(ticks))
    )
    (level,) = report.levels
    assert not report.complete
    assert [proxy.alone is not None for proxy in level.features] == [True, False, False]
    assert all(proxy.loss is not None for proxy in level.features)


def test_each_frequent_level_is_told_from_the_rest_and_missing_cells_are_no_trouble() -> None:
    df = table().with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("c")).otherwise(pl.col("side")).alias("side"),
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(None).otherwise(pl.col("height")).alias("height"),
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("club")).alias("club"),
    )
    report = proxies(df, "side", ["height", "club"])
    assert {level.level for level in report.levels} == {"a", "b", "c"}


def test_what_cannot_be_predicted_is_refused() -> None:
    df = table(200)
    with pytest.raises(UsageError, match="no feature"):
        proxies(df, "side", [])
    with pytest.raises(UsageError, match="the column itself"):
        proxies(df, "side", ["side"])
    with pytest.raises(UsageError, match="'nose', which it lacks"):
        proxies(df, "side", ["nose"])
    with pytest.raises(DataError, match="at least 500 rows"):
        proxies(df, "side", ["height"], min_group=500)


def test_adult_relationship_gives_sex_away(shared: Path, adult_columns: tuple[str, ...]) -> None:
    df = read_table(shared / "adult" / "adult.data", Data(source="", columns=adult_columns))
    report = bias_report(df, ["sex", "race"], "label", "binary", positive=">50K")
    women = report.tables[0].groups[1]
    assert women.group == "Female"
    assert women.rate is not None
    assert round(women.rate.value, 4) == 0.1095
    assert women.verdict == "unequal"
    features = ["relationship", "marital-status", "occupation", "age"]
    (level,) = proxies(df.sample(6000, seed=1), "sex", features).levels
    assert level.features[0].feature == "relationship"
    assert level.verdict == "given away"
