"""The contract applied to one request row, at a few microseconds a row.

Compiled once per contract; msgspec and the standard library only, because the gateway imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan
from operator import attrgetter
from typing import Any, NoReturn

import msgspec

from slipway.base.errors import ContractError
from slipway.base.vocabulary import Value
from slipway.data.contract import Column, ColumnType, Contract
from slipway.data.moments import parse_moment

#: Integers up to here are float64 numbers without rounding.
_EXACT = 2**53
#: The log keeps integers in 64 bits.
_INT64 = 2**63

# What a rule answers: a number of broken flag rules, or one of these refusals.
_WRONG_TYPE = -1
_NO_VALUE = -2
_NOT_A_DOUBLE = -3

Rule = Callable[[Value], int]

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

    __slots__ = ("_columns", "_known", "_rules", "_take", "columns")

    def __init__(self, contract: Contract) -> None:
        inputs = contract.inputs
        self.columns: tuple[str, ...] = tuple(column.name for column in inputs)
        self._columns = inputs
        self._known = frozenset(column.name for column in contract.columns)
        self._rules: tuple[Rule, ...] = tuple(_RULES[column.type](column) for column in inputs)
        fields = [f"c{position}" for position in range(len(inputs))]
        self._take: Callable[[Any], Any] = attrgetter(*fields)

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

    def check(self, values: Sequence[Value], at: int = 0) -> int:
        """Count the flag rules that a row breaks: out of range, new category, missing where never missing.

        Args:
            values: one value per column of ``columns``.
            at: the row's number in its request, for the error.

        Raises:
            ContractError: a value of the wrong type, a number that float64 cannot hold as it is, or no
                value in a required column.
        """
        flags = 0
        for rule, value in zip(self._rules, values, strict=True):
            broken = rule(value)
            if broken:
                if broken < 0:
                    self._refuse(values, at)
                flags += broken
        return flags

    def check_rows(self, rows: Sequence[Sequence[Value]]) -> list[int]:
        """The flags of each row; raises as ``check`` does."""
        return [self.check(values, at) for at, values in enumerate(rows)]

    def _refuse(self, values: Sequence[Value], at: int) -> NoReturn:
        for column, rule, value in zip(self._columns, self._rules, values, strict=True):
            broken = rule(value)
            if broken < 0:
                raise _refusal(column, broken, value, at)
        raise AssertionError("no rule refuses this row")


def compile_row_check(contract: Contract) -> RowCheck:
    """Compile the contract's rules for rows."""
    return RowCheck(contract)


def _refusal(column: Column, broken: int, value: Value, at: int) -> ContractError:
    where = f"row {at}, column {column.name!r}"
    if broken == _NO_VALUE:
        return ContractError(
            expected="a value, as the contract requires one",
            got="null or no such key",
            where=where,
            next_step="send the value, or set required = false in contract.toml and train again",
        )
    if broken == _NOT_A_DOUBLE:
        return ContractError(
            expected="a finite number that a 64-bit float holds without rounding",
            got="one that would be rounded, or is not finite",
            where=where,
            next_step="send it with the precision of a float, such as 1.5e18; use a category for long codes",
        )
    near_miss = _NEAR_MISSES.get((column.type, type(value)))
    return ContractError(
        expected=_EXPECTED[column.type],
        got=near_miss or _JSON_NAMES.get(type(value), "something else"),
        where=where,
        next_step="send that, or null for a missing value",
    )


def _unknown_columns(count: str, where: str) -> ContractError:
    return ContractError(
        expected="only columns of the contract",
        got=f"{count} that it does not know",
        where=where,
        next_step='compare the keys with contract.toml, or set serve.on_invalid = "flag"',
    )


def _missing(column: Column) -> int:
    """What a missing value counts: a refusal, a flag or nothing."""
    if column.required:
        return _NO_VALUE
    return 1 if column.max_missing == 0 else 0


def _number_rule(column: Column) -> Rule:
    missing = _missing(column)
    low = -float("inf") if column.min is None else column.min
    high = float("inf") if column.max is None else column.max
    # Within these bounds an int needs no further look, so the common case is one comparison.
    sure_low, sure_high = max(low, -_EXACT), min(high, _EXACT)

    def rule(value: Value) -> int:
        kind = type(value)
        if kind is float or kind is int:
            return 0 if sure_low <= value <= sure_high else unsure(value)  # pyright: ignore[reportOperatorIssue]  (a number: see kind)
        return missing if value is None else _WRONG_TYPE

    def unsure(value: Any) -> int:
        if type(value) is float and isnan(value):
            return missing
        exact = (
            isfinite(value) if type(value) is float else -_INT64 <= value < _INT64 and float(value) == value
        )
        if not exact:
            return _NOT_A_DOUBLE
        return 0 if low <= value <= high else 1

    return rule


def _int_rule(column: Column) -> Rule:
    missing = _missing(column)
    low = -_INT64 if column.min is None else column.min
    high = _INT64 - 1 if column.max is None else column.max

    def rule(value: Value) -> int:
        if type(value) is int:
            if low <= value <= high:
                return 0
            return 1 if -_INT64 <= value < _INT64 else _NOT_A_DOUBLE
        if value is None:
            return missing
        return whole(value) if type(value) is float else _WRONG_TYPE

    def whole(value: float) -> int:
        if isnan(value):
            return missing
        if not value.is_integer():
            return _WRONG_TYPE if isfinite(value) else _NOT_A_DOUBLE
        if not -_INT64 <= value < _INT64:
            return _NOT_A_DOUBLE
        return 0 if low <= value <= high else 1

    return rule


def _bool_rule(column: Column) -> Rule:
    missing = _missing(column)

    def rule(value: Value) -> int:
        if value is True or value is False:
            return 0
        return missing if value is None else _WRONG_TYPE

    return rule


def _text_rule(column: Column) -> Rule:
    missing = _missing(column)
    levels = None if column.allowed is None else frozenset(column.allowed)

    def rule(value: Value) -> int:
        if type(value) is str:
            return 0 if levels is None or value in levels else 1
        return missing if value is None else _WRONG_TYPE

    return rule


def _datetime_rule(column: Column) -> Rule:
    missing = _missing(column)

    def rule(value: Value) -> int:
        if type(value) is str:
            return 0 if parse_moment(value) is not None else _WRONG_TYPE
        return missing if value is None else _WRONG_TYPE

    return rule


_RULES: dict[ColumnType, Callable[[Column], Rule]] = {
    "float": _number_rule,
    "int": _int_rule,
    "bool": _bool_rule,
    "category": _text_rule,
    "datetime": _datetime_rule,
    "text": _text_rule,
}
