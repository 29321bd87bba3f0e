"""A table against its contract: judge only, in one pass over the columns, of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from slipway.base.errors import ContractError, SourceError
from slipway.base.quantities import parse_duration
from slipway.data.contract import Column, Contract, Rule, Severity
from slipway.data.expressions import Expression
from slipway.data.measures import ColumnPlan, new_levels, plan_column, plan_ignored
from slipway.data.tablerules import compile_table_rule
from slipway.data.tables import canonical

#: Counts by measure of one column.
_Counts = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One broken rule. Neither side quotes a value of a row."""

    #: None when the finding is about the table.
    column: str | None
    #: columns, rows, type, required, empty, finite, datetime, forbidden, ``rule NAME``, or one of
    #: ``slipway.data.contract.RuleName``.
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


def check_table(df: pl.DataFrame, contract: Contract, *, now: datetime | None = None) -> CheckReport:
    """Hold a table against a contract; see ``check_lazy``."""
    return check_lazy(df.lazy(), contract, now=now)


def check_lazy(frame: pl.LazyFrame, contract: Contract, *, now: datetime | None = None) -> CheckReport:
    """Hold a table against a contract in one streaming pass; it need not fit into memory.

    A missing or mistyped column, a missing required value, infinite numbers, text that is no time in a
    datetime column, a column without any value, a row count out of bounds, and a feature that is forbidden
    or deprecated are ``reject``. Unknown columns are ``flag``, and so are, unless the contract weighs them
    otherwise, values out of range, new levels, lengths, patterns, repeated values, a larger share of
    missing values, an old table and rows that break a rule: the encoder gives each of them its place, and
    the monitors watch them.

    Of an ignored column only ``unique`` is judged. Two things may take a second pass over one column: how
    many different new levels there are, and whether values are unique that do not come in rising order.

    Args:
        frame: any Polars table that ``slipway.data.tables.canonical`` takes, such as
            ``pl.scan_parquet(path)``.
        contract: what it must look like.
        now: against which ``max_age`` is held; without it, it is not judged.

    Raises:
        SourceError: a column of lists or structs, or integers beyond 64 bits with a sign.
    """
    plain, plans = _plan(frame, contract)
    rules = _rules(contract, plans)
    measures = [pl.len().alias("rows")]
    for at, plan in enumerate(plans):
        measures += [measure.alias(f"{at} {name}") for name, measure in plan.measures.items()]
    for at, (_, expression, broken) in enumerate(rules):
        if expression is not None:
            measures.append(broken.alias(f"rule {at}"))
    seen = frame.select(measures).collect(engine="streaming").row(0, named=True)
    rows: int = seen["rows"]
    counts = [_counts_of(at, plan, seen) for at, plan in enumerate(plans)]
    mistyped = {plan.column.name for plan, count in zip(plans, counts, strict=True) if _odd_type(plan, count)}
    findings = _shape_findings(plain, contract, rows) + _tag_findings(contract, rows)
    for plan, count in zip(plans, counts, strict=True):
        findings += _type_findings(plan, count, rows)
    for plan, count in zip(plans, counts, strict=True):
        if plan.column.name not in mistyped:
            findings += _value_findings(frame, plan, count, rows, now)
    for at, (rule, expression, _) in enumerate(rules):
        if expression is None or not mistyped.intersection(expression.columns):
            findings += _rule_findings(rule, seen.get(f"rule {at}"), rows)
    return CheckReport(rows, plain.width, tuple(findings))


def _plan(frame: pl.LazyFrame, contract: Contract) -> tuple[pl.DataFrame, list[ColumnPlan]]:
    """The columns of the table as an empty canonical one, and how each of the contract's is judged."""
    schema = frame.collect_schema()
    ignored = [column.name for column in contract.columns if column.role == "ignore"]
    plain = canonical(pl.DataFrame(schema=schema), exclude=ignored)
    plans: list[ColumnPlan] = []
    for column in contract.columns:
        if column.name in plain.columns and (column.role != "ignore" or column.unique):
            plan = plan_ignored if column.role == "ignore" else plan_column
            plans.append(plan(column, schema[column.name], plain[column.name].dtype))
    return plain, plans


