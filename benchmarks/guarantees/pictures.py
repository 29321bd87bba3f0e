"""The pictures of the page: the way of one guard to its decision, each for light and for dark pages."""

from __future__ import annotations

from pathlib import Path

from slipway.stats.plots import Theme, evidence_plot, sequence_plot
from slipway.stats.traces import Trace

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
THEMES: tuple[Theme, ...] = ("light", "dark")

#: Share of the labels that the interval's picture leaves out: at first it spans everything.
SKIPPED = 0.15


def draw(path: Trace, alpha: float, names: tuple[str, str]) -> None:
    """Write both pictures of a promotion of ``names[1]`` over ``names[0]``."""
    champion, challenger = names
    first = int(SKIPPED * path.labels.size)
    decided = int(path.labels[-1])
    for theme in THEMES:
        pictures = {
            "evidence": evidence_plot(
                path.labels,
                path.log_e_better,
                alpha,
                title=f"Evidence that {challenger} is better than {champion}",
                decided_at=decided,
                theme=theme,
            ),
            "interval": sequence_plot(
                path.labels[first:],
                path.low[first:],
                path.high[first:],
                mean=path.mean[first:],
                title=f"Loss saved per row by {challenger}, with its bounds at every look",
                theme=theme,
            ),
        }
        for name, svg in pictures.items():
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / f"{name}-{theme}.svg").write_text(svg + "\n", encoding="utf-8")
