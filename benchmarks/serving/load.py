"""Closed-loop load on kept connections: wrk where it is installed, else a client in this file."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True)
class Load:
    """What one run measured. Latencies in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float
    failed: int


_SCRIPT = """
local bodies = {%s}
local n = 0
function request()
  n = n %% #bodies + 1
  return wrk.format("POST", "%s", {["content-type"] = "application/json"}, bodies[n])
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT [%%d, %%d, %%f, %%f, %%d]\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def client_name() -> str:
    """Which client ``run_load`` uses."""
    return "wrk" if shutil.which("wrk") else "asyncio"


def run_load(port: int, path: str, bodies: list[bytes], connections: int, seconds: float) -> Load:
    """Send the bodies in turn for so long."""
    if client_name() == "wrk":
        return _run_wrk(port, path, bodies, connections, seconds)
    return asyncio.run(_run_asyncio(port, path, bodies, connections, seconds))


def _run_wrk(port: int, path: str, bodies: list[bytes], connections: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        texts = ",\n".join(f"[==[{body.decode()}]==]" for body in bodies)
        script.write_text(_SCRIPT % (texts, path))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script)]
        command.append(f"http://127.0.0.1:{port}")
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [line] = [line for line in output.splitlines() if line.startswith("RESULT ")]
    requests, duration_us, p50_us, p99_us, failed = json.loads(line.removeprefix("RESULT "))
    return Load(requests, requests / (duration_us / 1e6), p50_us / 1e3, p99_us / 1e3, failed)


async def _run_asyncio(port: int, path: str, bodies: list[bytes], connections: int, seconds: float) -> Load:
    heads = [
        f"POST {path} HTTP/1.1\r\nhost: x\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        for body in bodies
    ]
    requests = [head.encode() + body for head, body in zip(heads, bodies, strict=True)]
    latencies: list[float] = []
    failed = 0
    end = perf_counter() + seconds

    async def client(offset: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in cycle(requests[offset % len(requests) :] + requests[: offset % len(requests)]):
            began = perf_counter()
            if began > end:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            latencies.append(perf_counter() - began)
            failed += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(client(offset) for offset in range(connections)))
    latencies.sort()
    n = len(latencies)
    return Load(n, n / seconds, latencies[n // 2] * 1e3, latencies[n * 99 // 100] * 1e3, failed)
