"""The tables of the page, from the results file and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.false_alarms.streams import CHANGES, COLUMNS

Results = dict[str, Any]
Row = dict[str, Any]

NAMES = {"evidently": "Evidently", "nannyml": "NannyML", "slipway": "**Slipway**"}
_MISSING = {"evidently": "Evidently, missing-share test", "nannyml": "NannyML, missing values"}
_SETTINGS = {
    "default": "Slipway, default",
    "tight": "Slipway, tolerance 0",
    "eager": "Slipway, tolerance 0, promise 10,000 rows",
}


def number(value: float) -> str:
    """A figure as the page prints it: two digits below 10, none behind the point above.

    >>> number(0.111), number(5.5), number(74.25), number(12_300)
    ('0.11', '5.5', '74', '12,300')
    """
    if value == 0:
        return "0"
    if value < 1:
        return f"{value:.2g}"
    if value < 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:,.0f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table whose first ``words`` columns are text and the others figures."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def pick(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """Rows that have these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def _windows(results: Results) -> list[int]:
    return sorted({row["window"] for row in results["quiet"]})


def _rates(found: Sequence[Row], windows: Sequence[int]) -> list[str] | None:
    """One cell per window, or None where nothing was measured."""
    by_window = {row["window"]: number(row["per_1000"]) for row in found}
    return [by_window.get(window, "-") for window in windows] if by_window else None


def quiet(results: Results, reference_rows: int) -> str:
    """False alarms per 1,000 windows by column, tool and window, for one size of reference."""
    windows = _windows(results)
    rows: list[list[str]] = []
    for column, spec in COLUMNS.items():
        title = spec.title
        for method in ("drift", "missing"):
            for tool, name in NAMES.items():
                found = pick(
                    results["quiet"],
                    tool=tool,
                    method=method,
                    column=column,
                    reference_rows=reference_rows,
                )
                cells = _rates(found, windows)
                if cells:
                    rows.append([title, name if method == "drift" else _MISSING[tool], *cells])
                    title = ""
    return markdown(["no drift in", "tool", *(f"{window:,}" for window in windows)], rows, 2)


def quiet_table(results: Results, reference_rows: int) -> str:
    """The same for verdicts on the whole table of four columns."""
    windows = _windows(results)
    titles = {
        ("evidently", "any column"): "Evidently, at least one column",
        ("evidently", "half of the columns"): "Evidently, dataset drift (half of the columns)",
        ("nannyml", "any column"): "NannyML, at least one column",
    }
    rows: list[list[str]] = []
    for (tool, rule), title in titles.items():
        found = pick(results["quiet_table"], tool=tool, rule=rule, reference_rows=reference_rows)
        cells = _rates(found, windows)
        if cells:
            rows.append([title, *cells])
    ours = pick(results["quiet"], tool="slipway", column="table", reference_rows=reference_rows)
    rows.append(["**Slipway**, one monitor for all columns", *(_rates(ours, windows) or ())])
    return markdown(["rule", *(f"{window:,}" for window in windows)], rows)


_EDGES = {
    "edge": "a share at the very edge of its tolerance",
    "edge of a number": "a number, each share up to an edge at its tolerance",
}


def run_length(results: Results) -> str:
    """Rows between false alarms against the promise."""
    rows = [
        [
            _EDGES.get(row["case"], row["case"]),
            number(row["promised"]),
            number(row["rows"]),
            number(row["alarms"]),
            number(row["rows_per_alarm"]) if row["alarms"] else "none",
            number(row["low"]),
        ]
        for row in results["run_length"]
    ]
    head = ["stream", "promised rows", "rows read", "false alarms", "rows per alarm", "at least (95 %)"]
    return markdown(head, rows)


def delay(row: Row | None) -> str:
    """Median delay; with the number found where that was not every run."""
    if row is None:
        return "-"
    if row["found"] == row["runs"]:
        return number(row["median"])
    median = "not found" if row["median"] is None else number(row["median"])
    return f"{median} ({row['found']} of {row['runs']})" if row["found"] else median


def _spacing(row: Row | None) -> str:
    """Rows between false alarms of a windowed tool."""
    if row is None:
        return "-"
    read = row["windows"] * row["window"]
    return f"every {number(read / row['alarms'])}" if row["alarms"] else f"none in {number(read)}"


