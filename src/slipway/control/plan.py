"""The plan: who answers and who scores unseen, as a file that gateways follow."""

from __future__ import annotations

import fcntl

import msgspec

from slipway.base.failpoint import failpoint
from slipway.base.files import write_atomic
from slipway.base.layout import Layout
from slipway.base.vocabulary import State, VersionName
from slipway.store.database import Database, Transaction
from slipway.store.registry import EndpointRecord, get_version, list_endpoints, plan_serial


class PlannedVersion(msgspec.Struct, frozen=True):
    """A version and the digest that its bundle must have."""

    version: str
    digest: str


class PlannedEndpoint(msgspec.Struct, frozen=True):
    """One endpoint: ``champion`` answers, ``shadows`` score the same rows unseen."""

    champion: PlannedVersion
    shadows: list[PlannedVersion]
    arm: str
    state: State


class Plan(msgspec.Struct, frozen=True):
    """The whole file; ``serial`` rises with every change of an endpoint."""

    serial: int
    endpoints: dict[str, PlannedEndpoint]


def project_plan(tx: Transaction) -> Plan:
    """The plan that the database states at this moment."""
    endpoints: dict[str, PlannedEndpoint] = {}
    for record in list_endpoints(tx):
        if record.champion is not None:
            endpoints[record.name] = PlannedEndpoint(
                _planned(tx, record.champion),
                [_planned(tx, version) for version in _unseen(record)],
                "champion",
                record.state,
            )
    return Plan(plan_serial(tx), endpoints)


def publish_plan(layout: Layout, database: Database) -> Plan:
    """Write the plan file, unless it says the same already.

    Publishers take turns under a lock that begins before the database is read, so that an older plan
    never replaces a newer one.
    """
    layout.run.mkdir(parents=True, exist_ok=True)
    with (layout.run / "plan.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with database.read() as tx:
            plan = project_plan(tx)
        if read_plan(layout) != plan:
            failpoint("plan.before")
            write_atomic(layout.plan, msgspec.json.format(msgspec.json.encode(plan)))
            failpoint("plan.written")
    return plan


def read_plan(layout: Layout) -> Plan | None:
    """The plan file; None when it is missing or unreadable."""
    try:
        return msgspec.json.decode(layout.plan.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError):
        return None


def _unseen(record: EndpointRecord) -> list[VersionName]:
    return [version for version in (record.challenger, record.reverse) if version is not None]


def _planned(tx: Transaction, version: VersionName) -> PlannedVersion:
    return PlannedVersion(str(version), get_version(tx, version).digest)
