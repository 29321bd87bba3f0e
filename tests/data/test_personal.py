"""Personal data is found in made-up tables by header, pattern, check digit; ordinary columns stay quiet."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.base.config import Data
from slipway.base.errors import UsageError
from slipway.data.personal import PersonalFinding, find_personal
from slipway.data.personal_checks import NATIONAL, luhn
from slipway.data.personal_names import is_quasi_identifier, kinds_of_header, words_of
from slipway.data.source import read_table

RNG = random.Random(11)


def digits(n: int) -> str:
    return "".join(RNG.choices("0123456789", k=n))


def passing(country: str, n: int) -> list[str]:
    """Numbers of nobody: random digits, kept when the check lets them through."""
    found: list[str] = []
    while len(found) < n:
        number = digits({"NL": 9, "PL": 11, "GB": 10, "SE": 10, "DE": 11}[country])
        if NATIONAL[country][0](number):
            found.append(number)
    return found


def cards(n: int) -> list[str]:
    """In a range reserved for tests."""
    stems = ["411111" + digits(9) for _ in range(n)]
    return [next(f"{stem}{end}" for end in range(10) if luhn(f"{stem}{end}")) for stem in stems]


def find(**columns: list[object]) -> dict[str, PersonalFinding]:
    """The surest finding of each column."""
    found: dict[str, PersonalFinding] = {}
    for one in find_personal(pl.DataFrame(columns, strict=False)):
        found.setdefault(one.column, one)
    return found


def test_patterns_are_found_whatever_the_header() -> None:
    n = 60
    found = find(
        a=[f"someone{k}@example.org" for k in range(n)],
        b=[f"192.0.2.{k}" for k in range(n)],
        c=[f"2001:db8::{k:x}" for k in range(1, n + 1)],
        d=[f"+49 30 55501{k:03d}" for k in range(n)],
        e=cards(n),
        f=[" ".join(number[at : at + 4] for at in range(0, 16, 4)) for number in cards(n)],
        g=["GB82 WEST 1234 5698 7654 32"] * n,
        h=[f"{100 + k}-45-{6000 + k}" for k in range(n)],
    )
    assert {column: one.kind for column, one in found.items()} == {
        "a": "e-mail",
        "b": "ip address",
        "c": "ip address",
        "d": "phone",
        "e": "payment card",
        "f": "payment card",
        "g": "iban",
        "h": "national id of US",
    }
    assert all(one.share == 1.0 and one.cells == n for one in found.values())
    assert {found[column].certainty for column in "abcefg"} == {"sure"}


@pytest.mark.parametrize("country", ["NL", "PL", "GB", "SE", "DE"])
def test_national_numbers_are_told_by_country_as_text_and_as_numbers(country: str) -> None:
    numbers = passing(country, 60)
    written: list[list[object]] = [
        list(numbers),
        [int(number) for number in numbers if number[0] != "0"],
        [f"{number[:4]} {number[4:]}" for number in numbers],
    ]
    for cells in written:
        (found,) = find(x=cells).values()
        assert found.kind == f"national id of {country}"
        assert found.certainty == "sure"
        assert found.evidence == "check digit"


def test_random_numbers_of_the_same_shape_are_left_alone() -> None:
    shapes = {f"n{n}": [digits(n) for _ in range(500)] for n in (8, 9, 10, 11, 12, 13, 15, 16, 19)}
    running: list[object] = list(range(100_000_000, 100_000_500))
    assert find(**shapes, running=running) == {}  # pyright: ignore[reportArgumentType]


def test_ordinary_text_and_numbers_are_left_alone() -> None:
    n = 50
    assert (
        find(
            version=["1.2.3", "10.0.1"] * n,
            moment=["2024-05-06T07:08:09", "12:30:45"] * n,
            amount=[str(k / 7) for k in range(2 * n)],
            code=["AB12 CD34", "007", "0-12", None] * (n // 2),
            at=["meet @ noon", "a@b"] * n,
            score=[k / 3 for k in range(2 * n)],
            ok=[True, False] * n,
            empty=[None] * 2 * n,
        )
        == {}
    )


def test_a_line_of_free_text_that_holds_an_address_is_found() -> None:
    notes: list[object] = ["called twice, no answer"] * 99 + ["write to someone@example.org about it"]
    found = find(notes=notes)["notes"]
    assert (found.kind, found.certainty, found.share) == ("e-mail", "sure", 0.01)


def test_headers_tell_what_no_pattern_can() -> None:
    n = 20
    found = find(
        firstName=["x"] * n,
        Nachname=["y"] * n,
        strasse_und_ort=["z 1"] * n,
        zip_code=[10_000 + k for k in range(n)],
        customerId=list(range(n)),
        Geburtsdatum=["01.02.1990"] * n,
        birth_year=[1950 + k for k in range(n)],
        latitude=[50.1] * n,
        passport_no=["specimen"] * n,
        mobile=["specimen"] * n,
    )
    assert {column: one.kind for column, one in found.items()} == {
        "firstName": "name",
        "Nachname": "name",
        "strasse_und_ort": "address",
        "zip_code": "postcode",
        "customerId": "person id",
        "Geburtsdatum": "date of birth",
        "birth_year": "date of birth",
        "latitude": "location",
        "passport_no": "national id",
        "mobile": "phone",
    }
    assert {one.certainty for one in found.values()} == {"likely"}


def test_a_header_alone_does_not_make_any_value_a_birth_date_or_name() -> None:
    assert find(birth_rate=[0.1, 0.2], surname_length=[3, 4], born_here=["yes", "no"]) == {}


def test_header_and_check_support_each_other() -> None:
    found = find(card_number=[*cards(2), *[digits(16) for _ in range(8)]])["card_number"]
    assert found.kind == "payment card"
    assert found.evidence == "check digit, header"


def test_no_finding_carries_a_cell() -> None:
    secret = "someone.secret@example.org"
    (found,) = find_personal(pl.DataFrame({"x": [secret] * 5}))
    assert "secret" not in repr(found)


def test_the_sample_is_drawn_by_seed_and_zero_looks_at_all() -> None:
    cells = ["nothing"] * 3_000 + ["someone@example.org"]
    df = pl.DataFrame({"notes": cells})
    (found,) = find_personal(df, sample=0)
    assert found.cells == 3_001
    assert find_personal(df, sample=500, seed=1) == find_personal(df, sample=500, seed=1)
    with pytest.raises(UsageError, match="a sample of 0"):
        find_personal(df, sample=-1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(max_size=60), max_size=20))
def test_no_text_makes_the_search_raise(cells: list[str | None]) -> None:
    for one in find_personal(pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)})):
        assert one.share is not None
        assert 0 < one.share <= 1


def test_a_long_cell_of_digits_and_dots_is_read_in_no_time() -> None:
    hostile = ["1.1" * 5_000, "+" + "1 " * 10_000, "a@" + "a." * 5_000, ":" * 10_000, "AB12" + " A" * 5_000]
    find_personal(pl.DataFrame({"x": hostile}))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("dateOfBirth", " date of birth "),
        ("E-Mail_Adresse", " e mail adresse "),
        ("Größe", " grosse "),
        ("", "  "),
    ],
)
def test_headers_are_taken_apart(header: str, words: str) -> None:
    assert words_of(header) == words


@pytest.mark.parametrize(
    "header", ["loan_amount", "panel", "telemetry", "tin_content_mg", "ship_to", "napkin", "pandas"]
)
def test_headers_that_only_look_alike_are_left_alone(header: str) -> None:
    assert kinds_of_header(header) in ([], ["national id"] if header.startswith("tin") else [])


def test_quasi_identifiers_are_known_by_header() -> None:
    assert all(
        map(is_quasi_identifier, ["age", "Sex", "native-country", "maritalStatus", "Education (years)"])
    )
    assert not any(map(is_quasi_identifier, ["average", "sextant", "loan_amount", "capital-gain", "stage"]))


def test_messages_with_addresses_and_phones_are_seen_in_the_shared_texts(shared: Path) -> None:
    df = read_table(shared / "sms_spam" / "SMSSpamCollection", Data(source=""))
    text = df.columns[-1]
    kinds = {one.kind: one for one in find_personal(df) if one.column == text}
    assert {"e-mail", "phone"} <= set(kinds)
    assert (kinds["phone"].share or 0) < 0.2


def test_no_national_number_is_seen_in_census_figures(shared: Path, adult_columns: tuple[str, ...]) -> None:
    df = read_table(shared / "adult" / "adult.data", Data(source="", columns=adult_columns))
    assert find_personal(df) == ()
