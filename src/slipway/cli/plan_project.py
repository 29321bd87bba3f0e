"""What a project already knows about the numbers of a plan: settings, traffic, spread of its losses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from scipy import special

from slipway.base.config import Config
from slipway.base.vocabulary import Value
from slipway.cli.plan_numbers import Facts, Known, Pairs
from slipway.cli.project import Opened
from slipway.control.facts import BundleFacts, VersionFacts
from slipway.models.bundle import Bundle, load_bundle
from slipway.models.signing import trusted_keys
from slipway.store import registry
from slipway.store.database import Database
from slipway.store.query import connect
from slipway.store.registry import VersionRecord

#: Labelled pairs of two versions from which their spread is taken, at most and at least.
MOST_PAIRS, LEAST_PAIRS = 20_000, 200

#: Days of log from which the traffic is measured; a replayed or short log says nothing about days.
LEAST_DAYS = 1.0

_PAIRS = """
SELECT l.version, s.version, l.output, s.output, l.outcome, l.outcome_number
FROM labelled l JOIN shadows s USING (prediction_id)
WHERE l.endpoint = ?
ORDER BY l.intake_seq DESC NULLS FIRST, l.time DESC, l.row DESC LIMIT ?
"""

_TRAFFIC = """
SELECT (SELECT count(*) FROM predictions WHERE endpoint = $1),
       (SELECT count(*) FROM labelled WHERE endpoint = $1),
       (SELECT epoch(max(time)) - epoch(min(time)) FROM predictions WHERE endpoint = $1)
