"""Processes that do not outlive the one that started them."""

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
