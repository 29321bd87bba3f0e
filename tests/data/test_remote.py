"""Objects from stores and web servers: fetched whole, and every fault in one line without a secret."""

import http.server
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import Request, urlopen

import polars as pl
import pytest

from slipway.base.config import Data, load_config
from slipway.base.errors import ConfigError, SlipwayError, StoreError
from slipway.data.locations import locate
from slipway.data.project import init_project
from slipway.data.remote import fetch
from slipway.data.source import read_source, read_table

LOANS = pl.DataFrame(
    {"age": [20 + i % 7 for i in range(60)], "job": ["cook", "clerk"] * 30, "y": [0, 1, 1] * 20}
)


def refusal(url):
    with pytest.raises(SlipwayError) as caught:
        read_source(url, Data(source=url))
    error = caught.value
    assert "\n" not in error.message
    assert "geheim" not in error.message
    assert error.next_step
    return error


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def store():
    """An S3 server of its own with one bucket."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None
            assert time.monotonic() < deadline
            try:
                urlopen(Request(f"{url}/loans-bucket", method="PUT"), timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def keys(store, monkeypatch):
    for name, value in (
        ("AWS_ENDPOINT_URL", store),
        ("AWS_ACCESS_KEY_ID", "someone"),
        ("AWS_SECRET_ACCESS_KEY", "geheim"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    return store


def put(store, name, content):
    plain = {"Content-Type": "application/octet-stream"}
    urlopen(Request(f"{store}/loans-bucket/{name}", content, plain, method="PUT"), timeout=10).close()


def test_objects_of_any_format_come_from_s3(keys, tmp_path):
    LOANS.write_parquet(tmp_path / "t")
    put(keys, "some%20place/loans.parquet", (tmp_path / "t").read_bytes())
    put(keys, "loans.csv", LOANS.write_csv().encode())
    for name in ("some%20place/loans.parquet", "loans.csv"):
        url = f"s3://loans-bucket/{name}"
        assert read_table(url, Data(source=url)).equals(LOANS)


def test_a_project_on_an_object(keys, tmp_path):
    put(keys, "loans.jsonl", LOANS.write_ndjson().encode())
    report = init_project("s3://loans-bucket/loans.jsonl", "y", tmp_path / "p")
    config = load_config(report.layout.config)
    assert config.data.source == "s3://loans-bucket/loans.jsonl"
    assert (config.project.name, config.data.format) == ("loans", "jsonl")
    assert report.reading.table.equals(LOANS)


def test_faults_of_a_store_in_one_line(keys, monkeypatch):
    assert refusal("s3://vanished-bucket/loans.csv").got == "no such bucket"
    assert refusal("s3://loans-bucket/absent.csv").got == "no such object"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    assert refusal("s3://loans-bucket/loans.csv").got == "a host that cannot be reached"
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    assert refusal("az://container/loans.csv").got == "no keys"


class Answers(http.server.BaseHTTPRequestHandler):
    """A web server: tables by path, statuses by number, a signed address, a connection that breaks off."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        body = LOANS.write_csv().encode()
        status = int(path[1:]) if path[1:].isdigit() else 200
        if path == "/signed.csv" and query != "key=ge%2Fheim":
            status = 403
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:40] if path == "/broken.csv" else body)

    def log_message(self, format, *args):
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_table_from_a_web_server(web, monkeypatch):
    assert read_table(f"{web}/loans.csv", Data(source="x")).equals(LOANS)
    monkeypatch.setenv("SLIPWAY_TEST_KEY", "ge%2Fheim")
    url = web + "/signed.csv?key=${SLIPWAY_TEST_KEY}"
    assert read_table(url, Data(source=url)).equals(LOANS)
    assert "geheim" not in read_source(url, Data(source=url)).plan.source


@pytest.mark.parametrize(
    ("path", "got"),
    [
        ("/404", "no such object"),
        ("/410", "no such object"),
        ("/401", "wrong keys"),
        ("/403", "no permission to read it"),
        ("/signed.csv?key=geheim", "no permission to read it"),
        ("/503", "a server in trouble"),
        ("/broken.csv", "a connection that broke off"),
    ],
)
def test_faults_of_a_web_server_in_one_line(web, path, got):
    error = refusal(web + path)
    assert error.got == got
    assert "?" not in error.where


def test_hosts_that_are_not_there():
    assert refusal(f"http://127.0.0.1:{free_port()}/t.csv").got == "a host that cannot be reached"
    assert refusal("http://nohost.invalid/t.csv").got == "a host that cannot be reached"


def test_user_and_password_in_a_web_address_are_refused(web, monkeypatch):
    monkeypatch.setenv("SLIPWAY_TEST_KEY", "geheim")
    assert isinstance(refusal(web.replace("//", "//ada:${SLIPWAY_TEST_KEY}@") + "/t.csv"), ConfigError)
    assert isinstance(refusal(web.replace("//", "//ada:geheim@") + "/t.csv"), ConfigError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_ends_in_one_line(web):
    with pytest.raises(StoreError, match="make room") as caught:
        fetch(locate(f"{web}/loans.csv"), Path("/dev/full"))
    assert "No space left" in caught.value.got
