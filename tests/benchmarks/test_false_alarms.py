"""The false-alarm benchmark: its streams, its scoring, and a page that says what was measured."""

import ast
import doctest
import importlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from benchmarks.false_alarms import __main__ as command
from benchmarks.false_alarms import car_loan, moving, ours, page, peers, plot, quiet, scoring, streams, tables
from scipy.stats import norm

from slipway.base.config import Monitor
from slipway.stats.bin_bets import REFERENCE_ERRORS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "false_alarms"
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "false_alarms.json").read_text())
PAGE = (ROOT / "docs" / "false-alarms.md").read_text()
SVG = "{http://www.w3.org/2000/svg}"


# Streams


def test_streams_are_the_same_each_time_and_differ_from_one_another():
    one, again = streams.quiet(1_000, 0, 500), streams.quiet(1_000, 0, 500)
    for column in streams.COLUMNS:
        np.testing.assert_array_equal(one.stream[column], again.stream[column])
        np.testing.assert_array_equal(one.reference[column], again.reference[column])
    other = streams.quiet(1_000, 1, 500)
    assert not np.array_equal(one.stream["normal"], other.stream["normal"])
    more = streams.continuation("normal", 1_000, 0, 1, 500)
    assert not np.isin(more, one.stream["normal"]).any()


def test_a_changed_stream_is_quiet_up_to_the_change_and_has_the_reference_of_the_quiet_one():
    table = streams.changed(1_000, 3)
    still = streams.quiet(1_000, 3, 10)
    assert table.start == streams.QUIET_ROWS
    for name, change in streams.CHANGES.items():
        np.testing.assert_array_equal(table.reference[name], still.reference[change.column])
        assert table.stream[name].shape == (streams.QUIET_ROWS + streams.HORIZON,)


@pytest.mark.parametrize(
    ("change", "summary", "before", "after"),
    [
        ("mean+0.5", np.mean, 0.0, 0.5),
        ("sd*1.5", np.std, 1.0, 1.5),
        ("scale*1.5", np.median, 1.0, 1.5),
        ("level*2", lambda cells: np.mean(cells == "level 00"), 0.05, 0.10),
        ("nulls*2", lambda cells: np.mean(np.isnan(cells)), 0.05, 0.10),
    ],
)
def test_the_change_is_the_one_that_the_name_tells(change, summary, before, after):
    cells = streams.changed(1_000, 0).stream[change]
    assert summary(cells[: streams.QUIET_ROWS]) == pytest.approx(before, abs=0.05)
    assert summary(cells[streams.QUIET_ROWS :]) == pytest.approx(after, abs=0.04)
    if change == "level*2":
        others = np.unique(cells[streams.QUIET_ROWS :], return_counts=True)[1][1:]
        assert np.ptp(others) < 6 * np.sqrt(others.mean())


def test_answers_err_at_the_stated_rates():
    table = streams.answers(20_000, 0, 0.11, 25_000, 5_000)
    wrong = table.stream["label"] != table.stream["answer"]
    assert np.mean(table.reference["label"] != table.reference["answer"]) == pytest.approx(0.056, abs=0.006)
    assert wrong[:5_000].mean() == pytest.approx(0.056, abs=0.012)
    assert wrong[5_000:].mean() == pytest.approx(0.11, abs=0.008)


def test_a_written_table_holds_what_the_workers_read(tmp_path):
    table = streams.changed(200, 0)
    table.write(tmp_path)
    with np.load(tmp_path / f"{table.name}.npz") as arrays:
        assert set(arrays.files) == {
            f"{part}:{name}" for part in ("reference", "stream") for name in table.kinds
        }
        np.testing.assert_array_equal(arrays["stream:level*2"], table.stream["level*2"])


def test_the_car_loan_tables_have_the_change_where_it_is_known_to_be():
    table = car_loan.inputs()
    half = car_loan.CHANGE
    for column in table.kinds:
        before = car_loan.shift(table, column, slice(0, half))
        after = car_loan.shift(table, column, slice(half, 2 * half))
        assert before < 0.01
        assert (after < 0.01) == (column in car_loan.QUIET)
    assert car_loan.rows_per_day() == pytest.approx(165, abs=1)
    answers = car_loan.answers()
    assert car_loan.losses(answers.reference, "error").mean() == pytest.approx(1 - 0.94364)
    assert car_loan.losses(answers.reference, "brier").mean() == pytest.approx(0.04557, abs=1e-5)


