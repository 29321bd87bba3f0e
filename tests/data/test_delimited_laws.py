"""Delimited text: what a writer writes reads back, and no bytes do worse than a clear refusal."""

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.source import read_source, read_table

#: No number, marker or boolean, and no blank at the ends: what must come back as it went in.
cells = st.text(st.sampled_from("xyz é,;\t|\"'\n-#"), max_size=8).map(lambda inner: f"x{inner}x")


def attempt(path):
    try:
        return read_table(path, Data(source="x"))
    except SourceError as error:
        return error


@settings(deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    st.sampled_from([",", ";", "|"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_written_csv_reads_back(tmp_path_factory, rows, delimiter, ending):
    text = io.StringIO()
    names = [f"name{i}" for i in range(len(rows[0]))]
    csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(
        [names, *rows]
    )
    path = tmp_path_factory.getbasetemp() / "law.csv"
    path.write_bytes(text.getvalue().encode())
    table = read_table(path, Data(source="x"))
    assert table.columns == names
    assert [list(row) for row in table.rows()] == rows


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(st.sampled_from('ab1,;\t| "\n\r.-?é'), max_size=80).map(str.encode),
    )
)
@example(b'"')
@example(b'a,b\n"1,2\n')
@example(b"a,b\r1,2\r")
@example(b"a,b\n\xff\xfe\n")
@example(b"|")
@example(b"\n|\n|\n")
@example(b'"a\nb",c\n1,2\n')
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    made = attempt(path)
    if isinstance(made, SourceError):
        assert "\n" not in made.message
        assert made.next_step
    else:
        assert made.height > 0
        assert made.width > 1


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(1, 6), st.booleans())
def test_the_line_of_a_ragged_record_is_exact(tmp_path_factory, before, fields, quoted):
    first = '"two\nlines",2\n' if quoted else "one,2\n"
    content = "a,b\n" + first + "1,2\n" * before + ",".join("9" * fields) + "\n"
    path = tmp_path_factory.getbasetemp() / "ragged.csv"
    path.write_text(content)
    made = attempt(path)
    if fields == 2:
        assert not isinstance(made, SourceError)
        assert made.height == before + 2
    else:
        assert isinstance(made, SourceError)
        assert made.where.endswith(f"line {content.count(chr(10))}")
        assert made.got == str(fields)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(['"two\nlines",2', "x,1", "y,-", "# not a row", ""]), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["1", "1,2,3", 'a,"b\nc",d'])), max_size=4),
)
def test_rows_set_aside_change_no_other_row(tmp_path_factory, rows, wrong):
    path = tmp_path_factory.getbasetemp() / "aside.csv"
    data = Data(source="x", header=True, comment="#", separator=",", quoted=True, max_bad_rows=0.99)
    rows = ["first,9", *rows]
    path.write_text("a,b\n" + "".join(f"{row}\n" for row in rows))
    whole = read_source(path, data)
    mixed = list(rows)
    for at, line in wrong:
        mixed.insert(1 + at, line)
    path.write_text("a,b\n" + "".join(f"{row}\n" for row in mixed))
    made = read_source(path, data)
    assert whole.rejected == ()
    assert made.table.equals(whole.table)
    assert sorted(row.text for row in made.rejected) == sorted(line for _, line in wrong)
    lines = path.read_text().split("\n")
    for row in made.rejected:
        assert lines[row.line - 1].endswith(row.text.split("\n")[-1])
