"""Suggestions: each planted defect is found with its step, and honest columns are left in peace."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.config import Data
from slipway.data.contract import Column, Contract
from slipway.data.inference import infer
from slipway.data.misspelling import misspellings
from slipway.data.source import read_table
from slipway.data.steps import Blank, BlankTimes, Imply, Replace, Rescale, Swap, require_fit
from slipway.data.suspicion import suggest

N = 2000


def contract(df):
    kinds = {pl.Float64: "float", pl.Int64: "int", pl.String: "category"}
    columns = [
        Column(name=s.name, type="datetime" if s.name.startswith("day") else kinds[s.dtype]) for s in df
    ]
    return Contract(columns=(*columns, Column(name="y", type="int", role="target")))


def found(**columns):
    df = pl.DataFrame(columns)
    terms = contract(df)
    made = suggest(df.with_columns(y=pl.lit(1)), terms)
    require_fit(tuple(one.step for one in made), terms)
    assert all(one.rows > 0 and one.preview and one.evidence for one in made)
    return made


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_typos(rng):
    jobs = rng.choice(["nurse", "carpenter", "teacher", "purse"], N).astype(object)
    jobs[:6] = ["nurze", "Carpenter", " teacher", "carpentre", "teachr", None]
    (one,) = found(job=jobs.tolist())
    assert one.defect == "typo"
    assert one.step == Replace(
        column="job",
        values={
            " teacher": "teacher",
            "Carpenter": "carpenter",
            "carpentre": "carpenter",
            "teachr": "teacher",
        }
        | ({"nurze": "nurse"} if "nurze" in one.step.values else {}),
        note="typing errors of frequent values",
    )
    assert one.rows == len(one.step.values)


@pytest.mark.parametrize(
    "counts",
    [
        {"grade 11": 500, "grade 12": 3},
        {"male": 500, "mule": 3},
        {"nurse": 500, "nurze": 400},
        {"north": 500, "forth": 500, "sorth": 2},
        {},
        {"alone": 1000},
    ],
)
def test_words_that_are_no_typos(counts):
    assert misspellings(counts) == {}


@given(st.text("abc", min_size=5, max_size=8), st.data())
def test_any_single_slip_is_found(word, data):
    at = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    slips = [word[:at] + "z" + word[at + 1 :], word[:at] + "z" + word[at:], swapped]
    if len(word) > 5:
        slips.append(word[:at] + word[at + 1 :])
    for slip in slips:
        assert misspellings({word: 100, slip: 1}) == ({slip: word} if slip != word else {})


@pytest.mark.parametrize("factor", [1000, 100])
@pytest.mark.parametrize("up", [True, False])
def test_unit_slips(rng, factor, up):
    values = rng.lognormal(8, 0.3, N)
    slipped = values.copy()
    slipped[:40] = values[:40] * factor if up else values[:40] / factor
    (one,) = found(salary=slipped.tolist())
    assert (one.defect, one.rows) == ("unit", 40)
    assert isinstance(one.step, Rescale)
    assert one.step.factor == pytest.approx(1 / factor if up else factor)
    assert (one.step.above is not None) == up
    far = slipped > one.step.above if up else slipped < one.step.below
    assert np.allclose(slipped[far] * one.step.factor, values[:40])
    assert far[:40].all()


def test_units_of_whole_numbers_stay_whole(rng):
    values = rng.integers(2000, 5000, N)
    values[:10] *= 1000
    (one,) = found(salary=values.tolist())
    assert one.step.whole
    assert one.rows == 10


def test_outliers(rng):
    values = rng.normal(50, 5, N)
    values[:4] = [99_999.0, 99_999.0, -9_999.0, -40_000.0]
    (one,) = found(x=values.tolist())
    assert (one.defect, one.rows) == ("outlier", 4)
    assert isinstance(one.step, Blank)
    assert -9_999 < one.step.min < values[4:].min()
    assert values[4:].max() < one.step.max < 99_999


@pytest.mark.parametrize("kind", ["normal", "lognormal", "pareto", "zeros", "uniform", "codes", "ages"])
def test_honest_numbers_are_left_alone(rng, kind):
    drawn = {
        "normal": lambda: rng.normal(size=N),
        "lognormal": lambda: rng.lognormal(0, 1, N),
        "pareto": lambda: rng.pareto(2, N),
        "zeros": lambda: np.where(rng.uniform(size=N) < 0.9, 0, rng.lognormal(8, 1, N)),
        "uniform": lambda: rng.uniform(size=N),
        "codes": lambda: rng.choice([1.0, 10.0, 100.0], N),
        "ages": lambda: rng.integers(18, 90, N).astype(float),
    }[kind]
    for _ in range(10):
        assert found(x=drawn().tolist()) == []


def test_impossible_dates(rng):
    days = [f"20{at % 10 + 10}-0{at % 9 + 1}-15" for at in range(N)]
    days[:4] = ["1900-01-01", "9999-12-31", "2911-05-05T10:00:00Z", "1899-12-30"]
    (one,) = found(day=days)
    assert (one.defect, one.rows) == ("date", 4)
    assert isinstance(one.step, BlankTimes)
    assert {before for before, _ in one.preview} == set(days[:4])
    assert found(day=days[4:]) == []


def test_swapped_columns(rng):
    north, east = rng.normal(48, 1, N), rng.normal(11, 1, N)
    a, b = north.copy(), east.copy()
    a[:20], b[:20] = east[:20], north[:20]
    (one,) = found(north=a.tolist(), east=b.tolist())
    assert (one.defect, one.rows, one.columns) == ("swap", 20, ("north", "east"))
    assert isinstance(one.step, Swap)
    assert found(north=north.tolist(), east=east.tolist()) == []
    assert found(a=rng.normal(size=N).tolist(), b=rng.normal(size=N).tolist()) == []


def test_broken_dependencies(rng):
    cities = {"80331": "Munich", "20095": "Hamburg", "10115": "Berlin", "50667": "Cologne"}
    codes = rng.choice(list(cities), N)
    names = np.array([cities[code] for code in codes], dtype=object)
    names[:5] = ["Hamburg" if name == "Munich" else "Munich" for name in names[:5]]
    (one,) = found(code=codes.tolist(), city=names.tolist())[:1]
    assert one.defect == "dependency"
    assert isinstance(one.step, Imply)
    assert (one.step.by, one.step.column) == ("code", "city")
    assert one.step.values == {code: cities[code] for code in set(codes[:5])}
    assert one.rows == 5
    assert found(a=rng.choice(["p", "q"], N).tolist(), b=rng.choice(["r", "s"], N).tolist()) == []


def test_small_and_empty_tables():
    assert found(x=[1.0, 2.0, 1e9], job=["a", "b", None], day=["1900-01-01", None, "2020-01-01"]) == []
    assert found(x=pl.Series([None] * 100, dtype=pl.Float64)) == []


def test_car_loan_table_is_clean(loan_table):
    df = read_table(loan_table, Data(source="x"))
    assert suggest(df, infer(df, "repaid").contract) == []
