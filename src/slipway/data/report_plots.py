"""Pictures of the report: inline SVG whose colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape

from slipway.data.profile_facts import Correlation, Histogram, Level
from slipway.stats.plots import ticks

_WIDTH, _HEIGHT = 440, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 10, 10, 8, 22


def number_text(value: float) -> str:
    """A number as people write it: thousands apart, four digits that matter.

    >>> [number_text(x) for x in (0.0, 1234567.0, 3.14159, 0.00001234, 29600.4)]
    ['0', '1.235M', '3.142', '1.23e-05', '29,600']
    """
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-3:
        return f"{value:.2e}"
    for bound, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if size >= bound:
            return f"{value / bound:.4g}{letter}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def day_text(seconds: float) -> str:
    """The day of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def histogram_plot(histogram: Histogram, name: str, text: Callable[[float], str] = number_text) -> str:
    """Bars of counts between edges, with a few ticks."""
    edges, counts = histogram.edges, histogram.counts
    low, high = edges[0], edges[-1]
    most, span = max(counts, default=1) or 1, (high - low) or 1.0
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + (value - low) / span * width

    parts: list[str] = []
    for at, n in enumerate(counts):
        if n == 0:
            continue
        start = x(edges[at])
        end = x(edges[at + 1]) if high > low else start + width
        tall = max(1.0, n / most * height)
        parts.append(
            f'<rect class="bar" x="{start:.1f}" y="{_TOP + height - tall:.1f}" '
            f'width="{max(0.8, end - start - 1):.1f}" height="{tall:.1f}">'
            f"<title>{escape(text(edges[at]))} to {escape(text(edges[at + 1]))}: {n:,}</title></rect>"
        )
    base = _TOP + height
    parts.append(f'<line class="axis" x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}"/>')
    parts += _ticks(low, high, x, text)
    return _svg(_WIDTH, _HEIGHT, f"Histogram of {name}", parts)


def _ticks(low: float, high: float, x: Callable[[float], float], text: Callable[[float], str]) -> list[str]:
    if text is day_text:
        marks = [low, (low + high) / 2, high] if high > low else [low]
    else:
        marks = ticks(low, high, most=4) if high > low else [low]
    parts: list[str] = []
    for value in marks:
        place = x(value) if high > low else _WIDTH / 2
        anchor = "start" if place < 40 else "end" if place > _WIDTH - 40 else "middle"
        parts.append(
            f'<text x="{place:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{escape(text(value))}</text>'
        )
    return parts


def path_plot(values: Sequence[float], name: str) -> str:
    """A line through equal stretches of the table, with the mean of all as a dashed one."""
    wide, tall, left = 480, 180, 52
    low, high = min(values), max(values)
    mean = sum(values) / len(values)
    # noise must not fill the picture
    room = max(0.12 * (high - low), 0.15 * abs(mean)) or 1.0
    low, high = low - room, high + room

    def y(value: float) -> float:
        return 10 + (high - value) / (high - low) * (tall - 40)

    def x(at: int) -> float:
        return left + (at + 0.5) * (wide - left - 10) / len(values)

    parts = [
        f'<line class="axis" x1="{left}" y1="{y(mark):.1f}" x2="{wide - 10}" y2="{y(mark):.1f}"/>'
        f'<text x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{number_text(mark)}</text>'
        for mark in ticks(low, high, most=4)
    ]
    parts.append(f'<line class="mean" x1="{left}" y1="{y(mean):.1f}" x2="{wide - 10}" y2="{y(mean):.1f}"/>')
    points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in enumerate(values))
    parts.append(f'<polyline class="path" points="{points}"/>')
    parts += [
        f'<circle class="dot" cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.8">'
        f"<title>stretch {at + 1} of {len(values)}: {number_text(value)}</title></circle>"
        for at, value in enumerate(values)
    ]
    parts.append(f'<text x="{left}" y="{tall - 6}">first rows</text>')
    parts.append(f'<text x="{wide - 10}" y="{tall - 6}" text-anchor="end">last rows</text>')
    return _svg(wide, tall, name, parts)


