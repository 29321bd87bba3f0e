"""The ``lightgbm`` flavour: its text format, served by LightGBM's own C library through ctypes.

``import lightgbm`` would pull scikit-learn into every gateway worker, and its ``predict`` builds a
configuration for each call. The functions used here are those of the library's public header,
``LightGBM/c_api.h``; inputs are float64, because in float32 a value next to a split threshold can take
the other branch.
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import struct
import threading
import weakref
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from slipway.base.errors import FaultError, IntegrityError
from slipway.models.values import Floats

_FLOAT64 = 1
_NORMAL = 0
_FIRST, _ALL = 0, -1
_ROW_MAJOR = 1
#: One thread: a worker has one core, and waking others costs more than a row.
_PARAMETERS = b"num_threads=1 verbosity=-1"
_FILE_NAMES = {"Windows": "lib_lightgbm.dll", "Darwin": "lib_lightgbm.dylib"}
_PREDICT = (c_int, c_int, c_int)  # what to predict, first iteration, number of iterations
_ANSWER = (POINTER(c_int64), c_void_p)
_SIGNATURES: dict[str, tuple[type[Any], ...]] = {
    "LGBM_BoosterLoadModelFromString": (c_char_p, POINTER(c_int), POINTER(c_void_p)),
    "LGBM_BoosterGetNumFeature": (c_void_p, POINTER(c_int)),
    "LGBM_BoosterCalcNumPredict": (c_void_p, c_int, *_PREDICT, POINTER(c_int64)),
    "LGBM_BoosterPredictForMat": (
        *(c_void_p, c_void_p, c_int, c_int32, c_int32, c_int),
        *(*_PREDICT, c_char_p, *_ANSWER),
    ),
    "LGBM_BoosterPredictForMatSingleRowFastInit": (
        *(c_void_p, *_PREDICT, c_int),
        *(c_int32, c_char_p, POINTER(c_void_p)),
    ),
    "LGBM_BoosterPredictForMatSingleRowFast": (c_void_p, c_void_p, *_ANSWER),
    "LGBM_FastConfigFree": (c_void_p,),
    "LGBM_BoosterFree": (c_void_p,),
}


class _Library:
    """The loaded shared library: ``call`` frees the GIL, ``row`` keeps it."""

    def __init__(self, path: Path) -> None:
        self._free = ctypes.CDLL(str(path))
        self._held = ctypes.PyDLL(str(path))
        for name, types in _SIGNATURES.items():
            getattr(self._free, name).argtypes = types
        self._free.LGBM_GetLastError.restype = c_char_p
        # A row takes some ten microseconds. Giving the GIL away for it may cost a whole switch interval
        # (5 ms) before it comes back, when another thread, such as the shadow scorer, is busy.
        self.row = self._held.LGBM_BoosterPredictForMatSingleRowFast
        self.row.argtypes = _SIGNATURES["LGBM_BoosterPredictForMatSingleRowFast"]

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the C interface.

        Raises:
            FaultError: it answered that it failed.
        """
        if getattr(self._free, name)(*arguments) != 0:
            raise self.fault(name)

    def fault(self, name: str) -> FaultError:
        """The error for a call that failed."""
        reason: bytes = self._free.LGBM_GetLastError()
        return FaultError(
            expected=f"{name} to succeed",
            got=reason.decode(errors="replace").split("\n")[0],
            where="lib_lightgbm",
            next_step="check that the installed lightgbm is the one in requirements.lock",
        )


@cache
def _library() -> _Library:
    """The library that the installed package brings, without importing the package."""
    spec = importlib.util.find_spec("lightgbm")
    name = _FILE_NAMES.get(platform.system(), "lib_lightgbm.so")
    for root in map(Path, (spec.submodule_search_locations or []) if spec else []):
        for folder in (root / "lib", root / "bin", root.parent):
            if (folder / name).is_file():
                return _Library(folder / name)
    raise FaultError(
        expected=f"{name} of the lightgbm package",
        got="no such file",
        where="the Python environment",
        next_step="install the dependencies again",
    )


class BoosterPredictor:
    """Serves a LightGBM text model. Outputs equal ``lightgbm.Booster.predict`` bit for bit."""

    def __init__(self, handle: c_void_p, library: _Library) -> None:
        self._library = library
        self._booster = handle
        features, outputs, fast = c_int(), c_int64(), c_void_p()
        library.call("LGBM_BoosterGetNumFeature", handle, byref(features))
        library.call("LGBM_BoosterCalcNumPredict", handle, 1, _NORMAL, _FIRST, _ALL, byref(outputs))
        self.inputs = features.value
        self.outputs = outputs.value
        library.call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            *(handle, _NORMAL, _FIRST, _ALL, _FLOAT64, self.inputs, _PARAMETERS, byref(fast)),
        )
        self._fast = fast
        weakref.finalize(self, _release, library, handle, fast).atexit = False
        self._pack = struct.Struct(f"{self.inputs}d").pack_into
        self._row = (c_double * self.inputs)()
        self._answer = (c_double * self.outputs)()
        self._length = c_int64()
        # Guards the three buffers; LightGBM wants one fast configuration per concurrent caller as well.
        self._lock = threading.Lock()

    @classmethod
    def from_bytes(cls, content: bytes, inputs: int) -> BoosterPredictor:  # noqa: ARG003  (the text knows its inputs)
        """Load a model in LightGBM's text format.

        Raises:
            IntegrityError: not such a text.
            FaultError: the shared library is missing.
        """
        library = _library()
        handle, iterations = c_void_p(), c_int()
        try:
            _refuse_other_text(content)
            library.call("LGBM_BoosterLoadModelFromString", content, byref(iterations), byref(handle))
        except FaultError as error:
            raise IntegrityError(
                expected="a LightGBM text model",
                got=error.got,
                where="model.txt",
                next_step="train the version again",
            ) from None
        return cls(handle, library)

    def predict(self, matrix: Floats) -> Floats:
        """Shape (n, outputs). Other threads run meanwhile."""
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.inputs:
            raise self._shape_fault(rows.shape[-1])
        answer = np.empty((len(rows), self.outputs), dtype=np.float64)
        if len(rows):
            self._library.call(
                "LGBM_BoosterPredictForMat",
                *(self._booster, rows.ctypes.data, _FLOAT64, len(rows), self.inputs, _ROW_MAJOR),
                *(_NORMAL, _FIRST, _ALL, _PARAMETERS, byref(c_int64()), answer.ctypes.data),
            )
        return answer

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """One row through LightGBM's prepared single-row call."""
        if len(row) != self.inputs:
            raise self._shape_fault(len(row))
        with self._lock:
            self._pack(self._row, 0, *row)
            if self._library.row(self._fast, self._row, self._length, self._answer) != 0:
                raise self._library.fault("LGBM_BoosterPredictForMatSingleRowFast")
            return self._answer[:]

    def _shape_fault(self, got: int) -> FaultError:
        return FaultError(expected=f"{self.inputs} columns", got=str(got), where="the matrix for model.txt")


def _refuse_other_text(content: bytes) -> None:
    """Turn away what the C parser, which stops at the first NUL byte, would read in part or not at all."""
    if not content.startswith(b"tree\n") or b"\nend of trees\n" not in content or b"\0" in content:
        raise FaultError(expected="a LightGBM text model", got="another or a cut file")


def _release(library: _Library, booster: c_void_p, fast: c_void_p) -> None:
    library.call("LGBM_FastConfigFree", fast)  # first: it holds a lock on the booster
    library.call("LGBM_BoosterFree", booster)
