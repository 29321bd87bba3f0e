"""The figures of docs/guarantees.md, between two comment lines each, as the results have them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
RESULTS = ROOT / "benchmarks" / "results" / "guarantees.json"

#: Width at which long messages of the ledger are cut.
_WIDTH = 150


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows))


def _amount(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "-"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def _range(row: dict[str, Any], beyond: str = "-") -> str:
    median, most = row.get("labels_median", row.get("median")), row.get("labels_most", row.get("most"))
    if median is None:
        return beyond
    return f"{_amount(median)} / {beyond if most is None else _amount(most)}"


def _ledger(found: dict[str, Any]) -> str:
    rows = [
        [str(one["entry"]), one["kind"], one["version"], _cut(one["message"].split(";")[0])]
        for one in found["ledger"]
    ]
    return _table(["entry", "what", "version", "why"], rows)


def _cut(message: str) -> str:
    return message if len(message) <= _WIDTH else f"{message[: _WIDTH - 3]}..."


def _decision(found: dict[str, Any]) -> str:
    entry = found["decision"]
    kept = {name: entry[name] for name in ("version", "other", "rows", "labels", "at", "verdict")}
    return f"```json\n{json.dumps(kept, indent=1)}\n```"


def _by_hand(found: dict[str, Any]) -> str:
    pairs, saved = found["by_hand"]["answer"]
    return (
        f'```bash\nslipway sql "{found["by_hand"]["query"]}"\n```\n\n'
        f"It answers {pairs:,.0f} pairs and {saved:.5f}, as the ledger says. `slipway replay` derived "
        f"all {found['replayed']} automatic decisions of this run again, with the same bits."
    )


def _peeking(found: dict[str, Any]) -> str:
    rates = found["peeking"]
    rows = [
        [f"z test at 5 %, looked at {looks}", f"{rates[f'z test, {looks.split()[0]} looks']:.1%}"]
        for looks in ("1 time", "10 times", "100 times")
    ]
    rows.append(
        [
            "Slipway's guard at 5 % per claim, looked at 5,000 times (after every label)",
            f"{rates['guard, better']:.1%} better, {rates['guard, worse']:.1%} worse",
        ]
    )
    return _table(["two equal models, compared by", "a difference is found"], rows)


def _late(found: dict[str, Any]) -> str:
    rows = [
        [f"{one['change']:,.0f}", _amount(one["test"]), _amount(one["detector"])]
        for one in found["late_change"]
    ]
    return _table(["labels before the change", "decide-once test, started with the model", "detector"], rows)


def _budget(found: dict[str, Any]) -> str:
    b = found["budgets"]
    rows = [
        [f"{k:.0f}", f"{own:.0%}", f"{shared:.4f}"]
        for k, own, shared in zip(b["rollouts"], b["own_level"], b["shared_level"], strict=True)
    ]
    return _table(
        [
            "useless challengers",
            "one or more promoted, at most, at 0.05 each",
            "level for the last that keeps all at 0.05",
        ],
        rows,
    )


def _at(rows: list[dict[str, Any]], difference: float) -> dict[str, Any]:
    return next(one for one in rows if abs(one["difference"] - difference) < 1e-9)


def _alpha(found: dict[str, Any]) -> str:
    rows = [
        [value, *(_range(_at(plan["shadow"], size)) for size in (0.01, 0.005))]
        for value, plan in found["plans"]["alpha"].items()
    ]
    return _table(["`rollout.alpha`", "better by 0.01", "better by 0.005"], rows)


def _margin(found: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for value, plan in found["plans"]["margin"].items():
        cells = [_at(plan["shadow"], size) for size in (0.005, 0.0025, -0.005)]
        rows.append([value, *(f"{cell['verdict']}, {_range(cell)}" for cell in cells)])
    return _table(["`rollout.margin`", "better by 0.005", "better by 0.0025", "worse by 0.005"], rows)


def _bake(found: dict[str, Any]) -> str:
    rows = [
        [value, *(f"{_at(plan['bake'], -size)['decided']:.0%}" for size in (0.005, 0.01, 0.025))]
        for value, plan in found["plans"]["bake_labels"].items()
    ]
    return _table(["`rollout.bake_labels`", "worse by 0.005", "worse by 0.01", "worse by 0.025"], rows)


def _alarms(found: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for value, plan in found["plans"]["false_alarms"].items():
        risk = {round(one["size"] / 0.046, 2): one for one in plan["risk"]}
        drift = {one["size"]: one for one in plan["drift"]}
        rows.append(
            [
                f"`{value}`",
                _range(risk[1.5]),
                _range(risk[2.0]),
                _range(drift[0.25], "> 20,000"),
                _range(drift[0.5]),
            ]
        )
    return _table(
        ["`monitor.false_alarms`", "risk x 1.5", "risk x 2", "a number shifts by 0.25 sd", "by 0.5 sd"], rows
    )


def _tolerance(found: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for value, plan in found["plans"]["tolerance"].items():
        drift = {one["size"]: one for one in plan["drift"]}
        rows.append([value, *(_range(drift[size], "> 20,000") for size in (0.1, 0.25, 0.5, 1.0))])
    return _table(["`monitor.tolerance`", "0.1 sd", "0.25 sd", "0.5 sd", "1 sd"], rows)


def _caption(found: dict[str, Any]) -> str:
    verdict, entry = found["decision"]["verdict"], found["decision"]
    low, high = verdict["interval"]
    return (
        f"{entry['version']} against {entry['other']}: after {verdict['n']:,} pairs the e-value is "
        f"{verdict['e_value']:.1f}, the first time that it reaches {1 / verdict['alpha']:.0f}. "
        f"The challenger saves {verdict['mean']:.4f} of loss per row; the lower bound of that, {low:.4f}, "
        f"has just left 0 behind, the upper one is {high:.4f}."
    )


def _provenance(found: dict[str, Any]) -> str:
    return f"Figures of {found['date']}, made by `{found['command']}`."


BLOCKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "provenance": _provenance,
    "ledger": _ledger,
    "decision": _decision,
    "by hand": _by_hand,
    "caption": _caption,
    "peeking": _peeking,
    "late": _late,
    "budget": _budget,
    "alpha": _alpha,
    "margin": _margin,
    "bake": _bake,
    "alarms": _alarms,
    "tolerance": _tolerance,
}


def filled(page: str) -> str:
    """The page with every figure as the results have it.

    Raises:
        KeyError: a block that the page lacks.
    """
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    for name, block in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if pattern.search(page) is None:
            raise KeyError(name)
        text = block(found)
        page = pattern.sub(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)
    return page
