"""Quantities people write in a settings file: durations, and how often a false alarm is tolerable."""

from __future__ import annotations

import re

from slipway.base.errors import ConfigError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_RATE = re.compile(r"\s*1\s+per\s+(\d+(?:\.\d+)?)\s*(rows|h|d|w)\s*")


def parse_duration(text: str, where: str) -> float:
    """Seconds in a duration such as ``5m``, ``30s`` or ``7d``.

    Raises:
        ConfigError: not a positive number with a unit.

    >>> parse_duration("5m", "train.budget")
    300.0
    """
    match = _DURATION.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise ConfigError(
            expected="a duration such as 30s, 5m, 12h or 7d",
            got=repr(text),
            where=where,
            next_step="write a positive number and one of ms, s, m, h, d, w",
        )
    return float(match[1]) * _SECONDS[match[2]]


def rows_between_false_alarms(text: str, rows_per_day: float, where: str) -> float:
    """Rows between two tolerated false alarms, from ``1 per 90d`` or ``1 per 50000 rows``.

    Args:
        text: the setting.
        rows_per_day: traffic, used when the setting is a time.
        where: the setting's name, for the error.

    Raises:
        ConfigError: not of that form, or less than 100 rows between alarms.

    >>> rows_between_false_alarms("1 per 90d", 1000.0, "monitor.false_alarms")
    90000.0
    """
    match = _RATE.fullmatch(text)
    rows = 0.0
    if match is not None:
        amount = float(match[1])
        rows = amount if match[2] == "rows" else amount * _SECONDS[match[2]] / 86400.0 * rows_per_day
    if rows < 100:
        raise ConfigError(
            expected="a rate such as '1 per 90d' or '1 per 50000 rows', at least 100 rows apart",
            got=repr(text) if match is None else f"{text!r}, which is {rows:.0f} rows at this traffic",
            where=where,
            next_step="allow fewer false alarms, or set monitor.rows_per_day to the real traffic",
        )
    return rows
