"""docs/quickstart.md works as it is written: every block is typed into a shell, in order."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
SHARED = Path(os.environ.get("SLIPWAY_SHARED", ROOT.parent / "shared"))
ADULT = SHARED / "data" / "adult" / "adult.data"
URL = "http://127.0.0.1:8080"


def blocks() -> list[str]:
    return re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path) -> Generator[Shell]:
    if not ADULT.exists():
        pytest.skip(f"the census table is not beside this checkout ({ADULT.name}); set SLIPWAY_SHARED")
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if reachable("/healthz"):
        pytest.skip("port 8080 is taken by another program")
    made = Shell(tmp_path)
    yield made
    made.close()


class Shell:
    """Types lines as a reader would; `slipway up` goes to a second terminal."""

    def __init__(self, folder: Path) -> None:
        tools = folder / "bin"
        tools.mkdir()
        command = tools / "slipway"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slipway "$@"\n')
        command.chmod(0o755)
        self.folder = folder
        self.environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        self.up: subprocess.Popen[bytes] | None = None

    def type(self, text: str) -> str:
        text = text.replace("/path/to/adult.data", str(ADULT))
        if "slipway up" in text:
            text = text.replace("slipway up\n", "")
            self.type(text)
            self.up = subprocess.Popen(
                ["slipway", "up"], cwd=self.folder / "income", env=self.environment, stdout=subprocess.DEVNULL
            )
            deadline = time.monotonic() + 30
            while not reachable("/readyz"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            return ""
        inside = self.folder if "mkdir income" in text else self.folder / "income"
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=inside,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, text + ended.stdout + ended.stderr
        return ended.stdout

    def close(self) -> None:
        if self.up is not None:
            self.up.send_signal(signal.SIGTERM)
            assert self.up.wait(30) == 0


def reachable(path: str) -> bool:
    try:
        with urlopen(URL + path, timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@pytest.mark.timeout(400)
def test_the_quickstart_works_as_written(shell: Shell) -> None:
    answer: dict[str, Any] = {}
    for block in blocks():
        typed = block
        if "/outcomes" in block:
            typed = block.replace("0195...", answer["predictions"][0]["id"])
            typed = typed.replace(" --seed 1", " --seed 1 --budget 10s")
        said = shell.type(typed)
        if "/predict" in block:
            answer = json.loads(said)
    assert answer["version"] == "adult@1"
    shown = re.search(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert shown is not None
    promised = json.loads(shown[1])
    assert promised.keys() == answer.keys()
    assert promised["predictions"][0].keys() == answer["predictions"][0].keys()
    assert promised["predictions"][0]["prediction"] == answer["predictions"][0]["prediction"]
