"""The contract file: reads back unchanged, explains itself, refuses contradictions by name."""

import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import ConfigError
from slipway.data.contract import (
    Column,
    Contract,
    Rule,
    contract_digest,
    dump_contract,
    load_contract,
    parse_contract,
)

LOAN = """
[rows]
min = 100

[columns.car_value]
type = "float"
min = 0
max = 120000.5
max_missing = 0

[columns."salary range"]
type = "category"
allowed = ["0 - 20K €", "20K - 40K €"]

[columns.timestamp]
type = "datetime"
role = "time"

[columns.repaid]
type = "int"
role = "target"
"""


def test_reads_columns_in_file_order():
    contract = parse_contract(LOAN)
    assert [column.name for column in contract.columns] == [
        "car_value",
        "salary range",
        "timestamp",
        "repaid",
    ]
    assert contract.min_rows == 100
    assert contract.target.name == "repaid"
    assert contract.time is not None
    assert contract.time.name == "timestamp"
    assert contract.group is None
    assert [column.name for column in contract.features] == ["car_value", "salary range"]
    assert [column.name for column in contract.inputs] == ["car_value", "salary range", "timestamp"]
    assert contract.column("nothing") is None


def test_dump_reads_back_and_explains_itself():
    contract = parse_contract(LOAN)
    text = dump_contract(contract)
    assert parse_contract(text) == contract
    assert "# allowed" in text
    assert 'role = "feature"' in text


words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
numbers = st.one_of(st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))


@st.composite
def columns(draw, name):
    kind = draw(st.sampled_from(["float", "int", "bool", "category", "datetime", "text"]))
    low, high = None, None
    if kind in ("float", "int"):
        low, high = sorted((draw(numbers), draw(numbers)))
    levels = draw(st.lists(words, min_size=1, max_size=30, unique=True)) if kind == "category" else None
    return Column(
        name=name,
        type=kind,
        required=draw(st.booleans()),
        max_missing=draw(st.none() | st.floats(0, 1)),
        min=low,
        max=high,
        allowed=None if levels is None else tuple(levels),
        min_length=draw(st.none() | st.just(0)) if kind in ("category", "text") else None,
        pattern=draw(st.none() | st.just("[\"a-z'\\\\]{2}")) if kind in ("category", "text") else None,
        unique=draw(st.booleans()),
        max_age=draw(st.none() | st.just("7d")) if kind == "datetime" else None,
        tags=tuple(draw(st.lists(st.sampled_from(["sensitive", "personal", "forbidden"]), unique=True))),
        severity=draw(
            st.dictionaries(st.sampled_from(["range", "age"]), st.sampled_from(["warn", "reject"]))
        ),
        description=draw(st.just("") | words),
        reason=draw(st.just("") | words),
    )


@given(st.data(), st.lists(words, min_size=1, max_size=4, unique=True), words)
def test_any_contract_survives_its_file(data, names, target):
    names = [name for name in names if name != target] or [target + "x"]
    made = [data.draw(columns(name)) for name in names]
    rules = tuple(
        Rule(name=name, expr=f"`{target}` > 0", description=name) for name in names if "`" not in target
    )
    contract = Contract(
        columns=(*made, Column(name=target, type="int", role="target")), max_rows=10, rules=rules
    )
    again = parse_contract(dump_contract(contract))
    assert again == contract
    assert contract_digest(again) == contract_digest(contract)


def test_digest_ignores_layout_and_sees_content():
    contract = parse_contract(LOAN)
    assert contract_digest(parse_contract(dump_contract(contract))) == contract_digest(contract)
    assert contract_digest(parse_contract(LOAN.replace("120000.5", "1"))) != contract_digest(contract)