def _rules(contract: Contract, plans: Sequence[ColumnPlan]) -> list[tuple[Rule, Expression | None, pl.Expr]]:
    """Each rule with a count of the rows that break it; without an expression when it cannot be judged."""
    values = {plan.column.name: plan.value for plan in plans if plan.column.role != "ignore"}
    made: list[tuple[Rule, Expression | None, pl.Expr]] = []
    for rule in contract.rules:
        expression = contract.expression(rule)
        read = {name: value for name in expression.columns if (value := values.get(name)) is not None}
        if len(read) < len(expression.columns):
            made.append((rule, None, pl.lit(0)))
        else:
            made.append((rule, expression, (~compile_table_rule(expression, read)).sum()))
    return made


def _counts_of(at: int, plan: ColumnPlan, seen: Mapping[str, Any]) -> _Counts:
    counts = {name: seen[f"{at} {name}"] for name in plan.measures}
    if counts.get("overflow"):
        raise SourceError(
            expected="integers that fit 64 bits with a sign",
            got=f"{counts['overflow']} larger ones in column {plan.column.name!r}",
            where="table",
            next_step="store the column as text when it is a code, as a float when it is a quantity",
        )
    return counts


def _finding(
    column: Column, rule: str, severity: Severity, expected: str, observed: str, rows: int
) -> Finding:
    return Finding(column.name, rule, severity, expected, observed, rows)


def _shape_findings(table: pl.DataFrame, contract: Contract, rows: int) -> list[Finding]:
    found: list[Finding] = []
    most = contract.max_rows
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


def _tag_findings(contract: Contract, rows: int) -> list[Finding]:
    """Features that a model must not read, or not for long."""
    found: list[Finding] = []
    for column in contract.features:
        because = f" ({column.reason})" if column.reason else ""
        if "forbidden" in column.tags:
            found.append(
                _finding(column, "forbidden", "reject", "no forbidden feature", f"one{because}", rows)
            )
        if "deprecated" in column.tags:
            weight = column.weight("deprecated")
            found.append(
                _finding(column, "deprecated", weight, "no deprecated feature", f"one{because}", rows)
            )
    return found


def _odd_type(plan: ColumnPlan, counts: _Counts) -> bool:
    return plan.value is None or bool(counts.get("lossy"))


def _type_findings(plan: ColumnPlan, counts: _Counts, rows: int) -> list[Finding]:
    """A column of another type; one without any value has every type."""
    if not _odd_type(plan, counts):
        return []
    if counts["missing"] == rows:
        return _missing_findings(plan.column, counts["missing"], rows)
    column = plan.column
    observed = f"values of type {plan.stored}"
    return [_finding(column, "type", "reject", f"type {column.type}", observed, rows)]


def _value_findings(
    frame: pl.LazyFrame, plan: ColumnPlan, counts: _Counts, rows: int, now: datetime | None
) -> list[Finding]:
    column = plan.column
    if column.role == "ignore":
        return _repeat_findings(frame, plan, rows - counts["missing"])
    found = _missing_findings(column, counts["missing"], rows)
    for judge in (_number_findings, _word_findings):
        found += judge(column, counts)
    if counts.get("new"):
        found.append(_level_finding(frame, plan, counts["new"]))
    if counts.get("odd"):
        observed = f"other text in {counts['odd']} rows"
        found.append(_finding(column, "datetime", "reject", "ISO 8601 times", observed, counts["odd"]))
    if column.unique:
        found += _repeat_findings(frame, plan, rows - counts["missing"])
    if now is not None and counts.get("newest") is not None:
        found += _age_findings(column, counts["newest"], now, rows)
    return found


