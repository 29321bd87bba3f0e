"""Deploy, promote, roll back: what a person, or the controller on a finished retraining, may ask for.

Each function is one write transaction: pointer, rollout, ledger entry and evidence change together or not
at all, at a recorded position of the log. The controller notices at its next tick, gateways follow the plan
file, and a replay repeats the move at that position.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from slipway.base.errors import ConflictError, RefusedError, UsageError
from slipway.base.vocabulary import State, VersionName
from slipway.control import moves
from slipway.control.evidence import EndpointEvidence, Rules
from slipway.control.places import end_of
from slipway.control.plan import publish_plan
from slipway.control.workspace import Workspace
from slipway.monitor.watch import Watch
from slipway.rollout.guard import ShadowGuard
from slipway.rollout.states import OPEN
from slipway.store import registry
from slipway.store.database import Transaction
from slipway.store.intake import position
from slipway.store.registry import EndpointRecord, RolloutRecord

#: States of rollouts whose challenger has been champion.
_ANSWERED = ("live", "settled", "rolled_back")


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What an action did."""

    kind: str
    endpoint: str
    version: str
    #: Champion before the move; None when there was none.
    former: str | None
    state: State
    rollout: int
    #: Number of the ledger entry.
    ledger: int
    message: str


def deploy(
    workspace: Workspace,
    version: str | VersionName,
    *,
    endpoint: str | None = None,
    actor: str,
    reason: str = "",
    force: bool = False,
) -> Move:
    """Put a registered version on an endpoint.

    The first version of an endpoint goes live: its gates are what there is to go by. A later one opens a
    shadow; with ``force`` it answers at once, with the former champion in reverse shadow. A rollout that is
    open is superseded.

    Args:
        workspace: the project.
        version: ``model@number``.
        endpoint: default: the project's name.
        actor: who asks, for the ledger.
        reason: why; required with ``force``.
        force: skip the shadow, and the gates where they refused.

    Raises:
        NotFoundError: no such version.
        IntegrityError: its bundle is not what was registered and signed.
        RefusedError: its gates refused it and ``force`` is not given.
        ConfigError: the settings do not fit the version, such as a rate of false alarms below 100 rows.
        ConflictError: it is on the endpoint already.
        UsageError: ``force`` without a reason.
    """
    with workspace.database.write() as tx:
        move = deploy_within(
            tx, workspace, version, endpoint=endpoint, actor=actor, reason=reason, force=force
        )
    publish_plan(workspace.layout, workspace.database)
    return move


def deploy_within(
    tx: Transaction,
    workspace: Workspace,
    version: str | VersionName,
    *,
    endpoint: str | None = None,
    actor: str,
    reason: str = "",
    force: bool = False,
) -> Move:
    """``deploy`` inside a write transaction; the caller publishes the plan after it."""
    if force:
        _require_reason(reason, "a forced deployment")
    name = _parse(version)
    endpoint = endpoint or workspace.config.project.name
    _require_gates(tx, name, force=force)
    workspace.facts(str(name))  # a bundle that does not verify is refused here, not by every gateway
    record = registry.get_endpoint(tx, endpoint)
    evidence = moves.load_evidence(tx, endpoint, workspace.facts)
    if record is not None:
        _refuse_same(record, name)
        _supersede(tx, workspace, record, evidence, name)
    former = record.champion if record else None
    state: State = "settled" if former is None else "live" if force else "shadow"
    rules = Rules.of(workspace.config)
    _require_monitors(workspace, rules, name, former)
    rollout = moves.open_rollout(tx, endpoint, name, former, state, rules.rollout.alpha, rules.rollout.margin)
    evidence.deploy(state, rollout.id, str(name), end_of(position(tx)), rules)
    moves.save_evidence(tx, evidence)
    kind = "forced" if state == "live" else "deployed"
    payload = {
        "endpoint": endpoint,
        "version": str(name),
        "former": None if former is None else str(former),
        "rollout": rollout.id,
        "state": state,
        "actor": actor,
        "reason": reason,
        "forced": force,
        "rules": msgspec.to_builtins(rules),
        "message": _deployed(name, former, state, rules),
    }
    return _done(tx, workspace, kind, payload)


