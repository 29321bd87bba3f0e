"""`python -m benchmarks` finds every benchmark and knows it by name."""

import pytest
from benchmarks.__main__ import chosen, names


def test_packages_and_modules_with_a_main_are_found():
    found = names()
    assert "false_alarms" in found
    assert not [name for name in found if name.startswith(("results", "false_alarms."))]


def test_modules_are_found_by_their_main(tmp_path):
    for path, text in {
        "one/__main__.py": "",
        "one/part.py": "def main(): ...",
        "two/run.py": "def main() -> None: ...",
        "two/worker.py": "def main(fd): ...",
        "two/__init__.py": "",
        "results/a.json": "",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert names(tmp_path) == ["one", "two.run"]


def test_a_name_stands_for_all_below_it():
    known = ["one", "two.a", "two.b", "twofold"]
    assert chosen([], known) == known
    assert chosen(["two"], known) == ["two.a", "two.b"]
    assert chosen(["two.b", "one"], known) == ["one", "two.b"]
    with pytest.raises(SystemExit, match="no benchmark 'tw'"):
        chosen(["tw"], known)
