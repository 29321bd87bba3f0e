"""Lets the tests of this package import their shared helper, which importlib mode would hide."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
