"""One Polars pass over the table that only sums each column (of texts, their bytes)."""

from benchmarks.data.contract_peers.measure import measured
from benchmarks.data.contract_table import FLOATS, INTEGERS, LEVELS, TIME


def main() -> None:
    import polars as pl

    def check(path: str) -> int:
        sums = [pl.col(name).sum() for name in (*FLOATS, *INTEGERS)]
        sums += [pl.col(name).str.len_bytes().sum() for name in LEVELS]
        sums.append(pl.col(TIME).dt.epoch("us").sum())
        pl.scan_parquet(path).select(sums).collect(engine="streaming")
        return 0

    measured(check, "polars")


if __name__ == "__main__":
    main()
