"""A cross-column rule as a Polars expression; its twin for one row is ``slipway.data.closures``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import polars as pl

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

_SIGNS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DAY = 86_400_000_000.0


def compile_table_rule(expression: Expression, values: Mapping[str, pl.Expr]) -> pl.Expr:
    """The rule as an expression that is true, false, or null where it cannot be judged.

    Args:
        expression: what ``parse_expression`` gave.
        values: for each column it reads, its cells in the type of the contract: numbers, text, booleans,
            or microsecond datetimes without zone.
    """
    return _part(expression.root, values)


def _part(node: Node, values: Mapping[str, pl.Expr]) -> pl.Expr:
    return _MAKERS[type(node)](node, values)


def _cell(node: Cell, values: Mapping[str, pl.Expr]) -> pl.Expr:
    value = values[node.name]
    return value.cast(pl.Float64).fill_nan(None) if node.kind == "number" else value


def _constant(node: Constant, _values: Mapping[str, pl.Expr]) -> pl.Expr:
    return pl.lit(node.value, pl.Datetime("us") if node.kind == "time" else None)


def _arithmetic(node: Arithmetic, values: Mapping[str, pl.Expr]) -> pl.Expr:
    result = _SIGNS[node.sign](_part(node.left, values), _part(node.right, values))
    return pl.when(result.is_finite()).then(result)


def _elapsed(node: Elapsed, values: Mapping[str, pl.Expr]) -> pl.Expr:
    elapsed = _part(node.end, values) - _part(node.start, values)
    return elapsed.dt.total_microseconds().cast(pl.Float64) / _DAY


def _comparison(node: Comparison, values: Mapping[str, pl.Expr]) -> pl.Expr:
    return _SIGNS[node.sign](_part(node.left, values), _part(node.right, values))


def _membership(node: Membership, values: Mapping[str, pl.Expr]) -> pl.Expr:
    item = _part(node.item, values)
    if node.item.kind == "text":
        return item.is_in([member.value for member in node.members])
    return reduce(operator.or_, (item == _constant(member, values) for member in node.members))


def _missing(node: Missing, values: Mapping[str, pl.Expr]) -> pl.Expr:
    return _part(node.item, values).is_null()


def _not(node: Not, values: Mapping[str, pl.Expr]) -> pl.Expr:
    return ~_part(node.item, values)


def _logic(node: Logic, values: Mapping[str, pl.Expr]) -> pl.Expr:
    join = operator.and_ if node.word == "and" else operator.or_
    return join(_part(node.left, values), _part(node.right, values))


_MAKERS: dict[type, Callable[[Any, Mapping[str, pl.Expr]], pl.Expr]] = {
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
