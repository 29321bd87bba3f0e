"""Where a source lies: a path, an object in a store, or a database; how it is named without its secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from slipway.base.errors import ConfigError

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(\w+)\}")

#: Schemes whose objects are fetched whole; every other one is a database.
OBJECT_SCHEMES = frozenset({"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https"})


class Location(NamedTuple):
    """A source that has been found in the settings or on the command line."""

    #: Lower-case scheme of a URL; empty for a file.
    scheme: str
    #: The path, or the URL as it was given: it may name environment variables, never hold their values.
    given: str

    @property
    def shown(self) -> str:
        """For people: without user, password, and what stands after ``?``, which may be a signature."""
        if not self.scheme:
            return self.given
        parts = urlsplit(self.given)
        return f"{self.scheme}://{parts.netloc.rpartition('@')[2]}{unquote(parts.path)}"

    @property
    def stem(self) -> str:
        """The last name in it, without suffixes."""
        last = self.shown.rstrip("/").rpartition("/")[2] or "table"
        return last if last.startswith(".") else last.partition(".")[0]

    @property
    def is_object(self) -> bool:
        """Whether it is an object in a store or on a server."""
        return self.scheme in OBJECT_SCHEMES

    @property
    def is_database(self) -> bool:
        """Whether it is a database that takes a query."""
        return bool(self.scheme) and not self.is_object

    def filled(self) -> str:
        """The path or URL with the values of the environment variables that it names: secret.

        Raises:
            ConfigError: a variable is not set.
        """
        return _VARIABLE.sub(self._value, self.given) if self.scheme else self.given

    def _value(self, match: re.Match[str]) -> str:
        value = os.environ.get(match[1])
        if value is None:
            raise ConfigError(
                expected=f"the environment variable {match[1]} to be set",
                got="none of that name",
                where=f"data.source ({self.shown})",
                next_step=f"export {match[1]}=... before the command",
            )
        # A password may hold any character; one that stands before the host must not end it.
        return quote(value, safe="") if match.start() < self.given.rfind("@") else value


def locate(source: Path | str) -> Location:
    """Tell a URL from a path.

    Raises:
        ConfigError: the URL holds a password instead of the name of an environment variable.
    """
    text = str(source)
    scheme = _SCHEME.match(text) if isinstance(source, str) else None
    if scheme is None:
        return Location("", text)
    place = Location(scheme[1].lower(), text)
    password = urlsplit(_VARIABLE.sub("", text)).password
    if password:
        raise ConfigError(
            expected="the password in an environment variable: user:${DB_PASSWORD}@host",
            got="one written out",
            where=f"data.source ({place.shown})",
            next_step="export it under a name, and write the name in the URL",
        )
    return place


def rooted(source: str, root: Path) -> Path | str:
    """A source of the settings as seen from the project folder: relative paths start there."""
    place = locate(source)
    if not place.scheme:
        return root / source
    path = database_file(place)
    if path is None or path.is_absolute():
        return source
    return f"{place.scheme}:///{root.resolve() / path}"


def relocated(source: Path | str, root: Path) -> str:
    """A source as the settings of the project should name it: relative inside the project, else absolute."""
    place = locate(source)
    if place.scheme:
        path = database_file(place)
        if path is None:
            return str(source)
        return f"{place.scheme}:///{_relative(path, root)}"
    return _relative(Path(source), root)


def database_file(place: Location) -> Path | None:
    """The file of a database that is one (``sqlite:///loans.db``, ``duckdb:////whole/path.db``)."""
    if place.scheme.partition("+")[0] not in ("sqlite", "duckdb") or "?" in place.given:
        return None
    return Path(unquote(place.given.partition("://")[2].removeprefix("/")))


def _relative(file: Path, folder: Path) -> str:
    source, root = file.resolve(), folder.resolve()
    return source.relative_to(root).as_posix() if source.is_relative_to(root) else str(source)
