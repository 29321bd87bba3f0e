"""The ``linear`` flavour: standardised numbers, one-hot categories, one weight each, a link.

Fitting and serving share ``design``. A prediction adds term after term in a fixed order and takes the
exponential from the C library one number at a time: a matrix product, or numpy's vectorised ``exp``,
may round a row differently depending on how many others come with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from slipway.base.errors import IntegrityError
from slipway.models.values import Floats

Link = Literal["identity", "logistic", "softmax"]
Position = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
#: A term's weights to what it adds to the scores of n rows, each of shape (n,).
Addends = Callable[[Sequence[float]], list[Floats]]


class NumberTerm(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="number"):
    """Two columns of the design: ``(x - center) / scale`` within ``±clip``, and 1 where x is missing.

    A missing x is replaced by ``impute`` in the first.
    """

    #: Column of the encoder's matrix.
    column: Position
    impute: float
    center: float
    scale: Positive
    #: Keeps one absurd number from deciding alone; infinity ends here too.
    clip: Positive = 10.0

    @property
    def width(self) -> int:
        """Columns of the design."""
        return 2

    def standardise(self, value: float) -> float:
        """The first column for a value that is not missing."""
        scaled = (value - self.center) / self.scale
        return self.clip if scaled > self.clip else -self.clip if scaled < -self.clip else scaled

    def addends(self, value: float, weights: Sequence[float]) -> tuple[float, ...]:
        """What the term adds to a score."""
        missing = math.isnan(value)
        scaled = self.standardise(self.impute if missing else value)
        return weights[0] * scaled, weights[1] if missing else 0.0

    def prepare(self, values: Floats) -> Addends:
        """``addends`` over a column."""
        scaled, missing = self.columns(values)
        return lambda weights: [weights[0] * scaled, np.where(missing, weights[1], 0.0)]

    def columns(self, values: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Both columns of the design, each of shape (n,)."""
        missing = np.isnan(values)
        with np.errstate(over="ignore"):  # beyond the range of float64 is beyond the clip
            scaled = (np.where(missing, self.impute, values) - self.center) / self.scale
        return np.minimum(np.maximum(scaled, -self.clip), self.clip), missing


class CategoryTerm(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="category"):
    """``levels + 2`` columns of the design: one per level, then other, then missing."""

    #: Column of the encoder's matrix.
    column: Position
    levels: Position

    @property
    def width(self) -> int:
        """Columns of the design."""
        return self.levels + 2

    def addends(self, value: float, weights: Sequence[float]) -> tuple[float, ...]:
        """What the term adds to a score."""
        return (weights[self.position(value)],)

    def prepare(self, values: Floats) -> Addends:
        """``addends`` over a column."""
        positions = self.positions(values)
        return lambda weights: [np.array(weights, dtype=np.float64)[positions]]

    def position(self, code: float) -> int:
        """Which of them is 1 for a code of the encoder."""
        if math.isnan(code):
            return self.levels + 1
        return int(code) if 0 <= code < self.levels else self.levels

    def positions(self, codes: Floats) -> npt.NDArray[np.int64]:
        """``position`` of each code, shape (n,)."""
        known = (codes >= 0) & (codes < self.levels)
        return np.where(known, codes, np.where(np.isnan(codes), self.levels + 1, self.levels)).astype(
            np.int64
        )


Term = NumberTerm | CategoryTerm


class LinearModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a ``linear`` model file."""

    link: Link
    terms: tuple[Term, ...]
    #: One per score: one for identity and logistic, one per class for softmax.
    intercept: tuple[float, ...]
    #: Per score, one weight for each column of the design.
    weights: tuple[tuple[float, ...], ...]
    format: Literal[1] = 1

    def to_json(self) -> bytes:
        """The content of ``model.json``."""
        return msgspec.json.encode(self)


def design(terms: Sequence[Term], matrix: Floats) -> Floats:
    """What a linear model is fitted on.

    Args:
        terms: the model's terms.
        matrix: the encoder's, shape (n, k).

    Returns:
        Shape (n, sum of the terms' widths); finite everywhere.
    """
    found = np.zeros((len(matrix), sum(term.width for term in terms)), dtype=np.float64)
    at = 0
    for term in terms:
        values = matrix[:, term.column]
        if isinstance(term, NumberTerm):
            found[:, at], found[:, at + 1] = term.columns(values)
        else:
            found[np.arange(len(matrix)), at + term.positions(values)] = 1.0
        at += term.width
    return found


class LinearPredictor:
    """Serves a ``LinearModel``."""

    def __init__(self, model: LinearModel, inputs: int) -> None:
        self.inputs = inputs
        self.outputs = len(model.intercept)
        self._model = model
        self._link = _LINKS[model.link]
        #: Per score and term, the term's weights.
        self._weights = [list(_cut(weights, model.terms)) for weights in model.weights]

    @classmethod
    def from_bytes(cls, content: bytes, inputs: int) -> LinearPredictor:
        """Load ``LinearModel.to_json``.

        Raises:
            IntegrityError: not such a file, or shapes that do not agree.
        """
        try:
            model = msgspec.json.decode(content, type=LinearModel)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken(type(error).__name__) from None
        width = sum(term.width for term in model.terms)
        if any(term.column >= inputs for term in model.terms):
            raise _broken(f"a term beyond the {inputs} columns of the encoder")
        if len(model.weights) != len(model.intercept) or any(len(row) != width for row in model.weights):
            raise _broken(f"weights that do not fit {width} columns of the design")
        if len(model.intercept) < 1 or (model.link != "softmax" and len(model.intercept) != 1):
            raise _broken(f"{len(model.intercept)} scores for the {model.link} link")
        return cls(model, inputs)

    def predict(self, matrix: Floats) -> Floats:
        """Shape (n, outputs)."""
        prepared = [term.prepare(matrix[:, term.column]) for term in self._model.terms]
        scores = np.empty((len(matrix), self.outputs), dtype=np.float64)
        for at, (start, weights) in enumerate(zip(self._model.intercept, self._weights, strict=True)):
            score = np.full(len(matrix), start, dtype=np.float64)
            for addends, weight in zip(prepared, weights, strict=True):
                for addend in addends(weight):
                    score += addend
            scores[:, at] = score
        linked = [self._link(row) for row in scores.tolist()]
        return np.array(linked, dtype=np.float64).reshape(scores.shape)

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """The same additions in the same order, without arrays."""
        scores: list[float] = []
        for start, weights in zip(self._model.intercept, self._weights, strict=True):
            score = start
            for term, weight in zip(self._model.terms, weights, strict=True):
                for addend in term.addends(row[term.column], weight):
                    score += addend
            scores.append(score)
        return self._link(scores)


def _identity(scores: list[float]) -> list[float]:
    return scores


def _logistic(scores: list[float]) -> list[float]:
    small = math.exp(-abs(scores[0]))  # never overflows
    return [1.0 / (1.0 + small) if scores[0] >= 0 else small / (1.0 + small)]


def _softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    shares = [math.exp(score - top) for score in scores]
    total = sum(shares)
    return [share / total for share in shares]


_LINKS: dict[Link, Callable[[list[float]], list[float]]] = {
    "identity": _identity,
    "logistic": _logistic,
    "softmax": _softmax,
}


def _cut(weights: Sequence[float], terms: Sequence[Term]) -> list[tuple[float, ...]]:
    starts = np.cumsum([0, *(term.width for term in terms)]).tolist()
    return [tuple(weights[start : start + term.width]) for start, term in zip(starts, terms, strict=False)]


def _broken(got: str) -> IntegrityError:
    return IntegrityError(
        expected="a linear model of format 1",
        got=got,
        where="model.json",
        next_step="train the version again",
    )
