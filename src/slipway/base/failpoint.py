"""Named places where a crash test may end the process, as a power cut would.

``SLIPWAY_FAILPOINT=name:3`` kills the process with SIGKILL the third time it passes ``name``;
``*:7`` counts every failpoint. Without the variable a failpoint is one comparison.
"""

from __future__ import annotations

import os
import signal

_ENVIRONMENT = "SLIPWAY_FAILPOINT"


class _Countdown:
    """How many passes are left until the process dies."""

    def __init__(self, setting: str) -> None:
        self.name, _, count = setting.partition(":")
        self.left = int(count or "1")

    def reached(self, name: str) -> None:
        """Count one pass."""
        if self.name not in ("*", name):
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


_countdown = _Countdown(os.environ[_ENVIRONMENT]) if os.environ.get(_ENVIRONMENT) else None


def failpoint(name: str) -> None:
    """Pass a place where a crash test may kill the process."""
    if _countdown is not None:
        _countdown.reached(name)