def _only(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _delay_columns(
    results: Results, reference_rows: int, method: str
) -> list[tuple[str, Callable[[str], str], Callable[[str], str]]]:
    """(title, delay by change, rows between false alarms by column) of each tool and setting."""
    columns: list[tuple[str, Callable[[str], str], Callable[[str], str]]] = []
    asked = {
        (row["tool"], row["window"])
        for row in pick(results["delay"], method=method, reference_rows=reference_rows)
        if "window" in row
    }
    for tool, window in sorted(asked):
        key = {"tool": tool, "method": method, "reference_rows": reference_rows, "window": window}
        columns.append(
            (
                f"{NAMES[tool]}, {window:,}",
                lambda change, key=key: delay(_only(pick(results["delay"], change=change, **key))),
                lambda column, key=key: _spacing(_only(pick(results["quiet"], column=column, **key))),
            )
        )
    for setting, title in _SETTINGS.items():
        key = {"tool": "slipway", "setting": setting, "reference_rows": reference_rows}
        promised = pick(results["delay"], **key)[0]["promised_rows"]
        columns.append(
            (
                title,
                lambda change, key=key: delay(_only(pick(results["delay"], change=change, **key))),
                lambda _, promised=promised: f"promised {number(promised)}",
            )
        )
    return columns


def delays(results: Results, reference_rows: int) -> str:
    """Median rows from a change to its alarm, under each column's spacing of false alarms."""
    columns = _delay_columns(results, reference_rows, "drift")
    rows: list[list[str]] = []
    for column, spec in COLUMNS.items():
        rows.append([f"*{spec.title}: nothing*", *(spacing(column) for _, _, spacing in columns)])
        rows += [
            [change.title, *(found(name) for _, found, _ in columns)]
            for name, change in CHANGES.items()
            if change.column == column
        ]
    return markdown(["change", *(title for title, _, _ in columns)], rows)


def missing(results: Results, reference_rows: int) -> str:
    """The same for the peers' own rules on missing values."""
    columns = _delay_columns(results, reference_rows, "missing")
    rows = [["*nothing*", *(spacing("nulls") for _, _, spacing in columns)]]
    rows += [
        [change.title, *(found(name) for _, found, _ in columns)]
        for name, change in CHANGES.items()
        if change.column == "nulls"
    ]
    return markdown(["change", *(title for title, _, _ in columns)], rows)


def labels(results: Results) -> str:
    """False alarms and delays of the monitors that see labels."""
    rates = sorted({row["error_rate"] for row in results["labels_delay"]})
    rows: list[list[str]] = []
    for quiet_row in results["labels_quiet"]:
        key = {name: quiet_row[name] for name in ("tool", "window") if name in quiet_row}
        if quiet_row["tool"] == "slipway":
            title = "**Slipway** risk monitor, default"
            read = quiet_row["rows"]
        else:
            title = f"{NAMES[quiet_row['tool']]}, accuracy per {quiet_row['window']:,} labels"
            read = quiet_row["windows"] * quiet_row["window"]
        found = [delay(_only(pick(results["labels_delay"], error_rate=rate, **key))) for rate in rates]
        rows.append([title, f"{quiet_row['alarms']} in {number(read)} labels", *found])
    head = ["tool", "false alarms", *(f"error rate {rate:.1%}" for rate in rates)]
    return markdown(head, rows)


def _loan_cell(row: Row | None) -> str:
    if row is None:
        return "-"
    windows = f" of {row['quiet_windows']}" if "quiet_windows" in row else ""
    seen = "" if row["delay"] is None else f"; +{row['delay']:,}"
    return f"{row['false_alarms']}{windows}{seen}"


def _loan_columns(results: Results, method: str) -> list[tuple[str, Row]]:
    found = pick(results["car_loan"], method=method)
    windows = sorted({(row["tool"], row["window"]) for row in found if "window" in row})
    promises = sorted({row["promised_rows"] for row in found if "promised_rows" in row})
    columns = [
        (f"{NAMES[tool]}, {window:,}", {"tool": tool, "window": window, "method": method})
        for tool, window in windows
    ]
    columns += [
        (f"Slipway, promise {promise:,}", {"promised_rows": promise, "method": method})
        for promise in promises
    ]
    return columns


def car_loan(results: Results) -> str:
    """False alarms and delay by feature."""
    columns = _loan_columns(results, "drift")
    rows = [
        [
            f"`{shift['column']}`",
            f"{shift['before']:.1%}",
            f"{shift['after']:.1%}",
            *(
                _loan_cell(_only(pick(results["car_loan"], column=shift["column"], **key)))
                for _, key in columns
            ),
        ]
        for shift in results["car_loan_shift"]
    ]
    head = ["feature", "moved before", "moved after", *(title for title, _ in columns)]
    return markdown(head, rows)


_LOAN_RULES = {
    ("evidently", "realised", "accuracy"): "Evidently, accuracy",
    ("nannyml", "realised", "accuracy"): "NannyML, realised accuracy",
    ("nannyml", "realised", "roc_auc"): "NannyML, realised ROC AUC",
    ("nannyml", "estimated", "accuracy"): "NannyML, estimated accuracy (no labels)",
    ("nannyml", "estimated", "roc_auc"): "NannyML, estimated ROC AUC (no labels)",
    ("slipway", "realised", "error"): "**Slipway**, 0/1 loss",
    ("slipway", "realised", "brier"): "**Slipway**, Brier loss",
}


def car_loan_risk(results: Results) -> str:
    """False alarms and delay of what watches the model itself."""
    rows: list[list[str]] = []
    for (tool, method, column), title in _LOAN_RULES.items():
        for row in pick(results["car_loan"], tool=tool, method=method, column=column):
            step = (
                f"windows of {row['window']:,}"
                if "window" in row
                else f"promise {row['promised_rows']:,} labels"
            )
            windows = f" of {row['quiet_windows']}" if "quiet_windows" in row else ""
            seen = "not found" if row["delay"] is None else f"+{row['delay']:,}"
            rows.append([title, step, f"{row['false_alarms']}{windows}", seen])
    return markdown(["rule", "step", "false alarms before", "alarm after the change"], rows, 2)


def conditions(results: Results) -> str:
    """Where and when it was measured."""
    peers = results["peer_versions"]
    machine = results["machine"]
    seconds = results["cpu_seconds"]
    return (
        f"Measured on {results['date']} with `{results['command']}`: "
        f"Evidently {peers['evidently']['evidently']}, "
        f"NannyML {peers['nannyml']['nannyml']} (both with pandas {peers['nannyml']['pandas']}), "
        f"Python {results['versions']['python']}, NumPy {results['versions']['numpy']}; "
        f"{machine['processor']}, {machine['cores']} cores. "
        f"CPU seconds: Evidently {seconds['evidently']:,}, NannyML {seconds['nannyml']:,}, "
        f"Slipway {seconds['slipway']:,} (Slipway reads many more rows). Seed {results['seed']}; "
        "the figures do not depend on the machine."
    )
