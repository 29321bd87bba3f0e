"""A directory of files read once into memory, and the text that lists it.

What is checked is what is used: nothing is read from disk a second time after its hash was taken.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from slipway.base.errors import IntegrityError, NotFoundError

#: A bundle is small; more than this is not one, and would fill the memory.
_MOST_BYTES = 2 * 1024**3
_MOST_DEPTH = 4
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def read_tree(path: Path) -> dict[str, bytes]:
    """Every file below a directory by relative path, with ``/``.

    Links are not followed but refused, the directory itself included, and so is all that is no plain file.

    Raises:
        NotFoundError: no such directory.
        IntegrityError: a link, a special file, an odd name, too deep, or too large.
        OSError: a file cannot be read.
    """
    files: dict[str, bytes] = {}
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotFoundError(
            expected="a bundle", got="no such directory", where=path.name, next_step="train the version again"
        ) from None
    except OSError:
        raise untrusted("a directory", "something else", path.name) from None
    try:
        _read(fd, "", files)
    finally:
        os.close(fd)
    return files


def _read(directory: int, prefix: str, files: dict[str, bytes]) -> None:
    if prefix.count("/") > _MOST_DEPTH:
        raise untrusted(f"at most {_MOST_DEPTH} levels of folders", "more", prefix)
    for name in sorted(os.listdir(directory)):
        if not _NAME.fullmatch(name):
            raise untrusted(
                "file names of letters, digits, '.', '_' and '-'", "another", prefix or "the bundle"
            )
        where = prefix + name
        try:
            # O_NONBLOCK: opening a FIFO must not wait for a writer.
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        except OSError as error:
            raise untrusted("a plain file", os.strerror(error.errno or 0), where) from None
        try:
            _take(fd, where, files)
        finally:
            os.close(fd)


def _take(fd: int, where: str, files: dict[str, bytes]) -> None:
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        _read(fd, f"{where}/", files)
        return
    if not stat.S_ISREG(status.st_mode):
        raise untrusted("a plain file", "a special one", where)
    if status.st_size + sum(map(len, files.values())) > _MOST_BYTES:
        raise untrusted(f"at most {_MOST_BYTES} bytes", "more", where)
    with os.fdopen(os.dup(fd), "rb") as file:
        files[where] = file.read()


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Hexadecimal SHA-256 by path."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def write_manifest(digests: Mapping[str, str]) -> bytes:
    """The text of ``manifest.sha256``, which ``sha256sum -c`` reads; sorted."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def read_manifest(content: bytes) -> dict[str, str]:
    """Digests by path from ``write_manifest``.

    Raises:
        IntegrityError: not such a text, or a path that leaves the directory or comes twice.
    """
    found: dict[str, str] = {}
    for line in content.decode("ascii", errors="replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found or not all(map(_NAME.fullmatch, match[2].split("/"))):
            raise untrusted("lines of a digest and a path inside the bundle", "another", "manifest.sha256")
        found[match[2]] = match[1]
    if write_manifest(found) != content:
        raise untrusted("sorted lines", "another form", "manifest.sha256")
    return found


def untrusted(expected: str, got: str, where: str) -> IntegrityError:
    """The error for a bundle whose bytes are not what they should be."""
    return IntegrityError(
        expected=expected,
        got=got,
        where=where,
        next_step="do not load it; take the version from where it was trained, or train it again",
    )
