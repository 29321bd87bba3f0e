"""The file of accepted steps: read back as written, and every mistake in it named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import ConfigError
from slipway.data.contract import Column, Contract
from slipway.data.steps import (
    Blank,
    BlankTimes,
    Imply,
    Replace,
    Rescale,
    Swap,
    dump_steps,
    load_steps,
    parse_steps,
    require_fit,
    save_steps,
    steps_digest,
    steps_from_json,
    steps_to_json,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
numbers = st.floats(-1e9, 1e9)
words = st.dictionaries(texts, texts, max_size=3)
steps = st.lists(
    st.one_of(
        st.builds(Replace, column=texts, values=words, note=texts),
        st.builds(Rescale, column=texts, above=numbers, factor=st.floats(1e-9, 1e9), whole=st.booleans()),
        st.builds(Rescale, column=texts, below=numbers, factor=st.floats(1e-9, 1e9)),
        st.builds(Blank, column=texts, min=numbers, max=st.none() | numbers),
        st.builds(BlankTimes, column=texts, earliest=st.just("2001-02-03"), latest=st.none()),
        st.builds(
            Swap,
            columns=st.tuples(texts, texts),
            ranges=st.tuples(st.tuples(numbers, numbers), st.tuples(numbers, numbers)),
        ),
        st.builds(Imply, column=texts, by=texts, values=words),
    ),
    max_size=4,
).map(tuple)


@given(steps)
def test_steps_are_read_back_as_written(made):
    assert parse_steps(dump_steps(made)) == made
    assert steps_from_json(steps_to_json(made)) == made
    assert steps_digest(parse_steps(dump_steps(made))) == steps_digest(made)


def test_a_project_without_steps_has_none_and_keeps_what_is_saved(tmp_path):
    assert load_steps(tmp_path) == ()
    made = (Blank(column="x", max=9.0, note="too far"),)
    save_steps(tmp_path, made)
    assert load_steps(tmp_path) == made
    assert "slipway data clean --accept" in (tmp_path / "cleaning.toml").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[steps]", "expected steps as"),
        ('[[steps]]\nkind = "invent"\n', "invent"),
        ('[[steps]]\nkind = "blank"\ncolumn = "x"\n', "step 1"),
        ('[[steps]]\nkind = "blank"\ncolumn = "x"\nmax = 1\nmore = 2\n', "more"),
        ('[[steps]]\nkind = "rescale"\ncolumn = "x"\nabove = 1\nbelow = 0\nfactor = 2\n', "step 1"),
        ('[[steps]]\nkind = "rescale"\ncolumn = "x"\nabove = 1\nfactor = 0\n', "factor"),
        ('[[steps]]\nkind = "blank_times"\ncolumn = "x"\nlatest = "soon"\n', "ISO 8601"),
        ('[[steps]]\nkind = "replace"\ncolumn = "x"\nvalues = { a = 1 }\n', "values"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "cleaning.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_steps(tmp_path)
    assert message in caught.value.message
    assert "cleaning.toml" in caught.value.message


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "cleaning.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_steps(tmp_path)


@pytest.mark.parametrize("name", ["y", "nobody", "job", "day"])
def test_steps_fit_features_of_their_type_only(name):
    contract = Contract(
        columns=(
            Column(name="x", type="int"),
            Column(name="job", type="category"),
            Column(name="day", type="datetime", role="time"),
            Column(name="y", type="float", role="target"),
        )
    )
    require_fit((Blank(column="x", max=1.0), Replace(column="job", values={})), contract)
    with pytest.raises(ConfigError, match=f"step 2.*|{name}") as caught:
        require_fit((Blank(column="x", max=1.0), Blank(column=name, max=1.0)), contract)
    assert repr(name) in caught.value.message
