"""Killed workers, changing plans, refusing disks, dead parents: what was answered is in the log."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import SETTINGS, Client, Project, Served, alive, make_project, make_rows, serve, wait_for

from slipway.base.errors import ConfigError, ConflictError, FaultError
from slipway.base.ids import split_ids
from slipway.gateway.server import run_gateway
from slipway.store.frames import Dropped, Prediction, Shadow
from slipway.store.segments import list_segments

FORBIDDEN = "sklearn pandas polars scipy sqlalchemy litestar mlflow optuna lightgbm pyarrow duckdb typer rich"


class Traffic:
    """Clients on kept connections that send single rows as fast as they are answered."""

    def __init__(self, served: Served, clients: int = 4) -> None:
        self.answered: list[tuple[float, str, str]] = []
        self.broken: list[float] = []
        self.refused: list[int] = []
        self._served = served
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, number: int) -> None:
        rows = make_rows(50, seed=number)
        client = self._served.client()
        sent = 0
        while not self._stop.is_set():
            sent += 1
            try:
                answer = client.predict(rows[sent % len(rows)])
            except (http.client.HTTPException, OSError):
                self.broken.append(time.monotonic())
                client.close()
                client = self._served.client()
                continue
            if answer.status == 200:
                content = answer.json
                self.answered.append((time.monotonic(), content["version"], content["predictions"][0]["id"]))
            else:
                self.refused.append(answer.status)
        client.close()

    def more(self, n: int) -> None:
        """Wait for ``n`` further answers."""
        target = len(self.answered) + n
        wait_for(lambda: len(self.answered) >= target, 30)

    @contextmanager
    def flowing(self) -> Iterator[Traffic]:
        """Traffic while the block runs."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def logged_ids(project: Project) -> set[str]:
    return {
        str(uuid.UUID(bytes=one))
        for frame in project.frames()
        if isinstance(frame, Prediction)
        for one in split_ids(frame.ids)
    }


def test_killed_workers_lose_no_answered_row(project: Project):
    project.publish("loan@1", "loan@2")
    with serve(project) as served:
        with Traffic(served).flowing() as traffic:
            for starts in (1, 2, 3):
                wait_for(lambda n=starts: served.metrics()['slipway_worker_starts_total{worker="0"}'] == n)
                traffic.more(200)
                before = served.workers
                os.kill(before[0], signal.SIGKILL)
                traffic.more(50)  # the other one goes on
                wait_for(lambda old=before: set(served.workers) - set(old), 3)
        ids = [one for _, _, one in traffic.answered]
        assert len(set(ids)) == len(ids) >= 750
        assert set(ids) <= logged_ids(project)
        assert traffic.refused == []
        # Only connections of the three that died broke.
        assert len(traffic.broken) <= 12
        wait_for(lambda: served.total("slipway_worker_starts_total") == 5)


def test_a_killed_worker_is_replaced_at_once_even_when_killed_again(project: Project):
    project.publish("loan@1")
    with serve(project, workers=1) as served:
        for _ in range(2):
            [before] = served.workers
            os.kill(before, signal.SIGKILL)
            began = time.monotonic()
            client = served.client()  # waits in the socket's queue, refused by nobody
            assert client.predict({"age": 41}).status == 200
            assert time.monotonic() - began < 5
            client.close()
            assert served.workers != [before]


def test_a_plan_change_is_live_everywhere_within_a_second_and_fails_nothing(project: Project):
    project.publish("loan@1", "loan@2")
    with serve(project) as served, Traffic(served).flowing() as traffic:
        traffic.more(100)
        for champion, shadow in (("loan@2", "loan@1"), ("loan@1", "loan@3"), ("loan@3", "loan@2")):
            began = time.monotonic()
            serial = project.publish(champion, shadow)
            wait_for(lambda serial=serial: served.serving(serial), 1)
            assert time.monotonic() - began < 1
            traffic.more(50)
            late = [version for at, version, _ in traffic.answered if at > began + 1]
            assert set(late) <= {champion}
    assert traffic.refused == []
    assert traffic.broken == []
    assert {version for _, version, _ in traffic.answered} == {"loan@1", "loan@2", "loan@3"}
    frames = project.frames()
    answers = {
        one: frame.version
        for frame in frames
        if isinstance(frame, Prediction)
        for one in split_ids(frame.ids)
    }
    assert all(answers[uuid.UUID(one).bytes] == version for _, version, one in traffic.answered)
    owed = {
        (version, one)
        for frame in frames
        if isinstance(frame, Prediction)
        for version in frame.shadows
        for one in split_ids(frame.ids)
    }
    scored = {
        (frame.version, one)
        for frame in frames
        if isinstance(frame, Shadow | Dropped)
        for one in split_ids(frame.ids)
    }
    assert owed == scored


