"""Files as people have them: read right, or refused in one line that says where and what next."""

import gzip
import os
from datetime import UTC, date, datetime

import polars as pl
import pytest

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.source import read_table

PLAIN = Data(source="x")


def written(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(tmp_path, content, **settings):
    return read_table(written(tmp_path, content), Data(source="x", **settings))


def refusal(path, **settings):
    with pytest.raises(SourceError) as caught:
        read_table(path, Data(source="x", **settings))
    error = caught.value
    assert error.exit_code == 2
    assert "\n" not in error.message
    assert error.expected
    assert error.got
    assert error.where
    assert error.next_step
    return error


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", " ", ", "])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_delimiters_and_line_ends_are_found(tmp_path, delimiter, ending):
    lines = [delimiter.join(fields) for fields in (("age", "job"), ("3", "a"), ("4", "b"))]
    table = read(tmp_path, ending.join(lines) + ending)
    assert table.to_dict(as_series=False) == {"age": [3, 4], "job": ["a", "b"]}


def test_types_are_the_narrowest_that_fit_all_values(tmp_path):
    table = read(
        tmp_path,
        "whole,real,mixed,yes,zip,account,word,none\n"
        "1,1.5,1,True,00123,12345678901234567890,a,\n"
        "-2,2e3,2.5,false,10115,2,b,\n"
        "?,NA,,nan,20095,3,NULL,\n",
    )
    assert dict(table.schema) == {
        "whole": pl.Int64,
        "real": pl.Float64,
        "mixed": pl.Float64,
        "yes": pl.Boolean,
        "zip": pl.String,
        "account": pl.String,
        "word": pl.String,
        "none": pl.String,
    }
    assert table["whole"].to_list() == [1, -2, None]
    assert table["real"].to_list() == [1.5, 2000.0, None]
    assert table["yes"].to_list() == [True, False, None]
    assert table["zip"].to_list() == ["00123", "10115", "20095"]
    assert table["none"].null_count() == 3


def test_zero_and_decimals_below_one_are_numbers(tmp_path):
    table = read(tmp_path, "a,b\n0,0.5\n10,0\n")
    assert table.dtypes == [pl.Int64, pl.Float64]


def test_missing_markers_can_be_set(tmp_path):
    table = read(tmp_path, "a,b\n-,x\n3,?\n", missing=("-",))
    assert table["a"].to_list() == [None, 3]
    assert table["b"].to_list() == ["x", "?"]


def test_quoted_values_keep_separators_and_newlines(tmp_path):
    table = read(tmp_path, 'a,b\n"x, y",1\n"line one\nline two",2\n"say ""hi""",3\n')
    assert table["a"].to_list() == ["x, y", "line one\nline two", 'say "hi"']
    assert table["b"].to_list() == [1, 2, 3]


def test_quotes_in_tab_separated_text_are_plain(tmp_path):
    table = read(tmp_path, 'label\ttext\nham\t"open and "odd\nspam\ta "quoted" word\n')
    assert table["text"].to_list() == ['"open and "odd', 'a "quoted" word']


def test_byte_order_mark_comment_and_blank_lines(tmp_path):
    table = read(tmp_path, b"\xef\xbb\xbf|a remark\n\nage,job\n1,a\n\n2,b\n\n")
    assert table.to_dict(as_series=False) == {"age": [1, 2], "job": ["a", "b"]}


def test_names_for_a_file_without_header(tmp_path):
    table = read(tmp_path, "|1x3 remark\n1, a\n2, b\n", columns=("age", "job"))
    assert table.to_dict(as_series=False) == {"age": [1, 2], "job": ["a", "b"]}


def test_names_given_for_a_file_with_header_replace_it(tmp_path):
    table = read(tmp_path, "age,age,job\n1,2,a\n", columns=("age", "age_2", "job"))
    assert table.to_dict(as_series=False) == {"age": [1], "age_2": [2], "job": ["a"]}


def test_a_column_without_name_gets_one(tmp_path):
    assert read(tmp_path, ",a\n0,x\n1,y\n").columns == ["unnamed_1", "a"]


def test_last_line_without_newline(tmp_path):
    assert read(tmp_path, "a,b\n1,2\n3,4").height == 2


@pytest.mark.parametrize(
    ("content", "got", "where"),
    [
        (b"", "an empty file", ""),
        (b"a,b\n", "2 column names and no rows", ""),
        (b"a,b", "2 column names and no rows", ""),
        (b"\n\n", "blank lines only", ""),
        (b"a,b,a\n1,2,3\n", "'a' more than once", "line 1"),
        (b"a,b\n1,2\n\n3\n", "1", "line 4"),
        (b"a,b\n1,2\n3,4,5\n6,7\n", "3", "line 3"),
        (b"a,b\n" + b"1,2\n" * 300 + b",".join([b"9"] * 200) + b"\n", "200", "line 302"),
        (b'a,b\n"x\ny",2\n3\n', "1", "line 4"),
        (b'a,b\n1,2\n"x,2\n3,4\n', "does not close", "line 3"),
        (b"a,b\n1,2\ncaf\xe9,3\n", "bytes of another encoding", "line 3"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16 text", ""),
        (b"\x00\x01\x02\x03" * 9, "zero bytes", ""),
        (b"1,2,x\n3,4,y\n", "2 numbers among 3 fields", "line 1"),
        (b"word\n1\n2\n", "one field in the first line", ""),
        (gzip.compress(b"a,b\n1,2\n" * 99)[:30], "cut off or damaged", ""),
        (gzip.compress(b""), "an empty file", ""),
        (b"PK\x03\x04rest", "a zip archive or an Excel workbook", ""),
    ],
)
def test_odd_files_are_refused_in_one_line(tmp_path, content, got, where):
    error = refusal(written(tmp_path, content))
    assert got in error.got
    assert where in error.where
    assert "table.csv" in error.where


def test_wrong_number_of_given_names(tmp_path):
    error = refusal(written(tmp_path, "1,2\n"), columns=("a", "b", "c"))
    assert (error.expected, error.got) == ("3 fields in each line", "2")
    error = refusal(written(tmp_path, "1,2\n"), columns=("a", "a"))
    assert "'a' more than once" in error.got
    error = refusal(written(tmp_path, "1,2\n"), separator="::")
    assert error.where == "data.separator"


def test_a_wrong_line_shows_no_value(tmp_path):
    error = refusal(written(tmp_path, "name,age\nJane Roe,3,extra\nJohn Doe,4\n"))
    assert "Jane" not in error.message


def test_paths_that_are_no_files(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.csv").got
    assert "a folder" in refusal(tmp_path).got
    assert "through a file" in refusal(written(tmp_path, "a,b\n1,2\n") / "x.csv").got


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = written(tmp_path, "a,b\n1,2\n")
    path.chmod(0)
    assert "permission" in refusal(path).got


def test_parquet_is_known_by_content(tmp_path):
    table = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    table.write_parquet(tmp_path / "odd.csv")
    assert read_table(tmp_path / "odd.csv", PLAIN).equals(table)


def test_broken_parquet(tmp_path):
    pl.DataFrame({"a": list(range(10_000))}).write_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    cut = refusal(written(tmp_path, whole[: len(whole) // 2], "cut.parquet"))
    assert "cut off" in cut.got
    text = refusal(written(tmp_path, "a,b\n1,2\n", "text.parquet"))
    assert "without the Parquet mark" in text.got
    hole = bytearray(whole)
    hole[-200:-8] = bytes(192)
    assert "does not decode" in refusal(written(tmp_path, bytes(hole), "hole.parquet")).got
    assert "cut off" in refusal(written(tmp_path, b"PAR1", "mark.parquet")).got


def test_parquet_types_take_their_plain_form(tmp_path):
    moment = datetime(2020, 1, 2, 3, 4, 5, 678000)
    pl.DataFrame(
        {
            "u8": pl.Series([1, 2], dtype=pl.UInt8),
            "f32": pl.Series([0.5, float("nan")], dtype=pl.Float32),
            "cat": pl.Series(["a", "b"], dtype=pl.Categorical),
            "day": [date(2020, 1, 2), None],
            "naive": [moment, None],
            "zoned": [moment.replace(tzinfo=UTC), None],
            "nothing": [None, None],
            "nested": [[1], [2]],
        }
    ).write_parquet(tmp_path / "t.parquet")
    error = refusal(tmp_path / "t.parquet")
    assert "'nested'" in error.got
    table = read_table(tmp_path / "t.parquet", Data(source="x", exclude=("nest*",)))
    assert table.to_dict(as_series=False) == {
        "u8": [1, 2],
        "f32": [0.5, None],
        "cat": ["a", "b"],
        "day": ["2020-01-02", None],
        "naive": ["2020-01-02T03:04:05.678", None],
        "zoned": ["2020-01-02T03:04:05.678+00:00", None],
        "nothing": [None, None],
    }


def test_integers_beyond_64_bits_are_refused(tmp_path):
    pl.DataFrame({"a": pl.Series([2**63, 1], dtype=pl.UInt64)}).write_parquet(tmp_path / "t.parquet")
    assert "1 larger ones in column 'a'" in refusal(tmp_path / "t.parquet").got


def test_adult_reads_with_the_names_a_user_gives(shared, adult_columns):
    train = read_table(shared / "adult" / "adult.data", Data(source="x", columns=adult_columns))
    test = read_table(shared / "adult" / "adult.test", Data(source="x", columns=adult_columns))
    assert (train.height, test.height) == (32_561, 16_281)
    assert train.schema == test.schema
    assert train.filter(pl.any_horizontal(pl.all().is_null())).height == 2_399
    assert test["label"].unique().sort().to_list() == ["<=50K.", ">50K."]


@pytest.mark.parametrize(
    ("file", "rows", "columns"),
    [
        ("bike_sharing/hour.csv", 17_379, 17),
        ("nursery/nursery.data", 12_960, 9),
        ("sms_spam/SMSSpamCollection", 5_574, 2),
        ("student_dropout/students_dropout_academic_success.csv", 4_424, 37),
        ("car_loan/monitoring_synthetic_car_loan.parquet", 50_000, 11),
    ],
)
def test_shared_tables_read_whole(shared, file, rows, columns):
    assert read_table(shared / file, PLAIN).shape == (rows, columns)


def test_repeated_names_in_compas_are_named(shared):
    path = shared / "compas" / "compas-scores-two-years.csv"
    assert "'decile_score', 'priors_count' more than once" in refusal(path).got
    seen: list[str] = []
    for name in path.read_text().partition("\n")[0].split(","):
        seen.append(f"{name}_2" if name in seen else name)
    assert read_table(path, Data(source="x", columns=tuple(seen))).shape == (7_214, 45)
