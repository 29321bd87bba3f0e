"""The profile as one HTML file that reads without a network: for the people who know the data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from slipway.data.profile_facts import ColumnProfile, Finding, Numbers, Profile, Severity, TargetProfile
from slipway.data.report_plots import (
    bars,
    day_text,
    heat_plot,
    histogram_plot,
    number_text,
    path_plot,
    share_text,
    strength_bars,
)
from slipway.data.report_style import style_sheet

_MOST_STRENGTHS = 20
_MOST_PAIRS = 10
#: Cards beyond this are folded: a page of a thousand columns must still open.
_MOST_OPEN = 80

_SEVERITY_WORDS: dict[Severity, str] = {
    "serious": "serious",
    "check": "please check",
    "note": "good to know",
}

#: What each rule found, in the words of a headline.
TITLES = {
    "adds_up_to_target": "Columns that add up to the answer",
    "predicts_alone": "One column that nearly gives the answer away",
    "after_event": "Times that lie after the moment of the prediction",
    "model_output": "Output of another model",
    "filled_tells": "Being filled in gives the answer away",
    "settles_label": "Values that settle the answer",
    "stands_out": "Much stronger than the other columns",
    "one_sided_period": "A period with only one outcome",
    "row_number": "Row numbers",
    "id": "Identifiers",
    "copy": "Copies of a column",
    "same_levels": "The same fact in two spellings",
    "moves_together": "Columns that move together",
    "empty": "Empty columns",
    "constant": "Columns that never change",
    "near_constant": "Columns that hardly ever change",
    "still_then_moves": "Constant at first, moving later",
    "missing_marker": "Texts read as missing",
    "mostly_missing": "Mostly missing",
    "infinite": "Infinite numbers",
    "codes": "Numbers that look like codes",
    "weight": "A column of weights",
    "duplicates": "Repeated rows",
    "full_design": "A made table",
    "set_aside": "Rows that could not be read",
    "repeated_header": "Header lines among the rows",
    "mixed_formats": "Numbers and words in one column",
    "mixed_dates": "Dates in several forms",
    "spellings": "One value in several spellings",
    "odd_range": "A range without width",
    "quotes_in_text": "Quotation marks in texts",
    "time_gaps": "Gaps in time",
    "tiny_class": "A class with hardly any rows",
    "imbalance": "An unbalanced target",
    "target_moves": "The target changes along the table",
    "labels_repeat": "Neighbouring rows share their label",
    "unlabelled": "Rows without a label",
}


def report_page(profile: Profile, made_at: datetime) -> str:
    """The whole page.

    Args:
        profile: what ``slipway.data.profile.profile_table`` found.
        made_at: time of the report, in UTC.
    """
    places = {column.name: f"c{at}" for at, column in enumerate(profile.columns)}
    sections = [
        ("findings", "Findings", _findings(profile, places)),
        ("target", "Target", _target(profile.target)),
        ("strengths", "What tells the target", _strengths(profile, places)),
        ("together", "What moves together", _together(profile)),
        ("columns", "Columns", _columns(profile, places)),
    ]
    shown = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name, _ in shown)
    body = "".join(f'<section id="{key}"><h2>{name}</h2>{content}</section>' for key, name, content in shown)
    title = f"Profile of {escape(profile.source)}"
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{style_sheet()}</style></head><body><main>"
        f'<h1>{title}</h1><p class="soft small">made {made_at:%Y-%m-%d %H:%M} UTC</p>'
        f"{_tiles(profile)}<nav>{links}</nav>{body}{_footer(profile)}</main></body></html>\n"
    )


def _tiles(profile: Profile) -> str:
    cells = profile.rows * len(profile.columns)
    missing = sum(column.missing for column in profile.columns)
    about = "" if profile.duplicates_exact else "about "
    tiles = [
        (f"{profile.rows:,}", "rows"),
        (f"{len(profile.columns):,}", "columns"),
        (share_text(missing / max(1, cells)), "of the cells missing"),
        (f"{about}{profile.duplicates:,}", "repeated rows"),
    ]
    for severity, words in _SEVERITY_WORDS.items():
        n = sum(finding.severity == severity for finding in profile.findings)
        tiles.append((str(n), f"{'finding' if n == 1 else 'findings'}: {words}"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
        + "</div>"
    )


def _link(name: str, places: dict[str, str]) -> str:
    return f'<a href="#{places[name]}">{escape(name)}</a>' if name in places else escape(name)


def _findings(profile: Profile, places: dict[str, str]) -> str:
    """One card for each rule and advice, with the columns it concerns."""
    if not profile.findings:
        return '<p class="card">Nothing in this table would mislead a model, as far as these rules see.</p>'
    groups: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in profile.findings:
        groups.setdefault((finding.severity, finding.rule, finding.advice), []).append(finding)
    cards: list[str] = []
    for (severity, rule, advice), members in groups.items():
        lines = "".join(
            f"<li>{', '.join(_link(name, places) for name in one.columns)}"
            f"{': ' if one.columns else ''}{escape(one.evidence)}</li>"
            for one in members
        )
        cards.append(
            f'<article class="card finding {severity}"><div class="head"><h3>{escape(TITLES.get(rule, rule))}'
            f'</h3><span class="badge">{_SEVERITY_WORDS[severity]}</span></div><ul>{lines}</ul>'
            f'<p class="advice soft">{escape(_sentence(advice))}</p></article>'
        )
    return "".join(cards)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _target(target: TargetProfile | None) -> str:
    if target is None:
        return ""
    meaning = "".join(f"<p>{escape(sentence)}</p>" for sentence in target.meaning)
    classes = bars(target.classes, target.labelled) if target.classes else ""
    baseline = "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{number_text(value)}</dd></div>"
        for name, value in target.baseline.items()
    )
    parts = [
        f'<div class="card wide"><div class="head"><h3>{escape(target.name)}</h3>'
        f'<span class="kind">{target.task}</span></div>{classes}{meaning}'
        f'<p class="soft small">Without a model, by the best constant answer:</p><dl>{baseline}</dl></div>'
    ]
    if target.stretches:
        what = f"Share of {target.followed!r}" if target.followed else f"Mean of {target.name}"
        caption = f"{what} along the table, in {len(target.stretches)} equal stretches"
        parts.append(
            f'<div class="card wide"><h3>{escape(caption)}</h3>'
            f'<div class="path-plot">{path_plot(target.stretches, caption)}</div></div>'
        )
    return "".join(parts)


def _strengths(profile: Profile, places: dict[str, str]) -> str:
    related = [(column, column.relation) for column in profile.columns if column.relation is not None]
    if not related:
        return ""
    related.sort(key=lambda pair: -pair[1].explained)
    lines = [
        (
            _link(column.name, places),
            relation.explained,
            share_text(relation.explained),
        )
        for column, relation in related[:_MOST_STRENGTHS]
    ]
    more = len(related) - len(lines)
    rest = f'<p class="soft small">{more} weaker columns are not drawn.</p>' if more > 0 else ""
    return (
        '<div class="card wide"><p class="soft small">How much of the target each column explains alone, '
        "judged on rows it did not learn from. Near 100 % is a warning, not good news.</p>"
        f"{strength_bars(lines)}{rest}</div>"
    )


def _together(profile: Profile) -> str:
    if not profile.correlations:
        return ""
    rows = "".join(
        f"<tr><td>{escape(pair.first)}</td><td>{escape(pair.second)}</td><td>{pair.value:+.3f}</td></tr>"
        for pair in profile.correlations[:_MOST_PAIRS]
    )
    return (
        '<div class="card wide"><p class="soft small">Pearson correlation of number columns: 1 or -1 on a '
        f"line, 0 unrelated in that sense.</p>{heat_plot(profile.correlations)}</div>"
        '<div class="card wide"><h3>Strongest pairs</h3><table><tr><th>column</th><th>column</th>'
        f"<th>correlation</th></tr>{rows}</table></div>"
    )


def _columns(profile: Profile, places: dict[str, str]) -> str:
    cards = [_card(column, places[column.name], profile.rows) for column in profile.columns]
    made = f'<div class="cards">{"".join(cards[:_MOST_OPEN])}</div>'
    if len(cards) > _MOST_OPEN:
        made += (
            f"<details><summary>{len(cards) - _MOST_OPEN} more columns</summary>"
            f'<div class="cards">{"".join(cards[_MOST_OPEN:])}</div></details>'
        )
    return made


def _card(column: ColumnProfile, place: str, rows: int) -> str:
    about = "" if column.distinct_exact else "about "
    facts = [
        ("missing", share_text(column.missing / max(1, rows)) if column.missing else "none"),
        ("distinct", f"{about}{number_text(column.distinct)}"),
    ]
    if column.relation is not None:
        relation = column.relation
        told = f"{relation.auc:.3f}" if relation.auc is not None else share_text(relation.explained)
        facts.append(("AUC alone" if relation.auc is not None else "explains", told))
    return (
        f'<article class="card" id="{place}"><div class="head"><h3>{escape(column.name)}</h3>'
        f'<span class="kind">{_kind(column)}</span></div>{_picture(column, rows)}'
        f"<dl>{_definitions([*facts, *_details(column)])}</dl></article>"
    )


def _kind(column: ColumnProfile) -> str:
    words = {"bool": "yes or no", "id": "identifier", "code": "code?"}
    return words.get(column.kind, column.kind) + ("" if column.type != "text" else " · text")


def _picture(column: ColumnProfile, rows: int) -> str:
    if column.levels and (column.kind != "number" or len(column.levels) == column.distinct <= 6):
        rest = rows - column.missing - sum(level.rows for level in column.levels)
        note = f'<p class="soft small">{rest:,} rows have other values.</p>' if rest > 0 else ""
        return bars(column.levels, rows) + note
    numbers = column.numbers
    if numbers is not None:
        text = day_text if column.kind == "time" else number_text
        outside = numbers.histogram.below + numbers.histogram.above
        note = f'<p class="soft small">{outside:,} rows lie outside of the picture.</p>' if outside else ""
        return histogram_plot(numbers.histogram, column.name, text) + note
    return f'<p class="soft small">Values are not shown: {escape(column.withheld or "none are left")}.</p>'


def _details(column: ColumnProfile) -> list[tuple[str, str]]:
    if column.days is not None:
        return [("first", column.days[0]), ("last", column.days[1])]
    if column.numbers is not None and column.kind == "number":
        return _spread(column.numbers)
    if column.texts is not None and column.kind != "constant":
        texts = column.texts
        return [("length", f"{texts.shortest:,} to {texts.longest:,}"), ("mean length", f"{texts.mean:.1f}")]
    return []


def _spread(numbers: Numbers) -> list[tuple[str, str]]:
    quantiles = numbers.quantiles
    told = [
        ("min", number_text(numbers.min)),
        ("5 %", number_text(quantiles["p05"])),
        ("median", number_text(quantiles["p50"])),
        ("95 %", number_text(quantiles["p95"])),
        ("max", number_text(numbers.max)),
        ("mean", number_text(numbers.mean)),
        ("std. dev.", number_text(numbers.std)),
    ]
    return told + ([("infinite", f"{numbers.infinite:,}")] if numbers.infinite else [])


def _definitions(facts: Sequence[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)


def _footer(profile: Profile) -> str:
    lines = [*profile.method]
    lines.append(
        "Values are shown of columns with at most 100 different ones, and only values with five rows or more."
    )
    if profile.skipped:
        lines.append(f"Left out, because they hold no plain values: {', '.join(profile.skipped)}.")
    return (
        "<footer><b>How this was made</b><ul>"
        + "".join(f"<li>{escape(line)}</li>" for line in lines)
        + "</ul></footer>"
    )