@pytest.mark.parametrize(
    ("change", "expected", "got"),
    [
        (('type = "float"', 'type = "double"'), "documented types", "columns.car_value.type"),
        (("max_missing = 0", "max_mising = 0"), "documented types", "`max_mising`"),
        (("max_missing = 0", "max_missing = 2"), "documented types", "<= 1.0"),
        (("max_missing = 0", "min = 1"), "valid TOML", "overwrite"),
        (("min = 0", "min = 999999"), "min <= max", "999999 > 120000.5"),
        (("min = 0", "min = inf"), "finite min and max", "inf or nan"),
        (('role = "target"', 'role = "time"'), 'one column with role = "target"', "0"),
        (('role = "time"', 'role = "target"'), 'one column with role = "target"', "2"),
        (('type = "category"', 'type = "bool"'), "allowed on a category column only", "bool"),
        (("20K - 40K", "0 - 20K"), "different allowed levels", "twice"),
        (("[rows]\nmin", "[rows]\nmni"), "[rows] with min and max only", "'mni'"),
        (('type = "datetime"', 'type = "datetime"\nmin = 3'), "min and max on a float or int", "datetime"),
        (("min = 0", "min_length = 1"), "pattern on category and text only", "a float"),
        (("allowed", "min_length = 4\nmax_length = 3\nallowed"), "min_length <= max_length", "4 > 3"),
        (("allowed", "pattern = '(a+)+'\nallowed"), "a pattern of the documented kind", "repeated group"),
        (("allowed", "unit = 'EUR'\nallowed"), "a unit on a float or int", "category"),
        (("min = 0", "max_age = '7d'"), "max_age on a datetime column only", "float"),
        (('role = "time"', "max_age = '7 days'"), "a duration such as", "7 days"),
        (("min = 0", "tags = ['personal', 'personal']"), "each tag once", "twice"),
        (("min = 0", "tags = ['secret']"), "documented types", "columns.car_value.tags"),
        (("min = 0", "severity = {range = 'loud'}"), "documented types", "columns.car_value.severity"),
        (("min = 0", "severity = {type = 'warn'}"), "documented types", "columns.car_value.severity"),
        (("[rows]", "[rules.r]\nexpr = 'car_value < salary'\n[rows]"), "columns of the contract", "'salary'"),
        (("[rows]", "[rules.r]\n[rows]"), "documented types", "rules.r"),
    ],
)
def test_contradictions_are_named(change, expected, got):
    assert change[0] in LOAN
    with pytest.raises(ConfigError) as caught:
        parse_contract(LOAN.replace(*change))
    assert expected in caught.value.expected
    assert got in caught.value.got
    assert "\n" not in caught.value.message


def test_a_contract_of_before_these_rules_reads_and_keeps_its_digest():
    """Bundles and lineage of installed versions carry this digest."""
    assert (
        contract_digest(parse_contract(LOAN))
        == "4a19eec860c4380a509e1aa2dfedefe8e0faa0807d041af3152b6077033d6f1f"
    )


def test_rules_of_one_name_are_refused():
    columns = (Column(name="x", type="int"), Column(name="y", type="int", role="target"))
    with pytest.raises(ConfigError, match="each rule once"):
        Contract(columns=columns, rules=(Rule(name="r", expr="x > 0"), Rule(name="r", expr="x > 1")))


def test_column_twice_and_no_feature():
    target = Column(name="y", type="int", role="target")
    with pytest.raises(ConfigError, match="each column once"):
        Contract(columns=(Column(name="x", type="int"), Column(name="x", type="int"), target))
    with pytest.raises(ConfigError, match="at least one column with role"):
        Contract(columns=(target,))
    with pytest.raises(ConfigError, match="min_rows <= max_rows"):
        Contract(columns=(Column(name="x", type="int"), target), min_rows=3, max_rows=2)


def test_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="slipway init"):
        load_contract(tmp_path / "contract.toml")
    (tmp_path / "contract.toml").write_text(LOAN, encoding="utf-8")
    assert load_contract(tmp_path / "contract.toml") == parse_contract(LOAN)


def test_long_level_lists_are_one_level_a_line():
    levels = tuple(f"level {i}" for i in range(40))
    contract = Contract(
        columns=(
            Column(name="x", type="category", allowed=levels),
            Column(name="y", type="int", role="target"),
        )
    )
    text = dump_contract(contract)
    assert max(map(len, text.splitlines())) <= 120
    assert tomllib.loads(text)["columns"]["x"]["allowed"] == list(levels)


def test_the_gateway_checks_rows_without_table_libraries():
    code = (
        "import sys;"
        "from slipway.data.contract import Column, Contract, Rule;"
        "from slipway.gateway.decode import RowDecoder;"
        "x, y = Column(name='x', type='text', pattern='a+'), Column(name='y', type='int', role='target');"
        "contract = Contract(columns=(x, y), rules=(Rule(name='r', expr=\"x == 'a' or x is missing\"),));"
        'print(RowDecoder(contract, strict=True).decode(b\'{"row": {"x": "b"}}\').flags);'
        "print(sorted({'polars', 'pyarrow', 'tomlkit', 'pandas'} & set(sys.modules)));"
        "print('numpy' in sys.modules and 'slipway.models' not in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[2]", "[]", "False"]
