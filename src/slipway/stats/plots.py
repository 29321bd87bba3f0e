"""SVG pictures of evidence: an e-process on its way to a decision, and a confidence sequence closing in.

Pure functions from arrays to text. ``theme`` "auto" follows the reader's light or dark setting; "light" and
"dark" fix it, for a page with a switch of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import DataError, UsageError
from slipway.stats.arguments import Floats

Theme = Literal["light", "dark", "auto"]

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 44, 44

#: Most points of a line: more are thinned, keeping the extremes of each stretch.
MOST_POINTS = 400

COLOURS = {
    "light": {"ink": "#1f2933", "faint": "#c9d1d9", "line": "#0b63c4", "band": "#0b63c4", "mark": "#b3261e"},
    "dark": {"ink": "#e6edf3", "faint": "#3d4550", "line": "#6cb2ff", "band": "#6cb2ff", "mark": "#ff8a80"},
}


def evidence_plot(
    labels: ArrayLike,
    log_e: ArrayLike,
    alpha: float,
    *,
    title: str,
    decided_at: int | None = None,
    theme: Theme = "auto",
) -> str:
    """E-process path: (k,) label numbers against (k,) log e-values, with the line at which it decides.

    The vertical axis counts e-values in powers of ten: 1/alpha is the level.

    Raises:
        DataError: lengths that differ, fewer than two points, or label numbers that do not ascend.
        UsageError: an unknown theme.

    >>> svg = evidence_plot([1, 2, 3], [0.0, 1.0, 3.5], 0.05, title="Better?", decided_at=3)
    >>> svg.startswith("<svg"), svg.endswith("</svg>"), "decided at label 3" in svg
    (True, True, True)
    """
    xs, ys = _series(labels, log_e, "evidence_plot")
    ys = ys / math.log(10.0)
    level = -math.log10(alpha)
    frame = Frame(xs, np.array([*ys, level, 0.0]))
    body = [
        frame.axes("labels", "e-value", _power_of_ten, whole=True),
        frame.rule(level, f"decides at {1.0 / alpha:.3g}"),
        frame.line(xs, ys),
    ]
    if decided_at is not None:
        body.append(frame.mark(float(decided_at), f"decided at label {decided_at}"))
    return _document(title, body, theme)


def sequence_plot(
    labels: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    title: str,
    mean: ArrayLike | None = None,
    margin: float | None = None,
    theme: Theme = "auto",
) -> str:
    """Confidence sequence: (k,) label numbers against (k,) lower and upper ends, with 0 and +-margin as
    lines.

    Raises:
        DataError: lengths that differ, fewer than two points, or label numbers that do not ascend.
        UsageError: an unknown theme.

    >>> svg = sequence_plot([1, 2], [-0.2, -0.1], [0.3, 0.2], title="Difference", mean=[0.05, 0.05])
    >>> svg.count("<polygon"), svg.count("<polyline")
    (1, 1)
    """
    xs, lows = _series(labels, low, "sequence_plot")
    _, highs = _series(labels, high, "sequence_plot")
    rules = {0.0: ""} | ({} if not margin else {margin: f"+{margin:g}", -margin: f"-{margin:g}"})
    frame = Frame(xs, np.concatenate([lows, highs, list(rules)]))
    body = [frame.axes("labels", "mean difference", _three_digits), frame.band(xs, lows, highs)]
    body += [frame.rule(y, name) for y, name in rules.items()]
    if mean is not None:
        body.append(frame.line(*_series(labels, mean, "sequence_plot")))
    return _document(title, body, theme)


class Frame:
    """Maps data to the drawing area and draws into it.

    Args:
        xs: (k,) all horizontal values.
        ys: all vertical values to be shown.
    """

    def __init__(self, xs: Floats, ys: Floats) -> None:
        self.x_low, self.x_high = float(xs.min()), float(xs.max())
        low, high = float(ys.min()), float(ys.max())
        pad = 0.06 * (high - low) or 1.0
        self.y_low, self.y_high = low - pad, high + pad

    def x(self, value: float) -> float:
        """Horizontal position of a value."""
        share = (value - self.x_low) / ((self.x_high - self.x_low) or 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float:
        """Vertical position of a value."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 2)

    def line(self, xs: Floats, ys: Floats) -> str:
        """The path through (k,) points."""
        return f'<polyline class="line" points="{self._points(*thin(xs, ys))}"/>'

    def band(self, xs: Floats, low: Floats, high: Floats) -> str:
        """The area between two paths."""
        forth, back = thin(xs, low), thin(xs, high)
        points = f"{self._points(*forth)} {self._points(back[0][::-1], back[1][::-1])}"
        return f'<polygon class="band" points="{points}"/>'

    def rule(self, value: float, name: str) -> str:
        """A named horizontal line."""
        y = self.y(value)
        return (
            f'<line class="rule" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>'
            f"{text(WIDTH - RIGHT, y - 4, name, 'end')}"
        )

    def mark(self, value: float, name: str) -> str:
        """A named vertical line."""
        x = self.x(value)
        anchor = "end" if x > WIDTH / 2 else "start"
        return (
            f'<line class="mark" x1="{x}" y1="{TOP}" x2="{x}" y2="{HEIGHT - BOTTOM}"/>'
            f"{text(x, TOP - 4, name, anchor)}"
        )

    def axes(self, x_name: str, y_name: str, y_text: Callable[[float], str], whole: bool = False) -> str:
        """Both axes with ticks at round values, or at whole ones where two or more fit."""
        parts = [
            text(WIDTH / 2, HEIGHT - 8, x_name, "middle"),
            text(8, TOP - 4, y_name, "start"),
        ]
        for value in ticks(self.x_low, self.x_high):
            parts.append(text(self.x(value), HEIGHT - BOTTOM + 16, f"{value:,.0f}", "middle"))
        heights = ticks(self.y_low, self.y_high)
        integers = [value for value in heights if value == round(value)]
        for value in integers if whole and len(integers) > 1 else heights:
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
            parts.append(text(LEFT - 6, y + 4, y_text(value), "end"))
        return "".join(parts)

    def _points(self, xs: Floats, ys: Floats) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))


