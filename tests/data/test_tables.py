"""Canonical tables: the same values as requests carry, and only lossless changes of form."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import ContractError
from slipway.data.contract import Column, Contract
from slipway.data.moments import parse_moment
from slipway.data.rowcheck import compile_row_check
from slipway.data.tables import canonical, column_values, conform, matching, moments

TARGET = Column(name="y", type="int", role="target")


def conformed(values, kind, dtype=None):
    contract = Contract(columns=(Column(name="x", type=kind), TARGET))
    table = pl.DataFrame({"x": pl.Series(values, dtype=dtype), "y": [0] * len(values)})
    return conform(table, contract)["x"].to_list()


@pytest.mark.parametrize(
    ("values", "kind", "made"),
    [
        ([1, None], "float", [1.0, None]),
        ([2**53 + 2], "float", [2.0**53 + 2]),
        ([1.0, None, 3.0], "int", [1, None, 3]),
        ([17, 3, None], "category", ["17", "3", None]),
        ([True, None], "category", ["true", None]),
        ([float("nan"), 1.0], "float", [None, 1.0]),
        ([None, None], "bool", [None, None]),
    ],
)
def test_lossless_changes_of_form(values, kind, made):
    assert conformed(values, kind) == made


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1"], "float"),
        (["1"], "int"),
        ([1.5], "int"),
        ([1e300], "int"),
        ([1], "bool"),
        (["true"], "bool"),
        ([True], "int"),
        ([True], "float"),
        ([2**53 + 1], "float"),
    ],
)
def test_lossy_changes_are_refused_without_the_value(values, kind):
    with pytest.raises(ContractError) as caught:
        conformed(values, kind)
    assert "'x'" in caught.value.where
    assert caught.value.expected == f"type {kind}"


def test_contract_order_extra_and_missing_columns():
    contract = Contract(
        columns=(
            Column(name="b", type="int"),
            Column(name="a", type="int"),
            Column(name="gone", type="int", role="ignore"),
            TARGET,
        )
    )
    table = pl.DataFrame({"a": [1], "extra": ["x"], "y": [0], "b": [2]})
    assert conform(table, contract).to_dict(as_series=False) == {"b": [2], "a": [1], "y": [0]}
    assert column_values(table, contract) == {"b": [2], "a": [1]}
    with pytest.raises(ContractError, match="a table without 'b'"):
        conform(table.drop("b"), contract)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**60), 2**60), st.floats()), min_size=1, max_size=20))
def test_a_table_cell_passes_the_row_check_with_the_same_value(values):
    """Training and serving agree: what conform gives, the row check accepts."""
    floats = [None if value is None else float(value) for value in values]
    contract = Contract(columns=(Column(name="x", type="float"), TARGET))
    table = conform(
        pl.DataFrame({"x": pl.Series(floats, dtype=pl.Float64), "y": [0] * len(values)}), contract
    )
    check = compile_row_check(contract)
    for value in table["x"].to_list():
        if value is None or abs(value) < float("inf"):
            assert check.check([value]) == 0


WRITINGS = [
    "2018-01-01",
    "2018-01-01 00:08:43.152",
    "2018-01-01T00:08:43",
    "2018-01-01T00:08",
    "2018-01-01T00:08:43.123456789",
    "2018-01-01T02:08:43+02:00",
    "2018-01-01T02:08:43Z",
    "2018-02-30",
    "2018-1-1",
    "20180101",
    "2018-W01-1",
    "2018-01-01 24:00:00",
    "2018-01-01 23:59:60",
    "0001-01-01T00:00:00+05:00",
    "yesterday",
    "",
]


def test_tables_and_requests_read_times_alike():
    read = moments(pl.Series(WRITINGS)).to_list()
    assert read == [parse_moment(text) for text in WRITINGS]
    assert read[5] == datetime(2018, 1, 1, 0, 8, 43)
    assert read[7:12] == [None] * 5


@given(
    st.lists(st.none() | st.datetimes(min_value=datetime(1000, 1, 1)), min_size=1, max_size=10),
    st.sampled_from([" ", "T"]),
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
)
def test_any_time_reads_back(times, separator, precision):
    texts = [None if t is None else t.isoformat(separator, precision) for t in times]
    read = moments(pl.Series(texts, dtype=pl.String)).to_list()
    assert read == [None if text is None else datetime.fromisoformat(text) for text in texts]


def test_times_with_offset_are_utc():
    assert parse_moment("2018-01-01T00:00:00-01:30") == datetime(2018, 1, 1) + timedelta(minutes=90)


def test_canonical_is_idempotent():
    table = pl.DataFrame({"d": [datetime(2020, 1, 1)], "f": pl.Series([1.5], dtype=pl.Float32), "s": ["x"]})
    once = canonical(table)
    assert canonical(once).equals(once)


def test_patterns_and_exact_names():
    names = ["y_pred", "y_pred_proba", "y", "rate [%]"]
    assert matching(["y_pred*"], names) == ["y_pred", "y_pred_proba"]
    assert matching(["rate [%]"], names) == ["rate [%]"]
    assert matching(["nothing"], names) == []
