"""Over real HTTP: each kind of bad input has one clear error, and the gateway answers the next request."""

from __future__ import annotations

import json
import socket
import time
import uuid

import pytest
from served import Client, Served

PREDICT = "/v1/endpoints/loan/predict"
OUTCOMES = "/v1/endpoints/loan/outcomes"
SECRET = "secret-4711"


@pytest.fixture(autouse=True)
def _goes_on_answering(shared: Served, client: Client):
    """The same connection, or at least a new one, is answered after whatever a test did."""
    yield
    again = shared.client()
    assert again.predict({"age": 41}).status == 200
    again.close()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b'{"rows": [{"age": 41}', 400, "malformed"),
        (b'{"rows": [{"age": NaN}]}', 400, "malformed"),
        (b'{"rows": [{"age": Infinity}]}', 400, "malformed"),
        (b'{"rows": [{"job": "\xff\xfe secret-4711"}]}', 400, "malformed"),
        (b'{"rows": [{"age": 1, "age": 2, "job": "secret-4711"}]}', 400, "malformed"),
        (b'{"rows": [{"note": ' + b"[" * 20_000 + b"]" * 20_000 + b"}]}", 400, "malformed"),
        (b'{"rows": [{"age": 1e999}]}', 422, "contract"),
        (b'{"rows": [{"age": "secret-4711"}]}', 422, "contract"),
        (b'{"rows": [{"member": "secret-4711"}]}', 422, "contract"),
        (b'{"rows": [{"since": "secret-4711"}]}', 422, "contract"),
        (b'{"rows": [{"visits": 99999999999999999999999}]}', 422, "contract"),
        (b'{"rows": [{}]}', 422, "contract"),
        (b'{"rows": []}', 422, "contract"),
        (b'{"rows": [{"age": 1}], "secret-4711": 1}', 422, "contract"),
        (json.dumps({"rows": [{f"{SECRET}-{n}": n for n in range(200)}]}).encode(), 422, "contract"),
        (json.dumps({"rows": [{"age": 1}] * 900 + [{"age": SECRET}]}).encode(), 422, "contract"),
    ],
)
def test_bad_rows(client: Client, body: bytes, status: int, code: str):
    answer = client.request("POST", PREDICT, body, content_type="application/json")
    assert answer.status == status
    assert answer.error["code"] == code
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert SECRET.encode() not in answer.body
    assert client.predict({"age": 41}).status == 200


def test_the_place_of_a_bad_row_is_named(client: Client):
    error = client.predict({"age": 1}, {"age": 1, "job": 5}).error
    assert "rows[1].job" in error["where"]
    assert error["next_step"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/endpoints/secret-4711/predict",
        "/v1/endpoints/secret-4711/outcomes",
        "/v1/endpoints/loan/secret-4711",
        "/v1/endpoints/loan",
        "/v1/endpoints/",
        "/secret-4711",
        "/",
        "//v1/endpoints/loan/predict",
        "/v1/endpoints/%2e%2e/predict",
    ],
)
def test_unknown_paths(client: Client, path: str):
    answer = client.post(path, {"row": {"age": 1}})
    assert answer.status == 404
    assert answer.error["code"] == "not_found"
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", PREDICT, "POST"),
        ("PUT", PREDICT, "POST"),
        ("DELETE", OUTCOMES, "POST"),
        ("POST", "/healthz", "GET"),
        ("PATCH", "/metrics", "GET"),
        ("SECRET", "/readyz", "GET"),
    ],
)
def test_wrong_methods(client: Client, method: str, path: str, allow: str):
    answer = client.request(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == allow
    assert answer.error["code"] == "method_not_allowed"
    assert b"SECRET" not in answer.body


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", "application/jsonx", "js"])
def test_wrong_media_types(client: Client, kind: str):
    answer = client.request("POST", PREDICT, b'{"row": {"age": 1}}', content_type=kind)
    assert answer.status == 415
    assert answer.error["code"] == "media_type"


@pytest.mark.parametrize("size", [65_537, 200_000, 10_000_000])
def test_bodies_over_the_limit(shared: Served, size: int):
    client = shared.client()
    if size <= 4 * 65_536:
        answer = client.request("POST", PREDICT, b"[" * size, content_type="application/json")
        assert answer.status == 413
        assert "65536" in answer.error["expected"]
    else:
        head = _announce(shared, f"content-length: {size}")
        assert head.startswith(b"HTTP/1.1 413 ")
    client.close()


def test_a_body_without_length_is_cut_at_the_limit(shared: Served):
    chunk = b"4000\r\n" + b"[" * 0x4000 + b"\r\n"
    head = _announce(shared, "transfer-encoding: chunked", chunk * 5 + b"0\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_length_within_the_limit(shared: Served):
    body = b'{"row": {"age": 41}}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = _announce(shared, "transfer-encoding: chunked", chunks + b"0\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")


def _announce(shared: Served, header: str, body: bytes = b"") -> bytes:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        head = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection.recv(65_536)


def test_a_slow_body_holds_nobody_up(shared: Served):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as slow:
        slow.sendall(f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
        client = shared.client()
        began = time.monotonic()
        for _ in range(50):
            assert client.predict({"age": 41}).status == 200
        assert time.monotonic() - began < 5
        client.close()


def test_bytes_that_are_not_http(shared: Served):
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"\0" * 100):
        with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            assert not connection.recv(65_536).startswith(b"HTTP/1.1 2")


def test_huge_headers_are_refused(shared: Served):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 2_000_000 + b"\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
        except ConnectionError:
            pass  # refused while still sending


def test_outcomes_of_strangers_are_refused_as_a_whole(shared: Served, client: Client):
    known = client.predict({"age": 41}).json["predictions"][0]["id"]
    before = shared.total("slipway_outcomes_total")
    forged = uuid.UUID(bytes=uuid.UUID(known).bytes[:12] + b"\0\0\0\0")
    for stranger in (str(uuid.uuid4()), str(forged), SECRET, "", known[:-1]):
        answer = client.outcomes({"id": known, "value": 1}, {"id": stranger, "value": 1})
        assert answer.status == 404
        assert answer.error["where"] == "outcomes at positions 1"
        assert SECRET.encode() not in answer.body
    assert shared.total("slipway_outcomes_total") == before


@pytest.mark.parametrize("label", [2, "yes", SECRET, None, 0.5, "", 1e300])
def test_labels_that_are_no_class(client: Client, label: object):
    known = client.predict({"age": 41}).json["predictions"][0]["id"]
    answer = client.outcomes({"id": known, "value": label})
    assert answer.status == 422
    assert answer.error["code"] == "contract"
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b'{"outcomes": [{"id": "x", "value": NaN}]}', 400),
        (b'{"outcomes": [{"id": "x", "value": 1, "value": 0}]}', 400),
        (b'{"outcomes": []}', 422),
        (b'{"outcomes": [{"id": "x", "value": {}}]}', 422),
        (b'{"outcomes": [{"id": "x", "value": 1, "time": "soon"}]}', 422),
        (b"[]", 422),
    ],
)
def test_bad_outcomes(client: Client, body: bytes, status: int):
    answer = client.request("POST", OUTCOMES, body)
    assert answer.status == status
    assert answer.error["next_step"]
