"""``slipway status`` for people."""

from __future__ import annotations

from slipway.cli.output import say, table
from slipway.control.status import EndpointStatus, JobStatus, StatusReport


def show(report: StatusReport) -> None:
    """Print who serves, the evidence, the monitors, the counts and the jobs."""
    for endpoint in report.endpoints:
        _show_endpoint(endpoint)
    if not report.endpoints:
        say("nothing is deployed yet: `slipway deploy`")
    if report.jobs:
        table(
            "\nRetraining",
            ["job", "for", "status", "attempts"],
            [(job.id, job.key, _job_status(job), job.attempts) for job in report.jobs],
        )
    behind = f"{report.lag_bytes:,} bytes behind" if report.lag_bytes else "up to date"
    chain = "holds" if report.ledger_ok else "[bold red]is broken[/]"
    say(
        f"\nlog: {report.events:,} entries read, {behind}; "
        f"ledger: {report.ledger_entries} entries, chain {chain}"
    )
    if not report.plan_current:
        say("[yellow]the plan file is older than the database: start the controller with `slipway up`[/]")


def _job_status(job: JobStatus) -> str:
    return "withdrawn" if (job.result or {}).get("withdrawn") else job.status


def _show_endpoint(endpoint: EndpointStatus) -> None:
    unseen = endpoint.challenger or endpoint.reverse
    role = "in shadow" if endpoint.challenger else "in reverse shadow"
    beside = f", {unseen} {role}" if unseen else ""
    say(f"[bold]{endpoint.name}[/]: {endpoint.champion} answers{beside} ({endpoint.state})")
    if endpoint.trial is not None:
        trial = endpoint.trial
        say(f"  {trial.verdict.message}")
        say(f"  [dim]{trial.verdict.guarantee}; at most {trial.limit:,} pairs[/]")
        if trial.awaiting_approval:
            say(f"  [yellow]waits for `slipway promote {trial.candidate}`[/]")
    table(
        "",
        ["monitor", "rows", "e-value", "alarm at", "alarmed"],
        [
            (one.kind, one.n, one.e_value, one.run_length, ", ".join(one.alarmed) or None)
            for one in endpoint.monitors
        ],
    )
    counted = ", ".join(f"{count:,} {name}" for name, count in endpoint.counts.items() if count)
    say(f"  rows: {counted or 'none yet'}")
    for alarm in endpoint.alarms[-5:]:
        evidence = alarm.get("alarm", alarm)
        say(f"  [red]alarm[/] {evidence.get('message', alarm['kind'])}")