def _missing_findings(column: Column, missing: int, rows: int) -> list[Finding]:
    if missing == 0:
        return []
    observed = f"none in {missing} of {rows} rows"
    if missing == rows and column.role != "group":
        return [_finding(column, "empty", "reject", "values", "a column without any value", rows)]
    if column.required:
        return [_finding(column, "required", "reject", "a value in each row", observed, missing)]
    if column.max_missing is not None and missing > column.max_missing * rows:
        expected = f"at most {column.max_missing:.1%} missing values"
        return [_finding(column, "missing", column.weight("missing"), expected, observed, missing)]
    return []


def _number_findings(column: Column, counts: _Counts) -> list[Finding]:
    found: list[Finding] = []
    infinite = counts.get("infinite")
    if infinite:
        observed = f"infinite ones in {infinite} rows"
        found.append(_finding(column, "finite", "reject", "finite numbers", observed, infinite))
    below, above = counts.get("below", 0), counts.get("above", 0)
    if below + above:
        unit = f" {column.unit}" if column.unit else ""
        low = "" if column.min is None else f"{column.min} <= "
        high = "" if column.max is None else f" <= {column.max}"
        observed = f"{below} rows below and {above} above"
        expected = f"{low}value{high}{unit}"
        found.append(_finding(column, "range", column.weight("range"), expected, observed, below + above))
    return found


def _word_findings(column: Column, counts: _Counts) -> list[Finding]:
    found: list[Finding] = []
    if counts.get("length"):
        low = "" if column.min_length is None else f"{column.min_length} <= "
        high = "" if column.max_length is None else f" <= {column.max_length}"
        observed = f"others in {counts['length']} rows"
        weight = column.weight("length")
        found.append(_finding(column, "length", weight, f"{low}length{high}", observed, counts["length"]))
    if counts.get("pattern"):
        observed = f"others in {counts['pattern']} rows"
        expected = f"texts that match {column.pattern}"
        found.append(
            _finding(column, "pattern", column.weight("pattern"), expected, observed, counts["pattern"])
        )
    return found


def _level_finding(frame: pl.LazyFrame, plan: ColumnPlan, new: int) -> Finding:
    column, value = plan.column, plan.value
    assert value is not None
    levels = frame.select(value).filter(new_levels(column, pl.col(column.name))).select(pl.all().n_unique())
    observed = f"{levels.collect(engine='streaming').item()} new levels in {new} rows"
    expected = f"one of {len(column.allowed or ())} levels"
    return _finding(column, "levels", column.weight("levels"), expected, observed, new)


def _repeat_findings(frame: pl.LazyFrame, plan: ColumnPlan, present: int) -> list[Finding]:
    column, value = plan.column, plan.value
    assert value is not None
    if plan.order is not None and plan.order.proves_unique:
        return []
    if column.type == "float" and column.role != "ignore":
        value = value.fill_nan(None)
    distinct = frame.select(value.drop_nulls().n_unique()).collect(engine="streaming").item()
    if distinct == present:
        return []
    weight, repeats = column.weight("unique"), present - distinct
    observed = f"{repeats} values that an earlier row has"
    return [_finding(column, "unique", weight, "no value twice", observed, repeats)]


def _age_findings(column: Column, newest: datetime, now: datetime, rows: int) -> list[Finding]:
    assert column.max_age is not None
    limit = timedelta(seconds=parse_duration(column.max_age, f"max_age of column {column.name!r}"))
    moment = now if now.tzinfo is None else now.astimezone(UTC).replace(tzinfo=None)
    age = moment - newest
    if age <= limit:
        return []
    observed = f"one {age.total_seconds() / 86400:.1f} days old"
    expected = f"a newest time at most {column.max_age} old"
    return [_finding(column, "age", column.weight("age"), expected, observed, rows)]


def _rule_findings(rule: Rule, broken: int | None, rows: int) -> list[Finding]:
    name = f"rule {rule.name}"
    if broken is None:
        observed = "one that is ignored, absent or of another type: the rule is not judged"
        return [Finding(None, name, "warn", "the columns of the rule", observed, 0)]
    if broken == 0:
        return []
    return [
        Finding(None, name, rule.severity, rule.expr, f"that to be false in {broken} of {rows} rows", broken)
    ]
