"""The contract applied to one request row, at a few microseconds a row.

Compiled once per contract; msgspec and the standard library only, because the gateway imports it. What a
row must look like is in ``slipway.data.rowrules``; here they become one function without a loop or a call
per column, because at this scale a call costs more than a comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NoReturn

import msgspec

from slipway.base.errors import ContractError
from slipway.base.vocabulary import Value
from slipway.data.closures import compile_closure
from slipway.data.contract import Column, ColumnType, Contract, Rule
from slipway.data.rowrules import BROKEN, NO_VALUE, NOT_A_DOUBLE, CellRule, cell_rule

_Holds = Callable[[Sequence[Value]], bool | None]

_EXPECTED: dict[ColumnType, str] = {
    "float": "a JSON number",
    "int": "a JSON number without a fraction",
    "bool": "true or false",
    "category": "a JSON string",
    "datetime": "a JSON string with an ISO 8601 time",
    "text": "a JSON string",
}
_JSON_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_MSGSPEC_NAMES = {"str": "string", "int": "number", "float": "number", "bool": "true or false"}
_NEAR_MISSES: dict[tuple[ColumnType, type], str] = {
    ("datetime", str): "another string",
    ("int", float): "a number with a fraction",
}
_MSGSPEC_TYPES: dict[ColumnType, object] = {
    "float": float | int | None,
    "int": float | int | None,
    "bool": bool | None,
    "category": str | None,
    "datetime": str | None,
    "text": str | None,
}


def row_type(contract: Contract, *, strict: bool = True) -> type[msgspec.Struct]:
    """A struct to decode one JSON row into, so that msgspec checks the JSON types.

    Each input column (feature, time, group) is optional and None by default: a missing key, null and a
    missing cell of the training table are the same thing. Numbers stay as they came, int or float; text is
    never read as a number, and true is not 1. Columns that the contract knows but no model reads (the
    target and ignored ones) are accepted and left unread.

    Args:
        contract: what to expect.
        strict: refuse keys that the contract does not know, else leave them unread.

    Returns:
        A struct type; ``RowCheck.values`` takes its instances apart. What msgspec raises on a wrong row
        goes through ``decoding_error``, because msgspec's own text names unknown keys.
    """
    fields: list[tuple[str, Any, Any]] = []
    for position, column in enumerate(contract.inputs):
        fields.append((f"c{position}", _MSGSPEC_TYPES[column.type], None))
    unread = [column.name for column in contract.columns if column not in contract.inputs]
    fields += [(f"u{position}", msgspec.Raw, msgspec.Raw()) for position in range(len(unread))]
    names = [column.name for column in contract.inputs] + unread
    return msgspec.defstruct(
        "Row",
        fields,
        rename={field[0]: name for field, name in zip(fields, names, strict=True)},
        forbid_unknown_fields=strict,
        frozen=True,
        gc=False,
    )


def decoding_error(error: msgspec.ValidationError) -> ContractError:
    """What msgspec found wrong with the JSON of some rows, without the name of an unknown key."""
    message, _, path = str(error).partition(" - at `")
    place = path.removesuffix("`").removeprefix("$").removeprefix(".") or "the body"
    if "unknown field" in message:
        return _unknown_columns("one or more others", place)
    match = re.fullmatch(r"Expected `(.*?)`, got `(.*?)`", message)
    if match is None:
        return ContractError(
            expected="numbers that fit 64 bits" if "out of range" in message else "rows as JSON objects",
            got="one that does not" if "out of range" in message else "a body of another shape",
            where=place,
            next_step="compare the request with contract.toml",
        )
    return ContractError(
        expected=match[1].replace("int | float", "number"),
        got=_MSGSPEC_NAMES.get(match[2], match[2]),
        where=place,
        next_step="send the JSON type of the contract, or null for a missing value",
    )


class RowCheck:
    """The contract's rules for one row.

    What a row means is what it would have meant in training: null, an absent key and (from Python) NaN are
    a missing cell; a category that training did not know is a new level; a text that was a missing-value
    marker of the training file, such as ``?``, is ordinary text here. Datetimes are ISO 8601 text, whatever
    the training table stored. Nothing is converted: numbers must come as numbers.

    Attributes:
        columns: names of the input columns, the order of ``values``.

    Instances hold no state; threads may share one.
    """

    __slots__ = ("_across", "_columns", "_known", "_rules", "_take", "check", "columns")

    def __init__(self, contract: Contract) -> None:
        inputs = contract.inputs
        self.columns: tuple[str, ...] = tuple(column.name for column in inputs)
        self._columns = inputs
        self._known = frozenset(column.name for column in contract.columns)
        self._rules = tuple(cell_rule(column) for column in inputs)
        self._across = _rules_across(contract, self.columns)
        fields = [f"c{position}" for position in range(len(inputs))]
        self._take: Callable[[Any], Any] = attrgetter(*fields)
        #: ``check(values, at=0)`` counts the flag rules that a row breaks; see ``_checker``.
        self.check: Callable[..., int] = _checker(self._rules, self._across, self._refuse)

    def values(self, row: msgspec.Struct) -> tuple[Value, ...]:
        """The input values of a decoded ``row_type`` row, in the order of ``columns``."""
        taken: Any = self._take(row)
        return taken if len(self.columns) > 1 else (taken,)

    def values_of(self, row: Mapping[str, Value], at: int = 0) -> tuple[Value, ...]:
        """The input values of a row that is a mapping, in the order of ``columns``.

        Raises:
            ContractError: it has columns that the contract does not know.
        """
        unknown = self.unknown(row)
        if unknown:
            raise _unknown_columns(str(unknown), f"row {at}")
        return tuple(map(row.get, self.columns))

    def unknown(self, row: Mapping[str, object]) -> int:
        """How many columns of the row the contract does not know."""
        return 0 if self._known.issuperset(row) else len(set(row) - self._known)

    def check_rows(self, rows: Sequence[Sequence[Value]]) -> list[int]:
        """The flags of each row; raises as ``check`` does."""
        return [self.check(values, at) for at, values in enumerate(rows)]

    def _refuse(self, values: Sequence[Value], at: int) -> NoReturn:
        for column, rule, value in zip(self._columns, self._rules, values, strict=True):
            broken = rule.judge(value)
            if broken < 0:
                raise _refusal(column, broken, value, at)
        for rule, holds in self._across:
            if rule.severity == "reject" and holds(values) is False:
                raise _broken_rule(rule, at)
        raise AssertionError("no rule refuses this row")


def _rules_across(contract: Contract, columns: Sequence[str]) -> tuple[tuple[Rule, _Holds], ...]:
    """The rules that a request can break: of more than ``warn``, and about columns that it carries."""
    made: list[tuple[Rule, _Holds]] = []
    for rule in contract.rules:
        expression = contract.expression(rule)
        if rule.severity != "warn" and set(expression.columns) <= set(columns):
            made.append((rule, compile_closure(expression, columns)))
    return tuple(made)


def _checker(
    rules: Sequence[CellRule],
    across: Sequence[tuple[Rule, _Holds]],
    refuse: Callable[[Sequence[Value], int], NoReturn],
) -> Callable[..., int]:
    """One function ``check(values, at=0) -> int`` for all rules.

    It is written as source and compiled: the usual good cell costs a comparison or two, and only another
    one a call of its rule. The source is made of numbers alone; names, bounds and levels of the contract
    are reached through variables.

    Args of the function:
        values: one value per input column.
        at: the row's number in its request, for the error.

    Returns of the function: how many flag rules the row breaks: out of range, new category, missing where
    never missing, and so on.

    Raises of the function:
        ContractError: a value of the wrong type, a number that float64 cannot hold as it is, no value in a
            required column, or a rule broken whose severity is ``reject``.
    """
    scope: dict[str, Any] = {"refuse": refuse}
    cells = [f"c{at}" for at in range(len(rules))]
    lines = ["def check(values, at=0):", f" {', '.join(cells)}, = values", " flags = 0"]
    for at, rule in enumerate(rules):
        sure = rule.sure
        for name, value in rule.scope.items():
            sure = sure.replace(f"${name}", f"{name}{at}")
            scope[f"{name}{at}"] = value
        scope[f"judge{at}"] = rule.judge
        lines += [
            f" if not ({sure.replace('$cell', f'c{at}')}):",
            f"  broken = judge{at}(c{at})",
            "  if broken < 0: refuse(values, at)",
            "  flags += broken",
        ]
    for at, (rule, holds) in enumerate(across):
        scope[f"holds{at}"] = holds
        what = "refuse(values, at)" if rule.severity == "reject" else "flags += 1"
        lines.append(f" if holds{at}(values) is False: {what}")
    exec("\n".join([*lines, " return flags"]), scope)
    return scope["check"]


def compile_row_check(contract: Contract) -> RowCheck:
    """Compile the contract's rules for rows."""
    return RowCheck(contract)