# Scoring


def test_rates_and_their_bounds():
    assert scoring.rate(3, 400) == {"windows": 400, "alarms": 3, "per_1000": 7.5, "low": 1.549, "high": 21.76}
    assert scoring.rate(0, 10)["low"] == 0.0
    assert scoring.rate(10, 10)["high"] == 1_000.0
    # two alarms in a million rows are one in 500 windows of 1,000 rows
    assert scoring.rate_by_rows(2, 1_000_000, 1_000)["per_1000"] == 2.0


def test_poisson_bounds_hold_the_true_mean_as_often_as_they_say():
    counts = np.random.default_rng(0).poisson(3.0, 2_000)
    held = [low <= 3.0 <= high for low, high in map(scoring.poisson_bounds, counts.tolist())]
    assert np.mean(held) >= 0.95


def test_a_delay_runs_to_the_end_of_the_first_alarming_window():
    assert scoring.window_delay([0, 0, 1, 1], 500) == 1_500
    assert scoring.window_delay([1], 500) == 500
    assert scoring.window_delay([0, 0], 500) is None
    assert scoring.window_delay([], 500) is None


def test_a_change_not_found_counts_as_the_latest():
    assert scoring.delays([300, None, 100]) == {"runs": 3, "found": 2, "median": 300, "p90": None}
    assert scoring.delays([None, None, 100])["median"] is None
    assert scoring.delays([5] * 9 + [None])["p90"] == 5


def test_the_rates_of_a_peer_join_windows_of_all_references():
    verdicts = [
        peers.Verdict(f"quiet-5000-{index:02d}", column, "drift", 100, alarms)
        for index in range(2)
        for column, alarms in (("normal", [1, 0]), ("category", [1, index]))
    ]
    rows = {row["column"]: row for row in quiet.rates("evidently", verdicts)}
    assert (rows["normal"]["alarms"], rows["normal"]["windows"]) == (2, 4)
    assert rows["category"]["per_1000"] == 750.0
    by_rule = {row["rule"]: row["alarms"] for row in quiet.table_rates("evidently", verdicts)}
    assert by_rule == {"any column": 3, "half of the columns": 3}


def test_delays_of_a_peer_leave_quiet_tables_out():
    verdicts = [
        peers.Verdict("changed-5000-00", "mean+1", "drift", 500, [0, 1]),
        peers.Verdict("changed-5000-01", "mean+1", "drift", 500, [1, 1]),
        peers.Verdict("quiet-5000-01", "mean+1", "drift", 500, [1, 1]),
    ]
    (row,) = moving.peer_delays("nannyml", verdicts)
    assert (row["runs"], row["found"], row["median"], row["p90"]) == (2, 2, 500, 1_000)


# Tools


def test_nannyml_is_asked_only_where_it_has_the_reference_chunks_it_wants():
    table = streams.quiet(5_000, 0, 5_000)
    jobs = quiet.peer_jobs(table, quiet.Scale(references={5_000: 1}))
    assert jobs["evidently"].windows == quiet.WINDOWS
    assert jobs["nannyml"].windows == [100, 200, 500]


def test_workers_know_nothing_of_this_package():
    for worker in FOLDER.glob("worker_*.py"):
        tree = ast.parse(worker.read_text())
        names = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in names if name.split(".")[0] in ("slipway", "benchmarks")}


def test_ours_starts_a_new_monitor_after_each_alarm():
    table = streams.changed(5_000, 0)
    kinds, columns = {"mean+1": "number"}, {"mean+1": table.stream["mean+1"]}
    reference = ours.reference_for({"mean+1": table.reference["mean+1"]}, kinds)
    alarms = ours.drift_alarms(reference, {"mean+1": columns["mean+1"][:6_000]}, 0.02, 5_000)
    rows = [row for row, _ in alarms]
    assert rows[0] > table.start
    assert len(rows) > 3
    assert all(row % 50 == 0 for row in rows)
    # a fresh monitor needs as long for its alarm as the first one did, give or take
    assert np.diff(rows).min() >= 50


