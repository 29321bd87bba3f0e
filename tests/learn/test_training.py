"""The pipeline from a table to a registered version: real files, real database, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from slipway.base.clock import FixedClock
from slipway.base.config import Bound
from slipway.base.errors import ConfigError, ConflictError, ContractError, SourceError, TargetError
from slipway.base.layout import Layout
from slipway.base.vocabulary import VersionName
from slipway.learn.budget import Progress
from slipway.learn.registration import TrainResult
from slipway.learn.training import train
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys
from slipway.store import ledger, registry
from slipway.store.database import open_database

Make = Callable[..., Any]


def loaded(layout: Layout, result: TrainResult) -> Bundle:
    return load_bundle(layout.bundles / result.digest, result.digest, trusted_keys(layout), result.version)


def records(
    layout: Layout,
) -> tuple[list[registry.RunRecord], list[registry.VersionRecord], list[ledger.Entry]]:
    database = open_database(layout)
    try:
        with database.read() as tx:
            assert ledger.verify(tx).ok
            return registry.list_runs(tx), registry.list_versions(tx), list(ledger.entries(tx))
    finally:
        database.close()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_table_becomes_a_registered_version(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make, task: str
):
    seen: list[Progress] = []
    result = train(
        layout,
        make_config(task),
        make_contract(task),
        make_table(task=task),
        progress=seen.append,
        clock=FixedClock(1_700_000_000_000_000),
    )
    assert result.passed
    assert result.version == VersionName("loan", 1)
    assert {verdict.name: verdict.passed for verdict in result.gates} == {
        "beats_baseline": True,
        "valid_outputs": True,
        "parity": True,
    }
    assert result.train_rows + result.held_out_rows == 400
    assert 0 < result.latency.median_us <= result.latency.p99_us
    runs, versions, entries = records(layout)
    assert [(run.id, run.status, run.finished_us) for run in runs] == [
        (result.run_id, "registered", 1_700_000_000_000_000)
    ]
    assert [(version.name, version.digest) for version in versions] == [(result.version, result.digest)]
    assert [(entry.kind, entry.payload["version"]) for entry in entries] == [("registered", "loan@1")]
    done = [each.done for each in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0.0, 1.0)
    assert [each.stage for each in seen if each.stage != "fit"] == [
        "read",
        "check",
        "prepare",
        "judge",
        "register",
        "done",
    ]


def test_the_bundle_carries_its_evidence(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    df = make_table(rows=600)
    result = train(layout, make_config(), make_contract(time=True), df)
    bundle = loaded(layout, result)
    assert (bundle.name, bundle.task, bundle.classes) == ("loan", "binary", ("no", "yes"))
    assert bundle.risk is not None
    assert bundle.reference is not None
    assert (bundle.risk.n, bundle.risk.alpha, bundle.risk.loss_range) == (result.held_out_rows, 0.025, 1.0)
    assert bundle.risk.mean == pytest.approx(result.metrics[0].value)
    assert bundle.risk.mean < bundle.risk.upper < 1
    assert [feature.name for feature in bundle.reference.features] == ["income", "age", "member", "job"]
    assert all(feature.n == 600 for feature in bundle.reference.features)
    assert bundle.reference.rows_per_day == pytest.approx(599 / 27)
    golden = json.loads(bundle.evidence("golden.json") or b"")
    assert bundle.predict_rows(
        [[row.get(name) for name in bundle.encoder.columns] for row in golden["rows"]], bundle.encoder.columns
    ) == [pytest.approx(outputs, abs=0) for outputs in golden["outputs"]]
    gates = json.loads(bundle.evidence("gates.json") or b"")
    assert [gate["name"] for gate in gates] == [verdict.name for verdict in result.gates]
    metrics = json.loads(bundle.evidence("metrics.json") or b"")
    assert metrics["split"] == "temporal"
    assert [metric["value"] for metric in metrics["metrics"]] == [metric.value for metric in result.metrics]
    search = json.loads(bundle.evidence("search.json") or b"")
    assert search["selection"]["chosen"] == result.candidate
    assert set(search["recipes"]) == {"linear", "lightgbm"}
    assert set(bundle.meta.lineage) >= {"snapshot", "config", "contract", "lock", "seed", "git_commit"}


def test_the_same_training_gives_the_same_bundle_and_another_seed_another(
    tmp_path: Path, make_table: Make, make_config: Make, make_contract: Make
):
    def once(folder: str, seed: int) -> TrainResult:
        return train(Layout(tmp_path / folder), make_config(), make_contract(), make_table(), seed=seed)

    one, two, other = once("a", 1), once("b", 1), once("c", 2)
    assert one.digest == two.digest != other.digest
    assert one.metrics == two.metrics
    assert one.run_id != two.run_id


def test_refusal_by_a_gate_is_a_result_and_recorded(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    gates = {"brier": Bound(max=0.5), "auc": Bound(min=0.9999)}
    result = train(layout, make_config(gates=gates), make_contract(), make_table())
    assert not result.passed
    verdicts = {verdict.name: verdict.passed for verdict in result.gates}
    assert verdicts == {
        "beats_baseline": True,
        "brier": True,
        "auc": False,
        "valid_outputs": True,
        "parity": True,
    }
    runs, versions, entries = records(layout)
    assert runs[0].status == "refused"
    assert versions[0].name == result.version
    assert versions[0].metrics["passed"] is False
    assert entries[0].kind == "refused_by_gates"
    assert [gate["passed"] for gate in entries[0].payload["gates"]] == [True, True, False, True, True]


def test_a_target_of_pure_chance_does_not_beat_the_baseline(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    coin = np.random.default_rng(5).choice(["no", "yes"], 400)
    result = train(layout, make_config(), make_contract(), make_table().with_columns(target=pl.Series(coin)))
    assert not result.passed
    assert {verdict.name for verdict in result.gates if not verdict.passed} == {"beats_baseline"}


def test_a_version_proved_worse_than_the_live_one_is_refused(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    df, contract = make_table(rows=1200), make_contract()
    good = train(layout, make_config(), contract, df)
    champion = loaded(layout, good)
    poor = train(layout, make_config(candidates=("linear",)), contract, df, champion=champion)
    verdict = next(verdict for verdict in poor.gates if verdict.name == "not_worse_than_live")
    assert not verdict.passed
    assert not poor.passed
    assert "over loan@1" in verdict.message
    again = train(layout, make_config(), contract, make_table(rows=4000, seed=1), champion=champion)
    assert again.passed
    assert again.version == VersionName("loan", 3)
    assert again.gates[-1].name == "not_worse_than_live"


def test_a_live_version_of_another_task_is_not_compared(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    champion = loaded(layout, train(layout, make_config(), make_contract(), make_table()))
    config, contract = make_config("regression"), make_contract("regression")
    result = train(layout, config, contract, make_table(task="regression"), champion=champion)
    assert result.passed
    assert result.gates[-1].value is None


def test_rows_without_a_target_are_left_out_and_the_source_is_read(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    df = make_table().with_columns(target=pl.when(pl.col("age") > 70).then(None).otherwise(pl.col("target")))
    df.write_parquet(layout.root / "table.parquet")
    result = train(layout, make_config(), make_contract())
    assert result.train_rows + result.held_out_rows == df["target"].count() < 400
    assert records(layout)[0][0].lineage["rows"] == 400


def test_groups_stay_on_one_side(layout: Layout, make_table: Make, make_config: Make, make_contract: Make):
    result = train(layout, make_config(), make_contract(group=True), make_table())
    assert result.split == "grouped"
    assert result.passed


def test_prefer_simple_can_be_switched_off(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    df = make_table(rows=200, task="regression").with_columns(target=pl.col("age") * 2.0)
    simple = train(layout, make_config("regression"), make_contract("regression"), df)
    assert simple.candidate == "linear"
    best = train(layout, make_config("regression", prefer_simple=False), make_contract("regression"), df)
    assert best.candidate == best.selection.best


def test_what_cannot_work_is_refused_before_anything_is_stored(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    with pytest.raises(ConfigError, match="expected a metric of a binary task"):
        train(layout, make_config(gates={"mae": Bound(max=1.0)}), make_contract(), make_table())
    with pytest.raises(ConfigError, match="expected at least one candidate, got none"):
        train(layout, make_config(candidates=()), make_contract(), make_table())
    assert not layout.state.exists()
    with pytest.raises(SourceError):
        train(layout, make_config(), make_contract())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda df: df.drop("age"), ContractError),
        (lambda df: df.with_columns(age=pl.lit("x")), ContractError),
        (lambda df: df.with_columns(income=pl.lit(None, dtype=pl.Float64)), ContractError),
        (lambda df: df.with_columns(target=pl.lit("yes")), TargetError),
        (lambda df: df.with_columns(target=pl.Series(["a", "b", "c", "d"] * 100)), TargetError),
    ],
)
def test_a_run_that_fails_says_why_and_registers_nothing(
    layout: Layout,
    make_table: Make,
    make_config: Make,
    make_contract: Make,
    change: Callable[[pl.DataFrame], pl.DataFrame],
    error: type[Exception],
):
    with pytest.raises(error) as caught:
        train(layout, make_config(), make_contract(), change(make_table()))
    runs, versions, entries = records(layout)
    assert [(run.status, run.result) for run in runs] == [("failed", {"error": str(caught.value)})]
    assert (versions, entries) == ([], [])


def test_an_interrupted_run_is_marked_failed(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    def interrupt(progress: Progress) -> None:
        if progress.stage == "fit" and progress.message.startswith("lightgbm"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(layout, make_config(), make_contract(), make_table(), progress=interrupt)
    assert records(layout)[0][0].result == {"error": "KeyboardInterrupt"}


def test_a_finished_run_is_not_trained_again(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    first = train(layout, make_config(), make_contract(), make_table(), run_id="job-1", origin="retrain")
    again = train(layout, make_config(), make_contract(), make_table(), run_id="job-1")
    assert again == first
    runs, versions, _ = records(layout)
    assert [run.origin for run in runs] == ["retrain"]
    assert len(versions) == 1


def test_a_run_id_belongs_to_one_table(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    constant = make_table().with_columns(target=pl.lit("yes"))
    with pytest.raises(TargetError):
        train(layout, make_config(), make_contract(), constant, run_id="job-1")
    with pytest.raises(ConflictError, match="expected the table that the run began with"):
        train(layout, make_config(), make_contract(), make_table(), run_id="job-1")


_KILLED = """
import sys
from pathlib import Path
import msgspec, polars as pl
from slipway.base.config import Config
from slipway.base.layout import Layout
from slipway.data.contract import Contract
from slipway.learn.training import train