"""


def project_facts(opened: Opened) -> Facts:
    """What settings, bundle and log say. Numbers of later sources replace those of earlier ones.

    Raises:
        StoreError, IntegrityError: the project's files cannot be read.
    """
    numbers, rate = _settings(opened.config), opened.config.monitor.false_alarms
    database = opened.database()
    try:
        bundle = _yardstick(opened, database)
        if bundle is None:
            return Facts(numbers=numbers, false_alarms=rate)
        numbers |= _bundle(bundle, opened.config)
        pairs, measured = _log(opened, database)
    finally:
        database.close()
    return Facts(numbers=numbers | measured, false_alarms=rate, pairs=pairs)


def _settings(config: Config) -> dict[str, Known]:
    rollout, monitor = config.rollout, config.monitor
    known = {
        "alpha": (rollout.alpha, "rollout.alpha"),
        "margin": (rollout.margin, "rollout.margin"),
        "max_labels": (rollout.max_labels, "rollout.max_labels"),
        "bake_labels": (rollout.bake_labels, "rollout.bake_labels"),
        "tolerance": (monitor.tolerance, "monitor.tolerance"),
        "rows_per_day": (monitor.rows_per_day, "monitor.rows_per_day"),
    }
    return {name: Known(float(value), source) for name, (value, source) in known.items() if value is not None}


def _yardstick(opened: Opened, database: Database) -> Bundle | None:
    """The version that answers, or else the newest one."""
    name = opened.config.project.name
    with database.read() as tx:
        endpoint = registry.get_endpoint(tx, name)
        versions: Sequence[VersionRecord] = registry.list_versions(tx, name)
    champion = endpoint.champion if endpoint else None
    chosen = next((one for one in versions if one.name == champion), versions[-1] if versions else None)
    if chosen is None:
        return None
    keys = trusted_keys(opened.layout)
    return load_bundle(opened.layout.bundles / chosen.digest, chosen.digest, keys, chosen.name)


def _bundle(bundle: Bundle, config: Config) -> dict[str, Known]:
    """Risk, features, traffic and spreads that the training of a version left."""
    found: dict[str, Known] = {}
    source = f"training of {bundle.version}"
    if (reference := bundle.reference) is not None and reference.features:
        found["features"] = Known(len(reference.features), source)
        found["reference_rows"] = Known(min(one.n for one in reference.features), source)
        if config.monitor.rows_per_day is None:
            found["rows_per_day"] = Known(reference.rows_per_day, source)
        length = config.monitor.run_length(reference.rows_per_day)
        found["run_length"] = Known(length, f"monitor.false_alarms = {config.monitor.false_alarms!r}")
    if (risk := bundle.risk) is not None:
        found["risk"] = Known(risk.mean, f"{risk.n:,} held-out rows of {bundle.version}")
        found["limit"] = Known(
            risk.upper + config.monitor.risk_tolerance, "upper bound of it, plus monitor.risk_tolerance"
        )
        if (spread := _loss_sd(bundle, risk.mean)) is not None:
            found["loss_sd"] = Known(spread, f"held-out rows of {bundle.version}")
    if (sd := _gate_sd(bundle)) is not None:
        found["sd"] = Known(sd, f"held-out rows of {bundle.version} and the version live then")
    return found


def _loss_sd(bundle: Bundle, risk: float) -> float | None:
    """Spread of the loss, from the Student interval of the metric that is its mean."""
    metric = _item(_evidence(bundle, "metrics.json", {}).get("metrics", []), ("brier", "mae"))
    if metric is None or metric["lower"] is None or not metric["value"] > 0.0:
        return None
    half = max(metric["upper"] - metric["value"], metric["value"] - metric["lower"])
    spread = _student_sd(half, metric["n"], metric["level"])
    # in the unit of the loss, which for several classes and for numbers is not that of the metric
    return None if spread is None else spread * risk / metric["value"]


def _gate_sd(bundle: Bundle) -> float | None:
    """Spread of the paired differences, from the interval of the gate against the live version."""
    gate = _item(_evidence(bundle, "gates.json", []), ("not_worse_than_live",))
    if gate is None or gate["value"] is None:
        return None
    evidence = gate["evidence"]
    return _student_sd((evidence["upper"] - evidence["lower"]) / 2.0, evidence["n"], evidence["level"])


def _evidence(bundle: Bundle, name: str, default: Any) -> Any:
    content = bundle.evidence(name)
    return default if content is None else msgspec.json.decode(content)


def _item(items: Iterable[dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any] | None:
    return next((one for one in items if one["name"] in names), None)


def _student_sd(half_width: float, n: int, level: float) -> float | None:
    if n < 2:
        return None
    sd = half_width * math.sqrt(n) / float(special.stdtrit(n - 1, 0.5 + level / 2.0))
    return sd if sd > 0.0 and math.isfinite(sd) else None


def _log(opened: Opened, database: Database) -> tuple[list[Pairs], dict[str, Known]]:
    """Pairs of versions in the newest labelled rows, and what the log says about traffic and spreads."""
    name = opened.config.project.name
    connection = connect(opened.layout)
    try:
        answered, labelled, seconds = connection.execute(_TRAFFIC, [name]).fetchall()[0]
        rows = connection.execute(_PAIRS, [name, MOST_PAIRS]).fetchall()
    finally:
        connection.close()
    found: dict[str, Known] = {}
    days = (seconds or 0.0) / 86_400.0
    if days >= LEAST_DAYS:
        found["rows_per_day"] = Known(answered / days, f"{days:,.1f} days of log")
        found["labels_per_day"] = Known(labelled / days, f"{days:,.1f} days of log")
    elif answered >= LEAST_PAIRS and labelled:
        found["label_share"] = Known(labelled / answered, f"{answered:,} rows of log")
    pairs = _pairs(rows, BundleFacts(opened.layout, database))
    if pairs:
        newest = pairs[0]
        source = f"{newest.n:,} labelled pairs of {newest.answered} and {newest.unseen} in the log"
        found["sd"] = Known(newest.sd, source)
        found["loss_sd"] = Known(newest.loss_sd, source)
    return pairs, found


def _pairs(rows: list[tuple[Any, ...]], facts: BundleFacts) -> list[Pairs]:
    groups: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault((row[0], row[1]), []).append(row)
    found = (
        _pair(facts(answered), facts(unseen), group)
        for (answered, unseen), group in groups.items()
        if len(group) >= LEAST_PAIRS
    )
    return [pair for pair in found if pair is not None]


def _pair(answered: VersionFacts, unseen: VersionFacts, rows: list[tuple[Any, ...]]) -> Pairs | None:
    numeric = answered.task == "regression"
    labels: list[Value] = [row[5] if numeric else row[4] for row in rows]
    ours = answered.losses([row[2] for row in rows], labels, answered.loss_range)
    theirs = unseen.losses([row[3] for row in rows], labels, answered.loss_range)
    usable = np.isfinite(ours) & np.isfinite(theirs)
    ours, theirs = ours[usable], theirs[usable]
    sd = float(np.std(ours - theirs, ddof=1)) if ours.size >= LEAST_PAIRS else 0.0
    if sd == 0.0:
        return None
    spreads = float(np.std(ours, ddof=1)), float(np.std(theirs, ddof=1))
    return Pairs(
        answered=answered.version,
        unseen=unseen.version,
        n=int(ours.size),
        mean=float((ours - theirs).mean()),
        sd=sd,
        loss_sd=math.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2.0),
        correlation=float(np.corrcoef(ours, theirs)[0, 1]) if min(spreads) > 0.0 else None,
    )
