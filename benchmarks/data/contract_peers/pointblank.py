"""The rules of ``contract_table`` in pointblank, on Polars."""

from benchmarks.data.contract_peers.measure import measured
from benchmarks.data.contract_table import FLOATS, GAPS, HIGH, INTEGERS, LEVELS, LOW, TIME


def main() -> None:
    import pointblank as pb
    import polars as pl

    def check(path: str) -> int:
        table = pl.read_parquet(path)
        schema = [(name, str(kind)) for name, kind in table.schema.items()]
        asked = pb.Validate(table).col_schema_match(pb.Schema(columns=schema))
        full = [name for name in (*FLOATS, *INTEGERS, *LEVELS, TIME) if name not in GAPS]
        asked = asked.col_vals_not_null(full)
        asked = asked.col_vals_between([*FLOATS, *INTEGERS], LOW, HIGH, na_pass=True)
        for name, levels in LEVELS.items():
            asked = asked.col_vals_in_set(name, levels)
        asked = asked.rows_distinct(columns_subset=["id"])
        return int(not asked.interrogate(collect_extracts=False).all_passed())

    measured(check, "pointblank", "polars")


if __name__ == "__main__":
    main()
