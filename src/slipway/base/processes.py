"""Processes that get on with others: they do not outlive their parent, and do not burn cores by waiting."""

from __future__ import annotations

import os
import signal
import threading
import time


def exit_with_parent(poll_seconds: float = 0.25) -> None:
    """End this process with SIGTERM when its parent is gone, however the parent died.

    A polling thread is the one way that works on Linux and macOS alike: an orphan is given a new parent,
    so a changed parent id is the sign.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_seconds)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def wait_without_spinning() -> None:
    """Let OpenMP threads sleep while they wait for each other; call before a library loads that uses them.

    Spinning threads take the cores from the very thread they wait for, where a gateway has work on the same
    cores (benchmarks/training/contention.py measures what that costs a fit).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
