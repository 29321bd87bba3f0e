"""A fresh project with a database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.base.layout import Layout
from slipway.store.database import Database, open_database

# Test modules are imported by path, so the helpers they share must be findable by name.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "pro ject%20?")
    made.create()
    return made


@pytest.fixture
def db(layout: Layout) -> Iterator[Database]:
    opened = open_database(layout)
    yield opened
    opened.close()
