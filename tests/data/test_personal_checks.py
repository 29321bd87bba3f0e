"""Check digits: published specimens pass, slips of one digit do not, chance passes as often as said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.data import personal_checks
from slipway.data.personal_checks import NATIONAL, american_ssn, iban, luhn, payment_card

#: Numbers that issuers publish for tests or as specimens; nobody holds them.
SPECIMENS = {
    "BE": ["85073003328"],
    "BR": ["52998224725"],
    "CA": ["130692544"],
    "CN": ["11010519491231002X"],
    "DE": ["86095742719", "47036892816"],
    "EE": ["37605030299"],
    "ES": ["12345678Z", "X1234567L", "x1234567l"],
    "FI": ["131052-308T"],
    "FR": ["255081416802538"],
    "GB": ["9434765919"],
    "IN": ["234123412346"],
    "NL": ["111222333", "123456782"],
    "PL": ["44051401359"],
    "SE": ["8112289874", "198112289874"],
}
#: From the test pages of payment services.
CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "2223003122003222"]
IBANS = [
    "GB82WEST12345698765432",
    "DE89370400440532013000",
    "NL91ABNA0417164300",
    "FR1420041010050500013M02606",
]
DIGITS = {
    "BE": 11,
    "BR": 11,
    "CA": 9,
    "DE": 11,
    "EE": 11,
    "GB": 10,
    "IN": 12,
    "NL": 9,
    "NO": 11,
    "PL": 11,
    "SE": 10,
}


def made_italian() -> str:
    """A code of no person: consonants that no name gives."""
    return next(f"XXXXXX80A01Z999{end}" for end in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def made_norwegian() -> str:
    return next(number for n in range(100_000) if NATIONAL["NO"][0](number := f"010101{n:05d}"))


@pytest.mark.parametrize(("country", "number"), [(c, n) for c, numbers in SPECIMENS.items() for n in numbers])
def test_specimens_pass(country: str, number: str) -> None:
    assert NATIONAL[country][0](number)


@pytest.mark.parametrize(("country", "number"), [(c, numbers[0]) for c, numbers in SPECIMENS.items()])
def test_one_wrong_digit_is_found(country: str, number: str) -> None:
    """All of these checks find each slip of one digit, but for a digit that also carries a date's range."""
    check = NATIONAL[country][0]
    slips = [
        number[:at] + digit + number[at + 1 :]
        for at, old in enumerate(number)
        if old.isdigit()
        for digit in "0123456789"
        if digit != old
    ]
    assert sum(map(check, slips)) <= 1


@pytest.mark.parametrize("country", sorted(DIGITS))
def test_chance_passes_no_more_often_than_said(country: str) -> None:
    rng = random.Random(country)
    check, chance = NATIONAL[country]
    n = 20_000
    passed = sum(check("".join(rng.choices("0123456789", k=DIGITS[country]))) for _ in range(n))
    assert passed <= chance * n + 4 * (chance * n) ** 0.5


def test_codes_with_letters_pass_for_one_check_character_of_all() -> None:
    stem = made_italian()[:-1]
    passed = [end for end in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if NATIONAL["IT"][0](stem + end)]
    assert len(passed) == 1
    assert NATIONAL["NO"][0](made_norwegian())
    assert NATIONAL["FR"][0]("2850720999999" + f"{97 - 2850720999999 % 97:02d}")
    corsican = "28507" + "2A" + "999999"
    assert NATIONAL["FR"][0](corsican + f"{97 - 2850719999999 % 97:02d}")
    corsican = "28507" + "2B" + "999999"
    assert NATIONAL["FR"][0](corsican + f"{97 - 2850718999999 % 97:02d}")


@pytest.mark.parametrize("number", CARDS)
def test_test_cards_pass_and_their_neighbours_do_not(number: str) -> None:
    assert payment_card(number)
    assert not payment_card(number[:-1] + str((int(number[-1]) + 1) % 10))
    assert not payment_card("9" + number)


def test_zeros_and_short_numbers_are_no_cards() -> None:
    assert not payment_card("0" * 16)
    assert not payment_card("4" * 12)
    assert not luhn("")


@pytest.mark.parametrize("number", IBANS)
def test_specimen_ibans_pass_in_both_cases_and_broken_ones_do_not(number: str) -> None:
    assert iban(number)
    assert iban(number.lower())
    assert not iban(number[:-1])
    assert not iban("ZZ" + number[2:])
    assert not iban(number[:4] + number[5] + number[4] + number[6:]) or number[4] == number[5]


def test_an_american_number_is_known_by_its_ranges_only() -> None:
    assert american_ssn("123-45-6789")
    for never in ("000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "123456789"):
        assert not american_ssn(never)


CHECKS = [check for check, _ in NATIONAL.values()] + [luhn, payment_card, iban, american_ssn]


@given(st.text(max_size=20) | st.text("0123456789-XYZ٣²", max_size=18))
def test_no_text_makes_a_check_raise(text: str) -> None:
    for check in CHECKS:
        assert check(text) in (True, False)


def test_verhoeff_finds_swapped_neighbours() -> None:
    number = SPECIMENS["IN"][0]
    for at in range(1, 11):
        if number[at] != number[at + 1]:
            swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
            assert not personal_checks.indian_aadhaar(swapped)