def test_ours_counts_a_delay_from_the_change():
    table = streams.changed(5_000, 1)
    kinds, columns = {"mean+1": "number"}, {"mean+1": table.stream["mean+1"]}
    reference = ours.reference_for({"mean+1": table.reference["mean+1"]}, kinds)
    delay = ours.drift_delay(reference, columns, table.start, 0.02, 900_000)
    assert 50 <= delay <= 300
    still = {"mean+1": table.stream["mean+1"][: table.start]}
    assert ours.drift_delay(reference, still, table.start, 0.02, 900_000) is None


def test_ours_risk_alarms_only_after_the_rise():
    table = streams.answers(5_000, 0, 0.11, 15_000, 5_000)
    losses = [np.abs(cells["label"] - cells["answer"]) for cells in (table.reference, table.stream)]
    first = ours.risk_alarms(ours.risk_of(losses[0]), losses[1], 900_000)[0]
    assert 5_000 < first < 8_000


def test_the_settings_are_those_that_the_page_names():
    assert ours.SETTINGS["default"].monitor == Monitor()
    assert ours.SETTINGS["default"].run_length == 900_000
    assert ours.SETTINGS["eager"].run_length == 10_000


# The page


@pytest.mark.parametrize("module", ["scoring", "streams", "tables", "findings"])
def test_examples_in_the_docstrings_are_true(module):
    found = doctest.testmod(importlib.import_module(f"benchmarks.false_alarms.{module}"))
    assert found.failed == 0


def test_every_figure_on_the_page_is_that_of_the_results():
    assert page.filled(PAGE, page.blocks(RESULTS)) == PAGE


def test_the_plots_are_those_of_the_results():
    for name, image in page.images(RESULTS).items():
        assert (ROOT / "docs" / "images" / name).read_text() == image
        assert f"images/{name}" in PAGE


def test_a_part_without_a_place_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        page.filled("<!-- begin a -->\n<!-- end a -->", {"b": ""})
    assert page.filled("<!-- begin a -->\nold\n<!-- end a -->", {"a": "new"}).splitlines()[1] == "new"


def test_plots_are_well_formed_stay_on_the_page_and_have_both_themes():
    for name, image in page.images(RESULTS).items():
        tree = ET.fromstring(image)
        width, height = (float(size) for size in tree.attrib["viewBox"].split()[2:])
        for text in tree.iter(f"{SVG}text"):
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            size = float(text.attrib["style"].rsplit(":", 1)[1].removesuffix("px"))
            half = 0.62 * size * len(text.text or "")
            left = {"start": x, "middle": x - half / 2, "end": x - half}[text.attrib["text-anchor"]]
            assert left >= 0, (name, text.text)
            assert left + half <= width, (name, text.text)
            assert 0 < y <= height
        style = tree.find(f"{SVG}style").text
        light, dark = style.split("@media (prefers-color-scheme: dark)")
        for theme in ("page", "text", "faint", "grid", "band", "evidently", "nannyml", "slipway", "promise"):
            assert f".{theme} " in light
            assert f".{theme} " in dark


def test_a_scale_puts_larger_values_higher_and_what_has_no_logarithm_into_the_band():
    axes = plot.Axes(left=0, top=0, width=100, height=100, x=(1, 10), y=(1, 100), band=20)
    assert axes.up(100) < axes.up(10) < axes.up(1) == 80
    assert 80 < axes.up(None, 0) < axes.up(None, 1) < axes.up(None, 2) < 100
    top = plot.Axes(left=0, top=0, width=100, height=100, x=(1, 10), y=(1, 100), band=20, none_at_top=True)
    assert 0 < top.up(None) < 20 == top.up(100)


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0, "0"), (0.0555, "0.056"), (1.04, "1"), (9.96, "10"), (49.6, "50"), (1234, "1,234")],
)
def test_numbers_are_printed_with_what_they_are_worth(value, printed):
    assert tables.number(value) == printed


# What was measured


def test_no_measured_run_length_is_below_its_promise():
    for row in RESULTS["run_length"]:
        assert row["alarms"] * row["promised"] <= row["rows"], row


def test_slipway_kept_its_promise_on_all_quiet_streams():
    ours_rows = tables.pick(RESULTS["quiet"], tool="slipway")
    assert {row["column"] for row in ours_rows} == {*streams.COLUMNS, "table"}
    for row in ours_rows:
        assert row["per_1000"] <= row["promised_per_1000"], row


