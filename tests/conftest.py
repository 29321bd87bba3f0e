"""Shared by all tests: subprocesses import the same sources, and the shared tables are found or skipped."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# Tests start real processes; they must run this checkout even where nothing is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))

# A busy machine must not fail a law: nothing is timed in tests.
settings.register_profile("slipway", deadline=None)
settings.load_profile("slipway")
