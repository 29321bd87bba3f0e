"""A cross-column rule as a Python function of one row; its twin for tables is ``slipway.data.tablerules``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from math import isfinite, isnan
from typing import Any

from slipway.base.vocabulary import Value
from slipway.data.expressions import (
    Arithmetic,
    Cell,
    Comparison,
    Constant,
    Elapsed,
    Expression,
    Logic,
    Membership,
    Missing,
    Node,
    Not,
)
from slipway.data.moments import parse_moment

#: What a part of a rule gives for the values of a row; None is missing.
Part = Callable[[Sequence[Value]], Any]

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000.0


def compile_closure(
    expression: Expression, columns: Sequence[str]
) -> Callable[[Sequence[Value]], bool | None]:
    """The rule as a function of the values of a row.

    Args:
        expression: what ``parse_expression`` gave.
        columns: names of the values, in their order; all that the rule reads must be among them. The
            values have passed the type rules of their columns.

    Returns:
        A function that answers True, False, or None where the rule cannot be judged.
    """
    return _part(expression.root, {name: at for at, name in enumerate(columns)})


def _part(node: Node, places: Mapping[str, int]) -> Part:
    return _MAKERS[type(node)](node, places)


def _cell(node: Cell, places: Mapping[str, int]) -> Part:
    at = places[node.name]

    def number(row: Sequence[Value]) -> float | None:
        value: Any = row[at]
        if value is None:
            return None
        value = float(value)
        return None if isnan(value) else value

    def moment(row: Sequence[Value]) -> Any:
        value: Any = row[at]
        return None if value is None else parse_moment(value)

    return {"number": number, "time": moment}.get(node.kind, operator.itemgetter(at))


def _constant(node: Constant, _places: Mapping[str, int]) -> Part:
    value = node.value
    return lambda _row: value


def _arithmetic(node: Arithmetic, places: Mapping[str, int]) -> Part:
    left, right = _part(node.left, places), _part(node.right, places)
    apply = _SIGNS.get(node.sign, _ratio)

    def part(row: Sequence[Value]) -> float | None:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        result = apply(a, b)
        return result if isfinite(result) else None

    return part


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


def _elapsed(node: Elapsed, places: Mapping[str, int]) -> Part:
    end, start = _part(node.end, places), _part(node.start, places)

    def part(row: Sequence[Value]) -> float | None:
        a, b = end(row), start(row)
        return None if a is None or b is None else float((a - b) // _MICROSECOND) / _DAY

    return part


def _comparison(node: Comparison, places: Mapping[str, int]) -> Part:
    left, right, compare = _part(node.left, places), _part(node.right, places), _SIGNS[node.sign]

    def part(row: Sequence[Value]) -> bool | None:
        a, b = left(row), right(row)
        return None if a is None or b is None else compare(a, b)

    return part


def _membership(node: Membership, places: Mapping[str, int]) -> Part:
    item, members = _part(node.item, places), frozenset(member.value for member in node.members)

    def part(row: Sequence[Value]) -> bool | None:
        value = item(row)
        return None if value is None else value in members

    return part


def _missing(node: Missing, places: Mapping[str, int]) -> Part:
    item = _part(node.item, places)
    return lambda row: item(row) is None


def _not(node: Not, places: Mapping[str, int]) -> Part:
    item = _part(node.item, places)

    def part(row: Sequence[Value]) -> bool | None:
        value = item(row)
        return None if value is None else not value

    return part


def _logic(node: Logic, places: Mapping[str, int]) -> Part:
    left, right = _part(node.left, places), _part(node.right, places)
    # The value that decides alone: one false makes an `and` false, one true an `or` true.
    deciding = node.word == "or"

    def part(row: Sequence[Value]) -> bool | None:
        a = left(row)
        if a is deciding:
            return deciding
        b = right(row)
        if b is deciding:
            return deciding
        return None if a is None or b is None else not deciding

    return part


_MAKERS: dict[type, Callable[[Any, Mapping[str, int]], Part]] = {
    Cell: _cell,
    Constant: _constant,
    Arithmetic: _arithmetic,
    Elapsed: _elapsed,
    Comparison: _comparison,
    Membership: _membership,
    Missing: _missing,
    Not: _not,
    Logic: _logic,
}