def _refusal(column: Column, broken: int, value: Value, at: int) -> ContractError:
    where = f"row {at}, column {column.name!r}"
    if broken == NO_VALUE:
        return ContractError(
            expected="a value, as the contract requires one",
            got="null or no such key",
            where=where,
            next_step="send the value, or set required = false in contract.toml and train again",
        )
    if broken == NOT_A_DOUBLE:
        return ContractError(
            expected="a finite number that a 64-bit float holds without rounding",
            got="one that would be rounded, or is not finite",
            where=where,
            next_step="send it with the precision of a float, such as 1.5e18; use a category for long codes",
        )
    if broken in BROKEN:
        return ContractError(
            expected=f"a value that keeps the rule {BROKEN[broken]!r} of its column",
            got="one that breaks it, which the contract refuses",
            where=where,
            next_step="send another value, or set the rule's severity to flag and train again",
        )
    near_miss = _NEAR_MISSES.get((column.type, type(value)))
    return ContractError(
        expected=_EXPECTED[column.type],
        got=near_miss or _JSON_NAMES.get(type(value), "something else"),
        where=where,
        next_step="send that, or null for a missing value",
    )


def _broken_rule(rule: Rule, at: int) -> ContractError:
    return ContractError(
        expected=rule.expr,
        got="a row where that is false, which the contract refuses",
        where=f"row {at}, rule {rule.name!r}",
        next_step="send other values, or set the rule's severity to flag and train again",
    )


def _unknown_columns(count: str, where: str) -> ContractError:
    return ContractError(
        expected="only columns of the contract",
        got=f"{count} that it does not know",
        where=where,
        next_step='compare the keys with contract.toml, or set serve.on_invalid = "flag"',
    )
