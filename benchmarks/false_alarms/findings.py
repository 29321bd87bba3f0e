"""The sentences at the top of the page, with their figures taken from the results."""

from __future__ import annotations

from typing import Any

from benchmarks.false_alarms.car_loan import QUIET
from benchmarks.false_alarms.streams import COLUMNS, HORIZON
from benchmarks.false_alarms.tables import NAMES, Results, Row, number, pick


def _one(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def _rate(
    results: Results, tool: str, column: str, window: int, reference_rows: int = 5_000, method: str = "drift"
) -> str:
    key = {"method": method, "column": column, "window": window, "reference_rows": reference_rows}
    return number(_one(pick(results["quiet"], tool=tool, **key))["per_1000"])


def _both(results: Results, tool: str, window: int, reference_rows: int = 5_000) -> str:
    normal, category = (
        _rate(results, tool, column, window, reference_rows) for column in ("normal", "category")
    )
    return f"{normal} and {category}"


def _delay(results: Results, change: str, method: str = "drift", **key: Any) -> str:
    """The median, or how often it was found where that was in less than half of the runs."""
    row = _one(pick(results["delay"], change=change, method=method, reference_rows=5_000, **key))
    if row["median"] is None:
        return f"in {row['found']} of {row['runs']} runs"
    return f"after {number(row['median'])} rows"


def quiet(results: Results) -> str:
    """False alarms of the peers."""
    by_window = "; ".join(
        f"{_both(results, 'evidently', window)} in windows of {number(window)}"
        for window in (100, 500, 1_000, 5_000)
    )
    return (
        "**Nothing has changed, and fixed thresholds alarm all the same.** False alarms per 1,000 windows on "
        f"normal numbers and on 20 equal categories, by Evidently's default: {by_window}. With a reference "
        "of 1,000 rows its default is a test instead of a distance: "
        f"{_both(results, 'evidently', 500, 1_000)} in windows of 500, "
        f"{_both(results, 'evidently', 5_000, 1_000)} in windows of 5,000. NannyML, windows of 500: "
        f"{_both(results, 'nannyml', 500)} with ten reference chunks, "
        f"{_both(results, 'nannyml', 500, 50_000)} with a hundred; windows of 5,000 with ten: "
        f"{_both(results, 'nannyml', 5_000, 50_000)}."
    )


def promise(results: Results) -> str:
    """Our false alarms against the promise."""
    window = pick(results["quiet"], tool="slipway")[0]["window"]
    rows = [row for row in pick(results["quiet"], tool="slipway", window=window) if row["column"] in COLUMNS]
    alarms, read = sum(row["alarms"] for row in rows), sum(row["rows"] for row in rows)
    length = pick(results["delay"], tool="slipway", setting="default")[0]["promised_rows"]
    return (
        f"**Slipway's default promises at most one false alarm per {number(length)} rows; it raised "
        f"{number(alarms)} in {number(read)}** (one column at a time; the promise allows "
        f"{number(read / length)}). No window has to be chosen: it looks after every 50 rows."
    )


def price(results: Results) -> str:
    """What silence costs."""
    sizes = {"mean+0.1": "0.1", "mean+0.2": "0.2", "mean+0.3": "0.3", "mean+0.5": "0.5", "mean+1": "1"}
    tools: tuple[dict[str, Any], ...] = (
        {"tool": "evidently", "window": 1_000},
        {"tool": "slipway", "setting": "default"},
        {"tool": "slipway", "setting": "tight"},
    )
    lines = "\n".join(
        f"  - {size} sd: {' / '.join(_delay(results, change, **tool) for tool in tools)}"
        for change, size in sizes.items()
    )
    key = {"tool": "evidently", "method": "drift", "column": "normal", "window": 1_000}
    peer = _one(pick(results["quiet"], reference_rows=5_000, **key))
    return (
        "**Silence has a price, paid on the smallest shifts.** With windows that are large enough a fixed "
        "threshold sees 0.1 and 0.2 sd sooner than Slipway's default, which tolerates a part of them; "
        "Slipway sees larger shifts sooner, and needs no window. A shift of the mean of normal numbers, "
        f"{number(HORIZON)} rows watched, is found in the median by Evidently in windows "
        f"of 1,000 (false alarms: {peer['alarms']} in {peer['windows']} windows) / by Slipway's default / by "
        f"Slipway with tolerance 0:\n{lines}"
    )


def nulls(results: Results) -> str:
    """Missing values."""
    own = " and ".join(
        f"{_delay(results, 'nulls*2', 'missing', tool=tool, window=500)} ({NAMES[tool]}; "
        f"{_rate(results, tool, 'nulls', 500, method='missing')} false alarms per 1,000 windows)"
        for tool in ("evidently", "nannyml")
    )
    ours = _delay(results, "nulls*2", tool="slipway", setting="default")
    tight = _delay(results, "nulls*2", tool="slipway", setting="tight")
    return (
        "**A null share that doubles from 5 % to 10 %** is a change of a bin like any other to Slipway: "
        f"found {ours} by default, {tight} with tolerance 0. The drift rules of both peers drop missing "
        "cells before they compare. Their own rules for missing values have to be asked for; windows of 500 "
        f"find it {own}."
    )


def _loan_drift(results: Results, tool: str, **key: Any) -> tuple[str, str]:
    """False alarms on features that never move; how soon those that jump are found."""
    rows = pick(results["car_loan"], tool=tool, method="drift", **key)
    quiet_rows = [row for row in rows if row["column"] in QUIET]
    moving = [row for row in rows if row["column"] not in QUIET]
    windows = sum(row.get("quiet_windows", 0) for row in quiet_rows)
    alarms = sum(row["false_alarms"] for row in quiet_rows)
    false = f"{alarms} in {windows} windows" if windows else number(alarms)
    found = [row["delay"] for row in moving if row["delay"] is not None]
    return false, f"{len(found)} of {len(moving)} within {number(max(found))} rows"


def car_loan(results: Results) -> str:
    """Quiet features and the risk alarm."""
    promised = min(row["promised_rows"] for row in results["car_loan"] if "promised_rows" in row)
    drift = {
        "Evidently": _loan_drift(results, "evidently", window=500),
        "NannyML": _loan_drift(results, "nannyml", window=500),
        "Slipway": _loan_drift(results, "slipway", promised_rows=promised),
    }
    false = ", ".join(f"{tool} {words}" for tool, (words, _) in drift.items())
    found = ", ".join(f"{tool} {words}" for tool, (_, words) in drift.items())
    key = {"method": "realised", "tool": "slipway", "promised_rows": promised}
    ours = _one(pick(results["car_loan"], column="error", **key))
    peer = _one(pick(results["car_loan"], tool="nannyml", method="realised", column="accuracy", window=1_000))
    return (
        f"**Car loan, whose inputs jump at row 25,000.** False alarms on the {len(QUIET)} features that "
        f"never move, peers with windows of 500: {false}. The others are found: {found}. The risk alarm of "
        f"Slipway comes {number(ours['delay'])} labels after the change; false ones before it: "
        f"{ours['false_alarms']}. NannyML's accuracy in windows of 1,000 alarms after "
        f"{number(peer['delay'])}; false ones before it: {peer['false_alarms']} in {peer['quiet_windows']} "
        "windows."
    )


def sentences(results: Results) -> str:
    """The findings as a list."""
    return "\n".join(f"- {part(results)}" for part in (quiet, promise, price, nulls, car_loan))
