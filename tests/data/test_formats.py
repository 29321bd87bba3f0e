"""Every format and dialect gives the same table, and the plan that was found reads it again."""

import gzip
import json
from datetime import date

import polars as pl
import pyarrow as pa
import pytest

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.base.layout import Layout
from slipway.data.reading import quarantine
from slipway.data.source import read_source, read_table

LOANS = pl.DataFrame(
    {
        "age": [30, 41, None],
        "rate": [0.5, 1.25, 2.0],
        "job": ["cook", "c\u00f4te", None],
        "ok": [True, False, True],
    }
)


def as_csv(path, separator=",", encoding="utf-8", ending="\n"):
    text = LOANS.write_csv(separator=separator, null_value="NA").replace("\n", ending)
    path.write_bytes(text.encode(encoding))


def as_workbook(path):
    LOANS.write_excel(path.with_suffix(".xlsx"), worksheet="loans")
    path.with_suffix(".xlsx").rename(path)


def packed(path, codec):
    as_csv(path)
    raw = path.read_bytes()
    path.write_bytes(gzip.compress(raw) if codec == "gzip" else pa.compress(raw, codec="zstd", asbytes=True))


WRITERS = {
    "t.csv": as_csv,
    "t.tsv": lambda path: as_csv(path, "\t", ending="\r\n"),
    "t.txt": lambda path: as_csv(path, ";"),
    "t.csv.gz": lambda path: packed(path, "gzip"),
    "t.zst": lambda path: packed(path, "zstd"),
    "t.jsonl": LOANS.write_ndjson,
    "lines": LOANS.write_ndjson,
    "t.parquet": LOANS.write_parquet,
    "t.arrow": LOANS.write_ipc,
    "t.feather": lambda path: LOANS.write_ipc(path, compression="zstd"),
    "t.xlsx": as_workbook,
    "book": as_workbook,
}


def refusal(path, **settings):
    with pytest.raises(SourceError) as caught:
        read_source(path, Data(source="x", **settings))
    assert "\n" not in caught.value.message
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_gives_the_table_and_a_plan_that_reads_it_again(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    found = read_source(path, Data(source="x"))
    assert found.table.to_dict(as_series=False) == LOANS.to_dict(as_series=False)
    assert found.plan.format is not None
    again = read_source(path, found.plan)
    assert again.table.equals(found.table)
    assert again.plan == found.plan


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig"])
def test_an_encoding_is_followed_when_it_is_named(tmp_path, encoding):
    as_csv(tmp_path / "t.csv", encoding=encoding)
    table = read_table(tmp_path / "t.csv", Data(source="x", encoding=encoding))
    assert table["job"].to_list() == ["cook", "c\u00f4te", None]
    assert "nonsense" in refusal(tmp_path / "t.csv", encoding="nonsense").got
    if encoding in ("latin-1", "cp1252"):
        assert "--encoding" in refusal(tmp_path / "t.csv").next_step
        assert "another encoding" in refusal(tmp_path / "t.csv", encoding="utf-16").got


def read(tmp_path, content, **settings):
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(tmp_path / "t.csv", Data(source="x", **settings))


def test_lines_of_comment_are_found_and_left_out_wherever_they_stand(tmp_path):
    made = read(tmp_path, "# made on Monday\n# by hand\na,b\n1,2\n# half-time\n3,4\n")
    assert made.plan.comment == "#"
    assert made.table.rows() == [(1, 2), (3, 4)]
    header = read(tmp_path, "#a,b\n1,2\n")
    assert header.plan.comment is None
    assert header.table.columns == ["#a", "b"]
    quoted = read(tmp_path, '//x\na,b\n"two\n//lines",2\n//y\n', comment="//")
    assert quoted.table.rows() == [("two\n//lines", 2)]


def test_a_mark_that_stands_alone_among_numbers_means_no_value(tmp_path):
    made = read(tmp_path, "a,b,c\n1,-,x\n2,3,-\n-,4,y\n9,5,z\n")
    assert made.plan.missing[-1] == "-"
    assert made.table["a"].to_list() == [1, 2, None, 9]
    assert made.table["b"].to_list() == [None, 3, 4, 5]
    assert made.table["c"].to_list() == ["x", None, "y", "z"]
    assert read(tmp_path, "a,b\nx,-\ny,+\nz,1\n").table["b"].to_list() == ["-", "+", "1"]


def test_a_header_can_be_denied_and_asserted(tmp_path):
    assert read(tmp_path, "x,y\nz,w\n", header=False).table.to_dict(as_series=False) == {
        "column_1": ["x", "z"],
        "column_2": ["y", "w"],
    }
    assert read(tmp_path, "1,2\n3,4\n", header=True).table.to_dict(as_series=False) == {"1": [3], "2": [4]}
    assert read(tmp_path, "a,b\n1,2\n", columns=("a", "b"), header=False).table["a"].to_list() == ["a", "1"]


def test_quotes_can_be_declared_text(tmp_path):
    made = read(tmp_path, 'a,b\n"x,2\ny,3\n', quoted=False)
    assert made.table["a"].to_list() == ['"x', "y"]
    assert "data.quoted" in refusal(tmp_path / "t.csv").next_step


def test_dots_at_the_end_of_labels_go_where_they_are_named(tmp_path):
    made = read(tmp_path, "n,label,other\n1,<=50K.,a.\n2,>50K,b.\n", trailing_dots=("label",))
    assert made.table["label"].to_list() == ["<=50K", ">50K"]
    assert made.table["other"].to_list() == ["a.", "b."]


def test_adult_test_takes_the_labels_of_adult_data(shared, adult_columns):
    data = Data(source="x", columns=adult_columns, trailing_dots=("label",))
    plan = read_source(shared / "adult" / "adult.data", data).plan
    test = read_table(shared / "adult" / "adult.test", plan)
    assert test.height == 16_281
    assert test["label"].unique().sort().to_list() == ["<=50K", ">50K"]


@pytest.mark.parametrize("quoted", [False, True])
def test_lines_that_cannot_be_read_are_set_aside_with_number_and_reason(tmp_path, quoted):
    first = '"two\nlines"' if quoted else "one"
    good = "".join(f"{i},x\n" for i in range(3000))
    made = read(tmp_path, f"a,b\n{first},y\n{good}1,2,3\n{good}\nlast\n")
    assert made.table.height == 6001
    assert [(row.line, row.got, row.text) for row in made.rejected] == [
        (3003 + quoted, "3", "1,2,3"),
        (6005 + quoted, "1", "last"),
    ]
    assert made.table["a"][-1] == "2999"
    layout = Layout(tmp_path / "project")
    path = quarantine(layout, made)
    assert path is not None
    assert path == quarantine(layout, made)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "line": 3003 + quoted,
        "reason": "expected 2 fields in each line, got 3",
        "text": "1,2,3",
    }
    assert layout.quarantine.stat().st_mode & 0o777 == 0o700
    assert quarantine(layout, read(tmp_path, "a,b\n1,2\n")) is None
    error = refusal_of(tmp_path, f"a,b\n{good}1,2,3\n", max_bad_rows=0.0)
    assert error.where.endswith("line 3002")


