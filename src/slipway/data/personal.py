"""Which columns hold personal data, judged by header, pattern and check digit; no cell is ever shown.

Cells are looked at on a sample. A pattern counts where it stands in a cell, so notes with an address in them
are found too. Numbers with a check digit count when more of them pass than chance lets through.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl
from scipy import stats

from slipway.base.errors import UsageError
from slipway.data.moments import parse_moment
from slipway.data.personal_checks import NATIONAL, american_ssn, iban, payment_card
from slipway.data.personal_names import TEXT_KINDS, kinds_of_header

Certainty = Literal["sure", "likely", "possible"]

DEFAULT_SAMPLE = 5_000
#: Characters of one cell that are looked at.
_MOST_CHARACTERS = 5_000
#: Share of a column's cells that must have the shape of a national number: short numbers are everywhere.
_WHOLE_COLUMN = 0.5
#: Share of what has the shape that must pass its check.
_PASSING = 0.5
#: Probability of so many passes by chance, under which a finding is sure, and likely.
_SURE, _LIKELY = 1e-6, 1e-3

#: Evidence of a shape that other things have too: never sure.
_LOOSE = "loose pattern"

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_PHONE = re.compile(r"(?<![\w.+-])[+(]?\d[\d ().-]{6,18}\d(?![\w-]|\.\d)")
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_AMERICAN_PHONE = re.compile(r"(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}")
_SEPARATORS = re.compile(r"[ .-]")
_YEAR = re.compile(r"(?:18|19|20)\d{2}")
_LOCAL_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:18|19|20)?\d{2}")


@dataclass(frozen=True, kw_only=True)
class PersonalFinding:
    """A column that holds, or may hold, personal data.

    ``share`` is the share of the ``cells`` looked at (all without missing ones) in which the kind stands;
    None where the header alone tells. ``evidence`` says in words what it rests on.
    """

    column: str
    kind: str
    certainty: Certainty
    share: float | None
    cells: int
    evidence: str
    advice: str


@dataclass(frozen=True)
class _Pattern:
    """How a kind is recognised in a cell: what has its shape, and which of that passes a check.

    ``chance`` is the rate at which random characters of the shape pass, 0 where the shape itself tells.
    """

    kind: str
    shapes: Callable[[str], Iterator[str]]
    passes: Callable[[str], bool]
    chance: float
    evidence: str
    whole_column: bool = False
    numbers: bool = False


@dataclass(frozen=True)
class _Count:
    """Cells with something of the shape, and cells in which something passes."""

    shaped: int
    passed: int


def find_personal(
    df: pl.DataFrame, *, sample: int = DEFAULT_SAMPLE, seed: int = 0
) -> tuple[PersonalFinding, ...]:
    """Look for personal data in every column.

    Args:
        df: a canonical table.
        sample: cells of each column to look at, drawn from those that are not missing; 0 looks at all.
        seed: of drawing them.

    Returns:
        Findings in the order of the columns, the surest of a column first.

    Raises:
        UsageError: a negative sample.
    """
    if sample < 0:
        raise UsageError(expected="a sample of 0 (all cells) or more", got=str(sample), where="sample")
    return tuple(one for series in df.get_columns() for one in _of_column(series, sample, seed))


def _of_column(series: pl.Series, sample: int, seed: int) -> list[PersonalFinding]:
    present = series.drop_nulls()
    if sample and len(present) > sample:
        present = present.sample(sample, seed=seed)
    named = kinds_of_header(series.name)
    texts = _texts(present)
    found = [
        one
        for pattern in _PATTERNS
        if (series.dtype == pl.String or pattern.numbers)
        and (one := _by_pattern(series.name, texts, pattern, named)) is not None
    ]
    found = _one_national_number(found)
    kinds = {_family(one.kind) for one in found}
    found += [
        one for kind in named if kind not in kinds and (one := _by_name(series, texts, kind)) is not None
    ]
    return sorted(found, key=lambda one: ("sure", "likely", "possible").index(one.certainty))


def _texts(present: pl.Series) -> list[str]:
    if present.dtype == pl.Float64:
        whole = present.cast(pl.Int64, strict=False)
        present = whole if whole.null_count() == 0 and bool((whole == present).all()) else present
    if not (present.dtype == pl.String or present.dtype == pl.Int64):  # noqa: PLR1714  (dtypes have no common type)
        return [""] * len(present)
    return present.cast(pl.String).str.slice(0, _MOST_CHARACTERS).to_list()


def _by_pattern(column: str, texts: list[str], pattern: _Pattern, named: list[str]) -> PersonalFinding | None:
    count = _count(texts, pattern)
    if not count.passed:
        return None
    header = _family(pattern.kind) in named
    if count.passed < _PASSING * count.shaped and pattern.chance and not header:
        return None
    if pattern.whole_column and count.shaped < _WHOLE_COLUMN * len(texts) and not header:
        return None
    tail = float(stats.binom.sf(count.passed - 1, count.shaped, pattern.chance)) if pattern.chance else 0.0
    if pattern.evidence == _LOOSE:
        tail = max(tail, _LIKELY)
    certainty: Certainty = "sure" if tail <= _SURE else "likely" if tail <= _LIKELY or header else "possible"
    if certainty == "possible" and pattern.whole_column:
        return None
    return PersonalFinding(
        column=column,
        kind=pattern.kind,
        certainty=certainty,
        share=count.passed / len(texts),
        cells=len(texts),
        evidence=f"{pattern.evidence}, header" if header else pattern.evidence,
        advice=_advice(pattern.kind),
    )


def _count(texts: list[str], pattern: _Pattern) -> _Count:
    shaped = passed = 0
    for text in texts:
        some = False
        for candidate in pattern.shapes(text):
            some = True
            if pattern.passes(candidate):
                passed += 1
                break
        shaped += some
    return _Count(shaped, passed)


def _family(kind: str) -> str:
    """The kind as a header names it: without the country."""
    return "national id" if kind.startswith("national id") else kind


def _one_national_number(found: list[PersonalFinding]) -> list[PersonalFinding]:
    """Keep, of the countries whose check a column passes, the one that most cells pass."""
    national = [one for one in found if one.kind.startswith("national id")]
    if not national:
        return found
    best = max(national, key=lambda one: (one.certainty == "sure", one.share or 0.0))
    return [one for one in found if one not in national] + [best]


def _by_name(series: pl.Series, texts: list[str], kind: str) -> PersonalFinding | None:
    if (kind in TEXT_KINDS and series.dtype != pl.String) or series.null_count() == len(series):
        return None
    share = None
    if kind == "date of birth":
        share = sum(map(_birth_like, texts)) / len(texts)
        if share < _PASSING:
            return None
    return PersonalFinding(
        column=series.name,
        kind=kind,
        certainty="likely",
        share=share,
        cells=len(texts),
        evidence="header" if share is None else "header, pattern",
        advice=_advice(kind),
    )


def _birth_like(text: str) -> bool:
    """A date, or a year."""
    if _YEAR.fullmatch(text) or _LOCAL_DATE.fullmatch(text):
        return True
    return parse_moment(text) is not None


def _advice(kind: str) -> str:
    return _ADVICE.get(kind, _ADVICE[""])


_ADVICE = {
    "": "leave it out, or replace it by `slipway data pseudonymise`",
    "date of birth": "keep the year or an age group only",
    "postcode": "keep its first digits only, and see k-anonymity",
    "location": "round it to a region, and see k-anonymity",
    "person id": "use it as the group column at most; replace it by `slipway data pseudonymise`",
}


def _searched(pattern: re.Pattern[str]) -> Callable[[str], Iterator[str]]:
    def shapes(text: str) -> Iterator[str]:
        return (match.group() for match in pattern.finditer(text))

    return shapes


def _whole(pattern: str) -> Callable[[str], Iterator[str]]:
    """The whole cell without separators, where that has the shape."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def shapes(text: str) -> Iterator[str]:
        bare = _SEPARATORS.sub("", text.strip()) if len(text) <= 24 else ""
        if compiled.fullmatch(bare):
            yield bare

    return shapes


