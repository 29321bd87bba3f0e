"""Time, processor time and peak memory of one check, as a line of JSON; without imports of peers."""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(check: Callable[[str], int], *packages: str) -> None:
    """Run ``check`` on the path of the command line; it gives the number of broken rules."""
    cpu, start = _cpu(), time.perf_counter()
    broken = check(sys.argv[1])
    seconds, cpu_seconds = time.perf_counter() - start, _cpu() - cpu
    # not getrusage's peak, which a child inherits from the parent that started it
    with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123
        peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "peak_mib": peak,
                "broken": broken,
                "versions": {name: version(name) for name in packages},
            }
        )
    )
