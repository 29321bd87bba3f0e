"""The plots of the page: SVG by hand, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.false_alarms.streams import CHANGES, COLUMNS, HORIZON
from benchmarks.false_alarms.tables import Results, number, pick

WIDTH = 840
_STYLE = """
.page { fill: #ffffff } .text { fill: #24292f } .faint { fill: #57606a }
.grid { stroke: #d8dee4; stroke-width: 1 } .band { fill: #f3f5f8 } .rim { fill: #ffffff }
.evidently { stroke: #c2374a; fill: #c2374a } .nannyml { stroke: #a86e00; fill: #a86e00 }
.slipway { stroke: #0a6ebd; fill: #0a6ebd } .promise { stroke: #0a6ebd; stroke-dasharray: 1.5 4 }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round }
.dash { stroke-dasharray: 7 4 } .dots { stroke-dasharray: 1 5 } text { stroke: none }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9da7b3 }
.grid { stroke: #30363d } .band { fill: #161b22 } .rim { fill: #0d1117 }
.evidently { stroke: #ff7b8a; fill: #ff7b8a } .nannyml { stroke: #e3b341; fill: #e3b341 }
.slipway { stroke: #58a6ff; fill: #58a6ff } .promise { stroke: #58a6ff }
.line { fill: none }
}
"""
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


_LANES = ("evidently", "nannyml", "slipway")


@dataclass(frozen=True)
class Series:
    """A line: the tool gives the colour and the shape of its marks, ``dash`` tells lines of one tool apart.

    Attributes:
        points: (x, y); y is None for "none" (see ``Axes``).
        hollow: whether marks are hollow.
    """

    title: str
    tool: str
    points: Sequence[tuple[float, float | None]]
    dash: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class Axes:
    """One panel: logarithmic x and y, and a band beside the y scale for values that have no logarithm.

    Attributes:
        left, top, width, height: the panel in pixels, its labels outside.
        y: smallest and largest value of the scale.
        none_at_top: whether None lies above the scale ("not found") or below it ("0").
    """

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    none_at_top: bool = False
    band: float = 36.0

    def across(self, value: float) -> float:
        low, high = (math.log(bound) for bound in self.x)
        inner = self.width - 24
        return self.left + 12 + inner * (math.log(value) - low) / (high - low)

    def up(self, value: float | None, lane: int = 1) -> float:
        """Pixels from the top; ``lane`` 0 to 2 keeps the tools apart where None is in the band."""
        scale_top = self.top + (self.band if self.none_at_top else 0.0)
        if value is None:
            band_top = self.top if self.none_at_top else self.top + self.height - self.band
            return band_top + self.band * (lane + 1) / 4
        low, high = (math.log(bound) for bound in self.y)
        return scale_top + (self.height - self.band) * (high - math.log(value)) / (high - low)


def _text(
    x: float, y: float, words: str, cls: str = "text", anchor: str = "start", size: float = 12.5
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}" '
        f'style="{_FONT};font-size:{size}px">{escape(words)}</text>'
    )


def _mark(x: float, y: float, tool: str, hollow: bool) -> str:
    cls = f"{tool} rim" if hollow else tool
    style = ' style="fill:none"' if hollow else ""
    shapes = {
        "evidently": f'<rect x="{x - 3.8:.1f}" y="{y - 3.8:.1f}" width="7.6" height="7.6"',
        "nannyml": f'<path d="M{x:.1f} {y - 5:.1f}L{x + 4.8:.1f} {y + 3.6:.1f}H{x - 4.8:.1f}Z"',
        "slipway": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.2"',
    }
    return f'{shapes[tool]} class="{cls}" stroke-width="1.6"{style}/>'


def _series(axes: Axes, series: Series) -> str:
    lane = _LANES.index(series.tool)
    places = [(axes.across(x), axes.up(y, lane)) for x, y in series.points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(_mark(x, y, series.tool, series.hollow) for x, y in places)
    return f'<polyline class="line {series.tool} {series.dash}" points="{line}"/>{marks}'


def _frame(
    axes: Axes, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[float], band: str
) -> list[str]:
    right, bottom = axes.left + axes.width, axes.top + axes.height
    band_top = axes.top if axes.none_at_top else bottom - axes.band
    parts = [
        f'<rect class="band" x="{axes.left}" y="{band_top:.1f}" width="{axes.width}" height="{axes.band}"/>',
        _text(axes.left - 7, axes.up(None) + 4, band, "faint", "end", 11.5),
    ]
    for value in y_ticks:
        y = axes.up(value)
        parts.append(f'<line class="grid" x1="{axes.left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(axes.left - 7, y + 4, number(value), "faint", "end", 11.5))
    for value, words in x_ticks:
        parts.append(_text(axes.across(value), bottom + 17, words, "faint", "middle", 11.5))
    return parts


def _legend(top: float, columns: Sequence[float], series: Sequence[Series]) -> list[str]:
    """Swatches in as many columns as ``columns`` has left edges, filled row by row."""
    parts: list[str] = []
    for index, entry in enumerate(series):
        x = columns[index % len(columns)]
        y = top + 21 * (index // len(columns))
        if entry.tool == "promise":
            parts.append(f'<line class="line promise" x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}"/>')
        else:
            parts.append(
                f'<line class="line {entry.tool} {entry.dash}" x1="{x}" x2="{x + 30}" y1="{y}" y2="{y}"/>'
                + _mark(x + 15, y, entry.tool, entry.hollow)
            )
        parts.append(_text(x + 38, y + 4.2, entry.title))
    return parts


def _svg(height: int, title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{height}"/>\n'
        f"{_text(20, 30, title, size=16)}\n{body}\n</svg>\n"
    )


def _quiet_series(results: Results, column: str) -> list[Series]:
    lines = [
        ("Evidently", "evidently", 5_000, "", False),
        ("NannyML, reference of 5,000 rows", "nannyml", 5_000, "", False),
        ("NannyML, reference of 50,000 rows", "nannyml", 50_000, "dash", True),
        ("Slipway", "slipway", 5_000, "", False),
    ]
    found: list[Series] = []
    for title, tool, rows, dash, hollow in lines:
        rates = pick(results["quiet"], tool=tool, method="drift", reference_rows=rows, column=column)
        points = [(row["window"], row["per_1000"] or None) for row in rates]
        found.append(Series(title, tool, sorted(points, key=lambda point: point[0]), dash, hollow))
    return found


def _none_means(results: Results) -> str:
    """Of how many windows, or rows, "none" is none."""
    key = {"method": "drift", "column": "normal", "window": 100}

    def read(tool: str, reference_rows: int, what: str) -> str:
        (row,) = pick(results["quiet"], tool=tool, reference_rows=reference_rows, **key)
        return number(row[what])

    return (
        f"None: in {read('evidently', 5_000, 'windows')} windows; hollow marks: in "
        f"{read('nannyml', 50_000, 'windows')}; Slipway: in {read('slipway', 5_000, 'rows')} rows."
    )


def quiet(results: Results) -> str:
    """False alarms against the window, one panel per kind of column; reference of 5,000 rows."""
    windows = sorted({row["window"] for row in results["quiet"]})
    ours = pick(results["quiet"], tool="slipway", column="normal", reference_rows=5_000)
    promise = sorted((row["window"], row["promised_per_1000"]) for row in ours)
    parts = [
        _text(20, 50, "False alarms per 1,000 windows, by rows per window (logarithmic).", "faint"),
        _text(20, 67, _none_means(results), "faint"),
    ]
    legend = [*_quiet_series(results, "normal"), Series("what Slipway promises at most", "promise", [])]
    parts += _legend(94, (20, 320), legend)
    for index, (column, spec) in enumerate(COLUMNS.items()):
        axes = Axes(
            left=62 + 405 * (index % 2),
            top=180 + 275 * (index // 2),
            width=360,
            height=206,
            x=(windows[0], windows[-1]),
            y=(0.085, 1_000.0),
        )
        parts.append(_text(axes.left, axes.top - 12, spec.title, size=13.5))
        parts += _frame(axes, [(w, number(w)) for w in windows], (0.1, 1, 10, 100, 1_000), "none")
        line = " ".join(f"{axes.across(x):.1f},{axes.up(y):.1f}" for x, y in promise)
        parts.append(f'<polyline class="line promise" points="{line}"/>')
        parts += [_series(axes, series) for series in _quiet_series(results, column)]
    return _svg(696, "Nothing has changed: how often does it alarm all the same?", parts)


def _spacing(results: Results, tool: str, window: int) -> str:
    (row,) = pick(
        results["quiet"], tool=tool, method="drift", reference_rows=5_000, column="normal", window=window
    )
    read = row["windows"] * window
    return f"every {number(read / row['alarms'])} rows" if row["alarms"] else f"none in {number(read)} rows"


def _delay_series(results: Results) -> list[Series]:
    sizes = {"mean+0.1": 0.1, "mean+0.2": 0.2, "mean+0.3": 0.3, "mean+0.5": 0.5, "mean+1": 1.0}
    assert all(name in CHANGES for name in sizes)

    def points(**key: object) -> list[tuple[float, float | None]]:
        found = {row["change"]: row["median"] for row in pick(results["delay"], reference_rows=5_000, **key)}
        return [(size, found[name]) for name, size in sizes.items()]

    peers = [
        ("Evidently", "evidently", 500, "dots", True),
        ("Evidently", "evidently", 1_000, "", False),
        ("Evidently", "evidently", 5_000, "dash", True),
        ("NannyML", "nannyml", 500, "", False),
    ]
    lines = [
        Series(
            f"{title}, windows of {window:,}: {_spacing(results, tool, window)}",
            tool,
            points(tool=tool, method="drift", window=window),
            dash,
            hollow,
        )
        for title, tool, window, dash, hollow in peers
    ]
    for setting, title, dash, hollow in (
        ("default", "Slipway, default", "", False),
        ("eager", "Slipway, tolerance 0", "dash", True),
    ):
        key = {"tool": "slipway", "setting": setting}
        promised = pick(results["delay"], **key)[0]["promised_rows"]
        words = f"{title}: promised, every {number(promised)} rows"
        lines.append(Series(words, "slipway", points(**key), dash, hollow))
    return lines


def delays(results: Results) -> str:
    """Median delay against the size of a shift of the mean; reference of 5,000 rows."""
    lines = _delay_series(results)
    axes = Axes(
        left=82, top=166, width=730, height=300, x=(0.1, 1.0), y=(40.0, 1.15 * HORIZON), none_at_top=True
    )
    ticks = [(x, f"{x:g} sd") for x, _ in lines[0].points]
    parts = [_text(20, 50, "Median rows from a shift of the mean to the alarm, by its size", "faint")]
    parts.append(_text(20, 80, "Line, and how often it alarms when nothing has changed:", "text"))
    parts += _legend(104, (20, 420), lines)
    parts += _frame(axes, ticks, (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, HORIZON), "not found")
    parts += [_series(axes, series) for series in lines]
    return _svg(510, "Something has changed: how long does it take?", parts)
