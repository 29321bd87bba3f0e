"""What a model is to the rest of the house: a matrix in, outputs out; and the table of its file formats.

A flavour is one safe text format. Adding one means a module with a class that conforms to ``Predictor``
and an entry in ``FLAVOURS``; code that a model file could carry (pickle) is no format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np

from slipway.base.errors import IntegrityError, NotFoundError
from slipway.models.booster import BoosterPredictor
from slipway.models.linear import LinearPredictor
from slipway.models.values import Floats


class Predictor(Protocol):
    """A loaded model. Threads may share one; no call changes what another returns.

    ``predict_row`` gives the same bits as ``predict`` on a matrix that holds the row.
    """

    #: Columns of the matrix.
    inputs: int
    #: Numbers per row: 1 for two classes (probability of the second) and for regression, else one per class.
    outputs: int

    def predict(self, matrix: Floats) -> Floats:
        """Outputs of shape (n, outputs) for a float64 matrix of shape (n, inputs); NaN is missing."""
        ...

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Outputs for one encoded row of ``inputs`` numbers."""
        ...


class ConstantModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``constant`` flavour's file: the same outputs for each row, the baseline to beat."""

    outputs: list[float]
    format: Literal[1] = 1

    def to_json(self) -> bytes:
        """The content of ``model.json``."""
        return msgspec.json.encode(self)


class ConstantPredictor:
    """Answers the same for every row."""

    def __init__(self, model: ConstantModel, inputs: int) -> None:
        self.inputs = inputs
        self.outputs = len(model.outputs)
        self._values = list(model.outputs)

    @classmethod
    def from_bytes(cls, content: bytes, inputs: int) -> ConstantPredictor:
        """Load ``ConstantModel.to_json``.

        Raises:
            IntegrityError: not such a file.
        """
        try:
            model = msgspec.json.decode(content, type=ConstantModel)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken("constant", type(error).__name__) from None
        if not model.outputs or not all(map(math.isfinite, model.outputs)):
            raise _broken("constant", "outputs that are no finite numbers")
        return cls(model, inputs)

    def predict(self, matrix: Floats) -> Floats:
        """Shape (n, outputs)."""
        return np.tile(np.array(self._values, dtype=np.float64), (len(matrix), 1))

    def predict_row(self, row: Sequence[float]) -> list[float]:  # noqa: ARG002  (a constant reads nothing)
        """The same for any row."""
        return list(self._values)


class Flavour(msgspec.Struct, frozen=True):
    """One model format: the file it lies in, and how bytes become a predictor."""

    file: str
    load: Callable[[bytes, int], Predictor]


FLAVOURS: dict[str, Flavour] = {
    "constant": Flavour("model.json", ConstantPredictor.from_bytes),
    "linear": Flavour("model.json", LinearPredictor.from_bytes),
    "lightgbm": Flavour("model.txt", BoosterPredictor.from_bytes),
}


def load_predictor(flavour: str, content: bytes, inputs: int, outputs: int) -> Predictor:
    """A predictor from the bytes of a model file.

    Args:
        flavour: key of ``FLAVOURS``.
        content: the file, already verified.
        inputs: columns of the encoder's matrix.
        outputs: numbers that the task needs per row.

    Raises:
        NotFoundError: no such flavour.
        IntegrityError: the file is not of that flavour, or of another shape.
    """
    if flavour not in FLAVOURS:
        raise NotFoundError(
            expected=f"a flavour among {', '.join(sorted(FLAVOURS))}",
            got=repr(flavour),
            where="bundle.json",
            next_step="train the version with this release of Slipway",
        )
    predictor = FLAVOURS[flavour].load(content, inputs)
    if (predictor.inputs, predictor.outputs) != (inputs, outputs):
        raise _broken(
            flavour, f"{predictor.inputs} -> {predictor.outputs}", f"a model of {inputs} -> {outputs}"
        )
    return predictor


def _broken(flavour: str, got: str, expected: str = "") -> IntegrityError:
    return IntegrityError(
        expected=expected or f"a {flavour} model of format 1",
        got=got,
        where=FLAVOURS[flavour].file,
        next_step="train the version again",
    )


_CONFORMS: tuple[type[Predictor], ...] = (ConstantPredictor, LinearPredictor, BoosterPredictor)
