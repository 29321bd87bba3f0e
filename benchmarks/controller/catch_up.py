"""How fast does the controller catch up, and what does a label cost a guard?

    python benchmarks/controller/catch_up.py [ROWS]

The log holds one Prediction, one Shadow and one Outcomes frame per row (the costliest shape), car-loan rows
with seven features, two workers, outcomes 2,000 rows late, an open shadow rollout, the risk monitor and
seven drift monitors. The rate is rows per second end to end: read, check, join, judge, commit, publish.
Writes benchmarks/results/controller_catch_up.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl

from slipway.base.ids import PredictionIds
from slipway.base.layout import Layout
from slipway.control import actions
from slipway.control.loop import Controller
from slipway.control.status import status
from slipway.control.workspace import Workspace, open_workspace
from slipway.data.contract import Column, Contract, dump_contract
from slipway.models.bundle import BundleMeta, write_bundle
from slipway.models.encoder import CategoryColumn, Encoder, NumberColumn
from slipway.models.predictor import ConstantModel
from slipway.models.reference import RiskReference, fit_reference
from slipway.models.signing import signing_key
from slipway.monitor.risk import RiskMonitor
from slipway.rollout.guard import BakeGuard, ShadowGuard
from slipway.store import registry
from slipway.store.frames import Outcomes, Prediction, Shadow, encode_frame
from slipway.store.segments import SegmentWriter

ROOT = Path(__file__).resolve().parents[2]
FEATURES = (
    "car_value",
    "salary_range",
    "debt_to_income_ratio",
    "loan_length",
    "repaid_loan_on_prev_car",
    "size_of_downpayment",
    "driver_tenure",
)
DELAY = 2_000
SETTINGS = """
[project]
name = "loan"
task = "binary"
target = "repaid"
[data]
source = "table.csv"
[rollout]
max_labels = 10000000
[monitor]
false_alarms = "1 per 1000000000 rows"
"""


def table() -> pl.DataFrame:
    return pl.read_parquet(ROOT / "examples/car_loan/reference_synthetic_car_loan.parquet")


def make_world(folder: Path, frame: pl.DataFrame) -> Workspace:
    contract = Contract(
        columns=(
            *(
                Column(name=name, type="category" if frame[name].dtype == pl.String else "float")
                for name in FEATURES
            ),
            Column(name="repaid", type="int", role="target"),
        )
    )
    layout = Layout(folder)
    layout.config.write_text(SETTINGS)
    layout.contract.write_text(dump_contract(contract))
    workspace = open_workspace(layout)
    for number in (1, 2):
        register(workspace, contract, frame, number)
        actions.deploy(workspace, f"loan@{number}", actor="benchmark")
    return workspace


def register(workspace: Workspace, contract: Contract, frame: pl.DataFrame, number: int) -> None:
    text = {name for name in FEATURES if frame[name].dtype == pl.String}
    reference = fit_reference(
        {name: frame[name].to_list() for name in FEATURES},
        {name: "category" if name in text else "number" for name in FEATURES},
    )
    specs = [
        CategoryColumn(name, tuple(sorted(frame[name].drop_nulls().unique())))
        if name in text
        else NumberColumn(name)
        for name in FEATURES
    ]
    risk = RiskReference(n=10_000, mean=0.3, upper=0.4, alpha=0.025, loss_range=1.0)
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
        contract=contract,
        encoder=Encoder(specs),
        model=ConstantModel([0.5]).to_json(),
        evidence={"reference.json": reference.to_json(), "risk.json": risk.to_json()},
        key=signing_key(workspace.layout),
    )
    with workspace.database.write() as tx:
        registry.start_run(tx, f"run-{number}", "benchmark", {}, 0)
        registry.add_version(tx, "loan", f"run-{number}", digest, {}, {}, {})
        registry.finish_run(tx, f"run-{number}", "registered", {}, 0)


def write_log(layout: Layout, frame: pl.DataFrame, rows: int) -> int:
    """Write the log of ``rows`` answered rows; returns its bytes."""
    rng = np.random.default_rng(0)
    cells = frame.select(FEATURES).rows()
    labels = frame["repaid"].cast(pl.Int64).to_list()
    # two different models of equal risk: no guard decides, every row is absorbed
    sign = rng.choice([-1.0, 1.0], rows).tolist()
    ids = PredictionIds(bytes(16), "loan")
    writers = [SegmentWriter(layout.segments, name, 16 * 1024 * 1024) for name in ("w0", "w1")]
    waiting: list[tuple[bytes, int]] = []
    for at in range(rows):
        now = 1_700_000_000_000_000 + at * 500
        key = ids.issue(now, 1)
        row = list(cells[at % len(cells)])
        writer = writers[at % 2]
        first, second = [[0.5 + 0.1 * sign[at]]], [[0.5 - 0.1 * sign[at]]]
        writer.append(
            encode_frame(
                Prediction(
                    now,
                    "loan",
                    "loan@1",
                    "champion",
                    1.0,
                    f"request-{at:08d}",
                    key,
                    FEATURES,
                    [row],
                    first,
                    [0],
                    None,
                    ("loan@2",),
                )
            )
        )
        writer.append(encode_frame(Shadow(now + 100, "loan", "loan@2", key, second)))
        waiting.append((key, labels[at % len(labels)]))
        if len(waiting) > DELAY:
            old, label = waiting.pop(0)
            writers[rng.integers(2)].append(encode_frame(Outcomes(now, "loan", old, [label], [None])))
    for key, label in waiting:
        writers[0].append(encode_frame(Outcomes(now, "loan", key, [label], [None])))
    for writer in writers:
        writer.close()
    return sum(path.stat().st_size for path in layout.segments.glob("*.seg"))


def catch_up(rows: int) -> dict[str, float]:
    frame = table()
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_world(Path(folder), frame)
        size = write_log(workspace.layout, frame, rows)
        with Controller(workspace.layout) as loop:
            started, ticks = time.perf_counter(), 0
            cpu = time.process_time()
            slowest = 0.0
            while True:
                before = time.perf_counter()
                if not loop.tick():
                    break
                slowest = max(slowest, time.perf_counter() - before)
                ticks += 1
            seconds = time.perf_counter() - started
            cpu = time.process_time() - cpu
        (endpoint,) = status(workspace.layout, workspace.database).endpoints
        workspace.close()
        assert endpoint.counts["labelled"] == rows
        assert endpoint.trial is not None
        assert endpoint.trial.verdict.n == rows
        return {
            "rows": rows,
            "frames": 3 * rows,
            "megabytes": round(size / 1e6, 1),
            "seconds": round(seconds, 3),
            "rows_per_second": round(rows / seconds),
            # what a core that nothing else uses would give
            "rows_per_cpu_second": round(rows / cpu),
            "frames_per_second": round(3 * rows / seconds),
            "ticks": ticks,
            "slowest_tick_seconds": round(slowest, 3),
        }


def cost_per_label(batch: int) -> dict[str, float]:
    """Microseconds per label, fed in batches of that many labels."""
    rng = np.random.default_rng(1)
    labels = 200_000 if batch > 1 else 20_000
    differences = rng.choice([-0.2, 0.2], labels)
    losses = (rng.random(labels) < 0.05).astype(float)
    places = np.arange(labels, dtype=np.int64)
    risk = RiskReference(n=10_000, mean=0.05, upper=0.06, alpha=0.025, loss_range=1.0)
    shadow = ShadowGuard(0.05, 0.0, 10_000_000)
    bake = BakeGuard(0.05, 0.0, 10_000_000)
    monitor = RiskMonitor(risk, 0.0, 1e12, 0)
    found: dict[str, float] = {}
    feeds = {
        "shadow_guard": lambda at: shadow.absorb(differences[at : at + batch]),
        "bake_guard": lambda at: bake.absorb(differences[at : at + batch]),
        "risk_monitor": lambda at: monitor.absorb(losses[at : at + batch], places[at : at + batch]),
    }
    for name, feed in feeds.items():
        started = time.perf_counter()
        for at in range(0, labels, batch):
            feed(at)
        found[f"{name}_us"] = round((time.perf_counter() - started) / labels * 1e6, 3)
    return found


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    result = {
        "command": "python benchmarks/controller/catch_up.py",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "msgspec", "sqlalchemy")},
        },
        "catch_up": catch_up(rows),
        "cost_per_label": {str(batch): cost_per_label(batch) for batch in (1, 100, 5000)},
    }
    path = ROOT / "benchmarks/results/controller_catch_up.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