def bars(levels: Sequence[Level], total: int) -> str:
    """Levels with bars of their share of all rows."""
    parts: list[str] = []
    for level in levels:
        share = level.rows / max(1, total)
        parts.append(
            _bar(escape(level.value) or "(empty text)", share, share_text(share), f"{level.rows:,} rows")
        )
    return f'<div class="bars">{"".join(parts)}</div>'


def strength_bars(strengths: Sequence[tuple[str, float, str]]) -> str:
    """Names with bars in [0, 1] and what stands behind them; the names are HTML already."""
    parts = [_bar(name, value, text, text) for name, value, text in strengths]
    return f'<div class="bars">{"".join(parts)}</div>'


def _bar(name: str, share: float, text: str, hint: str) -> str:
    return (
        f'<span title="{escape(hint)}">{name}</span>'
        f'<i title="{escape(hint)}"><b style="width:{100 * min(1.0, max(0.0, share)):.2f}%"></b></i>'
        f"<em>{escape(text)}</em>"
    )


def share_text(share: float) -> str:
    """A share for a narrow column.

    >>> share_text(0.5), share_text(0.00001), share_text(1.0)
    ('50.0 %', '<0.1 %', '100 %')
    """
    if 0 < share < 0.001:
        return "<0.1 %"
    if share == 0:
        return "0 %"
    return "100 %" if share == 1 else f"{100 * share:.1f} %"


def heat_plot(pairs: Sequence[Correlation], most: int = 14) -> str:
    """Squares for the correlations of the columns that have the strongest ones."""
    names: list[str] = []
    for pair in pairs:
        for name in (pair.first, pair.second):
            if name not in names and len(names) < most:
                names.append(name)
    values = {frozenset((pair.first, pair.second)): pair.value for pair in pairs}
    side, left = 44, 250
    wide, tall = left + side * len(names) + 10, side * len(names) + 34
    parts: list[str] = []
    for i, one in enumerate(names):
        middle = i * side + side / 2
        parts.append(f'<text x="{left - 8}" y="{middle + 4}" text-anchor="end">{i + 1}. {_short(one)}</text>')
        if i + 1 < len(names):
            parts.append(f'<text x="{left + middle}" y="{tall - 14}" text-anchor="middle">{i + 1}</text>')
        parts += [
            _square(left + j * side, i * side, side, values.get(frozenset((one, other))), f"{one}, {other}")
            for j, other in enumerate(names)
            if j < i
        ]
    drawn = _svg(wide, tall, "Correlations", parts)
    return f'<div class="scroll" style="--least:{min(wide, 760)}px;max-width:{wide}px">{drawn}</div>'


def _short(name: str) -> str:
    """The beginning and the end: names of a family differ at either."""
    return escape(name if len(name) <= 36 else f"{name[:15].rstrip()}…{name[-20:].lstrip()}")


def _square(x: float, y: float, side: int, value: float | None, names: str) -> str:
    strength = 0.0 if value is None else abs(value)
    kind = "none" if value is None else "plus" if value > 0 else "minus"
    told = "below 0.1" if value is None else f"{value:+.2f}"
    square = (
        f'<rect class="{kind}" x="{x + 1}" y="{y + 1}" width="{side - 2}" height="{side - 2}" rx="4" '
        f'fill-opacity="{0.25 if value is None else 0.12 + 0.75 * strength:.2f}">'
        f"<title>{escape(names)}: {told}</title></rect>"
    )
    if value is None:
        return square
    label = f"{value:.2f}".replace("0.", ".", 1)
    shade = "strong" if strength > 0.6 else "cell"
    return square + (
        f'<text class="{shade}" x="{x + side / 2}" y="{y + side / 2 + 4}" text-anchor="middle">{label}</text>'
    )


def _svg(wide: float, tall: float, name: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {wide:g} {tall:g}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
    )