def promote(
    workspace: Workspace,
    version: str | VersionName | None = None,
    *,
    endpoint: str | None = None,
    actor: str,
    reason: str = "",
    force: bool = False,
) -> Move:
    """Let the challenger answer, with the former champion in reverse shadow.

    Args:
        workspace: the project.
        version: the challenger, where the caller wants to be sure which one it is.
        endpoint: default: the project's name.
        actor: who asks.
        reason: why; required with ``force``.
        force: also without a favourable verdict.

    Raises:
        ConflictError: no challenger is in shadow, or it is another version.
        RefusedError: the evidence does not call for it and ``force`` is not given.
        UsageError: ``force`` without a reason.
    """
    if force:
        _require_reason(reason, "a forced promotion")
    endpoint = endpoint or workspace.config.project.name
    with workspace.database.write() as tx:
        record = _require_endpoint(tx, endpoint)
        if record.challenger is None or record.rollout_id is None:
            raise ConflictError(
                expected="a challenger in shadow",
                got=f"an endpoint that is {record.state}",
                where=f"endpoint {endpoint!r}",
                next_step="open one with `slipway deploy VERSION`",
            )
        if version is not None and _parse(version) != record.challenger:
            raise ConflictError(
                expected=f"{record.challenger}, the challenger",
                got=str(_parse(version)),
                where=f"endpoint {endpoint!r}",
                next_step="deploy that version first",
            )
        evidence = moves.load_evidence(tx, endpoint, workspace.facts)
        move = _promote(tx, workspace, record, evidence, actor=actor, reason=reason, force=force)
    publish_plan(workspace.layout, workspace.database)
    return move


def _promote(
    tx: Transaction,
    workspace: Workspace,
    record: EndpointRecord,
    evidence: EndpointEvidence,
    *,
    actor: str,
    reason: str,
    force: bool,
) -> Move:
    assert evidence.trial is not None
    assert record.rollout_id is not None
    guard = evidence.trial.guard
    verdict = guard.verdict()
    favourable = isinstance(guard, ShadowGuard) and guard.acceptable
    if not favourable and not force:
        raise RefusedError(
            expected="evidence that the challenger is better",
            got=f"{verdict.outcome}: {verdict.message}",
            where=f"rollout {record.rollout_id} of endpoint {record.name!r}",
            next_step="wait for more outcomes, or overrule with --force --reason TEXT",
        )
    rollout = registry.get_rollout(tx, record.rollout_id)
    moved = moves.move_rollout(tx, rollout, "live", msgspec.to_builtins(verdict))
    moves.point(tx, record.name, moved, "live")
    evidence.go_live(rollout.id, str(rollout.challenger), end_of(position(tx)))
    moves.save_evidence(tx, evidence)
    payload = {
        "endpoint": record.name,
        "version": str(rollout.challenger),
        "former": str(record.champion),
        "rollout": rollout.id,
        "state": "live",
        "actor": actor,
        "reason": reason,
        "forced": not favourable,
        "verdict": msgspec.to_builtins(verdict),
        "message": f"{rollout.challenger} answers; {record.champion} scores in reverse shadow",
    }
    return _done(tx, workspace, "promoted", payload)


def rollback(
    workspace: Workspace,
    version: str | VersionName | None = None,
    *,
    endpoint: str | None = None,
    actor: str,
    reason: str = "",
) -> Move:
    """Return to the former champion, at once and without gates. A shadow that is open is superseded.

    Args:
        workspace: the project.
        version: an earlier champion of the endpoint; default: the one before the current.
        endpoint: default: the project's name.
        actor: who asks.
        reason: why.

    Raises:
        ConflictError: there is no former champion, or ``version`` never was one.
    """
    endpoint = endpoint or workspace.config.project.name
    with workspace.database.write() as tx:
        record = _require_endpoint(tx, endpoint)
        current, target = _return_to(tx, record, None if version is None else _parse(version))
        evidence = moves.load_evidence(tx, endpoint, workspace.facts)
        if record.challenger is not None:
            _supersede(tx, workspace, record, evidence, target)
        moved = moves.move_rollout(tx, current, "rolled_back", None)
        moves.return_to(tx, endpoint, moved, target)
        evidence.back_to(str(target), end_of(position(tx)))
        moves.save_evidence(tx, evidence)
        payload = {
            "endpoint": endpoint,
            "version": str(current.challenger),
            "former": str(current.challenger),
            "to": str(target),
            "rollout": current.id,
            "state": "settled",
            "actor": actor,
            "reason": reason,
            "message": f"{target} answers again; {current.challenger} was rolled back by hand",
        }
        move = _done(tx, workspace, "rolled_back", payload)
    publish_plan(workspace.layout, workspace.database)
    return move


