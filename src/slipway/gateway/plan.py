"""The plan: which version answers each endpoint, and which score unseen.

The controller publishes it as one small file, replaced whole. Each worker looks at the file every 50 ms,
loads what is new off the event loop and changes over with one assignment; requests in flight finish on
the plan they began with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from slipway.base.errors import IntegrityError, NotFoundError

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,128}$")]
EndpointName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class PlannedVersion(msgspec.Struct, frozen=True):
    """A version and the digest of its bundle, which is also the bundle's folder name."""

    version: str
    digest: Digest


class PlannedEndpoint(msgspec.Struct, frozen=True):
    """Who answers and who scores unseen."""

    champion: PlannedVersion
    shadows: tuple[PlannedVersion, ...] = ()
    arm: str = "champion"
    state: str = "settled"


class Plan(msgspec.Struct, frozen=True):
    """What the controller wants of every worker. ``serial`` grows with each change."""

    serial: int
    endpoints: dict[EndpointName, PlannedEndpoint]

    def digests(self) -> set[str]:
        """The bundles that the plan needs."""
        planned = self.endpoints.values()
        return {version.digest for endpoint in planned for version in (endpoint.champion, *endpoint.shadows)}


class Signature(NamedTuple):
    """Tells whether a file was replaced."""

    inode: int
    modified_ns: int
    size: int


def file_signature(path: Path) -> Signature | None:
    """The file's present state, or None when there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return Signature(stat.st_ino, stat.st_mtime_ns, stat.st_size)


def read_plan(path: Path) -> Plan:
    """Read the published plan.

    Raises:
        NotFoundError: nothing was published yet.
        IntegrityError: the file is no plan.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        raise NotFoundError(
            expected="a published plan",
            got="none",
            where=path.name,
            next_step="deploy a version: `slipway deploy VERSION`",
        ) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(
            expected="a plan as the controller writes it",
            got=type(error).__name__,
            where=path.name,
            next_step="start the controller, which publishes it anew",
        ) from None
