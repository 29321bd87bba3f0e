"""Check digits: whether a text is a number that a bank, a card scheme or a state could have issued.

A number that fails is none of theirs; one that passes may still be chance, at the rate that each check lets
random digits through. All functions take the bare characters, without separators, and never raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import cycle

#: Length of an IBAN by country (ISO 13616 registry).
IBAN_LENGTHS = {
    **{"NO": 15, "BE": 16, "DK": 18, "FI": 18, "FO": 18, "GL": 18, "NL": 18, "MK": 19, "SI": 19},
    **{"AT": 20, "BA": 20, "EE": 20, "KZ": 20, "LT": 20, "LU": 20, "XK": 20, "CH": 21, "HR": 21, "LI": 21},
    **{"LV": 21, "BG": 22, "BH": 22, "CR": 22, "DE": 22, "GB": 22, "GE": 22, "IE": 22, "ME": 22, "RS": 22},
    **{"AE": 23, "GI": 23, "IL": 23, "IQ": 23, "TL": 23, "AD": 24, "CZ": 24, "ES": 24, "MD": 24, "PK": 24},
    **{"RO": 24, "SA": 24, "SE": 24, "SK": 24, "TN": 24, "VG": 24, "PT": 25, "ST": 25, "FR": 27, "GR": 27},
    **{"IT": 27, "MC": 27, "MR": 27, "SM": 27, "AL": 28, "AZ": 28, "BY": 28, "CY": 28, "DO": 28, "GT": 28},
    **{"HU": 28, "LB": 28, "PL": 28, "UA": 29, "BR": 29, "EG": 29, "PS": 29, "QA": 29, "JO": 30, "KW": 30},
    **{"MU": 30, "MT": 31, "SC": 31, "LC": 32},
}

#: First digits of card numbers in use, of each scheme.
_CARD_STARTS = (
    *("4", "51", "52", "53", "54", "55", "34", "37", "36", "38", "30", "35", "60", "62", "64", "65"),
    *map(str, range(22, 28)),
)

_SPANISH = "TRWAGMYFPDXBNJZSQVHLCKE"
_FINNISH = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ITALIAN_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)

#: Verhoeff's permutation of a digit, and the table of the dihedral group of ten elements.
_TURN = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit (ISO/IEC 7812-1, annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    if not _is_digits(digits) or len(digits) < 2:
        return False
    doubled = (int(digit) * factor for digit, factor in zip(reversed(digits), cycle((1, 2)), strict=False))
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def payment_card(digits: str) -> bool:
    """A card number: 13 to 19 digits, a scheme's first digits, Luhn."""
    return (
        13 <= len(digits) <= 19 and digits.startswith(_CARD_STARTS) and len(set(digits)) > 1 and luhn(digits)
    )


def iban(text: str) -> bool:
    """An IBAN: the country's length, and 1 as its remainder by 97 (ISO 13616).

    >>> iban("GB82WEST12345698765432"), iban("GB83WEST12345698765432")
    (True, False)
    """
    upper = text.upper()
    if not (upper.isascii() and upper.isalnum()) or IBAN_LENGTHS.get(upper[:2]) != len(upper):
        return False
    return int("".join(str(int(one, 36)) for one in upper[4:] + upper[:4])) % 97 == 1


def british_nhs(digits: str) -> bool:
    """NHS number of England, Wales and the Isle of Man: 10 digits, modulo 11."""
    return _shaped(digits, 10) and _weighted(digits, range(10, 0, -1)) % 11 == 0 and len(set(digits)) > 1


def dutch_bsn(digits: str) -> bool:
    """Burgerservicenummer: 9 digits, the eleven test."""
    return (
        _shaped(digits, 9) and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(digits) > 0
    )


def swedish_personnummer(digits: str) -> bool:
    """Personnummer: a date and four digits, Luhn over the last ten."""
    if not (_shaped(digits, 10) or _shaped(digits, 12)):
        return False
    # coordination numbers of people without residence have 60 added to the day
    day = int(digits[-6:-4])
    return luhn(digits[-10:]) and _month_and_day(int(digits[-8:-6]), day - 60 if day > 60 else day)


def finnish_hetu(text: str) -> bool:
    """Henkilötunnus: ddmmyy, century mark, three digits, a check character by modulo 31."""
    upper = text.upper()
    if len(upper) != 11 or upper[6] not in "+-UVWXYABCDEF" or not _is_digits(upper[:6] + upper[7:10]):
        return False
    check = _FINNISH[int(upper[:6] + upper[7:10]) % 31]
    return upper[10] == check and _month_and_day(int(upper[2:4]), int(upper[:2]))


def norwegian_fnr(digits: str) -> bool:
    """Fødselsnummer: ddmmyy and five digits, of which two check by modulo 11."""
    return (
        _shaped(digits, 11)
        and _weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0)) % 11 == 0
        and _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
        and _month_and_day(int(digits[2:4]) % 40, int(digits[:2]) % 40)
    )


def polish_pesel(digits: str) -> bool:
    """PESEL: yymmdd with the century in the month, and five digits."""
    return (
        _shaped(digits, 11)
        and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
        and _month_and_day(int(digits[2:4]) % 20, int(digits[4:6]))
    )


def estonian_isikukood(digits: str) -> bool:
    """Isikukood (also the Lithuanian asmens kodas): century, yymmdd, four digits, modulo 11 in two rounds."""
    if not _shaped(digits, 11) or not "1" <= digits[0] <= "8":
        return False
    check = _weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 0)) % 11
    if check == 10:
        check = _weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 0)) % 11 % 10
    return check == int(digits[10]) and _month_and_day(int(digits[3:5]), int(digits[5:7]))


