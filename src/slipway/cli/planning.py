"""The verb ``slipway plan``: what a decision will cost, before a test begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slipway.base.errors import NotFoundError
from slipway.cli.output import emit, progress, say, table
from slipway.cli.project import JsonOption, Opened, ProjectOption

if TYPE_CHECKING:
    from slipway.cli.plan_alarms import DriftAlarm, Peer, RiskAlarm
    from slipway.cli.plan_inputs import Inputs
    from slipway.cli.plan_numbers import Facts
    from slipway.cli.plan_rollout import Comparison, Decided

#: Windows that fixed-threshold rules are shown for, beside one day's rows.
_WINDOWS = (100, 500)


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(plan)


def plan(
    project: ProjectOption = Path(),
    delta: Annotated[float | None, typer.Option(help="Difference of mean loss to find.")] = None,
    sd: Annotated[float | None, typer.Option(help="Spread of the paired loss differences.")] = None,
    loss_sd: Annotated[float | None, typer.Option(help="Spread of the loss of one model.")] = None,
    correlation: Annotated[
        float | None, typer.Option(help="Of the losses of both on the same rows; with --sd or --loss-sd.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Error rate of a rollout.")] = None,
    margin: Annotated[float | None, typer.Option(help="Difference that does not matter.")] = None,
    max_labels: Annotated[int | None, typer.Option(help="Labels that a challenger may use.")] = None,
    bake_labels: Annotated[int | None, typer.Option(help="Labels after a promotion.")] = None,
    labels_per_day: Annotated[float | None, typer.Option(help="Outcomes that come per day.")] = None,
    rows_per_day: Annotated[float | None, typer.Option(help="Rows that are answered per day.")] = None,
    false_alarms: Annotated[str | None, typer.Option(help="Tolerated, such as '1 per 90d'.")] = None,
    risk: Annotated[float | None, typer.Option(help="Held-out mean loss of the champion.")] = None,
    risk_limit: Annotated[float | None, typer.Option(help="Bound that its loss is held against.")] = None,
    features: Annotated[int | None, typer.Option(help="Features watched for drift.")] = None,
    reference_rows: Annotated[int | None, typer.Option(help="Rows of the training table.")] = None,
    tolerance: Annotated[float | None, typer.Option(help="Shift of a bin's share that is no drift.")] = None,
    window: Annotated[
        list[int] | None, typer.Option(help="Rows per look of a fixed-threshold tool; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulations.")] = 0,
    json: JsonOption = False,  # noqa: ARG001
) -> None:
    """Say what decisions cost: labels and days until a guard decides, an alarm's delay and false alarms.

    In a project its settings, traffic and measured losses are used; options replace them. Without a
    project, the options are enough. Losses lie in [0, 1], such as Brier scores.

    Example: `slipway plan --delta 0.005 --sd 0.07 --correlation 0.9 --labels-per-day 600`
    """
    from slipway.cli.plan_inputs import Given, Inputs

    given = Given(
        delta=delta,
        sd=sd,
        loss_sd=loss_sd,
        correlation=correlation,
        alpha=alpha,
        margin=margin,
        max_labels=max_labels,
        bake_labels=bake_labels,
        labels_per_day=labels_per_day,
        rows_per_day=rows_per_day,
        false_alarms=false_alarms,
        risk=risk,
        limit=risk_limit,
        features=features,
        reference_rows=reference_rows,
        tolerance=tolerance,
    )
    facts = _facts(project)
    _answer(Inputs(given, facts), facts, window, seed)


def _facts(project: Path) -> Facts | None:
    """What the project knows; None where no project was named and none is here."""
    try:
        opened = Opened(project)
    except NotFoundError:
        if project != Path():
            raise
        return None
    from slipway.cli.plan_project import project_facts

    return project_facts(opened)


def _answer(inputs: Inputs, facts: Facts | None, windows: list[int] | None, seed: int) -> None:
    import numpy as np

    from slipway.cli import plan_alarms, plan_rollout

    question, traffic = inputs.question(), inputs.traffic()
    with progress("simulating"):
        comparison = plan_rollout.compare(question, seed) if question else None
        rng = np.random.default_rng(seed)
        risk = plan_alarms.risk_alarm(traffic, rng) if traffic else None
        drift = plan_alarms.drift_alarm(traffic, rng) if traffic else None
        sizes = windows or _windows(traffic.rows_per_day if traffic else 0.0)
        peers = plan_alarms.peers(traffic, sizes, rng) if traffic else []
    emit(
        {
            "inputs": inputs.numbers,
            "notes": inputs.notes,
            "versions": facts.pairs if facts else [],
            "comparison": comparison,
            "risk_alarm": risk,
            "drift_alarm": drift,
            "peers": peers,
        }
    )
    _show_inputs(inputs, facts)
    if comparison is not None:
        _show_rollout(comparison)
        _show_designs(comparison)
    if risk is not None:
        _show_risk(risk, inputs["risk"])
    if drift is not None:
        _show_drift(drift)
        _show_peers(peers, drift)


def _windows(rows_per_day: float) -> list[int]:
    day = max(20, round(rows_per_day))
    return [*(size for size in _WINDOWS if 2 * size <= day), day]


def _show_inputs(inputs: Inputs, facts: Facts | None) -> None:
    table(
        "Planned with",
        ["number", "value", "from"],
        [
            (name.replace("_", " "), _amount(known.value), known.source)
            for name, known in sorted(inputs.numbers.items())
        ],
    )
    for note in inputs.notes:
        say(f"[yellow]note[/] {note}")
    if facts is not None and facts.pairs:
        table(
            "\nVersions on the same labelled rows, newest first",
            ["answered", "unseen", "pairs", "difference", "sd", "correlation"],
            [
                (one.answered, one.unseen, one.n, _signed(one.mean), one.sd, one.correlation)
                for one in facts.pairs
            ],
        )


def _show_rollout(comparison: Comparison) -> None:
    limit, bake = comparison.shadow[0].limit, (comparison.bake or comparison.shadow)[0].limit
    columns = ["it is really", "verdict", "labels", "days", "in time", "by"]
    table(
        f"\nA challenger in shadow: labelled pairs until the guard decides (alpha {comparison.alpha:g}, "
        f"at most {limit:,}), median / 90 %",
        columns,
        [_decided(one) for one in comparison.shadow],
    )
    spent = _for_days(comparison.shadow_days)
    worse = f"worse by {comparison.margin:g} or more" if comparison.margin else "no better"
    say(
        f"One that is {worse} is promoted with probability at most {comparison.alpha:g}; undecided after "
        f"{limit:,} labels{spent}, it is refused."
    )
    if comparison.daily_z_test is not None:
        say(
            f"A z test at the same level, read once a day{spent}, finds a difference that is not there in "
            f"{comparison.daily_z_test:.0%} of cases."
        )
    table(
        f"\nA launch during the bake: labelled pairs until it is rolled back (at most {bake:,}), "
        "median / 90 %",
        columns,
        [_decided(one) for one in comparison.bake],
    )
    say("[dim]by guard: the real test on seeded streams; by paths: simulated paths of its bets[/]")


def _decided(one: Decided) -> tuple[object, ...]:
    word = "better" if one.difference > 0 else "worse"
    return (
        f"{word} by {abs(one.difference):.4g}",
        one.verdict,
        _two(one.labels_median, one.labels_most, f"> {one.limit:,}"),
        _two(one.days_median, one.days_most, "-"),
        None if one.decided is None else f"{one.decided:.0%}",
        one.method,
    )


def _show_designs(comparison: Comparison) -> None:
    table(
        f"\nFinding a difference of {comparison.delta:.4g}: labelled rows of all arms, median / 90 %; and "
        "for one look at the end with 90 % power",
        ["design", "labels", "days", "one look"],
        [
            (
                one.name,
                _two(one.labels_median, one.labels_most, "out of reach"),
                _two(one.days_median, one.days_most, "-"),
                _amount(one.fixed_sample),
            )
            for one in comparison.designs
        ],
    )
    if comparison.arms_ratio is None:
        say("[dim]give --correlation for the figures of an A/B test[/]")
    else:
        say(f"An A/B test needs {_amount(comparison.arms_ratio)} rows for each row of the shadow.")


def _show_risk(alarm: RiskAlarm, risk: float) -> None:
    table(
        f"\nRisk alarm: loss above {alarm.limit:.4g}; false alarms at least {_amount(alarm.run_length)} "
        f"labels ({_amount(alarm.days)} days) apart on average. Delay, median / 90 %",
        ["mean loss rises to", "labels", "days", "by"],
        [
            (
                f"{one.size:.4g} (x {one.size / risk:.3g})",
                _two(one.median, one.most, "no alarm"),
                _amount(one.days),
                "within the bound" if one.size <= alarm.limit else one.method,
            )
            for one in alarm.delays
        ],
    )


def _show_drift(alarm: DriftAlarm) -> None:
    table(
        f"\nDrift alarm: {alarm.features} features; false alarms of any at least "
        f"{_amount(alarm.run_length)} rows ({_amount(alarm.days)} days) apart on average. "
        "Delay, median / 90 %",
        ["a number shifts by", "rows", "days"],
        [
            (
                f"{one.size:g} sd",
                _two(one.median, one.most, f"> {alarm.horizon:,}"),
                _amount(one.days),
            )
            for one in alarm.delays
        ],
    )


def _show_peers(peers: list[Peer], drift: DriftAlarm) -> None:
    windows = sorted({one.window for one in peers})
    rates = {(one.rule, one.window): one for one in peers}
    table(
        f"\nFixed thresholds on {drift.features} features that do not drift: false alarms in 30 days (chance "
        "per window and feature)",
        ["windows of", *(f"{window:,} rows" for window in windows)],
        [
            (rule, *(_rate(rates[rule, window]) for window in windows))
            for rule in dict.fromkeys(one.rule for one in peers)
        ],
    )
    ours = 30.0 / drift.days if drift.days else 0.0
    say(f"Slipway's drift monitor: at most {ours:.2g} in 30 days on average, all features together.")


def _rate(peer: Peer) -> str:
    return "0" if peer.per_month < 0.005 else f"{_amount(peer.per_month)} ({peer.per_window:.1%})"


def _two(median: float | None, most: float | None, beyond: str) -> str:
    """Median and 90 %, or the first alone where the second says no more."""
    if median is None:
        return beyond
    return (
        _amount(median)
        if most is None and beyond == "no alarm"
        else f"{_amount(median)} / {_amount(most, beyond)}"
    )


def _for_days(days: float | None) -> str:
    return "" if days is None else f" ({_amount(days)} days)"


def _signed(value: float) -> str:
    return f"{value:+.5f}"


def _amount(value: float | None, without: str = "-") -> str:
    """A number in three digits, without an exponent."""
    if value is None:
        return without
    if abs(value) < 1e-4:
        return "0" if abs(value) < 1e-12 else "< 0.0001"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"
