"""Run the command line as ``python -m slipway``."""

from slipway.cli.app import main

main()
