"""Patterns: both engines match the same texts, and none can be made to run for long."""

import re
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.data.patterns import portable_pattern


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"\d{4}-[A-F\d]+", "2020-A9", "2020-A9\n"),
        (r"[^\s@]+@[^\s@]+\.[a-z]{2,}", "x@y.org", "x y@z.org"),
        (r"(?:[A-Z]{2}|\d)x?", "7x", "7xx"),
        (r"a|bc", "bc", "abc"),
        (r"[\w.-]+", "a-b.c_9", "ä"),
        (r"\(\d\)\.", "(7).", "(7)x"),
        (r"[]a-]+", "]-a", "b"),
        (r"a]b}", "a]b}", "ab"),
        (r"..", "ü\t", "a\n"),
        (r"[a&&b]", "&", "c"),
        (r"\<\ \>", "< >", "<>"),
        (r"", "", "a"),
    ],
)
def test_both_engines_agree_on(pattern, good, bad):
    portable = portable_pattern(pattern)
    for text, holds in ((good, True), (bad, False)):
        assert (re.fullmatch(portable, text) is not None) is holds
        assert pl.Series([text]).str.contains(rf"\A(?:{portable})\z").to_list() == [holds]


@pytest.mark.parametrize(
    ("pattern", "got"),
    [
        ("(a+)+", "repeated group"),
        ("(a|b)*", "repeated group"),
        ("((ab?)c){2}", "repeated group"),
        ("(?=a)", "a group other than"),
        ("(?i:a)", "a group other than"),
        (r"(a)\1", "the escape"),
        ("^a", "whole text"),
        ("a**", "a quantifier after"),
        ("a+?", "a quantifier after"),
        ("a{2}{3}", "a quantifier after"),
        ("a{,3}", "a quantifier after"),
        ("[a", "bracket that is not closed"),
        ("(a", "group that is not closed"),
        ("a)", "too many"),
        (r"\b", "the escape"),
        (r"\x41", "the escape"),
        ("a\\", "a backslash at the end"),
        ("[z-a]", "does not read"),
        ("(?:(?:a{99}){99}){99}", "written out"),
        ("a*" * 4, "long repeats"),
        ("a?" * 9, "short repeats"),
        ("(a|b)" * 9, "choices"),
        (r"[\D]", "the escape"),
    ],
)
def test_what_only_one_engine_knows_is_refused(pattern, got):
    with pytest.raises(ValueError, match=got):
        portable_pattern(pattern)


pieces = st.sampled_from(
    [
        "a",
        "b",
        ".",
        r"\d",
        r"\w",
        r"\s",
        "[ab]",
        "[^a]",
        r"[\d-]",
        "(a|b)",
        "(?:ab)",
        "|",
        "a?",
        "[a-c]{1,2}",
        "é",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(pieces, max_size=5).map("".join),
    st.lists(st.text(st.sampled_from("ab1- é\n_\u0660"), max_size=4), min_size=1, max_size=20),
)
def test_any_pattern_matches_the_same_texts_in_both_engines(pattern, texts):
    portable = portable_pattern(pattern)
    table = pl.Series(texts).str.contains(rf"\A(?:{portable})\z").to_list()
    assert table == [re.fullmatch(portable, text) is not None for text in texts]


def test_a_failing_match_of_a_long_text_ends_soon():
    started = time.perf_counter()
    assert re.fullmatch(portable_pattern("[ab]*[ab]*c?[ab]*d"), "ab" * 128) is None
    assert time.perf_counter() - started < 5
