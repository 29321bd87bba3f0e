"""Plots are well-formed SVG, safe, small, and legible in both themes."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import DataError, UsageError
from slipway.stats.plots import COLOURS, evidence_plot, sequence_plot, thin, ticks

SVG = "{http://www.w3.org/2000/svg}"


def path(n=50):
    rng = np.random.default_rng(1)
    return np.arange(1, n + 1), np.cumsum(rng.normal(0.05, 0.3, n))


def test_evidence_plot_shows_the_level_and_the_decision():
    labels, log_e = path()
    root = ET.fromstring(evidence_plot(labels, log_e, 0.05, title="Is 2 < 3 & true?", decided_at=40))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "decides at 20" in texts
    assert "decided at label 40" in texts
    assert root.find(f"{SVG}title").text == "Is 2 < 3 & true?"
    assert len(root.find(f".//{SVG}polyline").get("points").split()) == 50


def test_sequence_plot_shows_margins_and_a_band():
    labels = np.arange(10.0, 60.0)
    half = 1 / np.sqrt(labels)
    root = ET.fromstring(sequence_plot(labels, -half, half, title="Difference", mean=0 * half, margin=0.1))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"0", "+0.1", "-0.1"} <= set(texts)
    assert len(root.find(f".//{SVG}polygon").get("points").split()) == 100


def relative_luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("theme", "paper"), [("light", "#ffffff"), ("dark", "#0d1117")])
def test_colours_stand_out_from_the_page(theme, paper):
    for name in ("ink", "line", "mark"):
        a, b = sorted((relative_luminance(COLOURS[theme][name]), relative_luminance(paper)))
        assert (b + 0.05) / (a + 0.05) >= 4.5


def test_themes():
    labels, log_e = path()
    light, dark, auto = (
        evidence_plot(labels, log_e, 0.05, title="t", theme=theme) for theme in ("light", "dark", "auto")
    )
    assert COLOURS["dark"]["line"] not in light
    assert COLOURS["light"]["line"] not in dark
    assert "prefers-color-scheme:dark" in auto
    assert COLOURS["dark"]["line"] in auto
    with pytest.raises(UsageError, match="a theme of light, dark, auto"):
        evidence_plot(labels, log_e, 0.05, title="t", theme="sepia")


def test_long_paths_are_thinned_and_keep_their_extremes():
    labels, log_e = path(200_000)
    assert len(evidence_plot(labels, log_e, 0.05, title="t")) < 20_000
    xs, ys = thin(labels.astype(float), log_e)
    assert xs.size <= 400
    assert (ys.min(), ys.max()) == (log_e.min(), log_e.max())
    assert (xs[0], xs[-1]) == (1.0, 200_000.0)
    assert np.all(np.diff(xs) > 0)


def test_infinite_ends_are_drawn_at_the_edge():
    svg = sequence_plot([1, 2, 3], [-np.inf, -0.5, -0.2], [np.inf, 0.5, 0.2], title="t")
    assert "inf" not in svg
    assert "nan" not in svg


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_inside(low, width):
    values = ticks(low, low + width)
    assert len(values) <= 8
    slack = 1e-6 * (abs(low) + width)
    assert all(low - slack <= value <= low + width + slack for value in values)


@pytest.mark.parametrize(
    ("labels", "values"), [([1], [0.0]), ([1, 2], [0.0]), ([2, 1], [0.0, 0.0]), ([1, 2], [np.nan, np.inf])]
)
def test_series_that_cannot_be_drawn_are_refused(labels, values):
    with pytest.raises(DataError):
        evidence_plot(labels, values, 0.05, title="t")