def test_a_gentle_stop_answers_what_is_under_way_and_completes_the_log(project: Project):
    project.publish("loan@1", "loan@2")
    with serve(project) as served:
        workers = served.workers
        with Traffic(served).flowing() as traffic:
            traffic.more(100)
            for pid in workers:
                os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not any(alive(pid) for pid in workers), 10)
        assert traffic.refused == []
        assert {one for _, _, one in traffic.answered} <= logged_ids(project)
    assert all(segment.closed for segment in list_segments(project.layout.segments))
    assert not (project.layout.run / "gateway.json").exists()


def test_a_disk_that_refuses_closes_the_gateway_until_it_recovers(project: Project):
    project.publish("loan@1", "loan@2")
    with serve(project, workers=1) as served:
        [worker] = served.workers
        client = served.client()
        one = client.predict({"age": 41}).json["predictions"][0]["id"]
        before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, before[1]))
        for answer in (
            client.predict({"age": 41}),
            client.predict({"age": 42}),
            client.outcomes({"id": one, "value": 1}),
        ):
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.error["code"] in ("store",)
        ready = client.request("GET", "/readyz")
        assert (ready.status, ready.json["ready"], ready.json["log"]) == (503, False, "unwritable")
        assert client.request("GET", "/healthz").status == 200
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
        wait_for(lambda: client.request("GET", "/readyz").status == 200, 5)
        again = client.predict({"age": 41})
        assert again.status == 200
        ids = logged_ids(project)
        assert {one, again.json["predictions"][0]["id"]} <= ids
        assert served.total("slipway_log_failures_total") >= 1
        assert served.workers == [worker]
        client.close()


def test_a_plan_that_cannot_be_loaded_leaves_the_old_one_answering(project: Project):
    project.publish("loan@1")
    with serve(project, workers=1) as served:
        client = served.client()
        plan = json.loads(project.layout.plan.read_bytes())
        plan["serial"] = 50
        plan["endpoints"]["loan"]["champion"]["digest"] = "0" * 64
        project.layout.plan.write_text(json.dumps(plan))
        ready = wait_for(
            lambda: next(
                (found for found in [client.request("GET", "/readyz").json] if found["plan_error"]), None
            )
        )
        assert ready["plan_serial"] == 1
        assert ready["ready"]
        assert client.predict({"age": 41}).json["version"] == "loan@1"
        assert served.total("slipway_plan_errors_total") == 1
        for text in ("", "{}", "[1]", '{"serial": 51, "endpoints": {"../x": {}}}'):
            project.layout.plan.write_text(text)
        time.sleep(0.2)
        assert client.predict({"age": 41}).status == 200
        serial = project.publish("loan@2")
        wait_for(lambda: client.request("GET", "/readyz").json["plan_serial"] == serial)
        assert client.request("GET", "/readyz").json["plan_error"] is None
        assert client.predict({"age": 41}).json["version"] == "loan@2"
        client.close()


def test_a_tampered_bundle_is_not_served(project: Project):
    project.publish("loan@1")
    with serve(project, workers=1) as served:
        model = project.layout.bundles / project.digests["loan@2"] / "model.txt"
        model.chmod(0o644)
        model.write_bytes(model.read_bytes().replace(b"0", b"1", 1))
        project.publish("loan@2")
        client = served.client()
        wait_for(lambda: client.request("GET", "/readyz").json["plan_error"])
        assert client.predict({"age": 41}).json["version"] == "loan@1"
        client.close()


