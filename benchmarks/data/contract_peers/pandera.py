"""The rules of ``contract_table`` in pandera, on Polars."""

from benchmarks.data.contract_peers.measure import measured
from benchmarks.data.contract_table import FLOATS, GAPS, HIGH, INTEGERS, LEVELS, LOW, TIME


def main() -> None:
    import pandera.polars as pa
    import polars as pl
    from pandera.errors import SchemaErrors

    between = pa.Check.in_range(LOW, HIGH)
    columns = {name: pa.Column(pl.Float64, between, nullable=name in GAPS) for name in FLOATS}
    columns |= {name: pa.Column(pl.Int64, between, unique=name == "id") for name in INTEGERS}
    columns |= {name: pa.Column(pl.String, pa.Check.isin(levels)) for name, levels in LEVELS.items()}
    columns[TIME] = pa.Column(pl.Datetime("us"))
    schema = pa.DataFrameSchema(columns)

    def check(path: str) -> int:
        try:
            schema.validate(pl.read_parquet(path), lazy=True)
        except SchemaErrors as error:
            return len(error.failure_cases)
        return 0

    measured(check, "pandera", "polars")


if __name__ == "__main__":
    main()
