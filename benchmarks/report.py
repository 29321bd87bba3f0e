"""Write the figures of docs/performance.md from benchmarks/results: `python -m benchmarks.report`.

Each table stands between two comment lines that name it; a test holds the page and the results together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"


def _results(name: str) -> Any:
    return json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _serving() -> str:
    document = _results("serving")
    rows = [
        [
            mode,
            connections.split()[0],
            f"{figures['requests_per_second']:,}",
            f"{figures['p50_ms']:.2f} / {figures['p99_ms']:.1f}",
            f"{figures['ratio_to_constant']:.2f}",
            f"{figures['cpu_us_per_request']:.0f}",
        ]
        for mode, by_connections in document["results"].items()
        for connections, figures in by_connections.items()
    ]
    header = [
        "server",
        "connections",
        "requests/s",
        "p50 / p99 ms",
        "of the constant answer",
        "CPU µs a request",
    ]
    before, after = document["fdatasync_ms_before_and_after"]
    return (
        _table(header, rows)
        + f"\n\n{document['date'][:10]}, {document['machine']['cores']} cores, load average "
        + f"{document['load_average_before']:.1f} before the run, "
        + f"one durable append {before:.2f} ms before and {after:.2f} ms after it. "
        + f"Medians; command: `{document['command']}`."
    )


def _controller() -> str:
    document = _results("controller_catch_up")
    catch_up, cost = document["catch_up"], document["cost_per_label"]
    rows = [
        ["rows caught up per second", f"{catch_up['rows_per_second']:,}"],
        ["rows per CPU second", f"{catch_up['rows_per_cpu_second']:,}"],
        ["longest transaction, seconds", f"{catch_up['slowest_tick_seconds']:.2f}"],
        *(
            [
                f"{name.replace('_us', '').replace('_', ' ')}, {labels} labels at a time, µs per label",
                f"{us:.2f}",
            ]
            for labels, costs in cost.items()
            for name, us in costs.items()
        ),
    ]
    return _table(["", ""], rows) + f"\n\n{document['date'][:10]}; command: `{document['command']}`."


def _small() -> str:
    check, joins, fit = _results("row_check"), _results("joins"), _results("training_contention")
    median = check["median"]
    taken = _results("snapshot")
    snapshot = taken["median"]
    rows = [
        [
            f"snapshot of a table of {snapshot['table_mb']} MB, hashed, compressed and synced",
            f"{snapshot['snapshot_mb_per_second']:.0f} MB/s, {snapshot['snapshot_cpu_seconds']:.2f} CPU s",
            f"{snapshot['snapshot_over_plain']:.2f} x a plain synced write of as many bytes "
            f"(load average {taken['load_average']:.1f} on {taken['machine']['cores']} cores)",
            f"`{taken['command']}`",
        ],
        [
            "contract check of one row, 14 columns",
            f"{median['check_us']:.1f} µs",
            f"{median['check_over_decode']:.1f} x the typed decode of its JSON",
            f"`{check['command']}`",
        ],
        [
            "rows put into the join table",
            f"{joins['rows_per_second']['put']:,.0f} a second",
            f"{joins['put_over_bare_insert']:.2f} x a bare sqlite3 insert",
            f"`{joins['command']}`",
        ],
        [
            "a fit beside busy cores, threads asleep while they wait",
            f"{fit['median']['PASSIVE']:.2f} s",
            f"spinning threads take {fit['active_over_passive']:.1f} x as long",
            "`python -m benchmarks training.contention`",
        ],
    ]
    return _table(["what", "figure", "beside", "command"], rows)


def _contract() -> str:
    document = _results("contract_check")
    floor = document["floor"]
    peers = {name.replace("_", " "): figures for name, figures in document["peers"].items()}
    rows = [
        [
            f"{name} {next(iter(figures['versions'].values()))}" if name in peers else name,
            f"{figures['seconds']:.1f}",
            f"{figures['cpu_seconds']:.1f}",
            f"{figures['cpu_seconds'] / floor['cpu_seconds']:.1f}",
            f"{figures['peak_mib']:,}",
        ]
        for name, figures in {"sums alone": floor, "slipway": document["slipway"], **peers}.items()
    ]
    wall, cpu = document["seconds_over_floor"], document["cpu_seconds_over_floor"]
    return (
        _table(["check", "seconds", "CPU seconds", "CPU of the sums", "peak MiB"], rows)
        + f"\n\n{document['date']}, {document['machine']['cores']} cores, load average "
        + f"{document['load_before']} before the run: other programs were at work, so CPU seconds compare "
        + f"better. Slipway and the sums took turns, {document['slipway']['rounds']} times each; the median "
        + f"ratio of a turn is {wall} in seconds and {cpu} in CPU seconds. The others ran once. "
        + f"Command: `{document['command']}`."
    )


def _profile() -> str:
    return (
        _profile_table("profile") + "\n\nOne million rows of the same:\n\n" + _profile_table("profile_quick")
    )


def _profile_table(name: str) -> str:
    document = _results(name)
    rows = [
        [
            tool if figures["version"] == "0" else f"{tool} {figures['version']}",
            f"{figures['seconds']:.1f}",
            f"{figures['cpu_seconds']:.1f}",
            f"{figures['peak_mib']:,}",
        ]
        for tool, figures in document["median"].items()
    ]
    return (
        _table(["tool", "read and work, s", "CPU s", "peak MiB"], rows)
        + f"\n\n{document['date'][:10]}, {document['machine']['cores']} cores, load average "
        + f"{document['load_average']:.1f} (other programs were at work: compare the CPU seconds, which "
        + "include the start), "
        + f"{document['rounds']} round{'s' * (document['rounds'] > 1)}; command: `{document['command']}`."
    )


TABLES: dict[str, Callable[[], str]] = {
    "serving": _serving,
    "controller": _controller,
    "contract": _contract,
    "profile": _profile,
    "small": _small,
}


def filled(page: str) -> str:
    """The page with every table as the results have it."""
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page = pattern.sub(lambda found, table=table: f"{found[1]}{table()}\n{found[2]}", page)
    return page


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
