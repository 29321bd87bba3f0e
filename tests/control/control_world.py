"""A project without training: registered constant models, and a log written as gateways write it.

The log decides what the controller does, so outputs are written to it directly: each version has a
probability as a function of the row, and outcomes follow a known truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from slipway.base.clock import FixedClock
from slipway.base.ids import PredictionIds
from slipway.base.layout import Layout
from slipway.base.vocabulary import VersionName
from slipway.control.workspace import Workspace, open_workspace
from slipway.data.contract import Column, Contract, dump_contract
from slipway.models.bundle import BundleMeta, write_bundle
from slipway.models.encoder import Encoder, NumberColumn
from slipway.models.predictor import ConstantModel
from slipway.models.reference import RiskReference, fit_reference
from slipway.models.signing import signing_key
from slipway.store import registry
from slipway.store.frames import Dropped, Outcomes, Prediction, Shadow, encode_frame
from slipway.store.segments import SegmentWriter

START = 1_700_000_000_000_000
COLUMNS = ("income", "age")
CONTRACT = Contract(
    columns=(
        Column(name="income", type="float"),
        Column(name="age", type="float"),
        Column(name="repaid", type="int", role="target"),
    )
)
SETTINGS = """
[project]
name = "loan"
task = "binary"
target = "repaid"
[data]
source = "table.csv"
[train]
budget = "2s"
candidates = ["linear"]
[rollout]
{rollout}
[monitor]
{monitor}
[retrain]
{retrain}
"""


def make_project(
    root: Path,
    rollout: str = "bake_labels = 1000\nmax_labels = 5000",
    monitor: str = 'false_alarms = "1 per 1000000 rows"',
    retrain: str = "on = []",
) -> Layout:
    layout = Layout(root)
    root.mkdir(parents=True, exist_ok=True)
    layout.config.write_text(SETTINGS.format(rollout=rollout, monitor=monitor, retrain=retrain))
    layout.contract.write_text(dump_contract(CONTRACT))
    layout.create()
    return layout


def open_world(layout: Layout) -> Workspace:
    return open_workspace(layout, FixedClock(START))


def features(rng, n, shift=0.0):
    return np.column_stack([rng.normal(shift, 1.0, n), rng.uniform(20, 70, n)])


def truth(rows):
    """Probability of repaying."""
    return 1 / (1 + np.exp(-1.5 * rows[:, 0] + 0.3))


def register(
    workspace: Workspace,
    number: int,
    risk: float = 0.2,
    status: registry.RunStatus = "registered",
    rows_per_day: float = 10_000.0,
) -> str:
    """Register ``loan@number`` with references that fit the world."""
    rng = np.random.default_rng(1)
    rows = features(rng, 20_000)
    reference = fit_reference(
        {"income": rows[:, 0].tolist(), "age": rows[:, 1].tolist()},
        {"income": "number", "age": "number"},
        rows_per_day,
    )
    evidence = {
        "reference.json": reference.to_json(),
        "risk.json": RiskReference(
            n=5000, mean=risk - 0.01, upper=risk, alpha=0.025, loss_range=1.0
        ).to_json(),
    }
    digest = write_bundle(
        workspace.layout.bundles,
        meta=BundleMeta(
            name="loan",
            task="binary",
            target="repaid",
            classes=(0, 1),
            flavour="constant",
            lineage={"number": number},
        ),
        contract=CONTRACT,
        encoder=Encoder([NumberColumn("income"), NumberColumn("age")]),
        model=ConstantModel([0.5]).to_json(),
        evidence=evidence,
        key=signing_key(workspace.layout),
    )
    run = f"run-{number}"
    with workspace.database.write() as tx:
        registry.start_run(tx, run, "test", {}, START)
        version = registry.add_version(tx, "loan", run, digest, {}, {}, {})
        registry.finish_run(tx, run, status, {}, START)
    assert version == VersionName("loan", number)
    return str(version)


class Traffic:
    """Rows answered by one version and scored by others, with outcomes a while later.

    Args:
        layout: the project.
        seed: of rows and outcomes.
        delay: rows between an answer and its outcome.
        workers: gateway workers; frames go to them in turn.
        batch: rows per request.
    """

    def __init__(
        self, layout: Layout, seed: int = 0, delay: int = 50, workers: int = 1, batch: int = 1
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.delay = delay
        self.batch = batch
        self.ids = PredictionIds(bytes(16), "loan")
        self.writers = [SegmentWriter(layout.segments, f"w{number}", 200_000) for number in range(workers)]
        self.time = START
        self.turn = 0
        self.waiting: list[tuple[bytes, int]] = []

    def write(self, frame) -> None:
        self.writers[self.turn % len(self.writers)].append(encode_frame(frame))
        self.turn += 1

    def rows(
        self,
        n: int,
        version: str,
        noise: dict[str, float],
        shadows: Iterable[str] = (),
        *,
        shift: float = 0.0,
        flip: bool = False,
    ) -> list[bytes]:
        """Answer ``n`` rows; a version's probability is the truth plus noise of its own size.

        Args:
            n: rows.
            version: who answers.
            noise: standard deviation of each version's error.
            shadows: who scores unseen.
            shift: added to the income.
            flip: outcomes follow the opposite of the truth, so that every version's risk rises.
        """
        issued: list[bytes] = []
        for start in range(0, n, self.batch):
            issued += self._request(min(self.batch, n - start), version, noise, tuple(shadows), shift, flip)
        self.flush()
        return issued

    def _request(self, n, version, noise, shadows, shift, flip) -> list[bytes]:
        self.time += 1000
        rows = features(self.rng, n, shift)
        chance = truth(rows)
        outputs = {
            name: np.clip(chance + self.rng.normal(0, noise[name], n), 0.001, 0.999)
            for name in (version, *shadows)
        }
        labels = (self.rng.random(n) < (1 - chance if flip else chance)).astype(int).tolist()
        ids = self.ids.issue(self.time, n)
        self.write(
            Prediction(
                self.time,
                "loan",
                version,
                "champion",
                1.0,
                "r",
                ids,
                COLUMNS,
                rows.tolist(),
                outputs[version].reshape(-1, 1).tolist(),
                [0] * n,
                None,
                shadows,
            )
        )
        for name in shadows:
            self.write(Shadow(self.time, "loan", name, ids, outputs[name].reshape(-1, 1).tolist()))
        keys = [ids[at : at + 16] for at in range(0, len(ids), 16)]
        self.waiting += zip(keys, labels, strict=True)
        self.settle(self.delay)
        return keys

    def settle(self, keep: int = 0) -> None:
        """Send the outcomes of all but the last ``keep`` rows."""
        due, self.waiting = (
            self.waiting[: len(self.waiting) - keep] if keep else self.waiting,
            self.waiting[len(self.waiting) - keep :] if keep else [],
        )
        if due:
            self.outcomes(due)

    def outcomes(self, labelled: list[tuple[bytes, object]], event_time: int | None = None) -> None:
        self.write(
            Outcomes(
                self.time,
                "loan",
                b"".join(key for key, _ in labelled),
                [value for _, value in labelled],
                [event_time] * len(labelled),
            )
        )

    def drop(self, version: str, ids: list[bytes]) -> None:
        self.write(Dropped(self.time, "loan", version, b"".join(ids), "queue_full"))

    def flush(self) -> None:
        for writer in self.writers:
            writer.flush()

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


def drain(tick: Callable[[], int]) -> int:
    """Tick until nothing is left; returns the events consumed."""
    total = 0
    while (consumed := tick()) > 0:
        total += consumed
    return total
