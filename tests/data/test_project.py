"""A project from a table: files that read back, say what they mean, and replace nothing unasked."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

from slipway.base.config import load_config
from slipway.base.errors import (
    ConfigError,
    ConflictError,
    SourceError,
    StoreError,
    TargetError,
    UsageError,
)
from slipway.base.layout import Layout
from slipway.data.check import check_table
from slipway.data.contract import load_contract
from slipway.data.project import InitOptions, init_project, load_project, reading_plan
from slipway.data.snapshot import load_snapshot, take_snapshot
from slipway.data.source import read_source, read_table, source_path


@pytest.fixture
def loans(tmp_path):
    path = tmp_path / "project" / "data" / "loans.csv"
    path.parent.mkdir(parents=True)
    pl.DataFrame(
        {
            "when": [f"2020-01-01 {i // 60:02d}:{i % 60:02d}:00" for i in range(300)],
            "income": [i * 10.5 for i in range(300)],
            "job": ["clerk", "cook", None] * 100,
            "customer": [f"c{i // 3}" for i in range(300)],
            "score_a": [i % 11 for i in range(300)],
            "repaid": ["yes", "no"] * 150,
        }
    ).write_csv(path)
    return path


def test_files_read_back_and_explain_themselves(loans):
    folder = loans.parents[1]
    options = InitOptions(group="customer", exclude=("score*",), owner='the "risk" team')
    report = init_project(loans, "repaid", folder, options)
    layout = Layout(folder)
    config, contract = load_project(layout)
    assert contract == report.contract == load_contract(layout.contract)
    assert report.rows == 300
    assert (config.project.name, config.project.task, config.project.target) == (
        "loans",
        "binary",
        "repaid",
    )
    assert (config.project.positive, config.project.owner) == ("yes", 'the "risk" team')
    assert config.data.source == "data/loans.csv"
    assert (config.data.time, config.data.group, config.data.exclude) == ("when", "customer", ("score*",))
    assert check_table(read_table(source_path(layout, config.data), config.data), contract).findings == ()
    for line in layout.config.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            assert "#" in line
    assert (layout.state / ".gitignore").read_text() == "*\n"


def test_every_commented_default_is_true(loans):
    """Taking the comment signs away changes nothing but the settings that have no default."""
    folder = loans.parents[1]
    init_project(loans, "repaid", folder)
    lines = Layout(folder).config.read_text().splitlines()
    plain = load_config(Layout(folder).config)
    section = ""
    for line in lines:
        section = line.split("]")[0][1:] if line.startswith("[") else section
        if not line.startswith("# ") or " = " not in line or section in ("project", "data", "gates"):
            continue
        for key, value in tomllib.loads(line[2:]).items():
            default = getattr(getattr(plain, section), key)
            assert (tuple(value) if isinstance(value, list) else value) == default


def test_a_source_elsewhere_is_named_in_full_and_gives_the_name(loans, tmp_path):
    table = loans.rename(loans.with_name("2nd Export.csv"))
    report = init_project(table, "repaid", tmp_path / "place")
    config, _ = load_project(report.layout)
    assert config.project.name == "p-2nd-export"
    assert Path(config.data.source) == table.resolve()
    assert source_path(report.layout, config.data) == table.resolve()


def test_nothing_is_replaced_unasked(loans):
    folder = loans.parents[1]
    init_project(loans, "repaid", folder)
    before = Layout(folder).config.read_bytes()
    with pytest.raises(ConflictError, match="--force"):
        init_project(loans, "repaid", folder)
    assert Layout(folder).config.read_bytes() == before
    init_project(loans, "repaid", folder, InitOptions(force=True, name="loans"))
    assert load_config(Layout(folder).config).project.name == "loans"


@pytest.mark.parametrize(
    ("target", "options", "error"),
    [
        ("repayed", InitOptions(), TargetError),
        ("repaid", InitOptions(columns=("a", "b")), SourceError),
        ("repaid", InitOptions(name="No Good"), ConfigError),
    ],
)
def test_a_failed_start_leaves_no_project(loans, tmp_path, target, options, error):
    with pytest.raises(error):
        init_project(loans, target, tmp_path / "new", options)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made(loans):
    with pytest.raises(StoreError, match="another folder"):
        init_project(loans, "repaid", loans / "below-a-file")


def test_settings_win_over_the_roles_of_the_contract(loans):
    folder = loans.parents[1]
    init_project(loans, "repaid", folder)
    layout = Layout(folder)
    text = layout.config.read_text()
    changed = text.replace('time = "when"', 'group = "customer"').replace(
        '# exclude = ["customer_id"]', 'exclude = ["job"]'
    )
    layout.config.write_text(changed)
    _, contract = load_project(layout)
    assert contract.group is not None
    assert contract.group.name == "customer"
    job = contract.column("job")
    assert job is not None
    assert (job.role, job.reason) == ("ignore", "excluded in slipway.toml")
    layout.config.write_text(text.replace('time = "when"', 'time = "wen"'))
    with pytest.raises(ConfigError, match=r"data\.time to name a column"):
        load_project(layout)


def test_other_targets_and_times_swap_roles(loans):
    folder = loans.parents[1]
    init_project(loans, "repaid", folder)
    layout = Layout(folder)
    layout.config.write_text(layout.config.read_text().replace('target = "repaid"', 'target = "job"'))
    with pytest.raises(ConfigError, match='one column with role = "target"'):
        load_project(layout)


def test_regression_and_multiclass_have_no_positive_label(loans, tmp_path):
    for target, task in (("income", "regression"), ("score_a", "regression")):
        report = init_project(loans, target, tmp_path / target)
        config = load_config(report.layout.config)
        assert (config.project.task, config.project.positive) == (task, None)


@pytest.mark.parametrize(
    ("labels", "positive"), [([True, False], True), ([1, 0], 1), ([2.0, 7.0], 7), (["a", "b"], "b")]
)
def test_positive_label(tmp_path, labels, positive):
    pl.DataFrame({"x": list(range(0, 80, 2)) * 2, "y": labels * 40}).write_parquet(tmp_path / "t.parquet")
    report = init_project(tmp_path / "t.parquet", "y", tmp_path / "new")
    config = load_config(report.layout.config)
    assert config.project.positive == positive
    assert type(config.project.positive) is type(positive)


def test_adult_from_file_to_snapshot(shared, adult_columns, tmp_path):
    report = init_project(
        shared / "adult" / "adult.data", "label", tmp_path / "adult", InitOptions(columns=adult_columns)
    )
    config, contract = load_project(report.layout)
    assert config.project.positive == ">50K"
    df = read_table(source_path(report.layout, config.data), config.data)
    check_table(df, contract).require()
    made = take_snapshot(report.layout, df, config.data.source)
    assert made.rows == 32_561
    assert load_snapshot(report.layout, made.digest).equals(df)


def test_car_loan_from_file_to_snapshot(loan_table, tmp_path):
    report = init_project(loan_table, "repaid", tmp_path / "loan", InitOptions(exclude=("y_pred*",)))
    config, contract = load_project(report.layout)
    assert config.data.time == "timestamp"
    assert config.project.positive == 1
    df = read_table(source_path(report.layout, config.data), config.data)
    assert check_table(df, contract).findings == ()
    assert take_snapshot(report.layout, df, config.data.source).rows == 50_000


def test_the_plan_found_at_the_start_is_saved_and_followed(tmp_path):
    """A later file that would be sniffed otherwise is read by the plan."""
    folder = tmp_path / "project"
    folder.mkdir()
    rows = "".join(f"{i};{'-' if i % 9 == 0 else i / 8};{'yes' if i % 2 else 'no'}.\n" for i in range(4000))
    source = folder / "loans.txt"
    source.write_text("# export\na;b;y\n" + rows + "1;2\n", encoding="latin-1")
    report = init_project(source, "y", folder, InitOptions(encoding="latin-1", trailing_dots=("y",)))
    config, _ = load_project(report.layout)
    data = config.data
    assert (data.format, data.separator, data.header, data.comment) == ("csv", ";", True, "#")
    assert (data.encoding, data.quoted, data.missing[-1], data.trailing_dots) == (
        "latin-1",
        True,
        "-",
        ("y",),
    )
    assert {name: value for name, value, _ in reading_plan(data)} == {
        "format": "csv",
        "encoding": "latin-1",
        "header": True,
        "separator": ";",
        "quoted": True,
        "comment": "#",
        "missing": data.missing,
        "trailing_dots": ("y",),
        "max_bad_rows": 0.001,
    }
    again = read_source(source_path(report.layout, data), data)
    assert again.table.equals(report.reading.table)
    assert reading_plan(again.plan) == reading_plan(data)
    assert config.project.positive == "yes"
    assert report.quarantined is not None
    assert report.quarantined.parent == report.layout.quarantine
    source.write_text("a;b;y\n" + "1,5;2,5;no\n" * 10)
    assert read_table(source, data)["a"].to_list()[0] == "1,5"


def test_a_password_written_out_never_reaches_the_settings(tmp_path):
    with pytest.raises(ConfigError, match="environment variable") as caught:
        init_project(
            "postgresql://ada:geheim@localhost/db", "y", tmp_path / "new", InitOptions(query="select 1")
        )
    assert "geheim" not in caught.value.message
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("file", "target", "rows", "options"),
    [
        ("bike_sharing/hour.csv", "cnt", 17_379, InitOptions(exclude=("casual", "registered"))),
        ("nursery/nursery.data", "assessment", 12_960, InitOptions()),
        ("student_dropout/students_dropout_academic_success.csv", "target", 4_424, InitOptions()),
        ("compas/compas-scores-two-years.csv", "two_year_recid", 7_214, InitOptions()),
    ],
)
def test_shared_tables_from_file_to_checked_snapshot(shared, tmp_path, file, target, rows, options):
    if file.startswith("compas"):
        seen: list[str] = []
        for name in (shared / file).read_text().partition("\n")[0].split(","):
            seen.append(f"{name}_2" if name in seen else name)
        options = InitOptions(columns=tuple(seen))
    report = init_project(shared / file, target, tmp_path, options)
    config, contract = load_project(report.layout)
    assert config.data.header is True
    df = read_table(source_path(report.layout, config.data), config.data)
    assert df.equals(report.reading.table)
    check_table(df, contract).require()
    assert take_snapshot(report.layout, df, config.data.source).rows == rows


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (InitOptions(query="select 1"), "--query"),
        (InitOptions(sheet="one"), "--sheet"),
    ],
)
def test_options_that_say_nothing_about_the_source_are_refused(loans, tmp_path, options, word):
    with pytest.raises(UsageError, match=word):
        init_project(loans, "repaid", tmp_path / "new", options)
    pl.read_csv(loans).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="--separator"):
        init_project(tmp_path / "t.parquet", "repaid", tmp_path / "new", InitOptions(separator=","))
    assert not (tmp_path / "new").exists()
