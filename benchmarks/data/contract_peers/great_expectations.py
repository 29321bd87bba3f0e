"""The rules of ``contract_table`` in Great Expectations, on pandas."""

from benchmarks.data.contract_peers.measure import measured
from benchmarks.data.contract_table import FLOATS, GAPS, HIGH, INTEGERS, LEVELS, LOW, TIME


def main() -> None:
    import great_expectations as gx
    import pandas as pd
    from great_expectations import expectations as gxe

    context = gx.get_context(mode="ephemeral")
    suite = gx.ExpectationSuite(name="table")
    for name in (*FLOATS, *INTEGERS):
        suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=LOW, max_value=HIGH))
        kind = "float64" if name in FLOATS else "int64"
        suite.add_expectation(gxe.ExpectColumnValuesToBeOfType(column=name, type_=kind))
    for name, levels in LEVELS.items():
        suite.add_expectation(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=levels))
    for name in (*FLOATS, *INTEGERS, *LEVELS, TIME):
        share = 0.94 if name in GAPS else 1.0
        suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=share))
    suite.add_expectation(gxe.ExpectColumnValuesToBeUnique(column="id"))

    def check(path: str) -> int:
        source = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
        batch = source.add_batch_definition_whole_dataframe("all")
        made = batch.get_batch(batch_parameters={"dataframe": pd.read_parquet(path)}).validate(suite)
        return sum(not result.success for result in made.results)

    measured(check, "great_expectations", "pandas")


if __name__ == "__main__":
    main()