def test_before_the_first_plan(project: Project):
    with serve(project, workers=1, ready=False) as served:
        client = served.client()
        assert client.predict({"age": 41}).status == 404
        ready = client.request("GET", "/readyz")
        assert (ready.status, ready.json["plan_serial"]) == (503, None)
        project.publish("loan@1")
        wait_for(lambda: client.request("GET", "/readyz").status == 200)
        assert client.predict({"age": 41}).status == 200
        client.close()


def test_workers_leave_when_their_supervisor_is_killed(project: Project):
    project.publish("loan@1")
    with serve(project) as served:
        workers = served.workers
        served.process.kill()
        wait_for(lambda: not any(alive(pid) for pid in workers), 5)
    assert all(segment.closed for segment in list_segments(project.layout.segments))


def test_more_than_a_worker_may_hold_is_told_to_come_back(project: Project):
    project.publish("loan@1")
    with serve(project, workers=1) as served:
        head = b"POST /v1/endpoints/loan/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 65536\r\n\r\n"
        slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(8)]
        for connection in slow:
            connection.sendall(head)
        client = served.client()
        wait_for(lambda: served.total("slipway_inflight_bytes") == 8 * 65536)
        answer = client.predict({"age": 41})
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.error["code"] == "busy"
        for connection in slow:
            connection.close()
        wait_for(lambda: client.predict({"age": 41}).status == 200)
        wait_for(lambda: served.total("slipway_inflight_bytes") == 0)
        assert served.total("slipway_requests_total", 'status="499"') == 8
        client.close()


def test_a_lenient_project_ignores_unknown_columns(tmp_path: Path):
    project = make_project(tmp_path, SETTINGS + 'on_invalid = "flag"\nshadow_queue = 3\n')
    project.publish("loan@1", "loan@2")
    with serve(project, workers=1) as served:
        client = served.client()
        assert client.predict({"age": 41, "shoe": 44}).status == 200
        ids = [one["id"] for one in client.predict(*make_rows(4)).json["predictions"]]
        client.close()
    dropped = [frame for frame in project.frames() if isinstance(frame, Dropped)]
    assert [(frame.version, frame.reason) for frame in dropped] == [("loan@2", "queue_full")]
    assert split_ids(dropped[0].ids) == [uuid.UUID(one).bytes for one in ids]


_PRINT_MODULES = """
import atexit, json, sys
from slipway.gateway.worker import main
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
sys.exit(main(sys.argv[1:]))
"""


def test_a_worker_imports_nothing_heavy(project: Project):
    project.publish("loan@1", "loan@2")
    (project.layout.run / "metrics").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        fd = listener.fileno()
        command = [sys.executable, "-c", _PRINT_MODULES, str(project.layout.root)]
        command += ["--fd", str(fd), "--index", "0", "--parent", str(os.getpid())]
        worker = subprocess.Popen(command, pass_fds=(fd,), stdout=subprocess.PIPE)
        client = Client(listener.getsockname()[1])
        assert client.predict(*make_rows(30)).status == 200
        assert client.predict({"age": 41}).status == 200
        assert client.request("GET", "/metrics").status == 200
        client.close()
        worker.terminate()
        output, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0
    imported = {name.partition(".")[0] for name in json.loads(output)}
    assert imported & set(FORBIDDEN.split()) == set()
    assert "numpy" in imported


def test_one_gateway_for_a_project(project: Project):
    project.publish("loan@1")
    with serve(project, workers=1), pytest.raises(ConflictError, match="one gateway for this project"):
        run_gateway(project.layout.root, "127.0.0.1", 0, 1)


def test_an_address_that_is_taken(project: Project):
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ConflictError, match="bound"):
        run_gateway(project.layout.root, "127.0.0.1", listener.getsockname()[1], 1)


def test_settings_that_do_not_read(project: Project):
    project.layout.config.write_text("[project]\n")
    with pytest.raises(ConfigError):
        run_gateway(project.layout.root, "127.0.0.1", 0, 1)


def test_workers_that_cannot_start_end_the_gateway(project: Project):
    (project.layout.keys / "ids.key").write_bytes(b"short")
    with pytest.raises(FaultError, match="workers that stay up"):
        run_gateway(project.layout.root, "127.0.0.1", 0, 2)
