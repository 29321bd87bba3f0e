"""Do the inputs still look like the training table? One e-detector per feature, e-BH across them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slipway.base.errors import ContractError, UsageError
from slipway.base.vocabulary import Value
from slipway.models.reference import FeatureReference, Reference
from slipway.monitor.alarm import Alarm, finite, run_length_guarantee
from slipway.monitor.landmarks import Landmarks, restarts_of
from slipway.stats.categorical import BinDrift
from slipway.stats.multiplicity import e_bh

Places = NDArray[np.int64]
Bins = NDArray[np.int64]

#: Rows per look.
BLOCK = 50


class DriftMonitor:
    """Watches the shares of each feature's training bins, block by block of rows; for numbers also of all
    values up to a bin's edge, of both ends together, and the mean rank.

    At the end of each block the features' e-values go through e-BH at level ``block / run_length``. A
    rejection needs a mean e-value of ``run_length / block``, and a mean of e-detectors is an e-detector:
    so while nothing changes, false alarms come on average at least ``run_length`` rows apart, for all
    features together. A feature that alarmed is not named again until the champion changes; the others
    go on.

    Args:
        reference: bins and shares of the champion's training table.
        tolerance: shift of a share that does not matter, in [0, 0.5); for numbers also of the share of
            values up to an edge.
        run_length: rows between two tolerated false alarms, over all features.
        start: place before the first row.
    """

    def __init__(self, reference: Reference, tolerance: float, run_length: float, start: int) -> None:
        self.run_length = run_length
        found = {feature.name: _detector(feature, tolerance, run_length) for feature in reference.features}
        self._detectors = {name: detector for name, detector in found.items() if detector is not None}
        self._features = {one.name: one for one in reference.features if one.name in self._detectors}
        self._landmarks = {name: Landmarks(start) for name in self._features}
        self._alarmed: list[str] = []
        self.n = 0

    @property
    def features(self) -> tuple[str, ...]:
        """Features watched: those with enough training rows for a change to show."""
        return tuple(self._features)

    @property
    def alarmed(self) -> tuple[str, ...]:
        """Features that alarmed, in that order."""
        return tuple(self._alarmed)

    @property
    def e_values(self) -> dict[str, float]:
        """Current evidence per feature."""
        return {name: finite(detector.e_value) for name, detector in self._detectors.items()}

    def absorb(self, columns: Mapping[str, Sequence[Value]], places: Places) -> list[tuple[int, Alarm]]:
        """Take rows in order.

        Args:
            columns: values by feature; a feature that is absent counts as missing in each row.
            places: place of each row, shape (n,).

        Returns:
            For each alarm the place of the row that completed its block, and the alarm.
        """
        n = len(places)
        bins = {name: _bins(feature, columns.get(name), n) for name, feature in self._features.items()}
        if not self._crossed():
            # e-BH rejects nothing while no single detector has reached its own threshold, which is rare:
            # so take all blocks at once, and look at each only when one did
            detectors, landmarks, rows = (
                copy.deepcopy(self._detectors),
                copy.deepcopy(self._landmarks),
                self.n,
            )
            self._take(bins, places)
            if not self._crossed():
                return []
            self._detectors, self._landmarks, self.n = detectors, landmarks, rows
        return self._by_block(bins, places)

    def _crossed(self) -> bool:
        return any(detector.alarmed for detector in self._detectors.values())

    def _by_block(self, bins: dict[str, Bins], places: Places) -> list[tuple[int, Alarm]]:
        alarms: list[tuple[int, Alarm]] = []
        at = 0
        while at < len(places):
            step = min(len(places) - at, BLOCK - self.n % BLOCK)
            self._take({name: index[at : at + step] for name, index in bins.items()}, places[at : at + step])
            at += step
            if self.n % BLOCK == 0 and (alarm := self._look()):
                alarms.append((int(places[at - 1]), alarm))
        return alarms

    def _take(self, bins: dict[str, Bins], places: Places) -> None:
        for name, detector in self._detectors.items():
            detector.update_many(bins[name])
            self._landmarks[name].keep(restarts_of(detector), self.n, places)
        self.n += len(places)

    def _look(self) -> Alarm | None:
        names = list(self._detectors)
        level = BLOCK / self.run_length
        rejected = e_bh(np.array([self._detectors[name].e_value for name in names]), level)
        new = tuple(names[at] for at in rejected if names[at] not in self._alarmed)
        if not new:
            return None
        self._alarmed += new
        return self._alarm(new)

    def _alarm(self, names: tuple[str, ...]) -> Alarm:
        change_n, first = min((self._detectors[name].change_point, name) for name in names)
        listed = ", ".join(names)
        return Alarm(
            kind="drift",
            features=names,
            n=self.n,
            change_n=change_n,
            change=self._landmarks[first].place(change_n),
            e_value=finite(max(self._detectors[name].e_value for name in names)),
            run_length=self.run_length,
            message=(
                f"inputs have moved: {listed}, by row {self.n:,}; "
                f"the change is estimated to begin after row {change_n:,}"
            ),
            guarantee=run_length_guarantee(self.run_length, "drift"),
        )

    def to_state(self) -> dict[str, Any]:
        """JSON-able; ``from_state`` continues bit for bit."""
        return {
            "detectors": {name: detector.to_state() for name, detector in self._detectors.items()},
            "landmarks": {name: landmarks.to_state() for name, landmarks in self._landmarks.items()},
            "alarmed": list(self._alarmed),
            "run_length": self.run_length,
            "n": self.n,
        }

    @classmethod
    def from_state(cls, reference: Reference, state: dict[str, Any]) -> DriftMonitor:
        """Read ``to_state`` back."""
        self = cls.__new__(cls)
        self.run_length = state["run_length"]
        # in the order of the reference, for alarms name features in it; a store may have sorted the keys
        self._features = {one.name: one for one in reference.features if one.name in state["detectors"]}
        self._detectors = {name: BinDrift.from_state(state["detectors"][name]) for name in self._features}
        self._landmarks = {name: Landmarks.from_state(state["landmarks"][name]) for name in self._features}
        self._alarmed = list(state["alarmed"])
        self.n = state["n"]
        return self


def _detector(feature: FeatureReference, tolerance: float, run_length: float) -> BinDrift | None:
    """None when so few training rows are behind the shares that none could be said to have moved."""
    try:
        return BinDrift(
            feature.shares, feature.n, tolerance, run_length, block=BLOCK, ordered=_ordered(feature)
        )
    except UsageError:
        return None


def _ordered(feature: FeatureReference) -> int:
    """Leading bins that are in the order of a number."""
    return 0 if feature.edges is None else len(feature.edges) + 1


def _bins(feature: FeatureReference, values: Sequence[Value] | None, n: int) -> Bins:
    """Bin of each value; a cell of a type that the feature cannot have counts as missing."""
    if values is None:
        return feature.bin([None] * n)
    try:
        return feature.bin(values)
    except ContractError:
        return np.concatenate([_bin(feature, value) for value in values])


def _bin(feature: FeatureReference, value: Value) -> Bins:
    try:
        return feature.bin([value])
    except ContractError:
        return feature.bin([None])
