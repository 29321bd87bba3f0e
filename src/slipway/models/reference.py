"""What training saw of each feature, in bins, and the risk of held-out rows: yardsticks for the monitors.

Written into a bundle's ``evidence/reference.json`` and ``evidence/risk.json``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from slipway.base.errors import ContractError, IntegrityError
from slipway.models.values import Column, Floats, floats, texts

FeatureKind = Literal["number", "category"]

_T = TypeVar("_T")
_BINS = 10
_MAX_LEVELS = 20


class FeatureReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares of one feature's bins in the training table.

    Bins of a number: ``len(edges) + 1`` value bins (bin i holds edges[i-1] < x <= edges[i]), then missing.
    Bins of a category: one per level, then missing, then every other level: rare in training, or new.
    """

    name: str
    kind: FeatureKind
    edges: list[float] | None = None
    levels: list[str] | None = None
    #: One per bin, sum 1.
    shares: list[float]
    #: Rows of the training table.
    n: int

    @property
    def bins(self) -> list[str]:
        """A short name for each bin, for people."""
        if self.kind == "category":
            return [*(self.levels or []), "missing", "other"]
        edges = [f"{edge:.6g}" for edge in self.edges or []]
        if not edges:
            return ["any value", "missing"]
        between = [f"{low} to {high}" for low, high in pairwise(edges)]
        return [f"up to {edges[0]}", *between, f"over {edges[-1]}", "missing"]

    def bin(self, values: Column) -> npt.NDArray[np.int64]:
        """Bin of each value, shape (n,), in ``0 .. len(shares) - 1``.

        Raises:
            ContractError: a cell of a type the feature cannot have.
        """
        return _BINNERS[self.kind](self, values)


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All features of a model, and the traffic to expect."""

    features: list[FeatureReference]
    #: Rows per day of the training table's time column.
    rows_per_day: float

    def to_json(self) -> bytes:
        """The content of ``evidence/reference.json``."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> Reference:
        """Read ``to_json`` back.

        Raises:
            IntegrityError: not a reference.
        """
        return _decode(content, cls, "evidence/reference.json")


class RiskReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The loss of a model on rows held out from training."""

    #: Held-out rows.
    n: int
    #: Their mean loss, in [0, 1].
    mean: float
    #: Upper confidence bound of the risk at level 1 - alpha.
    upper: float
    alpha: float
    #: Absolute error that counts as loss 1; 1 for classes.
    loss_range: Annotated[float, msgspec.Meta(gt=0)]

    def to_json(self) -> bytes:
        """The content of ``evidence/risk.json``."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> RiskReference:
        """Read ``to_json`` back.

        Raises:
            IntegrityError: not a risk reference.
        """
        return _decode(content, cls, "evidence/risk.json")


def fit_reference(
    columns: Mapping[str, Column], kinds: Mapping[str, FeatureKind], rows_per_day: float = 10_000.0
) -> Reference:
    """Bins and shares of the named features.

    Args:
        columns: training columns by name, all of one length, at least one row.
        kinds: the features to watch; booleans are categories.
        rows_per_day: traffic to expect.

    Raises:
        ContractError: no row, or a cell of a type the feature cannot have.
    """
    return Reference(
        [_FITTERS[kind](name, columns[name]) for name, kind in kinds.items()], float(rows_per_day)
    )


def _fit_number(name: str, values: Column) -> FeatureReference:
    numbers = floats(values, name)
    edges = _edges(numbers[np.isfinite(numbers)])
    shares = _shares(name, _number_bins(edges, numbers), len(edges) + 2)
    return FeatureReference(name=name, kind="number", edges=edges, shares=shares, n=len(numbers))


def _fit_category(name: str, values: Column) -> FeatureReference:
    names = texts(values, name)
    counts = Counter(text for text in names if text is not None)
    common = sorted(counts, key=lambda level: (-counts[level], level))[:_MAX_LEVELS]
    levels = sorted(common)
    shares = _shares(name, _level_bins(levels, names), len(levels) + 2)
    return FeatureReference(name=name, kind="category", levels=levels, shares=shares, n=len(names))


def _edges(finite: Floats) -> list[float]:
    """Inner edges between neighbouring distinct values, nearest to the ten quantiles: no bin is empty."""
    values, counts = np.unique(finite, return_counts=True)
    if len(values) < 2:
        return []
    below = np.cumsum(counts)[:-1] / len(finite)
    targets = np.arange(1, _BINS) / _BINS
    cuts = np.unique([int(np.argmin(np.abs(below - target))) for target in targets])
    edges = [float(values[cut] / 2 + values[cut + 1] / 2) for cut in cuts]
    # the middle of two neighbouring floats may round to the upper one, which belongs above the edge
    return [
        edge if values[cut] <= edge < values[cut + 1] else float(values[cut])
        for edge, cut in zip(edges, cuts, strict=True)
    ]


def _number_bins(edges: list[float], numbers: Floats) -> npt.NDArray[np.int64]:
    index = np.searchsorted(np.array(edges, dtype=np.float64), numbers, side="left").astype(np.int64)
    index[np.isnan(numbers)] = len(edges) + 1
    return index


def _level_bins(levels: list[str], names: list[str | None]) -> npt.NDArray[np.int64]:
    known: dict[str | None, int] = {level: at for at, level in enumerate(levels)}
    known[None] = len(levels)
    other = len(levels) + 1
    return np.fromiter((known.get(name, other) for name in names), dtype=np.int64, count=len(names))


def _shares(name: str, index: npt.NDArray[np.int64], bins: int) -> list[float]:
    if not len(index):
        raise ContractError(expected="at least one row", got="none", where=f"column {name!r}")
    return [float(share) for share in np.bincount(index, minlength=bins) / len(index)]


def _bin_number(feature: FeatureReference, values: Column) -> npt.NDArray[np.int64]:
    return _number_bins(feature.edges or [], floats(values, feature.name))


def _bin_category(feature: FeatureReference, values: Column) -> npt.NDArray[np.int64]:
    return _level_bins(feature.levels or [], texts(values, feature.name))


_FITTERS = {"number": _fit_number, "category": _fit_category}
_BINNERS = {"number": _bin_number, "category": _bin_category}


def _decode(content: bytes, kind: type[_T], where: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(
            expected="the form that this release of Slipway writes",
            got=type(error).__name__,
            where=where,
            next_step="train the version again",
        ) from None
