"""Where a version comes from: data, code, settings and libraries, as digests that can be compared."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import slipway

_GIT_SECONDS = 10
_LIBRARIES = ("lightgbm", "msgspec", "numpy", "polars", "pyarrow", "scikit-learn", "scipy")


def git_commit(folder: Path) -> str | None:
    """The commit that ``folder`` is at, with ``+changes`` when files differ from it; None without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def packages() -> dict[str, str]:
    """Installed versions of the libraries that shape a model, by name."""
    found = {name: _version(name) for name in _LIBRARIES}
    return {name: version for name, version in found.items() if version is not None}


def lock_digest(versions: dict[str, str]) -> str:
    """SHA-256 over interpreter, Slipway and package versions: equal digests, equal libraries."""
    lines = [f"python=={platform.python_version()}", f"slipway=={slipway.__version__}"]
    lines += [f"{name}=={version}" for name, version in sorted(versions.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