def _hetu_shapes(text: str) -> Iterator[str]:
    """The Finnish number, whose century mark may be a hyphen."""
    if len(text) == 11:
        yield text


def _always(_: str) -> bool:
    return True


def _bare(check: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: check(_SEPARATORS.sub("", text))


def _is_iban(text: str) -> bool:
    """A following word in capitals may have been taken along: the country's length cuts it off."""
    words = text.split(" ")
    return any(iban("".join(words[:end])) for end in range(len(words), 0, -1))


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_phone(text: str) -> bool:
    digits = sum(one.isdigit() for one in text)
    if text.startswith("+"):
        return 8 <= digits <= 15
    if text.startswith("0") and not text.startswith("00"):
        return 10 <= digits <= 11 and text[1].isdigit()
    return _AMERICAN_PHONE.fullmatch(text) is not None


_SHAPES = {
    "BE": r"\d{11}",
    "BR": r"\d{11}",
    "CA": r"\d{9}",
    "CN": r"\d{17}[\dX]",
    "DE": r"\d{11}",
    "EE": r"\d{11}",
    "ES": r"[\dXYZ]\d{7}[A-Z]",
    "FR": r"[12]\d{4}(?:\d\d|2[AB])\d{8}",
    "GB": r"\d{10}",
    "IN": r"\d{12}",
    "IT": r"[A-Z]{6}[\dL-V]{2}[A-Z][\dL-V]{2}[A-Z][\dL-V]{3}[A-Z]",
    "NL": r"\d{9}",
    "NO": r"\d{11}",
    "PL": r"\d{11}",
    "SE": r"\d{10}|\d{12}",
}


def _national() -> Iterator[_Pattern]:
    for country, (check, chance) in NATIONAL.items():
        shapes = _hetu_shapes if country == "FI" else _whole(_SHAPES[country])
        yield _Pattern(
            f"national id of {country}", shapes, check, chance, "check digit", whole_column=True, numbers=True
        )


_PATTERNS: tuple[_Pattern, ...] = (
    _Pattern("e-mail", _searched(_EMAIL), _always, 0.0, "pattern"),
    _Pattern("payment card", _searched(_CARD), _bare(payment_card), 0.1, "check digit", numbers=True),
    _Pattern("iban", _searched(_IBAN), _is_iban, 1 / 97, "check digit"),
    _Pattern("ip address", _searched(_IPV4), _is_address, 0.0, "pattern"),
    _Pattern("ip address", _searched(_IPV6), _is_address, 0.0, "pattern"),
    _Pattern("phone", _searched(_PHONE), _is_phone, 0.1, _LOOSE),
    _Pattern("national id of US", _searched(_SSN), american_ssn, 0.0, _LOOSE),
    *_national(),
)
