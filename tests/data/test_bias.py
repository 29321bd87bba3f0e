"""Groups of people in a table: figures that are right, intervals that cover, nothing said of tiny groups."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import DataError, UsageError
from slipway.data.bias import bias_report, reweighing_weights, with_weights
from slipway.data.bias_groups import MISSING, group_rows
from slipway.data.bias_intervals import mean, ratio, share


def people(n: int = 2000, seed: int = 0, rates: tuple[float, float] = (0.5, 0.2)) -> pl.DataFrame:
    """Two thirds in group a; the label comes at the rate of the group."""
    rng = np.random.default_rng(seed)
    side = rng.random(n) < 2 / 3
    label = rng.random(n) < np.where(side, *rates)
    return pl.DataFrame(
        {
            "side": np.where(side, "a", "b"),
            "town": np.where(rng.random(n) < 0.5, "north", "south"),
            "hired": label.astype(int),
        }
    )


def test_rates_shares_and_ratio_are_those_of_the_table() -> None:
    df = people()
    (table,) = bias_report(df, ["side"], "hired", "binary").tables
    first, second = table.groups
    assert (first.group, second.group, first.verdict) == ("a", "b", "reference")
    for group in table.groups:
        own = df.filter(pl.col("side") == group.group)
        assert group.rows == own.height
        assert group.share.value == own.height / df.height
        assert group.rate is not None
        assert group.rate.value == own["hired"].mean()
    assert first.impact is None
    assert second.impact is not None
    assert second.rate is not None
    assert first.rate is not None
    assert math.isclose(second.impact.value, second.rate.value / first.rate.value)
    assert second.verdict == "unequal"


def test_equal_rates_are_alike_only_when_there_are_rows_enough_to_say_so() -> None:
    many = bias_report(people(40_000, rates=(0.4, 0.4)), ["side"], "hired", "binary")
    assert many.tables[0].groups[1].verdict == "alike"
    few = bias_report(people(200, rates=(0.4, 0.4)), ["side"], "hired", "binary")
    assert few.tables[0].groups[1].verdict == "undecided"


def test_several_columns_are_crossed_and_small_groups_only_counted() -> None:
    df = pl.concat([people(), pl.DataFrame({"side": ["c"] * 7, "town": ["north"] * 7, "hired": [1] * 7})])
    report = bias_report(df, ["side", "town"], "hired", "binary", min_group=20)
    assert [table.columns for table in report.tables] == [("side",), ("town",), ("side", "town")]
    crossed = report.tables[-1]
    assert {group.group for group in crossed.groups} == {"a / north", "a / south", "b / north", "b / south"}
    assert (crossed.small_groups, crossed.small_rows) == (1, 7)
    assert sum(group.rows for group in crossed.groups) + crossed.small_rows == df.height


def test_missing_levels_are_a_group_and_missing_labels_count_for_representation_only() -> None:
    df = people(300).with_columns(
        pl.when(pl.int_range(pl.len()) < 60).then(None).otherwise(pl.col("side")).alias("side"),
        pl.when(pl.int_range(pl.len()) >= 200).then(None).otherwise(pl.col("hired")).alias("hired"),
    )
    report = bias_report(df, ["side"], "hired", "binary", min_group=10)
    by_name = {group.group: group for group in report.tables[0].groups}
    assert by_name[MISSING].rows == by_name[MISSING].labelled == 60
    assert sum(group.labelled for group in by_name.values()) == 200
    assert any("100 rows have no label" in note for note in report.notes)


def test_numbers_are_cut_at_quartiles_and_no_extreme_value_is_named() -> None:
    ages = np.concatenate([np.arange(20, 80), [117]])
    groups = group_rows(pl.DataFrame({"age": ages}), ["age"])
    assert len(groups.names) == 4
    assert not any("117" in name or "20" in name for name in groups.names)
    assert groups.sizes.sum() == len(ages)
    few = group_rows(pl.DataFrame({"children": [0, 1, 2, 0, None]}), ["children"])
    assert few.names == ("0", MISSING, "1", "2")


def test_a_number_of_one_frequent_value_still_gives_groups() -> None:
    gains = pl.DataFrame({"gain": [0] * 90 + list(range(1, 12))})
    groups = group_rows(gains, ["gain"])
    assert groups.sizes.sum() == 101


def test_a_regression_compares_means_and_a_multiclass_the_class_that_was_chosen() -> None:
    df = people().with_columns((pl.col("hired") * 2.5).alias("pay"), pl.col("side").alias("grade"))
    pay = bias_report(df, ["town"], "pay", "regression").tables[0].groups[0]
    assert pay.rate is not None
    own = df.filter(pl.col("town") == pay.group)["pay"].to_numpy()
    assert math.isclose(pay.rate.value, own.mean())
    assert pay.impact is None
    plain = bias_report(df, ["town"], "grade", "multiclass")
    assert plain.tables[0].groups[0].rate is None
    assert plain.notes
    chosen = bias_report(df, ["town"], "grade", "multiclass", positive="b").tables[0].groups[1]
    assert chosen.rate is not None
    assert chosen.impact is not None


@pytest.mark.parametrize("positive", [None, 1, 1.0, "1"])
def test_a_positive_class_is_found_in_any_of_its_forms(positive: object) -> None:
    assert bias_report(people(), ["side"], "hired", "binary", positive=positive).positive == "1"


def test_boolean_labels_have_a_positive_class_too() -> None:
    df = people().with_columns(pl.col("hired") == 1)
    assert bias_report(df, ["side"], "hired", "binary").positive == "true"
    assert bias_report(df, ["side"], "hired", "binary", positive=False).positive == "false"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sensitive": []}, "at least one sensitive column"),
        ({"sensitive": ["side", "side"]}, "one twice"),
        ({"sensitive": ["nose"]}, "'nose', which it lacks"),
        ({"sensitive": ["hired"]}, "one that is sensitive"),
        ({"target": "nose"}, "'nose', which it lacks"),
        ({"positive": "maybe"}, "one that none has"),
        ({"level": 1.0}, "level between 0 and 1"),
        ({"min_group": 1}, "groups of at least 2"),
    ],
)
def test_requests_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    wanted: dict[str, object] = {"sensitive": ["side"], "target": "hired", "task": "binary", **changes}
    with pytest.raises(UsageError, match=message):
        bias_report(people(100), **wanted)  # pyright: ignore[reportArgumentType]


def test_a_table_without_labels_is_refused() -> None:
    df = people(50).with_columns(pl.lit(None, pl.Int64).alias("hired"))
    with pytest.raises(DataError, match="rows with a label"):
        bias_report(df, ["side"], "hired", "binary")


def test_the_intervals_of_share_and_ratio_cover_as_often_as_they_say() -> None:
    """4,000 samples of two groups: coverage of 95 % within what chance allows, on rates near 0 too."""
    rng = np.random.default_rng(1)
    for p, q, n, m in ((0.3, 0.6, 40, 90), (0.05, 0.1, 60, 200), (0.5, 0.5, 25, 25)):
        hits, base = rng.binomial(n, p, 2000), rng.binomial(m, q, 2000)
        shares = [share(int(h), n, 0.05) for h in hits]
        covered = np.mean([one.lower <= p <= one.upper for one in shares])  # pyright: ignore[reportOptionalOperand]
        assert covered > 0.925
        ratios = [ratio(int(h), n, int(b), m, 0.05) for h, b in zip(hits, base, strict=True) if b]
        held = np.mean([one is not None and one.lower <= p / q <= one.upper for one in ratios])  # pyright: ignore[reportOptionalOperand]
        assert held > 0.925, (p, q, held)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_a_ratio_lies_within_its_interval_and_turns_round(n: int, m: int, data: st.DataObject) -> None:
    hits, base = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found = ratio(hits, n, base, m, 0.05)
    if base == 0:
        assert found is None
        return
    assert found is not None
    assert found.lower is not None
    assert found.upper is not None
    assert 0.0 <= found.lower <= found.value * (1 + 1e-9)
    assert found.value <= found.upper * (1 + 1e-9)
    turned = ratio(base, m, hits, n, 0.05)
    if hits:
        assert turned is not None
        assert turned.upper is not None
        assert math.isclose(turned.upper, 1 / found.lower, rel_tol=1e-6)


def test_the_mean_of_one_row_has_no_interval() -> None:
    assert mean(np.array([3.0]), 0.05).lower is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=200))
def test_reweighed_groups_have_equal_label_rates(rows: list[tuple[int, int]]) -> None:
    groups, labels = np.array([g for g, _ in rows]), np.array([y for _, y in rows])
    weights = reweighing_weights(groups, labels)
    assert (weights > 0).all()
    if len(set(rows)) < len(set(groups)) * len(set(labels)):
        return
    assert math.isclose(weights.mean(), 1.0)
    for y in set(labels):
        overall = np.mean(labels == y)
        for g in set(groups):
            own = groups == g
            assert math.isclose(weights[own & (labels == y)].sum() / weights[own].sum(), overall)


def test_the_weight_column_evens_the_rates_out_and_is_null_without_a_label() -> None:
    df = people().with_columns(
        pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise(pl.col("hired")).alias("hired")
    )
    weighted = with_weights(df, ["side", "town"], "hired")
    assert weighted["reweighing"].null_count() == 5
    rates = (
        weighted.drop_nulls()
        .group_by("side", "town")
        .agg(((pl.col("hired") * pl.col("reweighing")).sum() / pl.col("reweighing").sum()).alias("rate"))[
            "rate"
        ]
    )
    assert rates.max() - rates.min() < 1e-12  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(UsageError, match="without the weight column"):
        with_weights(weighted, ["side"], "hired")


def test_reweighing_refuses_what_does_not_fit() -> None:
    for groups, labels in (([0], [0, 1]), ([], [])):
        with pytest.raises(DataError, match="as many labels"):
            reweighing_weights(groups, labels)
