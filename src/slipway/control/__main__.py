"""Run the controller of a project: ``python -m slipway.control FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from slipway.base.processes import exit_with_parent
from slipway.control.loop import run_controller

exit_with_parent()
run_controller(Path(sys.argv[1]))
