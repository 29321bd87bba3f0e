"""The installation key: one per project, made once even by a crowd, private."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slipway.base.errors import IntegrityError
from slipway.base.layout import Layout
from slipway.store.secrets import installation_key


def test_a_crowd_gets_one_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: installation_key(layout), range(64)))
    assert [len(key) for key in keys] == [32]
    (file,) = layout.keys.iterdir()
    assert file.name == "ids.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert layout.keys.stat().st_mode & 0o777 == 0o700


def test_two_installations_differ(tmp_path: Path) -> None:
    assert installation_key(Layout(tmp_path / "a")) != installation_key(Layout(tmp_path / "b"))


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    (layout.keys / "ids.key").write_bytes(b"short")
    with pytest.raises(IntegrityError, match=r"expected 32 bytes, got 5 in ids\.key"):
        installation_key(layout)
