"""A project with real bundles, a gateway process that serves it, and a client."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import lightgbm
import numpy as np

from slipway.base.files import write_atomic
from slipway.base.layout import Layout
from slipway.data.contract import Column, Contract
from slipway.models.bundle import Bundle, BundleMeta, load_bundle, write_bundle
from slipway.models.encoder import BoolColumn, CategoryColumn, DatetimeColumn, Encoder, NumberColumn
from slipway.models.predictor import ConstantModel
from slipway.models.signing import signing_key, trusted_keys
from slipway.store.frames import Frame
from slipway.store.segments import list_segments, read_frames

_T = TypeVar("_T")
LEVELS = ("clerk", "nurse", "pilot", "smith")
CONTRACT = Contract(
    columns=(
        Column(name="customer", type="text", role="group"),
        Column(name="age", type="float", min=0, max=120),
        Column(name="visits", type="int"),
        Column(name="member", type="bool"),
        Column(name="job", type="category", allowed=LEVELS),
        Column(name="since", type="datetime"),
        Column(name="note", type="text", role="ignore", reason="free text"),
        Column(name="repaid", type="int", role="target"),
    )
)
ENCODER = Encoder(
    [
        NumberColumn("age"),
        NumberColumn("visits"),
        BoolColumn("member"),
        CategoryColumn("job", LEVELS[:3]),
        DatetimeColumn("since"),
    ]
)
SETTINGS = """
[project]
name = "loan"
task = "binary"
target = "repaid"
[data]
source = "loan.csv"
[serve]
max_body = 65536
"""


def wait_for(found: Callable[[], _T], seconds: float = 15.0) -> _T:
    """Poll until ``found`` answers something true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def make_rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of all kinds: nulls, absent keys, unseen categories, extremes."""
    rng = random.Random(seed)
    makers: dict[str, Callable[[], Any]] = {
        "customer": lambda: f"c{rng.randrange(50)}",
        "age": lambda: rng.choice([rng.uniform(0, 120), 41, 1e300, -0.0, 5e-324]),
        "visits": lambda: rng.choice([rng.randrange(9), 2.0, -(2**53)]),
        "member": lambda: rng.random() < 0.5,
        "job": lambda: rng.choice([*LEVELS, "astronaut", "", "Schmied ü"]),
        "since": lambda: rng.choice(["2024-05-31", "2019-12-31T23:59:59.5+02:00", "1969-07-20T20:17:40Z"]),
    }
    rows: list[dict[str, Any]] = []
    for _ in range(n):
        row = {name: make() if rng.random() > 0.15 else None for name, make in makers.items()}
        rows.append({k: v for k, v in row.items() if v is not None or rng.random() < 0.5} or {"age": None})
    return rows


class Project(NamedTuple):
    """A project folder with two LightGBM versions and a constant one."""

    layout: Layout
    digests: dict[str, str]
    serials: Iterator[int]

    def publish(self, champion: str, *shadows: str, endpoint: str = "loan") -> int:
        """Replace the plan, as the controller does."""
        planned = [{"version": version, "digest": self.digests[version]} for version in (champion, *shadows)]
        serial = next(self.serials)
        plan = {"champion": planned[0], "shadows": planned[1:], "arm": "champion", "state": "settled"}
        content = {"serial": serial, "endpoints": {endpoint: plan}}
        write_atomic(self.layout.plan, json.dumps(content).encode())
        return serial

    def bundle(self, version: str) -> Bundle:
        """Load a version in this process."""
        digest = self.digests[version]
        return load_bundle(self.layout.bundles / digest, digest, trusted_keys(self.layout))

    def frames(self) -> list[Frame]:
        """All that was logged so far."""
        return [
            frame for segment in list_segments(self.layout.segments) for _, frame in read_frames(segment.path)
        ]


def make_project(root: Path, settings: str = SETTINGS) -> Project:
    """Write a project with versions loan@1 and loan@2 (LightGBM) and loan@3 (constant)."""
    layout = Layout(root)
    layout.create()
    layout.config.write_text(settings)
    models = {"loan@1": ("lightgbm", _booster(1)), "loan@2": ("lightgbm", _booster(2))}
    models["loan@3"] = ("constant", ConstantModel([0.25]).to_json())
    digests: dict[str, str] = {}
    for version, (flavour, model) in models.items():
        meta = BundleMeta(name="loan", task="binary", target="repaid", classes=(0, 1), flavour=flavour)
        digests[version] = write_bundle(
            layout.bundles,
            meta=meta,
            contract=CONTRACT,
            encoder=ENCODER,
            model=model,
            evidence={},
            key=signing_key(layout),
        )
    return Project(layout, digests, iter(range(1, 10_000)))


def _booster(seed: int) -> bytes:
    rows = make_rows(2000, seed)
    names = ENCODER.columns
    matrix = ENCODER.encode({name: [row.get(name) for row in rows] for name in names}, len(rows))
    labels = np.nan_to_num(matrix[:, 0] > 60) + np.random.default_rng(seed).normal(size=len(rows)) > 0.5
    parameters = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "seed": seed, "num_threads": 1}
    booster = lightgbm.train(
        parameters, lightgbm.Dataset(matrix, labels, categorical_feature=[3]), num_boost_round=20
    )
    return booster.model_to_string().encode()


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        """The error in it; checks that it is in the promised form."""
        error = self.json["error"]
        assert error["code"]
        assert error["expected"] in error["message"]
        assert error["got"] in error["message"]
        return error


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send one request; header names with underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, named)
        response = self._connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())

    def post(self, path: str, content: object, **headers: str) -> Answer:
        """Send JSON."""
        return self.request("POST", path, json.dumps(content).encode(), **headers)

    def predict(self, *rows: dict[str, Any], endpoint: str = "loan") -> Answer:
        """Ask for predictions."""
        return self.post(f"/v1/endpoints/{endpoint}/predict", {"rows": rows})

    def outcomes(self, *outcomes: dict[str, Any], endpoint: str = "loan") -> Answer:
        """Post outcomes."""
        return self.post(f"/v1/endpoints/{endpoint}/outcomes", {"outcomes": outcomes})


class Served(NamedTuple):
    """A running gateway."""

    project: Project
    process: subprocess.Popen[bytes]
    port: int

    def client(self) -> Client:
        """A new connection."""
        return Client(self.port)

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        return json.loads((self.project.layout.run / "gateway.json").read_bytes())["workers"]

    def metrics(self) -> dict[str, float]:
        """Samples of the metrics page, by name with labels."""
        client = self.client()
        page = client.request("GET", "/metrics").body.decode()
        client.close()
        lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def total(self, family: str, *labels: str) -> float:
        """Sum of a family's samples that carry these labels."""
        return sum(
            value
            for name, value in self.metrics().items()
            if name.startswith(family + "{") and all(label in name for label in labels)
        )

    def serving(self, serial: int) -> bool:
        """Whether each worker answers by this plan or a later one."""
        found = [value for name, value in self.metrics().items() if name.startswith("slipway_plan_serial")]
        return len(found) == len(self.workers) and min(found) >= serial


_START = """
import pathlib, sys
from slipway.gateway.server import run_gateway
run_gateway(pathlib.Path(sys.argv[1]), "127.0.0.1", 0, int(sys.argv[2]))
"""


@contextmanager
def serve(project: Project, workers: int = 2, *, ready: bool = True) -> Iterator[Served]:
    """Run a gateway in a process of its own; stop it, gently, in the end."""
    process = subprocess.Popen([sys.executable, "-c", _START, str(project.layout.root), str(workers)])
    try:
        address = project.layout.run / "gateway.json"
        wait_for(lambda: address.exists() or process.poll() is not None)
        assert process.poll() is None
        content = json.loads(address.read_bytes())
        served = Served(project, process, content["port"])
        if ready:
            wait_for(lambda: served.serving(1))
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
