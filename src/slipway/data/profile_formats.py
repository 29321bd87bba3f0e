"""Texts of one column that are written in different ways."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from slipway.data.profile_facts import ColumnProfile, Finding
from slipway.data.profile_view import View, percent

_LOOKED_AT = 20_000
_NUMBER = r"^[+-]?(\d+|\d{1,3}(,\d{3})+)([.,]\d+)?$"
_DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
#: A second way of writing that fewer rows than this use is an accident; more is a mix.
_LEAST = 0.001


def format_findings(view: View) -> list[Finding]:
    """Mixed formats of text columns, judged on a part of the sample."""
    found: list[Finding] = []
    for column in view.columns.values():
        if column.type != "text" or column.kind in ("empty", "constant"):
            continue
        texts = view.sample[column.name].drop_nulls().head(_LOOKED_AT)
        for rule in _RULES:
            found += rule(column, texts)
    return found


def _share(mask: pl.Series) -> float:
    return float(mask.sum()) / max(1, len(mask))


def _one(rule: str, column: ColumnProfile, evidence: str, advice: str) -> Finding:
    return Finding(rule=rule, severity="check", columns=(column.name,), evidence=evidence, advice=advice)


def _numbers_and_words(column: ColumnProfile, texts: pl.Series) -> list[Finding]:
    share = _share(texts.str.contains(_NUMBER))
    if column.kind == "text" or not 0.05 <= share < 1:
        return []
    return [
        _one(
            "mixed_formats",
            column,
            f"{percent(share)} of the values are written as numbers, the rest as words",
            "a missing marker or a unit among numbers turns the column to text: add the marker to "
            "data.missing, or "
            "clean the column",
        )
    ]


def _dates(column: ColumnProfile, texts: pl.Series) -> list[Finding]:
    """Dates in several orders or with several separators."""
    dated = texts.filter(texts.str.contains(_DATE))
    if len(dated) < 0.5 * len(texts) or dated.is_empty():
        return []
    shapes = dated.str.replace_all(r"\d+", "9").str.slice(0, 5).value_counts(sort=True, name="rows of it")
    common = shapes.filter(pl.col("rows of it") >= _LEAST * len(texts))
    if common.height < 2 and len(dated) == len(texts):
        return []
    return [
        _one(
            "mixed_dates",
            column,
            f"dates written in {max(2, common.height)} ways",
            "bring them to one form, YYYY-MM-DD; a day and a month may have changed places",
        )
    ]


def _spellings(column: ColumnProfile, texts: pl.Series) -> list[Finding]:
    """Levels that differ in case or blanks only."""
    if column.kind != "category" or column.distinct > 2_000:
        return []
    levels = texts.unique()
    folded = levels.str.strip_chars().str.replace_all(r"\s+", " ").str.to_lowercase().n_unique()
    if folded == len(levels):
        return []
    return [
        _one(
            "spellings",
            column,
            f"{len(levels) - folded} of {len(levels)} levels differ from another one in case or blanks only",
            "a model sees them as different: bring them to one spelling",
        )
    ]


def _ranges(column: ColumnProfile, texts: pl.Series) -> list[Finding]:
    """Levels such as '20K - 20K': a range that ends where it starts."""
    levels = texts.unique() if column.distinct <= 2_000 else texts.head(0)
    ends = levels.str.extract_groups(r"^(\S+)\s*(?:-|–|to)\s*(\S+)(?:\s+\S+)?$").struct.unnest()
    if ends.width < 2:
        return []
    complete = ends.drop_nulls()
    odd = int((complete.to_series(0) == complete.to_series(1)).sum())
    if not odd or complete.height < 2:
        return []
    return [
        _one(
            "odd_range",
            column,
            f"{odd} of its levels is a range that ends where it starts",
            "a slip of the source, most likely; agree on the right bounds before somebody "
            "corrects it unannounced",
        )
    ]


def _quotes(column: ColumnProfile, texts: pl.Series) -> list[Finding]:
    odd = texts.str.count_matches('"', literal=True) % 2 == 1
    if not bool(odd.any()):
        return []
    return [
        Finding(
            rule="quotes_in_text",
            severity="note",
            columns=(column.name,),
            evidence=f"an odd number of quotation marks in {percent(_share(odd))} of the values",
            advice="they are part of the text: a reader that treats them as quoting would join "
            "lines and lose rows",
        )
    ]


_RULES: tuple[Callable[[ColumnProfile, pl.Series], list[Finding]], ...] = (
    _numbers_and_words,
    _dates,
    _spellings,
    _ranges,
    _quotes,
)
