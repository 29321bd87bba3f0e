"""A table against its contract: judge only, in one pass over the columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from slipway.base.errors import ContractError
from slipway.data.contract import NUMERIC, Column, Contract
from slipway.data.tables import canonical, conform_column, moments

#: ``reject``: the table must not train a model. ``flag``: worth a look.
Severity = Literal["reject", "flag"]


@dataclass(frozen=True)
class Finding:
    """One broken rule. Neither side quotes a value of a row."""

    #: None when the finding is about the table.
    column: str | None
    #: columns, rows, type, required, empty, missing, finite, range, levels or datetime.
    rule: str
    severity: Severity
    expected: str
    observed: str
    #: Rows that break the rule.
    rows: int

    @property
    def message(self) -> str:
        """The finding in one line."""
        place = f"column {self.column!r}" if self.column else "table"
        return f"{place}: expected {self.expected}, got {self.observed}"


@dataclass(frozen=True)
class CheckReport:
    """What judging a table found."""

    rows: int
    columns: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no finding forbids training on the table."""
        return all(finding.severity != "reject" for finding in self.findings)

    def require(self, where: str = "table") -> None:
        """Act on a verdict that forbids training.

        Raises:
            ContractError: with the first such finding, and how many there are.
        """
        rejected = [finding for finding in self.findings if finding.severity == "reject"]
        if rejected:
            first = rejected[0]
            raise ContractError(
                expected=first.expected,
                got=first.observed + (f" (and {len(rejected) - 1} more findings)" * (len(rejected) > 1)),
                where=f"column {first.column!r} of {where}" if first.column else where,
                next_step="see all findings with `slipway check`, then mend the data or contract.toml",
            )


def check_table(df: pl.DataFrame, contract: Contract) -> CheckReport:
    """Hold a table against a contract.

    A missing or mistyped column, a missing required value, infinite numbers, text that is no time in a
    datetime column, a feature without any value, and a row count out of bounds are ``reject``. Values out
    of range, new levels, a larger share of missing values and unknown columns are ``flag``: the encoder
    gives each of them its place, and the monitors watch them.

    Args:
        df: any Polars table that ``slipway.data.tables.canonical`` takes.
        contract: what it must look like.

    Raises:
        SourceError: a column of lists or structs.
    """
    ignored = [column.name for column in contract.columns if column.role == "ignore"]
    table = canonical(df, exclude=ignored)
    findings = _shape_findings(table, contract)
    checked: list[tuple[Column, pl.Series]] = []
    for column in contract.columns:
        if column.role == "ignore" or column.name not in table.columns:
            continue
        try:
            checked.append((column, conform_column(table[column.name], column)))
        except ContractError as error:
            findings.append(_finding(column, "type", "reject", error.expected, error.got, table.height))
    for column, series in checked:
        findings += _value_findings(column, series)
    return CheckReport(table.height, table.width, tuple(findings))


def _finding(
    column: Column, rule: str, severity: Severity, expected: str, observed: str, rows: int
) -> Finding:
    return Finding(column.name, rule, severity, expected, observed, rows)


def _shape_findings(table: pl.DataFrame, contract: Contract) -> list[Finding]:
    found: list[Finding] = []
    rows, most = table.height, contract.max_rows
    if rows < contract.min_rows or (most is not None and rows > most):
        bounds = f"at least {contract.min_rows}" + (f", at most {most}" if most is not None else "")
        found.append(Finding(None, "rows", "reject", f"{bounds} rows", str(rows), rows))
    for column in contract.columns:
        if column.role != "ignore" and column.name not in table.columns:
            found.append(_finding(column, "columns", "reject", "the column", "none of that name", rows))
    known = {column.name for column in contract.columns}
    found += [
        Finding(name, "columns", "flag", "only columns of the contract", "one that it does not know", rows)
        for name in table.columns
        if name not in known
    ]
    return found


def _value_findings(column: Column, series: pl.Series) -> list[Finding]:
    found = _missing_findings(column, series)
    if column.type in NUMERIC:
        found += _number_findings(column, series)
    elif column.allowed is not None:
        new = series.filter(~series.is_in(list(column.allowed)) & series.is_not_null())
        if len(new):
            observed = f"{new.n_unique()} new levels in {len(new)} rows"
            found.append(
                _finding(column, "levels", "flag", f"one of {len(column.allowed)} levels", observed, len(new))
            )
    elif column.type == "datetime":
        odd = moments(series).null_count() - series.null_count()
        if odd:
            found.append(
                _finding(column, "datetime", "reject", "ISO 8601 times", f"other text in {odd} rows", odd)
            )
    return found


def _missing_findings(column: Column, series: pl.Series) -> list[Finding]:
    missing, rows = series.null_count(), len(series)
    if missing == 0:
        return []
    observed = f"none in {missing} of {rows} rows"
    if missing == rows and column.role != "group":
        return [_finding(column, "empty", "reject", "values", "a column without any value", rows)]
    if column.required:
        return [_finding(column, "required", "reject", "a value in each row", observed, missing)]
    if column.max_missing is not None and missing > column.max_missing * rows:
        expected = f"at most {column.max_missing:.1%} missing values"
        return [_finding(column, "missing", "flag", expected, observed, missing)]
    return []


def _number_findings(column: Column, series: pl.Series) -> list[Finding]:
    found: list[Finding] = []
    if column.type == "float":
        infinite = int(series.is_infinite().sum())
        if infinite:
            observed = f"infinite ones in {infinite} rows"
            found.append(_finding(column, "finite", "reject", "finite numbers", observed, infinite))
    below = 0 if column.min is None else int((series < column.min).sum())
    above = 0 if column.max is None else int((series > column.max).sum())
    if below + above:
        low = "" if column.min is None else f"{column.min} <= "
        high = "" if column.max is None else f" <= {column.max}"
        observed = f"{below} rows below and {above} above"
        found.append(_finding(column, "range", "flag", f"{low}value{high}", observed, below + above))
    return found
