"""Recorded steps that mend cells: what ``slipway data clean`` suggests and a person accepts.

A step names columns and carries its own numbers and words, learned from nothing when it runs: the same step
gives the same cell in training and in a request. It never makes a value out of a missing one, and it never
touches the target. ``models.cleaning`` runs them; only msgspec and the standard library are imported here.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from slipway.base.errors import ConfigError
from slipway.base.files import write_atomic
from slipway.data.contract import NUMERIC, ColumnType, Contract, toml_value
from slipway.data.moments import parse_moment

CLEANING_NAME = "cleaning.toml"

Factor = Annotated[float, msgspec.Meta(gt=0)]


class _Step(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """Base of the steps. ``note`` says why, for people."""

    note: str = ""


class Replace(_Step, frozen=True, kw_only=True, tag="replace"):
    """Texts that stand for others: typing errors of frequent values."""

    column: str
    values: dict[str, str]
    types: ClassVar[frozenset[ColumnType]] = frozenset(("category",))

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads or writes."""
        return (self.column,)


class Rescale(_Step, frozen=True, kw_only=True, tag="rescale"):
    """Numbers beyond a limit in another unit: multiplied by ``factor``, and rounded where ``whole``."""

    column: str
    above: float | None = None
    below: float | None = None
    factor: Factor
    whole: bool = False
    types: ClassVar[frozenset[ColumnType]] = NUMERIC

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads or writes."""
        return (self.column,)


class Blank(_Step, frozen=True, kw_only=True, tag="blank"):
    """Numbers outside ``min`` and ``max``, both included, count as missing."""

    column: str
    min: float | None = None
    max: float | None = None
    types: ClassVar[frozenset[ColumnType]] = NUMERIC

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads or writes."""
        return (self.column,)


class BlankTimes(_Step, frozen=True, kw_only=True, tag="blank_times"):
    """Times before ``earliest`` or after ``latest``, ISO 8601, count as missing."""

    column: str
    earliest: str | None = None
    latest: str | None = None
    types: ClassVar[frozenset[ColumnType]] = frozenset(("datetime",))

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads or writes."""
        return (self.column,)


class Swap(_Step, frozen=True, kw_only=True, tag="swap"):
    """Two numbers that change places where each lies in the other's range and not both in their own."""

    columns: tuple[str, str]
    #: Least and greatest of the first column, and of the second.
    ranges: tuple[tuple[float, float], tuple[float, float]]
    types: ClassVar[frozenset[ColumnType]] = NUMERIC


class Imply(_Step, frozen=True, kw_only=True, tag="imply"):
    """Texts that follow from another column: for each of ``values`` of ``by`` what ``column`` must be."""

    column: str
    by: str
    values: dict[str, str]
    types: ClassVar[frozenset[ColumnType]] = frozenset(("category",))

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads or writes."""
        return (self.by, self.column)


Step = Replace | Rescale | Blank | BlankTimes | Swap | Imply
Steps = tuple[Step, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``cleaning.toml`` and ``cleaning.json``."""

    steps: Steps = ()


def load_steps(project: Path) -> Steps:
    """The steps of a project folder, in order; none where it has no ``cleaning.toml``.

    Raises:
        ConfigError: the file does not read as it should.
    """
    try:
        text = (project / CLEANING_NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad("a readable UTF-8 file", type(error).__name__) from None
    return parse_steps(text)


def parse_steps(text: str) -> Steps:
    """Read the text of ``cleaning.toml``.

    Raises:
        ConfigError: says what was expected and what came.
    """
    try:
        steps = msgspec.convert(tomllib.loads(text), _File).steps
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _bad("steps as `slipway data clean --accept` writes them", str(error)) from None
    for number, step in enumerate(steps, 1):
        _refuse_empty(step, number)
    return steps


def _refuse_empty(step: Step, number: int) -> None:
    limits: dict[type, Callable[[], bool]] = {
        Rescale: lambda: isinstance(step, Rescale) and (step.above is None) != (step.below is None),
        Blank: lambda: isinstance(step, Blank) and (step.min, step.max) != (None, None),
        BlankTimes: lambda: isinstance(step, BlankTimes) and _times(step),
    }
    if not limits.get(type(step), lambda: True)():
        raise _bad("limits: `above` or `below`, `min` or `max`, ISO 8601 times", "others", f"step {number}")


def _times(step: BlankTimes) -> bool:
    texts = [text for text in (step.earliest, step.latest) if text is not None]
    return bool(texts) and all(parse_moment(text) is not None for text in texts)


def require_fit(steps: Steps, contract: Contract) -> None:
    """Refuse steps on anything but features of the types they are made for.

    Raises:
        ConfigError: names the step and the column.
    """
    features = {column.name: column.type for column in contract.features}
    for number, step in enumerate(steps, 1):
        for name in step.columns:
            if features.get(name) not in step.types:
                raise _bad(
                    f"a feature of type {' or '.join(sorted(step.types))}",
                    f"column {name!r}, which is none",
                    f"step {number}",
                )


def steps_digest(steps: Steps) -> str:
    """SHA-256 of the steps; layout and comments of the file do not count."""
    return hashlib.sha256(msgspec.json.encode(_File(steps), order="deterministic")).hexdigest()


def steps_to_json(steps: Steps) -> bytes:
    """``cleaning.json``; the same steps give the same bytes."""
    return msgspec.json.format(msgspec.json.encode(_File(steps)), indent=1)


def steps_from_json(content: bytes) -> Steps:
    """Read ``steps_to_json`` back.

    Raises:
        msgspec.DecodeError: it is not that.
    """
    return msgspec.json.decode(content, type=_File).steps


_HEADER = """\
# What is mended in the features of each row before the model sees it, in training and in serving alike,
# from top to bottom. Written by `slipway data clean --accept`; edit and review it like code. Train again
# after a change: versions keep the steps they were trained with. The log and the snapshots keep raw values.
"""


def dump_steps(steps: Steps) -> str:
    """The steps as a TOML file that explains itself; ``parse_steps`` reads it back unchanged."""
    parts = [_HEADER]
    for step in steps:
        fields: dict[str, object] = msgspec.to_builtins(step)
        parts.append("\n[[steps]]\n")
        parts += [f"{key} = {_value(value)}\n" for key, value in fields.items()]
    return "".join(parts)


def save_steps(project: Path, steps: Steps) -> None:
    """Write ``cleaning.toml``, whole or not at all."""
    write_atomic(project / CLEANING_NAME, dump_steps(steps).encode())


def _value(value: object) -> str:
    if isinstance(value, dict):
        pairs = [f"{toml_value(str(key))} = {_value(each)}" for key, each in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  (JSON)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"  # pyright: ignore[reportUnknownVariableType]  (JSON)
    return toml_value(value)


def _bad(expected: str, got: str, where: str = "") -> ConfigError:
    return ConfigError(
        expected=expected,
        got=got,
        where=f"{CLEANING_NAME}{', ' * bool(where)}{where}",
        next_step="mend or remove the step",
    )