def test_no_alarm_on_the_quiet_features_of_the_car_loan_data():
    for column in car_loan.QUIET:
        rows = tables.pick(RESULTS["car_loan"], tool="slipway", column=column)
        assert len(rows) == 2
        assert all(row["false_alarms"] == 0 for row in rows)


def test_the_results_say_where_and_with_what_they_were_measured():
    assert RESULTS["machine"]["cores"] >= 1
    assert RESULTS["machine"]["processor"]
    assert set(RESULTS["peer_versions"]) == {"evidently", "nannyml"}
    assert RESULTS["seed"] == streams.SEED
    assert RESULTS["command"] in PAGE


def median(change, **key):
    (row,) = tables.pick(RESULTS["delay"], change=change, method="drift", reference_rows=5_000, **key)
    return row["median"] or np.inf


SETTINGS = {name: {"tool": "slipway", "setting": name} for name in ("default", "tight", "eager")}


def test_the_words_about_small_and_large_shifts_are_those_of_the_data():
    peer = {"tool": "evidently", "window": 1_000}
    for name, setting in SETTINGS.items():
        slower = ("mean+0.1", "mean+0.2") if name == "default" else ("mean+0.1",)
        sooner = ("mean+0.3", "mean+0.5", "mean+1", "sd*1.5", "scale*1.5", "level*4")
        assert all(median(change, **peer) < median(change, **setting) for change in slower), name
        assert all(median(change, **setting) < median(change, **peer) for change in sooner), name


def test_the_words_about_what_small_windows_buy_are_those_of_the_data():
    """At the promise that is nearest to their own rate of false alarms, windows of 500 find 0.1 sd sooner."""
    for tool in ("evidently", "nannyml"):
        key = {"tool": tool, "window": 500}
        (quiet_row,) = tables.pick(
            RESULTS["quiet"], method="drift", column="normal", reference_rows=5_000, **key
        )
        assert 5_000 < quiet_row["windows"] * 500 / quiet_row["alarms"] < 15_000
        assert median("mean+0.1", **key) < median("mean+0.1", **SETTINGS["eager"])
        for change in ("mean+0.2", "mean+0.3", "mean+0.5", "mean+1"):
            assert median(change, **SETTINGS["eager"]) <= 1.1 * median(change, **key)


def test_the_words_about_tolerance_and_reference_are_those_of_the_data():
    def shift(rows, setting):
        key = {"change": "mean+0.1", "reference_rows": rows, "tool": "slipway", "setting": setting}
        (row,) = tables.pick(RESULTS["delay"], **key)
        return row

    assert shift(5_000, "default")["median"] is None
    assert shift(50_000, "tight")["median"] < shift(5_000, "tight")["median"]
    moved = 100 * (norm.cdf(0.1) - 0.5)
    assert moved == pytest.approx(4, abs=0.05)
    assert pytest.approx(2.1, abs=0.05) == 100 * REFERENCE_ERRORS * (0.25 / 5_000) ** 0.5
    for first, last in (("level*1.5", "level*4"), ("nulls*1.5", "nulls*4")):
        assert median(first, **SETTINGS["tight"]) > 20 * median(last, **SETTINGS["tight"])


def test_measuring_ours_again_keeps_the_rows_of_the_peers():
    new = {"tool": "slipway", "new": True}
    found = {name: [new] for name in ("quiet", "run_length", "delay", "car_loan")}
    found["labels"] = {"quiet": [new], "moved": []}
    again = command.with_ours(RESULTS, found, 7)
    assert again.keys() == RESULTS.keys()
    assert again["peer_versions"] == RESULTS["peer_versions"]
    assert again["cpu_seconds"] == {**RESULTS["cpu_seconds"], "slipway": 7}
    for name in ("quiet", "quiet_table", "delay", "labels_quiet", "labels_delay", "car_loan"):
        kept = [row for row in again[name] if row["tool"] != "slipway"]
        assert kept == [row for row in RESULTS[name] if row["tool"] != "slipway"]
    assert again["run_length"] == [new]
    assert [row for row in again["delay"] if row["tool"] == "slipway"] == [new]
