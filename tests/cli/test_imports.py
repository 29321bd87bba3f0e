"""`slipway --help` and the two kinds of process import no more than they need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "polars",
    "pyarrow",
    "duckdb",
    "sklearn",
    "scipy",
    "lightgbm",
    "sqlalchemy",
    "granian",
    "pandas",
)
HELP = "from typer.testing import CliRunner\nfrom slipway.cli.app import app\nCliRunner().invoke(app, "


def loaded_after(code: str) -> set[str]:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.splitlines()[-1].split())


def test_help_loads_no_library_that_does_work() -> None:
    assert not loaded_after(f"{HELP}['--help'])") & set(HEAVY)


@pytest.mark.parametrize("verb", ["init", "train", "up", "deploy", "status", "replay", "sql", "plan", "demo"])
def test_the_help_of_a_verb_loads_no_library_that_does_work(verb: str) -> None:
    assert not loaded_after(f"{HELP}['{verb}', '--help'])") & set(HEAVY)


def test_the_supervisor_stays_small() -> None:
    assert not loaded_after("import slipway.cli.supervisor") & set(HEAVY)
