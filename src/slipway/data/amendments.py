"""What changed between two contracts, and which way: does the new one let more through, or less?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import msgspec

from slipway.base.quantities import parse_duration
from slipway.data.contract import Column, Contract, Rule, RuleName, Severity, toml_value

#: ``changed`` is neither looser nor tighter, or a table decides which.
Kind = Literal["added", "removed", "loosened", "tightened", "changed"]

_WEIGHTS: dict[Severity, int] = {"warn": 0, "flag": 1, "reject": 2}
#: Tags that refuse training.
_BANS = frozenset(("forbidden", "deprecated"))


class Amendment(msgspec.Struct, frozen=True):
    """One difference between two contracts."""

    kind: Kind
    #: ``column NAME``, ``rule NAME``, ``rows`` or ``columns``.
    where: str
    #: The key of the contract file; empty for a whole column or rule.
    key: str = ""
    #: As the contract file writes them; empty where nothing stood.
    before: str = ""
    after: str = ""


def amendments(old: Contract, new: Contract) -> tuple[Amendment, ...]:
    """All differences, in the order of the new contract; empty exactly when the two are equal."""
    made: list[Amendment] = []
    for key, side in (("min", _at_least), ("max", _at_most)):
        before, after = getattr(old, f"{key}_rows"), getattr(new, f"{key}_rows")
        made += _amended("rows", key, before, after, side)
    made += _named("column", old.columns, new.columns, _column_amendments)
    made += _named("rule", old.rules, new.rules, _rule_amendments)
    for what, one, other in (("columns", old.columns, new.columns), ("rules", old.rules, new.rules)):
        made += _order(what, [item.name for item in one], [item.name for item in other])
    return tuple(made)


def _named(
    what: str,
    old: Sequence[Any],
    new: Sequence[Any],
    compare: Callable[[Any, Any], list[Amendment]],
) -> list[Amendment]:
    made: list[Amendment] = []
    before = {item.name: item for item in old}
    for item in new:
        if item.name in before:
            made += compare(before[item.name], item)
        else:
            made.append(Amendment("added", f"{what} {item.name}", after=_gist(item)))
    kept = {item.name for item in new}
    made += [
        Amendment("removed", f"{what} {item.name}", before=_gist(item))
        for item in old
        if item.name not in kept
    ]
    return made


def _gist(item: Column | Rule) -> str:
    return f"{item.type}, {item.role}" if isinstance(item, Column) else item.expr


def _order(what: str, old: list[str], new: list[str]) -> list[Amendment]:
    """A change of order of what is in both: features are read in the order of the contract."""
    before = [name for name in old if name in new]
    after = [name for name in new if name in old]
    return [] if before == after else [Amendment("changed", what, "order")]


def _column_amendments(old: Column, new: Column) -> list[Amendment]:
    made: list[Amendment] = []
    for field in msgspec.structs.fields(Column):
        key = field.name
        if key not in ("name", "severity"):
            side = _SIDES.get(key, _either)
            made += _amended(f"column {new.name}", key, getattr(old, key), getattr(new, key), side)
    for rule in get_args(RuleName):
        before, after = old.weight(rule), new.weight(rule)
        made += _amended(f"column {new.name}", f"severity.{rule}", before, after, _weight)
    if not made and old != new:  # a severity written down that is the default anyway
        made.append(
            Amendment("changed", f"column {new.name}", "severity", *map(_text, (old.severity, new.severity)))
        )
    return made


def _rule_amendments(old: Rule, new: Rule) -> list[Amendment]:
    made: list[Amendment] = []
    for key, side in (("expr", _either), ("severity", _weight), ("description", _either)):
        made += _amended(f"rule {new.name}", key, getattr(old, key), getattr(new, key), side)
    return made


def _amended(
    where: str, key: str, before: Any, after: Any, side: Callable[[Any, Any], Kind]
) -> list[Amendment]:
    # 1 == 1.0 == True, but the file and the digest tell them apart
    if before == after and type(before) is type(after):
        return []
    return [Amendment(side(before, after), where, key, _text(before), _text(after))]


def _text(value: Any) -> str:
    return "" if value is None or value in ("", (), {}) else toml_value(value)


def _either(_before: Any, _after: Any) -> Kind:
    return "changed"


def _at_most(before: Any, after: Any) -> Kind:
    """For an upper bound, where None is none."""
    if before is None:
        return "tightened"
    if after is None:
        return "loosened"
    return "changed" if before == after else "loosened" if after > before else "tightened"


def _at_least(before: Any, after: Any) -> Kind:
    """For a lower bound, where None is none."""
    if before is None:
        return "tightened"
    if after is None:
        return "loosened"
    return "changed" if before == after else "loosened" if after < before else "tightened"


def _age(before: str | None, after: str | None) -> Kind:
    seconds = [None if text is None else parse_duration(text, "max_age") for text in (before, after)]
    return _at_most(*seconds)


def _must(_before: bool, after: bool) -> Kind:
    return "tightened" if after else "loosened"


def _levels(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> Kind:
    if before is None or after is None:
        return _at_most(before, after)
    gone, come = set(before) - set(after), set(after) - set(before)
    return "changed" if bool(gone) == bool(come) else "tightened" if gone else "loosened"


def _pattern(before: str | None, after: str | None) -> Kind:
    return "changed" if before is not None and after is not None else _at_most(before, after)


def _tags(before: tuple[str, ...], after: tuple[str, ...]) -> Kind:
    banned = len(_BANS.intersection(after)) - len(_BANS.intersection(before))
    return "changed" if banned == 0 else "tightened" if banned > 0 else "loosened"


def _weight(before: Severity, after: Severity) -> Kind:
    return "tightened" if _WEIGHTS[after] > _WEIGHTS[before] else "loosened"


#: Which way each key of a column goes; what is not listed is words, or decides no row alone.
_SIDES: dict[str, Callable[[Any, Any], Kind]] = {
    "required": _must,
    "unique": _must,
    "max_missing": _at_most,
    "min": _at_least,
    "max": _at_most,
    "min_length": _at_least,
    "max_length": _at_most,
    "allowed": _levels,
    "pattern": _pattern,
    "max_age": _age,
    "tags": _tags,
}
