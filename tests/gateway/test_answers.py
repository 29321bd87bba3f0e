"""Over real HTTP: answers are those of the bundle, bit for bit, and each is in the log as it was sent."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from served import CONTRACT, Client, Served, make_rows, wait_for

from slipway.base.ids import split_ids
from slipway.store.frames import Outcomes, Prediction, Shadow

INPUTS = tuple(column.name for column in CONTRACT.inputs)


def in_process(served: Served, version: str, rows: list[dict[str, object]]) -> list[float]:
    """Outputs of the training path: whole columns through the encoder and the model."""
    bundle = served.project.bundle(version)
    columns = {name: [row.get(name) for row in rows] for name in bundle.encoder.columns}
    return bundle.predict(columns, len(rows))[:, 0].tolist()


def logged(served: Served, request_id: str) -> Prediction:
    [frame] = [
        frame
        for frame in served.project.frames()
        if isinstance(frame, Prediction) and frame.request_id == request_id
    ]
    return frame


def test_single_rows_equal_the_training_path_bit_for_bit(shared: Served, client: Client):
    rows = make_rows(300, seed=11)
    answers = [client.predict(row).json["predictions"][0] for row in rows]
    assert [answer["probability"] for answer in answers] == in_process(shared, "loan@1", rows)
    assert all(answer["prediction"] == int(answer["probability"] >= 0.5) for answer in answers)


@pytest.mark.parametrize("n", [2, 17, 400])
def test_batches_equal_the_training_path_bit_for_bit(shared: Served, client: Client, n: int):
    rows = make_rows(n, seed=n)
    answer = client.predict(*rows).json
    assert [one["probability"] for one in answer["predictions"]] == in_process(shared, "loan@1", rows)
    assert answer["version"] == "loan@1"
    assert answer["endpoint"] == "loan"
    assert len({one["id"] for one in answer["predictions"]}) == n


@pytest.mark.parametrize("n", [1, 3, 400])
def test_the_log_holds_what_was_sent_and_answered(shared: Served, client: Client, n: int):
    rows = make_rows(n, seed=100 + n)
    content = {"rows": rows}
    request_id = f"order-{n}"
    answer = client.post("/v1/endpoints/loan/predict", content, x_request_id=request_id)
    assert answer.headers["x-request-id"] == answer.json["request_id"] == request_id
    frame = logged(shared, request_id)
    assert frame.columns == INPUTS
    assert [dict(zip(INPUTS, values, strict=True)) for values in frame.rows] == [
        {name: row.get(name) for name in INPUTS} for row in rows
    ]
    predictions = answer.json["predictions"]
    assert [one["id"] for one in predictions] == [str(uuid.UUID(bytes=one)) for one in split_ids(frame.ids)]
    assert [[one["probability"]] for one in predictions] == frame.outputs
    assert frame.keys == [row.get("customer") for row in rows]
    assert (frame.endpoint, frame.version, frame.arm) == ("loan", "loan@1", "champion")
    assert frame.shadows == ("loan@2",)
    broken = [
        (not 0 <= (row.get("age") or 0) <= 120)
        + (row.get("job") not in (None, "clerk", "nurse", "pilot", "smith"))
        for row in rows
    ]
    assert frame.flags == broken


def test_the_challenger_scores_each_row_unseen(shared: Served, client: Client):
    rows = make_rows(40, seed=5)
    ids = [client.predict(row).json["predictions"][0]["id"] for row in rows]

    def shadow_outputs() -> dict[str, float]:
        return {
            str(uuid.UUID(bytes=one)): output[0]
            for frame in shared.project.frames()
            if isinstance(frame, Shadow) and frame.version == "loan@2"
            for one, output in zip(split_ids(frame.ids), frame.outputs, strict=True)
        }

    wait_for(lambda: shadow_outputs().keys() >= set(ids))
    found = shadow_outputs()
    assert [found[one] for one in ids] == in_process(shared, "loan@2", rows)


def test_a_request_without_content_type_or_id(client: Client):
    answer = client.request("POST", "/v1/endpoints/loan/predict", b'{"row": {"age": 41}}')
    assert answer.status == 200
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answer.json["request_id"])
    assert answer.headers["content-type"] == "application/json"
    other = client.request("POST", "/v1/endpoints/loan/predict", b'{"row": {"age": 41}}')
    assert other.json["request_id"] != answer.json["request_id"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "a/x+json"])
def test_json_by_any_name(client: Client, kind: str):
    body = b'{"row": {"age": 41}}'
    assert client.request("POST", "/v1/endpoints/loan/predict", body, content_type=kind).status == 200


def test_a_request_id_that_is_not_fit_for_a_log_is_replaced(client: Client):
    for given in ("x" * 129, "h\xf6he"):
        answer = client.post("/v1/endpoints/loan/predict", {"row": {"age": 1}}, x_request_id=given)
        assert answer.status == 200
        assert answer.json["request_id"] != given


def test_outcomes_are_logged_before_they_are_accepted(shared: Served, client: Client):
    ids = [one["id"] for one in client.predict(*make_rows(5, seed=3)).json["predictions"]]
    times = [None, 0, 1717148400.5, "2024-05-31T11:40:00+02:00", "1969-12-31T23:59:59.999999Z"]
    values = [1, 0, "1", 1.0, False]
    posted = [
        {"id": one, "value": value, **({} if time is None else {"time": time})}
        for one, value, time in zip(ids, values, times, strict=True)
    ]
    answer = client.outcomes(*posted)
    assert (answer.status, answer.json) == (202, {"accepted": 5})
    raw = b"".join(uuid.UUID(one).bytes for one in ids)
    [frame] = [frame for frame in shared.project.frames() if isinstance(frame, Outcomes) and frame.ids == raw]
    assert frame.values == values
    assert frame.event_times == [None, 0, 1717148400500000, 1717148400000000, -1]


def test_repeated_and_corrected_outcomes_are_all_kept(shared: Served, client: Client):
    one = client.predict({"age": 41}).json["predictions"][0]["id"]
    for value in (0, 0, 1):
        assert client.outcomes({"id": one, "value": value}).status == 202
    raw = uuid.UUID(one).bytes
    frames = [f for f in shared.project.frames() if isinstance(f, Outcomes) and f.ids == raw]
    assert sorted(str(frame.values) for frame in frames) == ["[0]", "[0]", "[1]"]


def test_a_large_outcome_post_goes_through_a_thread(client: Client):
    ids = [one["id"] for one in client.predict(*make_rows(400, seed=8)).json["predictions"]]
    posted = [{"id": one, "value": 1} for one in ids]
    assert len(json.dumps(posted)) > 16 * 1024
    assert client.outcomes(*posted).json == {"accepted": 400}


def test_health_and_readiness(shared: Served, client: Client):
    assert client.request("GET", "/healthz").json == {"status": "ok"}
    ready = client.request("GET", "/readyz")
    assert ready.status == 200
    assert ready.json == {
        "ready": True,
        "plan_serial": 1,
        "endpoints": ["loan"],
        "log": "ok",
        "plan_error": None,
    }
    head = client.request("HEAD", "/healthz")
    assert (head.status, head.body) == (200, b"")


def test_metrics_count_what_happened(shared: Served, client: Client):
    before = shared.metrics()
    for _ in range(3):
        client.predict({"age": 41}, {"age": 500})
    client.predict({"age": "41"})
    after = shared.metrics()

    def grown(family: str, *labels: str) -> float:
        def total(samples: dict[str, float]) -> float:
            return sum(v for k, v in samples.items() if k.startswith(family) and all(x in k for x in labels))

        return total(after) - total(before)

    assert grown("slipway_rows_total", 'endpoint="loan"') == 6
    assert grown("slipway_flagged_rows_total") == 3
    assert grown("slipway_requests_total", 'route="predict"', 'status="200"') == 3
    assert grown("slipway_requests_total", 'route="predict"', 'status="422"') == 1
    assert grown("slipway_request_seconds_count", 'route="predict"') == 4
    assert grown("slipway_log_commits_total") >= 3
    assert {re.search(r'worker="(\d)"', name)[1] for name in after} == {"0", "1"}  # pyright: ignore[reportOptionalSubscript]
