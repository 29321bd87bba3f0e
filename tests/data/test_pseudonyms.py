"""Pseudonyms: equal for equal values, different else, keyed; keys are made once, for their owner only."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.base.errors import IntegrityError, StoreError, UsageError
from slipway.base.layout import Layout
from slipway.data.pseudonyms import Pseudonyms, load_pseudonyms, pseudonymise

MAKE_KEY = """
import sys
from pathlib import Path
from slipway.base.layout import Layout
from slipway.data.pseudonyms import load_pseudonyms
print(load_pseudonyms(Layout(Path(sys.argv[1])))("text"))
"""


@given(st.text(), st.binary(min_size=32, max_size=32))
def test_a_pseudonym_is_the_start_of_the_keyed_hash(value: str, key: bytes) -> None:
    expected = hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:30]
    keyed = Pseudonyms(key, 7)
    assert keyed(value) == f"p7_{expected}" == keyed(value)


def test_equal_stays_equal_and_missing_stays_missing() -> None:
    df = pl.DataFrame({"id": ["b", None, "a", "b", ""], "n": [1, 2, None, 2, 1], "x": [0.5] * 5})
    made = pseudonymise(df, ["id", "n"], Pseudonyms(bytes(32), 1))
    assert made.columns == df.columns
    assert made["x"].equals(df["x"])
    for name in ("id", "n"):
        assert made[name].is_null().to_list() == df[name].is_null().to_list()
        assert made[name].rank("dense").n_unique() == df[name].n_unique()
    assert made["id"][0] == made["id"][3] != made["id"][2]
    assert made["n"][1] == pseudonymise(pl.DataFrame({"m": ["2"]}), ["m"], Pseudonyms(bytes(32), 1))["m"][0]


def test_another_key_gives_other_pseudonyms() -> None:
    df = pl.DataFrame({"id": ["a", "b"]})
    first, second = (pseudonymise(df, ["id"], Pseudonyms(bytes([n]) * 32, 1))["id"] for n in (1, 2))
    assert not set(first.to_list()) & set(second.to_list())


def test_columns_that_cannot_be_replaced_are_refused() -> None:
    df = pl.DataFrame({"x": [0.5], "id": ["a"]})
    keyed = Pseudonyms(bytes(32), 1)
    for columns, message in (([], "none"), (["nose"], "which it lacks"), (["x"], "with fractions")):
        with pytest.raises(UsageError, match=message):
            pseudonymise(df, columns, keyed)


def test_the_key_is_made_once_for_its_owner_and_never_shown(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first = load_pseudonyms(layout)
    assert load_pseudonyms(layout)("x") == first("x")
    (path,) = layout.keys.iterdir()
    assert path.name == "pseudonyms-1.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert layout.keys.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes().hex() not in repr(first)


def test_a_new_key_counts_on_and_is_used_from_then_on(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    first = load_pseudonyms(layout)
    second = load_pseudonyms(layout, new_key=True)
    assert (first.version, second.version, load_pseudonyms(layout).version) == (1, 2, 2)
    assert first("x")[3:] != second("x")[3:]


def test_callers_at_the_same_time_get_one_key(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: load_pseudonyms(layout)("x"), range(32)))
    assert len(made) == 1
    assert len(list(layout.keys.iterdir())) == 1


def test_a_process_killed_while_it_makes_the_key_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    environment = {**os.environ, "SLIPWAY_FAILPOINT": "pseudonyms.key_written"}
    killed = subprocess.run([sys.executable, "-c", MAKE_KEY, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -9
    assert not list((tmp_path / ".slipway" / "keys").glob("*.key"))
    assert load_pseudonyms(Layout(tmp_path)).version == 1


def test_a_damaged_key_and_a_blocked_folder_end_in_one_line(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    load_pseudonyms(layout)
    (layout.keys / "pseudonyms-1.key").write_bytes(b"short")
    with pytest.raises(IntegrityError, match="expected 32 bytes, got 5"):
        load_pseudonyms(layout)
    blocked = Layout(tmp_path / "blocked")
    blocked.state.mkdir(parents=True)
    blocked.keys.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="folder of keys"):
        load_pseudonyms(blocked)
