"""The rules of one column for one cell of a request.

msgspec and the standard library only, because the gateway imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any

from slipway.base.vocabulary import Value
from slipway.data.contract import Column, ColumnType, RuleName
from slipway.data.moments import parse_moment
from slipway.data.patterns import LONGEST, portable_pattern

#: Integers up to here are float64 numbers without rounding.
_EXACT = 2**53
#: The log keeps integers in 64 bits.
_INT64 = 2**63

# What a rule answers: a number of broken flag rules, or one of these refusals.
WRONG_TYPE = -1
NO_VALUE = -2
NOT_A_DOUBLE = -3
#: Rules whose severity is ``reject``, by what they answer.
BROKEN: dict[int, RuleName] = {-10: "range", -11: "levels", -12: "length", -13: "pattern", -14: "missing"}
_REFUSALS = {rule: code for code, rule in BROKEN.items()}

Judge = Callable[[Value], int]


@dataclass(frozen=True)
class CellRule:
    """What a cell must look like."""

    #: Broken flag rules of a cell, or a refusal.
    judge: Judge
    #: A Python condition on ``$cell`` that is true only where ``judge`` answers 0.
    sure: str
    #: The variables of ``sure``, there named ``$low`` and so on.
    scope: dict[str, Any] = field(default_factory=dict[str, Any])


def cell_rule(column: Column) -> CellRule:
    """Compile what a contract says of the cells of one column."""
    return _RULES[column.type](column)


def _cost(column: Column, rule: RuleName) -> int:
    """What breaking a rule counts: a refusal, a flag or nothing."""
    weight = column.weight(rule)
    return _REFUSALS[rule] if weight == "reject" else int(weight == "flag")


def _missing(column: Column) -> int:
    """What a missing value counts: a refusal, a flag or nothing."""
    if column.required:
        return NO_VALUE
    return _cost(column, "missing") if column.max_missing == 0 else 0


def _number_rule(column: Column) -> CellRule:
    missing, outside = _missing(column), _cost(column, "range")
    low = -float("inf") if column.min is None else column.min
    high = float("inf") if column.max is None else column.max

    def judge(value: Any) -> int:
        if type(value) is not float and type(value) is not int:
            return missing if value is None else WRONG_TYPE
        if type(value) is float and isnan(value):
            return missing
        exact = (
            isfinite(value) if type(value) is float else -_INT64 <= value < _INT64 and float(value) == value
        )
        if not exact:
            return NOT_A_DOUBLE
        return 0 if low <= value <= high else outside

    # Within these bounds an int needs no further look, so the common case is one comparison.
    return CellRule(
        judge,
        "($cell.__class__ is $float or $cell.__class__ is $int) and $low <= $cell <= $high",
        {"low": max(low, -_EXACT), "high": min(high, _EXACT), "float": float, "int": int},
    )


def _int_rule(column: Column) -> CellRule:
    missing, outside = _missing(column), _cost(column, "range")
    low = -_INT64 if column.min is None else column.min
    high = _INT64 - 1 if column.max is None else column.max

    def judge(value: Any) -> int:
        if type(value) is float:
            if isnan(value):
                return missing
            if not value.is_integer():
                return WRONG_TYPE if isfinite(value) else NOT_A_DOUBLE
        elif type(value) is not int:
            return missing if value is None else WRONG_TYPE
        if not -_INT64 <= value < _INT64:
            return NOT_A_DOUBLE
        return 0 if low <= value <= high else outside

    scope = {"low": max(low, -_INT64), "high": min(high, _INT64 - 1), "int": int}
    return CellRule(judge, "$cell.__class__ is $int and $low <= $cell <= $high", scope)


def _bool_rule(column: Column) -> CellRule:
    missing = _missing(column)

    def judge(value: Value) -> int:
        if value is True or value is False:
            return 0
        return missing if value is None else WRONG_TYPE

    return CellRule(judge, "$cell is True or $cell is False")


def _text_rule(column: Column) -> CellRule:
    missing = _missing(column)
    wrong = _word_rules(column)

    def judge(value: Value) -> int:
        if type(value) is not str:
            return missing if value is None else WRONG_TYPE
        broken = [cost for cost, breaks in wrong if breaks(value)]
        return min(broken) if broken and min(broken) < 0 else sum(broken)

    sure = "$cell.__class__ is $str"
    if column.allowed is not None:
        good = frozenset(level for level in column.allowed if judge(level) == 0)
        return CellRule(judge, f"{sure} and $cell in $levels", {"str": str, "levels": good})
    return CellRule(judge, "False" if wrong else sure, {"str": str})


def _word_rules(column: Column) -> list[tuple[int, Callable[[str], bool]]]:
    """What each rule of a text costs, and when a text breaks it."""
    made: list[tuple[int, Callable[[str], bool]]] = []
    if column.allowed is not None:
        levels = frozenset(column.allowed)
        made.append((_cost(column, "levels"), lambda text: text not in levels))
    least, most = column.min_length, column.max_length
    if least is not None or most is not None:
        low, high = least or 0, float("inf") if most is None else most
        made.append((_cost(column, "length"), lambda text: not low <= len(text) <= high))
    if column.pattern is not None:
        matches = re.compile(portable_pattern(column.pattern)).fullmatch
        made.append((_cost(column, "pattern"), lambda text: len(text) > LONGEST or matches(text) is None))
    return made


def _datetime_rule(column: Column) -> CellRule:
    missing = _missing(column)

    def judge(value: Value) -> int:
        if type(value) is str:
            return 0 if parse_moment(value) is not None else WRONG_TYPE
        return missing if value is None else WRONG_TYPE

    return CellRule(
        judge, "$cell.__class__ is $str and $parse($cell) is not None", {"str": str, "parse": parse_moment}
    )


_RULES: dict[ColumnType, Callable[[Column], CellRule]] = {
    "float": _number_rule,
    "int": _int_rule,
    "bool": _bool_rule,
    "category": _text_rule,
    "datetime": _datetime_rule,
    "text": _text_rule,
}
