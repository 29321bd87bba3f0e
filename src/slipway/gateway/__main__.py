"""Run the gateway of a project: ``python -m slipway.gateway FOLDER HOST PORT WORKERS``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from slipway.base.errors import SlipwayError
from slipway.base.processes import exit_with_parent
from slipway.gateway.server import run_gateway

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
exit_with_parent()
try:
    run_gateway(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
except SlipwayError as error:
    sys.exit(f"{error.code}: {error.message}")
