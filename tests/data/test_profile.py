"""The profile of tables made for one fact each."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from slipway.base.config import Data
from slipway.base.errors import SourceError, TargetError
from slipway.data.profile import ProfileOptions, profile_table
from slipway.data.profile_facts import Finding, Profile
from slipway.data.profile_source import stream_table

SMALL = {"batch": 700, "sample": 1_500}


def found(profile: Profile, rule: str) -> list[Finding]:
    return [finding for finding in profile.findings if finding.rule == rule]


def columns_of(profile: Profile, rule: str) -> list[str]:
    return [name for finding in found(profile, rule) for name in finding.columns]


def mixed_table(n: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(10, 3, n)
    return pl.DataFrame(
        {
            "x": pl.Series(x).set(pl.Series(rng.random(n) < 0.1), None),
            "skewed": rng.lognormal(0, 2, n),
            "count": rng.poisson(4, n),
            "level": rng.choice(["red", "green", "blue"], n, p=[0.5, 0.3, 0.2]),
            "when": [datetime(2020, 1, 1) + timedelta(minutes=i) for i in range(n)],
            "flag": rng.random(n) < 0.3,
            "label": np.where(rng.random(n) < 1 / (1 + np.exp(10 - x)), "yes", "no"),
        }
    )


@pytest.mark.parametrize("batch", [1_000, 4_999, 50_000])
def test_counts_and_moments_do_not_depend_on_the_batches(batch: int) -> None:
    table = mixed_table(9_000)
    made = profile_table(table, "t", ProfileOptions(target="label", batch=batch))
    x = table["x"].drop_nulls()
    facts = made.column("x")
    assert facts.missing == table["x"].null_count()
    assert facts.distinct == x.n_unique()
    assert facts.numbers is not None
    assert facts.numbers.mean == pytest.approx(x.mean())
    assert facts.numbers.std == pytest.approx(x.std())
    assert (facts.numbers.min, facts.numbers.max) == (x.min(), x.max())
    levels = {level.value: level.rows for level in made.column("level").levels}
    assert levels == dict(table["level"].value_counts().iter_rows())
    assert made.duplicates == 0
    assert made.column("when").days == ("2020-01-01", "2020-01-07")


def test_a_table_larger_than_the_sample_has_quantiles_exact_to_one_fine_bin() -> None:
    table = mixed_table(20_000)
    made = profile_table(table, "t", ProfileOptions(sample=2_000, batch=3_000))
    for name in ("x", "skewed"):
        facts = made.column(name).numbers
        assert facts is not None
        values = table[name].drop_nulls().sort()
        for key, value in facts.quantiles.items():
            rank = float((values <= value).mean() or 0)
            assert rank == pytest.approx(float(key[1:]) / 100, abs=0.01), (name, key)
        drawn = sum(facts.histogram.counts) + facts.histogram.below + facts.histogram.above
        assert drawn == len(values)
    assert any("second pass" in sentence for sentence in made.method)


def test_a_lazy_frame_and_a_parquet_file_give_the_same_profile(tmp_path: Path) -> None:
    table = mixed_table(5_000)
    table.write_parquet(tmp_path / "t.parquet", row_group_size=900)
    streamed = stream_table(tmp_path / "t.parquet", Data(source="t"))
    options = ProfileOptions(target="label")
    assert profile_table(streamed.frame, "t", options) == profile_table(table, "t", options)


def test_relation_grows_with_the_signal_and_noise_has_none() -> None:
    made = profile_table(mixed_table(20_000), "t", ProfileOptions(target="label"))
    relation = {c.name: c.relation for c in made.columns if c.relation is not None}
    assert relation["x"].auc is not None
    assert relation["x"].auc > 0.85
    for name in ("skewed", "count", "level", "flag"):
        assert relation[name].explained < 0.01
        assert relation[name].auc == pytest.approx(0.5, abs=0.02)


def test_noise_with_many_levels_does_not_look_related() -> None:
    rng = np.random.default_rng(1)
    table = pl.DataFrame(
        {"town": [f"town {i}" for i in rng.integers(0, 150, 3_000)], "y": rng.integers(0, 2, 3_000)}
    )
    relation = profile_table(table, "t", ProfileOptions(target="y")).column("town").relation
    assert relation is not None
    assert relation.auc == pytest.approx(0.5, abs=0.05)


def test_a_sum_a_difference_and_a_product_that_equal_the_target_are_found() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=2_000), rng.normal(5, 1, size=2_000)
    for name, y in (("+", a + b), ("-", b - a), ("*", a * b)):
        table = pl.DataFrame({"a": a, "b": b, "noise": rng.normal(size=2_000), "y": y})
        finding = found(profile_table(table, "t", ProfileOptions(target="y")), "adds_up_to_target")
        assert [set(one.columns) for one in finding] == [{"a", "b"}], name
        assert f" {name} " in finding[0].evidence


def test_a_column_that_is_filled_only_after_the_outcome_is_found() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 3_000)
    closed = pl.Series(rng.normal(size=3_000)).set(pl.Series(y == 0), None)
    table = pl.DataFrame({"closed": closed, "x": rng.normal(size=3_000), "y": y})
    made = profile_table(table, "t", ProfileOptions(target="y"))
    assert "closed" in columns_of(made, "predicts_alone")


def test_times_after_the_time_of_the_row_are_found_and_earlier_ones_are_not() -> None:
    start = datetime(2021, 3, 1)
    rows = [start + timedelta(hours=i) for i in range(400)]
    table = pl.DataFrame(
        {
            "asked": rows,
            "returned": [time + timedelta(days=30) for time in rows],
            "joined": [time - timedelta(days=300) for time in rows],
            "y": [i % 2 for i in range(400)],
        }
    )
    made = profile_table(table, "t", ProfileOptions(target="y", time="asked"))
    assert columns_of(made, "after_event") == ["returned"]


def test_row_numbers_ids_copies_and_constants_are_found_across_batches() -> None:
    rng = np.random.default_rng(4)
    n = 5_000
    x = rng.normal(size=n)
    table = pl.DataFrame(
        {
            "line": np.arange(7, 7 + n),
            "customer_id": rng.permutation(n) * 3,
            "x": x,
            "again": x,
            "kind": rng.integers(1, 5, n),
            "same": ["a"] * n,
            "nearly": np.where(np.arange(n) == 77, 1, 0),
            "nothing": pl.Series([None] * n, dtype=pl.String),
            "y": rng.integers(0, 2, n),
        }
    ).with_columns(kind_name=pl.format("kind {}", "kind"))
    made = profile_table(table, "t", ProfileOptions(target="y", **SMALL))
    assert columns_of(made, "row_number") == ["line"]
    assert columns_of(made, "id") == ["customer_id"]
    assert columns_of(made, "copy") == ["x", "again"]
    assert columns_of(made, "same_levels") == ["kind", "kind_name"]
    assert columns_of(made, "codes") == ["kind"]
    assert columns_of(made, "constant") == ["same"]
    assert columns_of(made, "near_constant") == ["nearly"]
    assert columns_of(made, "empty") == ["nothing"]


def test_a_column_still_at_first_is_found_and_one_that_comes_in_blocks_is_not() -> None:
    rng = np.random.default_rng(5)
    n = 6_000
    late = np.where(np.arange(n) < 2_345, 0.5, rng.normal(size=n))
    gone = pl.Series(rng.normal(size=n)).set(pl.Series(np.arange(n) < 3_000), None)
    table = pl.DataFrame(
        {"late": late, "gone": gone, "season": np.arange(n) // 1_500, "x": rng.normal(size=n)}
    )
    made = profile_table(table, "t", ProfileOptions(**SMALL))
    assert columns_of(made, "still_then_moves") == ["late", "gone"]
    assert "first 2,345 rows" in found(made, "still_then_moves")[0].evidence
    assert "missing in the first 3,000" in found(made, "still_then_moves")[1].evidence


def test_mixed_formats_spellings_and_header_lines_are_found() -> None:
    table = pl.DataFrame(
        {
            "amount": ["12", "13.5", "n.k.", "8"] * 100,
            "day": ["2020-01-02", "02.01.2020", "2020-02-03", "04.05.2020"] * 100,
            "town": ["Oslo", "oslo ", "Bergen", "Bergen"] * 100,
            "say": ['he said "no', "fine then", "all is well here", "one more of these"] * 100,
        }
    )
    header = pl.DataFrame({name: [name] for name in table.columns})
    made = profile_table(pl.concat([table, header, table]), "t")
    assert columns_of(made, "mixed_formats") == ["amount"]
    assert columns_of(made, "mixed_dates") == ["day"]
    assert columns_of(made, "spellings") == ["town"]
    assert columns_of(made, "quotes_in_text") == ["say"]
    assert found(made, "repeated_header")[0].evidence.startswith("1 rows")


def test_rare_classes_missing_labels_and_moving_targets_are_told() -> None:
    rng = np.random.default_rng(6)
    n = 8_000
    y = np.where(rng.random(n) < np.linspace(0.02, 0.2, n), "bad", "good").astype(object)
    y[5], y[6], y[7] = "odd", "odd", None
    table = pl.DataFrame({"x": rng.normal(size=n), "y": pl.Series(y, dtype=pl.String)})
    made = profile_table(table, "t", ProfileOptions(target="y"))
    assert made.target is not None
    assert made.target.classes[-1].rows == 2
    assert "'odd' has 2 rows" in found(made, "tiny_class")[0].evidence
    assert "'bad'" in found(made, "imbalance")[0].evidence
    assert columns_of(made, "unlabelled") == ["y"]
    assert made.target.baseline["accuracy"] == pytest.approx(made.target.classes[0].rows / (n - 1))


def test_infinite_numbers_are_counted_and_do_not_spoil_the_rest() -> None:
    x = np.arange(100.0)
    x[3], x[4], x[5] = np.inf, -np.inf, np.nan
    made = profile_table(pl.DataFrame({"x": x, "z": np.arange(100.0) ** 2}), "t")
    facts = made.column("x")
    assert facts.numbers is not None
    assert (facts.missing, facts.numbers.infinite) == (3, 2)
    assert np.isfinite(facts.numbers.mean)
    assert columns_of(made, "infinite") == ["x"]


def test_values_of_columns_that_may_name_people_are_never_kept() -> None:
    people = ["anna example", "bert example"] * 200
    table = pl.DataFrame(
        {"last_name": people, "email": [f"{i % 7}@example.org" for i in range(400)], "y": [0, 1] * 200}
    )
    made = profile_table(table, "t", ProfileOptions(target="y"))
    assert made.column("last_name").levels == made.column("email").levels == ()
    assert "anna" not in repr(made)
    assert "@example" not in repr(made)


def test_columns_of_lists_are_left_out_and_named() -> None:
    made = profile_table(pl.DataFrame({"x": [1, 2], "many": [[1], [2]]}), "t")
    assert made.skipped == ("many",)
    assert [column.name for column in made.columns] == ["x"]


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"x": [1]}),
        pl.DataFrame({"x": [None, None]}),
        pl.DataFrame({"x": ["", ""]}),
        pl.DataFrame({"x": [1e308, -1e308, 5.0]}),
        pl.DataFrame({"x": [1e200 * i for i in range(90)], "z": [i % 7 for i in range(90)]}),
        pl.DataFrame({"x": [2**62, -(2**62)]}),
        pl.DataFrame({"x": [True, None]}),
        pl.DataFrame({"x": [-(10**17), 10**18, 0, 1]}).cast(pl.Datetime("us")),
        pl.DataFrame({"x": [0, 86_400_000_000_000, None]}).cast(pl.Datetime("ns", "Europe/Oslo")),
        pl.DataFrame({"x": [datetime(1900, 1, 1), None]}),
        pl.DataFrame({"count": [1, 2], "rows of it": ["a", "b"], "level": ["a", None]}),
        pl.DataFrame({"x": pl.Series([], dtype=pl.Int64)}),
    ],
)
def test_odd_little_tables_are_profiled_without_fuss(table: pl.DataFrame) -> None:
    for target in (None, table.columns[0]):
        assert profile_table(table, "t", ProfileOptions(target=target)).rows == table.height


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(TargetError, match="'z'"):
        profile_table(pl.DataFrame({"x": [1]}), "t", ProfileOptions(target="z"))


def test_a_parquet_file_that_breaks_off_ends_in_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    mixed_table(3_000).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[200:20_000] = b"\x00" * 19_800
    path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="does not decode"):
        profile_table(stream_table(path, Data(source="t")).frame, "t")


def test_markers_of_missing_values_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,town\n" + "31,Oslo\n?,Bergen\nNA,?\n" * 50, encoding="utf-8")
    streamed = stream_table(path, Data(source="t"))
    assert streamed.markers == {"age": {"?": 50, "NA": 50}, "town": {"?": 50}}
    assert streamed.frame.collect_schema()["age"] == pl.Int64
    made = profile_table(streamed.frame, "t", ProfileOptions(markers=streamed.markers))
    assert columns_of(made, "missing_marker") == ["age", "town"]
    assert made.column("age").missing == 100


def test_settings_that_change_cells_hold_for_parquet_too(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"label": ["yes.", "no."] * 50}).write_parquet(path)
    streamed = stream_table(path, Data(source="t", trailing_dots=("label",)))
    levels = profile_table(streamed.frame, "t").column("label").levels
    assert [level.value for level in levels] == ["no", "yes"]


def test_rows_that_could_not_be_read_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,x\n2,y\n" * 100 + "3\n", encoding="utf-8")
    streamed = stream_table(path, Data(source="t", max_bad_rows=0.1))
    made = profile_table(streamed.frame, "t", ProfileOptions(set_aside=streamed.set_aside))
    assert found(made, "set_aside")[0].evidence.startswith("1 rows of the source")
    assert made.rows == 200
