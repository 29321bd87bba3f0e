"""What judging needs to know of a version, read once from its bundle and the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slipway.base.errors import ContractError
from slipway.base.layout import Layout
from slipway.base.vocabulary import Task, Value, VersionName
from slipway.models.bundle import load_bundle
from slipway.models.losses import ClassIndex, losses
from slipway.models.reference import Reference, RiskReference
from slipway.models.signing import trusted_keys
from slipway.store.database import Database
from slipway.store.registry import get_version

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VersionFacts:
    """A version's task, classes and the yardsticks its training left."""

    version: str
    digest: str
    task: Task
    classes: ClassIndex
    #: Absolute error that counts as loss 1.
    loss_range: float
    #: Bins of its training features; None where the bundle has none.
    reference: Reference | None
    #: Held-out risk; None where the bundle has none.
    risk: RiskReference | None

    def losses(self, outputs: list[list[float]], labels: list[Value], loss_range: float) -> Floats:
        """Loss per row in [0, 1]; NaN for a row whose label or output this version cannot read."""
        try:
            return losses(self.task, outputs, labels, self.classes, loss_range)
        except (ContractError, ValueError):
            rows = [
                self._one(output, label, loss_range) for output, label in zip(outputs, labels, strict=True)
            ]
            return np.array(rows, dtype=np.float64)

    def _one(self, output: list[float], label: Value, loss_range: float) -> float:
        try:
            return float(losses(self.task, [output], [label], self.classes, loss_range)[0])
        except (ContractError, ValueError):
            return float("nan")


class Facts(Protocol):
    """Looks versions up."""

    def __call__(self, version: str) -> VersionFacts:
        """The facts of ``model@number``."""
        ...


class BundleFacts:
    """Reads facts from verified bundles, once per version.

    Args:
        layout: where bundles and trusted keys lie.
        database: binds versions to digests.
    """

    def __init__(self, layout: Layout, database: Database) -> None:
        self._layout = layout
        self._database = database
        self._known: dict[str, VersionFacts] = {}

    def __call__(self, version: str) -> VersionFacts:
        """The facts of ``model@number``.

        Raises:
            NotFoundError: not registered, or its bundle is gone.
            IntegrityError: its bundle is not what was registered and signed.
        """
        if version not in self._known:
            name = VersionName.parse(version)
            with self._database.read() as tx:
                digest = get_version(tx, name).digest
            bundle = load_bundle(self._layout.bundles / digest, digest, trusted_keys(self._layout), name)
            self._known[version] = VersionFacts(
                version,
                digest,
                bundle.task,
                bundle.class_index,
                bundle.meta.loss_range,
                bundle.reference,
                bundle.risk,
            )
        return self._known[version]
