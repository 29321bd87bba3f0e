"""Objects in S3, Google Cloud Storage, Azure and on web servers, copied to a local file.

Keys come from the variables that the stores' own tools read: ``AWS_ACCESS_KEY_ID`` and its relatives
(``AWS_ENDPOINT_URL`` for another S3), ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME`` and
``AZURE_STORAGE_ACCOUNT_KEY``.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from slipway.base.errors import ConfigError, SourceError, StoreError
from slipway.data.locations import Location

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

#: A host that does not answer ends the command soon; a dropped connection is tried again.
_RETRIES = 2
_PATIENCE = timedelta(seconds=30)
_CONNECT = timedelta(seconds=10)


def fetch(place: Location, target: Path) -> None:
    """Copy the object to a file, in parts: it is never whole in memory.

    Raises:
        SourceError: unreachable, no such bucket or object, no permission.
        ConfigError: see ``Location.filled``.
        StoreError: the copy cannot be written.
    """
    import obstore
    from obstore.exceptions import BaseError

    url = place.filled()
    try:
        store, name = _store(url, place)
        with target.open("wb") as file:
            for part in obstore.get(store, name).stream():
                file.write(part)
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise _explained(error, place) from None
    except OSError as error:
        raise StoreError(
            expected=f"room for a copy of {place.shown}",
            got=error.strerror or type(error).__name__,
            where=str(target.parent.parent),
            next_step="make room, or set TMPDIR to another disk",
        ) from None


def _store(url: str, place: Location) -> tuple[ObjectStore, str]:
    """A store, and the name of the object in it."""
    from obstore.store import HTTPStore, from_url

    parts = urlsplit(url)
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "") if place.scheme.startswith("s3") else ""
    client: ClientConfig = {
        "allow_http": place.scheme == "http" or endpoint.startswith("http://"),
        "connect_timeout": _CONNECT,
    }
    retries: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": _PATIENCE}
    if place.scheme in ("http", "https"):
        if "@" in parts.netloc:
            raise ConfigError(
                expected="a web address without user and password",
                got="one with them",
                where=place.shown,
                next_step="use a signed address: https://host/table.csv?${SIGNATURE}",
            )
        # The whole address is the root of the store, so that what stands after ? goes along.
        return HTTPStore.from_url(url, client_options=client, retry_config=retries), ""
    root = f"{place.scheme}://{parts.netloc}"
    return from_url(root, client_options=client, retry_config=retries), unquote(parts.path).lstrip("/")


#: What the stores' errors look like, what happened, and what to do.
_PROBLEMS: tuple[tuple[str, str, str], ...] = (
    (r"NoSuchBucket|ContainerNotFound", "no such bucket", "check its name and region"),
    (
        r"SignatureDoesNotMatch|InvalidAccessKeyId|AuthenticationFailed|Unauthenticated",
        "wrong keys",
        "check the store's keys in the environment",
    ),
    (r"169\.254\.169\.254|MissingAccount|credential", "no keys", "export the store's keys"),
    (r"PermissionDenied|code: 403", "no permission to read it", "ask for access, or check the keys"),
    (r"NoSuchKey|BlobNotFound|NotFound|code: 410", "no such object", "check its name"),
    (r"kind: Connect", "a host that cannot be reached", "check the address and the network"),
    (r"kind: Timeout|timed out", "a host that does not answer in time", "try again later"),
    (r"code: 5\d\d", "a server in trouble", "try again later"),
    (r"kind: \w+|error decoding|end of file", "a connection that broke off", "try again"),
)


def _explained(error: Exception, place: Location) -> SourceError:
    # The whole text holds addresses and may hold signatures: it decides, and is not shown.
    text = f"{type(error).__name__} {error}"
    for pattern, got, step in _PROBLEMS:
        if re.search(pattern, text):
            return SourceError(expected="an object with a table", got=got, where=place.shown, next_step=step)
    return SourceError(
        expected="an object with a table",
        got=f"an error of the store ({type(error).__name__})",
        where=place.shown,
        next_step="check the address",
    )
