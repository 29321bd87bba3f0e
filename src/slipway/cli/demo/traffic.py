"""Clients of the demo: they ask over HTTP, row after row, and tell the outcomes later."""

from __future__ import annotations

import http.client
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from slipway.base.errors import FaultError

#: Rows of one request, in turn: single rows and small batches, as real callers send them.
_REQUEST_ROWS = (1, 8, 1, 24, 1, 48, 4, 16)
_PATIENCE_SECONDS = 60.0
_RETRY_SECONDS = 0.05


class Connection:
    """One kept HTTP connection that survives a killed worker: it reconnects and asks again."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._http: http.client.HTTPConnection | None = None
        self.retries = 0

    def post(self, path: str, document: object) -> Any:
        """POST JSON and return the decoded answer.

        Raises:
            FaultError: no good answer for a minute, or the request was refused.
        """
        body = msgspec.json.encode(document)
        headers = {"Content-Type": "application/json", "X-Request-Id": str(uuid.uuid4())}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        last = "no answer"
        while time.monotonic() < deadline:
            try:
                if self._http is None:
                    self._http = http.client.HTTPConnection(self._address, timeout=30)
                self._http.request("POST", path, body, headers)
                response = self._http.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                last = type(error).__name__
                self.close()
            else:
                if response.status < 300:
                    return msgspec.json.decode(content)
                last = f"HTTP {response.status}"
                if response.status < 500:
                    break
            self.retries += 1
            time.sleep(_RETRY_SECONDS)
        raise FaultError(expected=f"an answer from {path}", got=last, where="the demo's client")

    def close(self) -> None:
        """Drop the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None


class Traffic:
    """Plays a table as clients: predictions in order, each outcome a fixed number of rows later.

    Args:
        url: where the gateway answers.
        endpoint: name of the endpoint.
        rows: the features, one mapping per row.
        labels: the outcome of each row.
        delay: rows between an answer and its outcome.
        clients: connections that work at the same time.
    """

    def __init__(
        self,
        url: str,
        endpoint: str,
        rows: Sequence[dict[str, object]],
        labels: Sequence[object],
        *,
        delay: int,
        clients: int = 4,
    ) -> None:
        self._url = url
        self._path = f"/v1/endpoints/{endpoint}"
        self._rows = rows
        self._labels = labels
        self._delay = delay
        self._lock = threading.Lock()
        self._ids: list[str | None] = [None] * len(rows)
        self._taken = 0
        self._requests = 0
        self._told = 0
        self._allowance = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        self._pacer = threading.Thread(target=self._refill, daemon=True)
        self._failure: FaultError | None = None
        #: Rows a second that the clients may send; the story slows them while a model is in training.
        self.pace = 0.0
        self.answered = 0
        self.retries = 0
        #: Version that gave each answer, by row.
        self.versions: list[str | None] = [None] * len(rows)

    def start(self) -> None:
        """Let the clients go."""
        self._pacer.start()
        for thread in self._threads:
            thread.start()

    @property
    def finished(self) -> bool:
        """Whether every row is answered."""
        return self.answered == len(self._rows)

    def check(self) -> None:
        """Raise what stopped a client.

        Raises:
            FaultError: a client gave up.
        """
        if self._failure is not None:
            raise self._failure

    def stop(self) -> list[str]:
        """Stop asking, tell all outcomes that are still due, and return the ids of the answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)
        connection = Connection(self._url)
        self._tell(connection, len(self._rows))
        connection.close()
        self.check()
        return [prediction_id for prediction_id in self._ids if prediction_id is not None]

    def _refill(self) -> None:
        tick = 0.01
        while not self._stop.wait(tick):
            with self._lock:
                self._allowance = min(self._allowance + self.pace * tick, 200.0)

    def _client(self) -> None:
        connection = Connection(self._url)
        try:
            while not self._stop.is_set():
                taken = self._take()
                if taken is None:
                    if self._taken >= len(self._rows):
                        return
                    time.sleep(0.005)
                    continue
                self._ask(connection, *taken)
                self._tell(connection, self._due())
        except FaultError as error:
            self._failure = error
            self._stop.set()
        finally:
            self.retries += connection.retries
            connection.close()

    def _take(self) -> tuple[int, int] | None:
        with self._lock:
            size = min(_REQUEST_ROWS[self._requests % len(_REQUEST_ROWS)], len(self._rows) - self._taken)
            if size == 0 or self._allowance < size:
                return None
            self._allowance -= size
            self._requests += 1
            start, self._taken = self._taken, self._taken + size
            return start, start + size

    def _ask(self, connection: Connection, start: int, stop: int) -> None:
        answer = connection.post(f"{self._path}/predict", {"rows": list(self._rows[start:stop])})
        with self._lock:
            for row, prediction in zip(range(start, stop), answer["predictions"], strict=True):
                self._ids[row] = prediction["id"]
                self.versions[row] = answer["version"]
            self.answered += stop - start

    def _due(self) -> int:
        return self.answered - self._delay

    def _tell(self, connection: Connection, due: int) -> None:
        """Post the outcomes of all rows before ``due`` that are answered and not yet told."""
        while True:
            with self._lock:
                start = stop = self._told
                while stop < min(due, len(self._ids), start + 500) and self._ids[stop] is not None:
                    stop += 1
                self._told = stop
            if stop == start:
                return
            outcomes = [{"id": self._ids[row], "value": self._labels[row]} for row in range(start, stop)]
            connection.post(f"{self._path}/outcomes", {"outcomes": outcomes})
