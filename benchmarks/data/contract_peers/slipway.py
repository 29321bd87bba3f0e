"""The contract of ``contract_table`` held against its table, streaming."""

from benchmarks.data.contract_peers.measure import measured
from benchmarks.data.contract_table import FLOATS, GAPS, HIGH, INTEGERS, LEVELS, LOW, TIME


def main() -> None:
    import polars as pl

    from slipway.data.check import check_lazy
    from slipway.data.contract import Column, Contract

    columns = [
        Column(name=name, type="float", min=LOW, max=HIGH, max_missing=0.06 if name in GAPS else 0)
        for name in FLOATS
    ]
    columns += [
        Column(
            name=name,
            type="int",
            min=int(LOW),
            max=int(HIGH),
            max_missing=0,
            unique=name == "id",
            role="target" if name == "i3" else "feature",
        )
        for name in INTEGERS
    ]
    columns += [
        Column(name=name, type="category", allowed=tuple(levels), max_missing=0)
        for name, levels in LEVELS.items()
    ]
    columns.append(Column(name=TIME, type="datetime", max_missing=0, role="time"))
    contract = Contract(columns=tuple(columns))

    def check(path: str) -> int:
        return len(check_lazy(pl.scan_parquet(path), contract).findings)

    measured(check, "polars")


if __name__ == "__main__":
    main()