def refusal_of(tmp_path, content, **settings):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, content, **settings)
    return caught.value


def test_too_many_unreadable_lines_are_an_error_that_counts_them(tmp_path):
    error = refusal_of(tmp_path, "a,b\n" + "1,2\n" * 100 + "1\n" * 30)
    assert error.got == "1, and 29 other lines that cannot be read"
    assert error.where.endswith("line 102")


def test_lines_that_are_no_objects_are_set_aside(tmp_path):
    path = tmp_path / "t.jsonl"
    lines = [json.dumps({"a": i, "b": "NA"}) for i in range(3000)]
    lines[10] = '{"a": 1, "secr'
    lines[20] = "[1, 2]"
    lines[30] = ""
    path.write_text("\n".join(lines))
    made = read_source(path, Data(source="x"))
    assert made.table.height == 2997
    assert made.table["b"].null_count() == 2997
    assert [(row.line, row.got) for row in made.rejected] == [
        (11, "text that is no JSON"),
        (21, "another JSON value"),
    ]
    error = refusal(path, max_bad_rows=0.0001)
    assert error.where.endswith("line 11")
    assert "secr" not in error.message


def test_keys_that_an_object_lacks_are_missing_and_types_must_go_together(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n{"a": 2.5, "b": "x"}\n')
    assert read_table(path, Data(source="x")).to_dict(as_series=False) == {"a": [1.0, 2.5], "b": [None, "x"]}
    path.write_text('{"a": true, "b": 1}\n{"a": 1, "b": 2}\n')
    assert refusal(path).got == "several under 'a'"
    path.write_text("{}\n")
    assert refusal(path).got == "0 column names and no rows"
    (tmp_path / "t.json").write_text('[{"a": 1}]')
    assert refusal(tmp_path / "t.json").got == "one JSON array"


def test_sheets_are_chosen_by_name_and_repeated_headers_refused(tmp_path):
    import xlsxwriter

    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for name, header in (("first", ["a", "b"]), ("second", ["a", "a"]), ("empty", [])):
            sheet = book.add_worksheet(name)
            for row, cells in enumerate([header, [1, "NA"], [None, None], [2, "x"]] if header else []):
                sheet.write_row(row, 0, ["" if cell is None else cell for cell in cells])
    made = read_source(path, Data(source="x"))
    assert made.plan.sheet == "first"
    assert made.table.to_dict(as_series=False) == {"a": [1, 2], "b": [None, "x"]}
    assert made.table.schema["a"] == pl.Int64
    assert "'a' more than once" in refusal(path, sheet="second").got
    assert "'second'" in refusal(path, sheet="third").got
    assert refusal(path, sheet="empty").got
    renamed = read_table(path, Data(source="x", sheet="second", columns=("a", "b"), header=True))
    assert renamed.columns == ["a", "b"]


def test_times_and_columns_without_values_of_a_sheet(tmp_path, capfd):
    frame = pl.DataFrame(
        {
            "when": [date(2020, 1, n + 1) for n in range(9)],
            "half": [n / 2 for n in range(9)],
            "none": [None] * 9,
        }
    )
    frame.write_excel(tmp_path / "t.xlsx")
    made = read_table(tmp_path / "t.xlsx", Data(source="x"))
    assert made["when"][0].startswith("2020-01-01")
    assert made["half"].to_list() == frame["half"].to_list()
    assert made["none"].null_count() == 9
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.xlsx", "t.csv.gz", "t.zst"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path)


def test_a_database_given_as_a_file_says_how_to_name_it(tmp_path):
    (tmp_path / "t.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    assert "sqlite:///t.db" in refusal(tmp_path / "t.db").next_step
