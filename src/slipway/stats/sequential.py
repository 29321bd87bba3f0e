"""The one shape of every sequential statistic: fed label by label or in batches, stored as JSON.

Rules of the game, kept by every subclass and checked on all of them by introspection:

- ``update(x)`` absorbs one observation, ``update_many(xs)`` a one-dimensional array in order of arrival.
  Any partition of a stream into calls leads to the same state, bit for bit.
- A refused call (``DataError``) leaves the state as it was.
- ``to_state()`` is JSON without NaN or Infinity literals; ``from_state`` continues bit for bit.
- Objects are single-writer: betting state depends on the order of its observations.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike

from slipway.base.errors import UsageError


class Part:
    """A piece of a statistic with its own memory, stored inside the state of its owner."""

    #: Names of the attributes that observations move.
    memory: ClassVar[tuple[str, ...]]


class Sequential(ABC):
    """A statistic that grows with its observations."""

    #: Names of constructor arguments, stored under the same attribute names.
    parameters: ClassVar[tuple[str, ...]]
    #: Names of the attributes that observations move.
    memory: ClassVar[tuple[str, ...]]

    n: int
    """Observations absorbed so far."""

    @abstractmethod
    def update_many(self, xs: ArrayLike) -> None:
        """Absorb a one-dimensional array of observations in order of arrival."""

    def update(self, x: Any) -> None:
        """Absorb one observation."""
        self.update_many([x])

    def to_state(self) -> dict[str, Any]:
        """Everything needed to continue elsewhere: JSON-able, bit-exact."""
        return {
            "kind": type(self).__name__,
            "parameters": {name: _encode(getattr(self, name)) for name in self.parameters},
            "memory": {name: _encode(getattr(self, name)) for name in self.memory},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The statistic that ``to_state`` described.

        Raises:
            UsageError: the state belongs to another class or lacks a field.
        """
        if state.get("kind") != cls.__name__:
            raise UsageError(
                expected=f"a state of {cls.__name__}", got=f"{state.get('kind')}", where="from_state"
            )
        try:
            self = cls(**{name: _argument(state["parameters"][name]) for name in cls.parameters})
            for name in cls.memory:
                setattr(self, name, _decode(state["memory"][name], getattr(self, name)))
        except KeyError as missing:
            raise UsageError(
                expected=f"the field {missing}", got="none", where=f"state of {cls.__name__}"
            ) from None
        return self


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_encode(cell) for cell in cast("list[Any]", value)]
    for kind, encode in _ENCODERS.items():
        if isinstance(value, kind):
            return encode(value)
    return value


def _encode_float(value: float) -> float | str:
    number = float(value)
    # JSON has no literal for these, and encoders disagree on what to write instead
    return number if math.isfinite(number) else repr(number)


def _encode_part(part: Part) -> dict[str, Any]:
    return {name: _encode(getattr(part, name)) for name in part.memory}


_ENCODERS: dict[Any, Callable[[Any], Any]] = {
    (float, np.floating): _encode_float,
    np.integer: int,
    Sequential: Sequential.to_state,
    Part: _encode_part,
}


def _argument(value: Any) -> Any:
    if isinstance(value, list):
        return [_argument(cell) for cell in cast("list[Any]", value)]
    return float(value) if value in ("inf", "-inf", "nan") else value


def _decode(value: Any, fresh: Any) -> Any:
    """``value`` in the type that a new object holds in this place."""
    if isinstance(fresh, np.ndarray):
        return np.array(_argument(value), dtype=fresh.dtype)
    if isinstance(fresh, Sequential):
        return type(fresh).from_state(value)
    if isinstance(fresh, Part):
        for name in fresh.memory:
            setattr(fresh, name, _decode(value[name], getattr(fresh, name)))
        return fresh
    if isinstance(fresh, list) and fresh and isinstance(fresh[0], (Part, Sequential)):
        return [_decode(item, part) for item, part in zip(value, cast("list[Any]", fresh), strict=True)]
    if isinstance(fresh, float):
        return float(value)
    return _argument(value)
