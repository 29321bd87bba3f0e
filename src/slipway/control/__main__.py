"""Run the controller of a project: ``python -m slipway.control FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from slipway.base.processes import exit_with_parent, wait_without_spinning

exit_with_parent()
wait_without_spinning()  # for the training processes that the controller starts

from slipway.control.loop import run_controller  # noqa: E402  (after the setting that its libraries read)

run_controller(Path(sys.argv[1]))
