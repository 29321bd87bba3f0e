"""What is served: 14 mixed columns with nulls, two LightGBM models of 200 trees, seeded."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from slipway.base.files import write_atomic
from slipway.base.layout import Layout
from slipway.data.contract import Column, Contract
from slipway.models.bundle import Bundle, BundleMeta, load_bundle, write_bundle
from slipway.models.encoder import CategoryColumn, EncodedColumn, Encoder, NumberColumn
from slipway.models.signing import signing_key, trusted_keys

NUMBERS = tuple(f"number_{n}" for n in range(6))
STRINGS = tuple(f"string_{n}" for n in range(8))
LEVELS = tuple(f"level-{n}" for n in range(12))
TREES, LEAVES = 200, 31
_SETTINGS = """
[project]
name = "bench"
task = "binary"
target = "y"
[data]
source = "bench.csv"
"""


def make_rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Rows as clients send them; 5 % of the cells are null."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for _ in range(n):
        row: dict[str, Any] = {name: round(rng.gauss(0, 1), 4) for name in NUMBERS}
        row |= {name: rng.choice(LEVELS) for name in STRINGS}
        rows.append({name: value if rng.random() > 0.05 else None for name, value in row.items()})
    return rows


def contract() -> Contract:
    """The contract of the served table."""
    numbers = [Column(name=name, type="float", min=-6, max=6) for name in NUMBERS]
    strings = [Column(name=name, type="category", allowed=LEVELS) for name in STRINGS]
    return Contract(columns=(*numbers, *strings, Column(name="y", type="int", role="target")))


class BenchProject:
    """A project folder with versions bench@1 and bench@2."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.digests: dict[str, str] = {}

    def create(self) -> None:
        """Train and write both versions."""
        self.layout.create()
        self.layout.config.write_text(_SETTINGS)
        columns: list[EncodedColumn] = [NumberColumn(name) for name in NUMBERS]
        columns += [CategoryColumn(name, LEVELS) for name in STRINGS]
        encoder = Encoder(columns)
        for seed in (1, 2):
            self.digests[f"bench@{seed}"] = write_bundle(
                self.layout.bundles,
                meta=BundleMeta(name="bench", task="binary", target="y", classes=(0, 1), flavour="lightgbm"),
                contract=contract(),
                encoder=encoder,
                model=_fit(encoder, seed),
                evidence={},
                key=signing_key(self.layout),
            )

    def publish(self, *shadows: str) -> None:
        """Let bench@1 answer, with these versions in shadow."""
        versions = [{"version": name, "digest": self.digests[name]} for name in ("bench@1", *shadows)]
        plan = {"serial": 1, "endpoints": {"bench": {"champion": versions[0], "shadows": versions[1:]}}}
        write_atomic(self.layout.plan, json.dumps(plan).encode())

    def champion(self) -> Bundle:
        """The version that answers, loaded in this process."""
        digest = self.digests["bench@1"]
        return load_bundle(self.layout.bundles / digest, digest, trusted_keys(self.layout))


def _fit(encoder: Encoder, seed: int) -> bytes:
    rows = make_rows(20_000, 1000 + seed)
    matrix = encoder.encode({name: [row[name] for row in rows] for name in encoder.columns}, len(rows))
    known = np.nan_to_num(matrix)
    signal = known[:, 0] * known[:, 1] + np.sin(known[:, 2]) + 0.2 * (known[:, 7] > 5)
    labels = signal + np.random.default_rng(seed).normal(size=len(rows)) > 0
    parameters = {"objective": "binary", "num_leaves": LEAVES, "seed": seed, "verbosity": -1}
    data = lightgbm.Dataset(matrix, labels, categorical_feature=list(encoder.categorical))
    return lightgbm.train(parameters, data, num_boost_round=TREES).model_to_string().encode()