def text(x: float, y: float, content: str, anchor: str) -> str:
    """A small text at a position."""
    return f'<text class="small" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(content)}</text>'


def thin(xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    """At most about ``MOST_POINTS`` of (k,) points: first, lowest, highest and last of each stretch."""
    if xs.size <= MOST_POINTS:
        return xs, ys
    kept: set[int] = set()
    for stretch in np.array_split(np.arange(xs.size), MOST_POINTS // 4):
        part = ys[stretch]
        picks = (0, int(part.argmin()), int(part.argmax()), -1)
        kept.update(int(stretch[pick]) for pick in picks)
    order = np.array(sorted(kept))
    return xs[order], ys[order]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values within [low, high], at most ``most`` + 1 of them.

    >>> ticks(0.0, 10.0)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1.0, 2.0, 5.0, 10.0) if unit * factor >= rough * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def escape(text: str) -> str:
    """Text safe inside SVG."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _power_of_ten(y: float) -> str:
    return f"1e{y:g}" if abs(y) > 3.0 else f"{10.0**y:.3g}"


def _three_digits(y: float) -> str:
    return f"{y:.3g}"


def _series(labels: ArrayLike, values: ArrayLike, where: str) -> tuple[Floats, Floats]:
    xs, ys = np.asarray(labels, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape or xs.size < 2 or not np.all(np.diff(xs) > 0):
        raise DataError(
            expected="two or more ascending label numbers and a value for each",
            got=f"shapes {xs.shape} and {ys.shape}",
            where=where,
        )
    # an infinite end is drawn at the edge of what is finite
    finite = ys[np.isfinite(ys)]
    if finite.size == 0:
        raise DataError(expected="some finite value", got="none", where=where)
    return xs, np.clip(np.nan_to_num(ys, nan=float(finite.mean())), finite.min(), finite.max())


def _style(theme: Theme) -> str:
    """Rules scoped to pictures of this theme: several may lie in one page."""
    if theme == "auto":
        return f"{_rules(theme, 'light')}@media (prefers-color-scheme:dark){{{_rules(theme, 'dark')}}}"
    if theme not in COLOURS:
        raise UsageError(expected="a theme of light, dark, auto", got=f"{theme}", where="plots")
    return _rules(theme, theme)


def _rules(theme: Theme, name: str) -> str:
    c = COLOURS[name]
    rules = {
        "text": f"fill:{c['ink']};font:11px system-ui,sans-serif",
        ".title": "font-weight:600;font-size:14px",
        ".grid": f"stroke:{c['faint']};stroke-width:.5",
        ".line": f"fill:none;stroke:{c['line']};stroke-width:1.8",
        ".band": f"fill:{c['band']};fill-opacity:.22",
        ".rule": f"stroke:{c['ink']};stroke-dasharray:5 4",
        ".mark": f"stroke:{c['mark']};stroke-width:1.4",
    }
    return "".join(f"svg.evidence-{theme} {selector}{{{rule}}}" for selector, rule in rules.items())


def _document(title: str, body: list[str], theme: Theme) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'class="evidence-{escape(theme)}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><style>{_style(theme)}</style>"
        f'<text class="title" x="8" y="16">{escape(title)}</text>{"".join(body)}</svg>'
    )
