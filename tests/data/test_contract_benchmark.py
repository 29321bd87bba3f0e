"""The table of the contract benchmark keeps the rules that it is timed with, and they are not idle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]


def broken(path: Path) -> int:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.data.contract_peers.slipway", str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout)["broken"]


def test_rules_of_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.data.contract_table import LEVELS, TIME, write

    path = tmp_path / "table.parquet"
    write(path, 3_000)
    assert broken(path) == 0
    table = pl.read_parquet(path)
    texts = {name: pl.lit("other") for name in LEVELS}
    numbers = {name: pl.lit(-1e7) for name in table.columns if name.startswith("f")}
    wrong = table.with_columns(**texts, **numbers, **{TIME: pl.lit(None, pl.Datetime("us"))}, id=pl.lit(1))
    wrong.write_parquet(path)
    assert broken(path) == len(texts) + len(numbers) + 2