root = Path(sys.argv[1])
config = msgspec.json.decode((root / "config.json").read_bytes(), type=Config)
contract = msgspec.json.decode((root / "contract.json").read_bytes(), type=Contract)
result = train(Layout(root), config, contract, pl.read_parquet(root / "df.parquet"), run_id="job-1")
print(result.version, result.digest)
"""


@pytest.mark.parametrize("failpoint", ["train.started", "train.bundled", "train.registered"])
def test_a_killed_run_leaves_the_registry_whole_and_can_be_run_again(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make, failpoint: str
):
    root = layout.root
    (root / "config.json").write_bytes(msgspec.json.encode(make_config(candidates=("linear",))))
    (root / "contract.json").write_bytes(msgspec.json.encode(make_contract()))
    make_table().write_parquet(root / "df.parquet")

    def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _KILLED, str(root)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert run({"SLIPWAY_FAILPOINT": failpoint}).returncode == -signal.SIGKILL
    runs, versions, entries = records(layout)
    committed = failpoint == "train.registered"
    assert [run.status for run in runs] == ["registered" if committed else "running"]
    assert len(versions) == len(entries) == int(committed)
    done = run({})
    assert done.returncode == 0, done.stderr
    runs, versions, entries = records(layout)
    assert [run.status for run in runs] == ["registered"]
    assert len(entries) == 1
    assert done.stdout.split() == ["loan@1", versions[0].digest]
    assert [path.name for path in layout.bundles.iterdir()] == [versions[0].digest]


@pytest.mark.parametrize("rows", [12, 40])
def test_a_table_of_few_rows_gives_a_modest_model(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make, rows: int
):
    result = train(layout, make_config(), make_contract(), make_table(rows=rows))
    assert result.train_rows + result.held_out_rows == rows
    assert next(verdict for verdict in result.gates if verdict.name == "parity").passed


def test_a_budget_of_one_second_gives_a_model(
    layout: Layout, make_table: Make, make_config: Make, make_contract: Make
):
    start = time.monotonic()
    result = train(layout, make_config(budget="1s"), make_contract(), make_table(rows=5000))
    assert result.passed
    assert time.monotonic() - start < 5