def belgian_national(digits: str) -> bool:
    """Rijksregisternummer: 97 less the first nine digits modulo 97, with a 2 before them from 2000 on."""
    if not _shaped(digits, 11):
        return False
    check = int(digits[9:])
    issued = check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)
    return issued and _month_and_day(int(digits[2:4]) % 20, int(digits[4:6]))


def french_nir(text: str) -> bool:
    """Numéro de sécurité sociale: 13 characters (Corsica has a letter) and 97 less them modulo 97."""
    upper = text.upper().replace("2A", "19", 1) if text[5:7].upper() == "2A" else text.upper()
    upper = upper.replace("2B", "18", 1) if upper[5:7] == "2B" else upper
    if not _shaped(upper, 15) or upper[0] not in "12" or not 1 <= int(upper[3:5]) <= 99:
        return False
    return 97 - int(upper[:13]) % 97 == int(upper[13:])


def german_tax_id(digits: str) -> bool:
    """Steuer-Identifikationsnummer: 11 digits, ISO 7064 modulo 11,10; no digit four times, one repeated."""
    if not _shaped(digits, 11) or digits[0] == "0":
        return False
    repeated = [digits[:10].count(digit) for digit in set(digits[:10])]
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (
        max(repeated) in (2, 3)
        and sum(n > 1 for n in repeated) == 1
        and (11 - product) % 10 == int(digits[10])
    )


def spanish_dni(text: str) -> bool:
    """DNI or NIE: eight digits (X, Y or Z may stand for the first), a letter by modulo 23."""
    upper = text.upper()
    number = str("XYZ".find(upper[:1])) + upper[1:8] if upper[:1] in "XYZ" else upper[:8]
    return len(upper) == 9 and _shaped(number, 8) and upper[8] == _SPANISH[int(number) % 23]


def italian_fiscal(text: str) -> bool:
    """Codice fiscale: 16 characters, the last one by two tables modulo 26."""
    upper = text.upper()
    if len(upper) != 16 or not (upper.isascii() and upper.isalnum()) or not upper[:6].isalpha():
        return False
    values = [int(one) if one.isdigit() else ord(one) - ord("A") for one in upper[:15]]
    total = sum(_ITALIAN_ODD[value] if at % 2 == 0 else value for at, value in enumerate(values))
    return upper[8].isalpha() and upper[11].isalpha() and ord(upper[15]) - ord("A") == total % 26


def brazilian_cpf(digits: str) -> bool:
    """CPF: 11 digits, two of them check by modulo 11."""
    if not _shaped(digits, 11) or len(set(digits)) == 1:
        return False
    first = _weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return (first, second) == (int(digits[9]), int(digits[10]))


def canadian_sin(digits: str) -> bool:
    """Social insurance number: 9 digits, Luhn, not starting with 0 or 8."""
    return _shaped(digits, 9) and digits[0] not in "08" and luhn(digits)


def chinese_resident(text: str) -> bool:
    """Resident identity number: place, birth date, three digits, a check character by modulo 11."""
    upper = text.upper()
    if len(upper) != 18 or not _is_digits(upper[:17]) or not _is_date(upper[6:14]):
        return False
    return (
        upper[17] == "10X98765432"[_weighted(upper[:17], [2**power % 11 for power in range(17, 0, -1)]) % 11]
    )


def indian_aadhaar(digits: str) -> bool:
    """Aadhaar: 12 digits not starting with 0 or 1, Verhoeff's check."""
    return _shaped(digits, 12) and digits[0] not in "01" and _verhoeff(digits)


def american_ssn(text: str) -> bool:
    """Social security number in its written form 3-2-4: no check digit, only ranges never issued."""
    parts = text.split("-")
    if [len(part) for part in parts] != [3, 2, 4] or not _is_digits("".join(parts)):
        return False
    return parts[0] not in ("000", "666") and parts[0][0] != "9" and parts[1] != "00" and parts[2] != "0000"


#: Country code and check of each national number, with the rate at which random characters of its shape pass.
NATIONAL: dict[str, tuple[Callable[[str], bool], float]] = {
    "BE": (belgian_national, 0.02 * 0.22),
    "BR": (brazilian_cpf, 0.012),
    "CA": (canadian_sin, 0.1),
    "CN": (chinese_resident, 0.01),
    "DE": (german_tax_id, 0.01),
    "EE": (estonian_isikukood, 0.1 * 0.05),
    "ES": (spanish_dni, 1 / 23),
    "FI": (finnish_hetu, 1 / 31),
    "FR": (french_nir, 1 / 97),
    "GB": (british_nhs, 1 / 11),
    "IN": (indian_aadhaar, 0.1),
    "IT": (italian_fiscal, 1 / 26),
    "NL": (dutch_bsn, 1 / 11),
    "NO": (norwegian_fnr, 0.01),
    "PL": (polish_pesel, 0.1 * 0.2),
    "SE": (swedish_personnummer, 0.1 * 0.1),
}


def _verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = _TURN[value]
        check = _dihedral(check, value)
    return check == 0


def _dihedral(a: int, b: int) -> int:
    """Product in the symmetries of a pentagon, 0 to 4 the turns and 5 to 9 the flips."""
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5
    return (a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _shaped(text: str, length: int) -> bool:
    return len(text) == length and _is_digits(text)


def _month_and_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _is_date(text: str) -> bool:
    try:
        return 1850 <= date(int(text[:4]), int(text[4:6]), int(text[6:])).year <= 2100
    except ValueError:
        return False
