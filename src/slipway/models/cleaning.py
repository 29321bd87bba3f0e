"""Runs the recorded steps of ``data.steps`` on cells: one code for a table's columns and a request's row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, cast

from slipway.data.moments import parse_moment
from slipway.data.steps import Blank, BlankTimes, Imply, Replace, Rescale, Step, Steps, Swap
from slipway.models.values import Column, cells, to_text

#: Mends a row in place.
Mend = Callable[[list[Any]], None]


class Cleaner:
    """Steps bound to nothing yet but their columns. Threads may share one.

    >>> cleaner = Cleaner((Replace(column="job", values={"nurze": "nurse"}),))
    >>> cleaner.columns({"job": ["nurze", None]}, 2)
    {'job': ['nurse', None]}
    """

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        #: Columns that some step reads or writes, in the order of the steps.
        self.names = tuple(dict.fromkeys(name for step in steps for name in step.columns))

    def columns(self, columns: Mapping[str, Column], n: int) -> dict[str, Column]:
        """The columns of ``n`` rows with those that a step touches mended; absent ones stay absent."""
        absent: list[None] = [None] * n
        touched = [cells(columns[name]) if name in columns else absent for name in self.names]
        mend = self.row(self.names)
        rows = [list(row) for row in zip(*touched, strict=True)]
        for row in rows:
            mend(row)
        made: dict[str, Column] = {
            name: [row[at] for row in rows] for at, name in enumerate(self.names) if name in columns
        }
        return {**columns, **made}

    def row(self, names: Sequence[str]) -> Mend:
        """A function that mends a row whose values have that order.

        Raises:
            ValueError: a column of a step is not among the names.
        """
        mends = [
            _KINDS[type(step)](step, [names.index(name) for name in step.columns]) for step in self.steps
        ]

        def mend(row: list[Any]) -> None:
            for each in mends:
                each(row)

        return mend


def _number(value: object) -> float | None:
    """A number that is there as the encoder reads it, else None; a bool is none."""
    if type(value) not in (int, float):
        return None
    try:
        number = float(cast("int | float", value))
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def _replace(step: Step, at: list[int]) -> Mend:
    values = cast(Replace, step).values
    (here,) = at

    def mend(row: list[Any]) -> None:
        text = _text(row[here])
        if text is not None and text in values:
            row[here] = values[text]

    return mend


def _rescale(step: Step, at: list[int]) -> Mend:
    rule = cast(Rescale, step)
    above, below = rule.above, rule.below
    (here,) = at

    def mend(row: list[Any]) -> None:
        value = _number(row[here])
        if value is None:
            return
        if (above is not None and value > above) or (below is not None and value < below):
            scaled = value * rule.factor
            # an infinity has no whole number
            row[here] = round(scaled) if rule.whole and abs(scaled) < 2**63 else scaled

    return mend


def _blank(step: Step, at: list[int]) -> Mend:
    rule = cast(Blank, step)
    low = float("-inf") if rule.min is None else rule.min
    high = float("inf") if rule.max is None else rule.max
    (here,) = at

    def mend(row: list[Any]) -> None:
        value = _number(row[here])
        if value is not None and not low <= value <= high:
            row[here] = None

    return mend


def _blank_times(step: Step, at: list[int]) -> Mend:
    rule = cast(BlankTimes, step)
    earliest = _moment(rule.earliest) or datetime.min
    latest = _moment(rule.latest) or datetime.max
    (here,) = at

    def mend(row: list[Any]) -> None:
        moment = _moment(row[here])
        if moment is not None and not earliest <= moment <= latest:
            row[here] = None

    return mend


def _moment(value: object) -> datetime | None:
    """A time in UTC without zone, or None for what is none."""
    if isinstance(value, str):
        return parse_moment(value)
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    return datetime.combine(value, time()) if isinstance(value, date) else None


def _swap(step: Step, at: list[int]) -> Mend:
    (low, high), (other_low, other_high) = cast(Swap, step).ranges
    here, there = at

    def mend(row: list[Any]) -> None:
        a, b = _number(row[here]), _number(row[there])
        if a is None or b is None:
            return
        fits = low <= a <= high and other_low <= b <= other_high
        if not fits and low <= b <= high and other_low <= a <= other_high:
            row[here], row[there] = row[there], row[here]

    return mend


def _imply(step: Step, at: list[int]) -> Mend:
    values = cast(Imply, step).values
    by, here = at

    def mend(row: list[Any]) -> None:
        known = _text(row[by])
        if known is not None and known in values and _text(row[here]) is not None:
            row[here] = values[known]

    return mend


def _text(value: object) -> str | None:
    """A cell as the encoder reads a category; None for a missing value and for what no category is."""
    if type(value) is str:
        return value
    try:
        return to_text(value)
    except (TypeError, ValueError):
        return None


_KINDS: dict[type, Callable[[Step, list[int]], Mend]] = {
    Replace: _replace,
    Rescale: _rescale,
    Blank: _blank,
    BlankTimes: _blank_times,
    Swap: _swap,
    Imply: _imply,
}
