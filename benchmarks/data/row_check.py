"""The contract check of one request row against the typed decode of its JSON: `python -m benchmarks data`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

from benchmarks.results import record
from slipway.data.contract import Column, Contract
from slipway.data.rowcheck import compile_row_check, row_type

CALLS, ROUNDS = 5_000, 15


def _microseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def main() -> None:
    kinds = ("float", "int", "category", "bool", "datetime", "float", "category") * 2
    made = [
        Column(name=f"x{at}", type=kind, allowed=("a", "b") if kind == "category" else None)
        for at, kind in enumerate(kinds)
    ]
    contract = Contract(columns=(*made, Column(name="y", type="int", role="target")))
    check = compile_row_check(contract)
    sample = {"float": 1.5, "int": 3, "category": "a", "bool": True, "datetime": "2018-01-01T00:00:00"}
    row = [sample[kind] for kind in kinds]
    body = msgspec.json.encode({f"x{at}": value for at, value in enumerate(row)})
    decoder = msgspec.json.Decoder(row_type(contract))
    rounds = [
        (_microseconds(lambda: check.check(row)), _microseconds(lambda: decoder.decode(body)))
        for _ in range(ROUNDS)
    ]
    measured = {
        "columns": len(kinds),
        "check_us": statistics.median(one for one, _ in rounds),
        "typed_decode_us": statistics.median(other for _, other in rounds),
        "check_over_decode": statistics.median(one / other for one, other in rounds),
    }
    record("row_check", "python -m benchmarks data.row_check", ("msgspec",), {"median": measured})
    print(measured)


if __name__ == "__main__":
    main()
