"""Lineage: the commit of a folder, and a digest of the libraries."""

from __future__ import annotations

import subprocess
from pathlib import Path

from slipway.learn.lineage import git_commit, lock_digest, packages


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_folder_without_git_has_no_commit(tmp_path: Path):
    assert git_commit(tmp_path) is None
    assert git_commit(tmp_path / "absent") is None


def test_the_commit_says_whether_files_differ_from_it(tmp_path: Path):
    git(tmp_path, "init", "-q")
    assert git_commit(tmp_path) is None  # nothing committed yet
    (tmp_path / "slipway.toml").write_text("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Start")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == head
    (tmp_path / "slipway.toml").write_text("b")
    assert git_commit(tmp_path) == f"{head}+changes"


def test_the_lock_digest_follows_versions_and_not_their_order():
    versions = packages()
    assert {"lightgbm", "numpy", "scikit-learn"} <= set(versions)
    assert lock_digest(versions) == lock_digest(dict(reversed(versions.items())))
    assert lock_digest(versions) != lock_digest(versions | {"numpy": "0"})
    assert len(lock_digest({})) == 64
