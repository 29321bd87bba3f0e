"""``slipway data contract diff`` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OLD = """
[columns.amount]
type = "float"
max = 100

[columns.repaid]
type = "bool"
role = "target"
"""


def diff(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway", "data", "contract", "diff", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_changes_are_told_and_counted(tmp_path: Path) -> None:
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(OLD)
    new.write_text(OLD.replace("100", "200") + '[rules.some]\nexpr = "amount > 0"\n')
    assert diff(old, old).returncode == 0
    assert "equal" in diff(old, old).stdout
    ended = diff(old, new)
    assert ended.returncode == 1
    assert "loosened" in ended.stdout
    assert "amount > 0" in ended.stdout
    assert "1 loosened, 1 added" in ended.stderr
    ended = diff(old, new, "--json")
    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert document["counts"] == {"loosened": 1, "added": 1}
    assert document["amendments"][0] == {
        "kind": "loosened",
        "where": "column amount",
        "key": "max",
        "before": "100",
        "after": "200",
    }
    assert json.loads(diff(old, old, "--json").stdout) == {"equal": True, "counts": {}, "amendments": []}


def test_a_file_that_does_not_read_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text(OLD)
    assert diff(tmp_path / "old.toml", tmp_path / "none.toml").returncode == 2
