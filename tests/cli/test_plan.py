"""`slipway plan`: its figures are those of the guards and monitors it speaks about."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slipway.base.errors import SlipwayError, UsageError
from slipway.base.ids import PredictionIds
from slipway.base.layout import Layout
from slipway.cli.plan_alarms import FORMULA, Traffic, drift_alarm, peers, risk_alarm
from slipway.cli.plan_inputs import Given, Inputs
from slipway.cli.plan_rollout import GUARD, PATHS, Question, compare
from slipway.models.reference import FeatureReference, Reference, RiskReference
from slipway.monitor.drift import DriftMonitor
from slipway.monitor.risk import RiskMonitor
from slipway.rollout.guard import BakeGuard, ShadowGuard
from slipway.stats.arms import ArmComparison
from slipway.stats.categorical import BinDrift
from slipway.store.frames import Frame, Outcomes, Prediction, Shadow, encode_frame
from slipway.store.secrets import installation_key
from slipway.store.segments import SegmentWriter

DAY_US = 86_400_000_000
START_US = 1_700_049_600_000_000


def question(**changes: Any) -> Question:
    usual: dict[str, Any] = {
        "delta": 0.02,
        "sd": 0.07,
        "labels_per_day": 100.0,
        "alpha": 0.05,
        "margin": 0.0,
        "max_labels": 50_000,
        "bake_labels": 5_000,
        "loss_sd": 0.2,
    }
    return Question(**(usual | changes))


def traffic(**changes: Any) -> Traffic:
    usual: dict[str, Any] = {
        "rows_per_day": 1000.0,
        "labels_per_day": 500.0,
        "run_length": 90_000.0,
        "features": 5,
        "reference_rows": 5000,
        "tolerance": 0.02,
        "risk": 0.05,
        "limit": 0.055,
        "loss_sd": 0.1,
    }
    return Traffic(**(usual | changes))


# --- against the guards ---


def test_labels_to_a_promotion_are_those_of_the_shadow_guard() -> None:
    plan = compare(question(), seed=1)
    shown = next(one for one in plan.shadow if one.difference == 0.02)
    assert shown.method == GUARD
    rng = np.random.default_rng(2)
    measured: list[float] = []
    for _ in range(150):
        guard = ShadowGuard(0.05, 0.0, 50_000)
        while not guard.closed:
            guard.absorb(rng.normal(0.02, 0.07, 200).clip(-1, 1))
        measured.append(guard.n)
    assert shown.labels_median == pytest.approx(np.median(measured), rel=0.15)
    assert shown.labels_most == pytest.approx(np.quantile(measured, 0.9), rel=0.15)
    assert shown.days_median == pytest.approx(shown.labels_median / 100)
    assert (shown.verdict, shown.decided) == ("better", 1.0)


def test_the_share_that_is_rolled_back_in_time_is_that_of_the_bake_guard() -> None:
    plan = compare(question(delta=0.004, bake_labels=1500), seed=3)
    shown = next(one for one in plan.bake if one.difference == -0.004)
    rng = np.random.default_rng(4)
    back = 0
    for _ in range(200):
        guard = BakeGuard(0.05, 0.0, 1500)
        guard.absorb(rng.normal(-0.004, 0.07, 1500).clip(-1, 1))
        back += guard.verdict().outcome == "worse"
    assert 0.1 < back / 200 < 0.9
    assert shown.decided == pytest.approx(back / 200, abs=0.15)


def test_two_arms_cost_what_the_arm_comparison_needs() -> None:
    plan = compare(question(delta=0.08, sd=0.1, loss_sd=0.2, labels_per_day=None), seed=5)
    arms = plan.designs[1]
    rng = np.random.default_rng(6)
    measured: list[float] = []
    for _ in range(80):
        test = ArmComparison(0.05, floor=0.5)
        while test.decided_at is None:
            arm = rng.random(300) < 0.5
            loss = rng.normal(np.where(arm, 0.42, 0.5), 0.2).clip(0, 1)
            test.update_many(np.column_stack([arm, loss, np.full(300, 0.5)]))
        measured.append(test.decided_at)
    assert arms.labels_median == pytest.approx(np.median(measured), rel=0.25)
    assert plan.arms_ratio == pytest.approx(16.0)
    assert arms.days_median is None
    assert plan.daily_z_test is None


def test_a_margin_lets_the_plan_say_equivalent() -> None:
    plan = compare(question(delta=0.002, margin=0.02), seed=7)
    assert {one.verdict for one in plan.shadow} == {"equivalent"}
    assert all(one.wrong is not None and one.wrong <= 0.05 for one in plan.shadow)
    assert all(one.difference < -0.02 for one in plan.bake)


def test_a_simulation_that_would_take_too_long_is_replaced_and_says_so() -> None:
    plan = compare(question(delta=0.002, sd=0.07), seed=8)
    one = next(one for one in plan.shadow if one.difference == 0.002)
    assert (one.method, one.decided) == (PATHS, None)
    assert 5_000 < (one.labels_median or 0) < 15_000
    hopeless = compare(question(delta=0.0002, sd=0.3, max_labels=500_000), seed=8)
    assert all(one.labels_median is None and one.verdict == "undecided" for one in hopeless.shadow)


def test_the_same_seed_gives_the_same_plan() -> None:
    assert compare(question(), seed=9) == compare(question(), seed=9)
    assert compare(question(), seed=9) != compare(question(), seed=10)


# --- against the monitors ---


def test_the_delay_of_the_risk_alarm_is_that_of_the_risk_monitor() -> None:
    plan = risk_alarm(traffic(), np.random.default_rng(1))
    assert plan is not None
    assert plan.days == 180.0
    shown = {round(one.size, 4): one for one in plan.delays}
    assert shown[0.055].median is None, "at the bound there is nothing to find"
    rng = np.random.default_rng(2)
    share = 0.1**2 / (0.05 * 0.95)
    measured: list[int] = []
    for _ in range(60):
        monitor = RiskMonitor(RiskReference(4000, 0.05, 0.055, 0.025, 1.0), 0.0, 90_000.0, 0)
        weight = 1 / share - 1
        losses = rng.beta(weight * 0.1, weight * 0.9, 20_000)
        found = monitor.absorb(losses, np.arange(20_000))
        assert found is not None
        measured.append(found[1].n)
    assert shown[0.1].median == pytest.approx(np.median(measured), rel=0.2)


def test_where_the_formula_stands_in_it_is_near_the_detector() -> None:
    plan = risk_alarm(traffic(limit=0.0551, risk=0.05, loss_sd=0.15), np.random.default_rng(3))
    assert plan is not None
    slow = next(one for one in plan.delays if one.method == FORMULA and one.median)
    rng = np.random.default_rng(4)
    weight = 0.05 * 0.95 / 0.15**2 - 1
    measured: list[int] = []
    for _ in range(12):
        monitor = RiskMonitor(RiskReference(4000, 0.05, 0.0551, 0.025, 1.0), 0.0, 90_000.0, 0)
        losses = rng.beta(weight * slow.size, weight * (1 - slow.size), 200_000)
        found = monitor.absorb(losses, np.arange(200_000))
        measured.append(found[1].n if found else 200_000)
    assert slow.median == pytest.approx(np.median(measured), rel=0.5)


def test_losses_of_unknown_spread_are_taken_as_the_slowest() -> None:
    known = risk_alarm(traffic(), np.random.default_rng(5))
    unknown = risk_alarm(traffic(loss_sd=None), np.random.default_rng(5))
    assert known is not None
    assert unknown is not None
    for one, other in zip(known.delays, unknown.delays, strict=True):
        assert one.median is None or (other.median or np.inf) > one.median


def test_the_delay_of_the_drift_alarm_is_that_of_the_drift_monitor() -> None:
    plan = drift_alarm(traffic(), np.random.default_rng(6))
    shown = {one.size: one for one in plan.delays}
    assert shown[0.05].median is None, "hidden in the tolerance"
    edges = [-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816]
    features = [
        FeatureReference(name=f"x{at}", kind="number", edges=edges, shares=[0.1] * 10 + [0.0], n=5000)
        for at in range(5)
    ]
    rng = np.random.default_rng(7)
    measured: list[int] = []
    for _ in range(30):
        monitor = DriftMonitor(Reference(features, 1000.0), 0.02, 90_000.0, 0)
        columns = {f"x{at}": rng.normal(0.5 if at == 2 else 0.0, 1, 2000).tolist() for at in range(5)}
        alarms = monitor.absorb(columns, np.arange(2000))
        assert alarms[0][1].features == ("x2",)
        measured.append(alarms[0][1].n)
    # both look once per 50 rows
    assert shown[0.5].median == pytest.approx(np.median(measured), rel=0.2, abs=50)


def test_a_quiet_stream_raises_no_drift_alarm_within_the_horizon_of_the_plan() -> None:
    plan = drift_alarm(traffic(run_length=1e6), np.random.default_rng(8))
    rng = np.random.default_rng(9)
    detector = BinDrift([*[0.1] * 10, 0.0], 5000, 0.02, 1e6, ordered=10)
    detector.update_many(rng.integers(0, 10, plan.horizon))
    assert not detector.alarmed


def test_fixed_thresholds_alarm_as_often_as_known() -> None:
    """Usual defaults, replicated: reference of 5,000 rows, no drift at all."""
    found = {
        (one.rule.split()[0], one.window): one.per_window
        for one in peers(traffic(), [100, 500], np.random.default_rng(10))
        if "sd of" not in one.rule
    }
    known = {
        ("Wasserstein", 100): 0.74,
        ("Wasserstein", 500): 0.05,
        ("Jensen-Shannon", 100): 0.99,
        ("Jensen-Shannon", 500): 0.02,
        ("PSI", 100): 0.35,
        ("PSI", 500): 0.0,
    }
    for rule, rate in known.items():
        assert found[rule] == pytest.approx(rate, abs=0.09), rule


def test_false_alarms_per_month_count_windows_and_features() -> None:
    (by_day,) = (
        one for one in peers(traffic(), [1000], np.random.default_rng(11)) if one.rule == "KS p < 0.05"
    )
    assert by_day.per_month == pytest.approx(0.05 * 30 * 5)


# --- numbers that do not go together ---


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (Given(), "--project"),
        (Given(delta=0.01), "--sd"),
        (Given(sd=0.1), "--delta"),
        (Given(delta=0.01, sd=0.1, loss_sd=0.1, correlation=0.5), "two of"),
        (Given(delta=0.01, sd=0.3, loss_sd=0.1), "twice"),
        (Given(delta=0.01, sd=0.1, correlation=1.0), "--correlation"),
        (Given(delta=0.01, sd=1.2), "--sd"),
        (Given(delta=0.01, sd=0.0), "--sd"),
        (Given(delta=-0.01, sd=0.1), "--delta"),
        (Given(delta=0.01, sd=0.1, alpha=0.7), "--alpha"),
        (Given(delta=0.01, sd=0.1, margin=-1.0), "--margin"),
        (Given(delta=0.01, sd=0.1, max_labels=0), "--max-labels"),
        (Given(delta=0.01, sd=0.1, labels_per_day=0.0), "--labels-per-day"),
        (Given(delta=0.01, sd=float("nan")), "--sd"),
        (Given(rows_per_day=10.0, labels_per_day=20.0), "--labels-per-day"),
        (Given(rows_per_day=1000.0, false_alarms="often"), "1 per 90d"),
        (Given(rows_per_day=1000.0, features=0), "--features"),
        (Given(rows_per_day=1000.0, risk=1.5), "--risk"),
    ],
)
def test_impossible_numbers_are_refused_by_name(given: Given, word: str) -> None:
    with pytest.raises(SlipwayError) as refused:
        ask(given)
    assert word in refused.value.message
    assert refused.value.exit_code == 2


def ask(given: Given) -> None:
    inputs = Inputs(given, None)
    inputs.question()
    inputs.traffic()


def test_two_of_three_spreads_say_the_third() -> None:
    by_pair = Inputs(Given(delta=0.01, sd=0.07, correlation=0.9), None)
    assert by_pair["loss_sd"] == pytest.approx(0.07 / np.sqrt(0.2))
    by_one = Inputs(Given(delta=0.01, loss_sd=by_pair["loss_sd"], correlation=0.9), None)
    assert by_one["sd"] == pytest.approx(0.07)
    both = Inputs(Given(delta=0.01, sd=0.07, loss_sd=by_pair["loss_sd"]), None)
    assert both["correlation"] == pytest.approx(0.9)


def test_a_window_of_no_size_is_refused() -> None:
    with pytest.raises(UsageError, match="--window"):
        peers(traffic(), [3], np.random.default_rng(0))


# --- as a user types it ---


def slipway(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slipway", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def document(*arguments: str | Path, cwd: Path | None = None) -> Any:
    ended = slipway(*arguments, "--json", cwd=cwd)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def test_numbers_alone_are_enough(tmp_path: Path) -> None:
    numbers = ("--delta", "0.02", "--sd", "0.07", "--correlation", "0.9", "--labels-per-day", "600")
    plan = document("plan", *numbers, cwd=tmp_path)
    assert list(plan) == [
        "inputs",
        "notes",
        "versions",
        "comparison",
        "risk_alarm",
        "drift_alarm",
        "peers",
    ]
    assert plan["inputs"]["delta"] == {"value": 0.02, "source": "--delta"}
    assert plan["inputs"]["alpha"] == {"value": 0.05, "source": "default"}
    assert plan["risk_alarm"] is None
    assert plan["drift_alarm"]["days"] == pytest.approx(90.0)
    assert [one["difference"] for one in plan["comparison"]["shadow"]] == [0.04, 0.02, 0.01, -0.02]
    assert not list(tmp_path.iterdir()), "planning leaves nothing behind"
    shown = slipway("plan", *numbers, cwd=tmp_path).stdout
    assert "better by 0.02" in shown
    assert "An A/B test needs 20 rows" in shown
    assert "KS p < 0.05" in shown


def test_mistakes_are_one_line_with_exit_code_2(tmp_path: Path) -> None:
    for arguments, word in (
        ((), "--project FOLDER"),
        (("--delta", "0.5", "--sd", "0.9"), "the most that losses"),
        (("--project", str(tmp_path / "none"), "--delta", "0.1", "--sd", "0.2"), "slipway init"),
    ):
        ended = slipway("plan", *arguments, cwd=tmp_path)
        assert ended.returncode == 2
        (line,) = ended.stderr.splitlines()
        assert word in line


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions of a loan model; nothing served yet."""
    folder = tmp_path_factory.mktemp("planned")
    rng = random.Random(0)
    with (folder / "loans.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["salary", "debt", "repaid"])
        for _ in range(600):
            salary, debt = rng.uniform(1000, 5000), rng.uniform(0, 2)
            out.writerow([round(salary), round(debt, 3), int(salary / 2000 - debt + rng.gauss(0, 0.3) > 0)])
    document("init", folder / "loans.csv", "--target", "repaid", "--project", folder)
    document("train", "--budget", "2s", "--project", folder)
    return folder


def test_a_trained_project_plans_with_its_held_out_rows(project: Path) -> None:
    plan = document("plan", "--project", project)
    inputs = plan["inputs"]
    assert inputs["features"] == {"value": 2, "source": "training of loans@1"}
    assert inputs["correlation"]["source"].startswith("assumed")
    assert inputs["rows_per_day"]["value"] == 10_000
    assert inputs["run_length"]["value"] == 900_000
    assert inputs["delta"]["value"] == pytest.approx(inputs["risk"]["value"] / 20)
    assert 0.05 < inputs["loss_sd"]["value"] < 0.3
    assert plan["risk_alarm"]["limit"] > inputs["risk"]["value"]
    changed = document("plan", "--project", project, "--delta", "0.05", "--rows-per-day", "100")
    assert changed["inputs"]["run_length"]["value"] == 9_000
    assert changed["inputs"]["delta"]["source"] == "--delta"


def test_pairs_and_traffic_of_the_log_replace_what_was_assumed(project: Path) -> None:
    document("train", "--budget", "2s", "--seed", "1", "--project", project)
    layout = Layout(project)
    rng = np.random.default_rng(0)
    ids = PredictionIds(installation_key(layout), "loans").issue(START_US, 800)
    labels = rng.integers(0, 2, 800)
    ours = rng.uniform(0, 1, 800)
    theirs = (ours + rng.normal(0, 0.05, 800)).clip(0, 1)
    writer = SegmentWriter(layout.segments, "w0", 1 << 20)
    for day in range(4):
        for frame in day_of_log(day, ids, ours, theirs, labels):
            writer.append(encode_frame(frame))
    writer.flush()
    writer.close()
    plan = document("plan", "--project", project)
    losses = (ours - labels) ** 2, (theirs - labels) ** 2
    kept = np.arange(800) % 200 < 150
    (pair,) = plan["versions"]
    assert (pair["answered"], pair["unseen"], pair["n"]) == ("loans@1", "loans@2", 600)
    assert pair["mean"] == pytest.approx((losses[0] - losses[1])[kept].mean())
    assert pair["sd"] == pytest.approx((losses[0] - losses[1])[kept].std(ddof=1))
    assert pair["correlation"] == pytest.approx(np.corrcoef(losses[0][kept], losses[1][kept])[0, 1])
    assert plan["inputs"]["sd"]["value"] == pair["sd"]
    assert plan["inputs"]["rows_per_day"]["value"] == pytest.approx(800 / 3)
    assert plan["inputs"]["labels_per_day"]["value"] == pytest.approx(600 / 3)
    assert "600 labelled pairs of loans@1 and loans@2" in slipway("plan", "--project", project).stdout


def day_of_log(day: int, ids: bytes, ours: Any, theirs: Any, labels: Any) -> list[Frame]:
    """200 rows, each scored by both versions; outcomes of the first 150."""
    part = slice(200 * day, 200 * (day + 1))
    name, time, mine = "loans", START_US + day * DAY_US, ids[16 * part.start : 16 * part.stop]
    answered = Prediction(
        time=time,
        endpoint=name,
        version="loans@1",
        arm="champion",
        propensity=1.0,
        request_id=f"r{day}",
        ids=mine,
        columns=("salary", "debt"),
        rows=[[2000.0, 1.0]] * 200,
        outputs=[[float(p)] for p in ours[part]],
        flags=[0] * 200,
        keys=None,
        shadows=("loans@2",),
    )
    unseen = Shadow(time, name, "loans@2", mine, [[float(p)] for p in theirs[part]])
    values = [int(label) for label in labels[part][:150]]
    return [answered, unseen, Outcomes(time, name, mine[: 16 * 150], values, [None] * 150)]