def _return_to(
    tx: Transaction, record: EndpointRecord, wanted: VersionName | None
) -> tuple[RolloutRecord, VersionName]:
    """The rollout that made the champion, and the version to return to."""
    past = [one for one in registry.list_rollouts(tx, record.name) if one.state in _ANSWERED]
    made = [one for one in past if one.challenger == record.champion and one.state != "rolled_back"]
    former = {one.champion for one in past} | {one.challenger for one in past}
    target = wanted or (made[-1].champion if made else None)
    if not made or target is None or target == record.champion or target not in former:
        raise ConflictError(
            expected="a former champion to return to",
            got="none" if wanted is None else str(wanted),
            where=f"endpoint {record.name!r}, where {record.champion} answers",
            next_step="see `slipway decisions`, or deploy another version",
        )
    return made[-1], target


def _supersede(
    tx: Transaction,
    workspace: Workspace,
    record: EndpointRecord,
    evidence: EndpointEvidence,
    by: VersionName,
) -> None:
    """Close the open rollout, if there is one, in favour of another move; a bake then ends early."""
    if record.state not in OPEN or record.rollout_id is None:
        return
    rollout = registry.get_rollout(tx, record.rollout_id)
    verdict = evidence.trial.guard.verdict() if evidence.trial else None
    target: State = "superseded" if rollout.state == "shadow" else "settled"
    moved = moves.move_rollout(tx, rollout, target, verdict and msgspec.to_builtins(verdict))
    moves.point(tx, record.name, moved, target)
    evidence.close_trial()
    payload = {
        "endpoint": record.name,
        "version": str(rollout.challenger),
        "rollout": rollout.id,
        "was": rollout.state,
        "by": str(by),
        "verdict": verdict and msgspec.to_builtins(verdict),
        "message": f"the {rollout.state} rollout of {rollout.challenger} ends: {by} takes its place",
    }
    moves.write_ledger(tx, "superseded", payload, workspace.clock.now_us())


def _deployed(name: VersionName, former: VersionName | None, state: State, rules: Rules) -> str:
    settings = rules.rollout
    if state == "settled":
        return f"{name} answers: the first version, its gates passed"
    if state == "live":
        return f"{name} answers without proof, by force; {former} scores in reverse shadow"
    return (
        f"{name} scores unseen beside {former}; P(ever promoting it if it is not better) <= "
        f"{settings.alpha:g} for this rollout, at most {settings.max_labels:,} labelled pairs"
    )


def _refuse_same(record: EndpointRecord, name: VersionName) -> None:
    roles = {record.champion: "answers", record.challenger: "is in shadow"}
    if name in roles:
        raise ConflictError(
            expected="a version that is not on the endpoint",
            got=f"{name}, which {roles[name]}",
            where=f"endpoint {record.name!r}",
            next_step="see `slipway status`",
        )


def _require_gates(tx: Transaction, name: VersionName, *, force: bool) -> None:
    run = registry.get_run(tx, registry.get_version(tx, name).run_id)
    if run.status != "registered" and not force:
        raise RefusedError(
            expected="a version whose gates passed",
            got=f"{name}, whose training run is {run.status!r}",
            where=f"run {run.id}",
            next_step="see `slipway versions`; overrule with --force --reason TEXT",
        )


def _require_monitors(workspace: Workspace, rules: Rules, *versions: VersionName | None) -> None:
    """Start the monitors that a promotion or a rollback will start, so that their settings fail here and now.

    Raises:
        ConfigError: the settings ask for more false alarms than the traffic of a version allows.
    """
    for version in versions:
        if version is not None:
            facts = workspace.facts(str(version))
            Watch(str(version), facts.reference, facts.risk, rules.monitor, 0)


def _require_reason(reason: str, what: str) -> None:
    if not reason.strip():
        raise UsageError(
            expected=f"a reason for {what}",
            got="none",
            next_step="say why with --reason TEXT: the ledger keeps it",
        )


def _require_endpoint(tx: Transaction, endpoint: str) -> EndpointRecord:
    record = registry.get_endpoint(tx, endpoint)
    if record is None or record.champion is None:
        _no_endpoint(endpoint)
    return record


def _no_endpoint(endpoint: str) -> NoReturn:
    raise ConflictError(
        expected="an endpoint with a champion",
        got="none",
        where=f"endpoint {endpoint!r}",
        next_step="deploy a first version with `slipway deploy VERSION`",
    )


def _parse(version: str | VersionName) -> VersionName:
    return VersionName.parse(version) if isinstance(version, str) else version


def _done(tx: Transaction, workspace: Workspace, kind: str, payload: dict[str, Any]) -> Move:
    entry = moves.write_ledger(tx, kind, payload, workspace.clock.now_us())
    return Move(
        kind=kind,
        endpoint=payload["endpoint"],
        version=payload["version"],
        former=payload["former"],
        state=payload["state"],
        rollout=payload["rollout"],
        ledger=entry,
        message=payload["message"],
    )
