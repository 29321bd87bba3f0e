"""``POST /v1/endpoints/{name}/outcomes``: labels that came later, logged before they are accepted.

Repeated and corrected outcomes are taken as they come: which one counts is decided where the log is read.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET

from slipway.base.errors import ContractError, NotFoundError
from slipway.base.ids import PredictionIds, id_bytes
from slipway.base.vocabulary import Value
from slipway.gateway.context import INLINE_BYTES, Context, Meter, Reply, Request
from slipway.gateway.decode import Outcome, decode_outcomes
from slipway.models.bundle import Bundle
from slipway.store.frames import Outcomes, encode_frame

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAMED = 10


class OutcomesRoute:
    """Takes outcomes for one endpoint.

    Args:
        context: the worker's parts.
        endpoint: name that clients call.
        champion: its task and classes say which labels there are.
    """

    method = "POST"

    def __init__(self, context: Context, endpoint: str, champion: Bundle) -> None:
        self.meter = Meter(context.metrics, endpoint, "outcomes")
        self._context = context
        self._endpoint = endpoint
        self._ids = PredictionIds(context.key, endpoint)
        self._index = None if champion.task == "regression" else champion.class_index
        self._accepted = context.metrics.counter("slipway_outcomes_total", endpoint=endpoint)

    async def answer(self, request: Request) -> Reply:
        """Log the outcomes of one request, all or none.

        Raises:
            SlipwayError: with the status that it carries; nothing was logged.
        """
        context = self._context
        context.require_log()
        if len(request.body) > INLINE_BYTES:
            payload, count = await context.loop.run_in_executor(context.pool, self._frame, request.body)
        else:
            payload, count = self._frame(request.body)
        await context.commit.submit(payload)
        self._accepted.add(count)
        return Reply(202, msgspec.json.encode({"accepted": count}))

    def _frame(self, body: bytes) -> tuple[bytes, int]:
        outcomes = decode_outcomes(body)
        frame = Outcomes(
            self._context.clock.now_us(),
            self._endpoint,
            self._known_ids(outcomes),
            self._labels(outcomes),
            [_time_us(outcome) for outcome in outcomes],
        )
        return encode_frame(frame), len(outcomes)

    def _known_ids(self, outcomes: list[Outcome]) -> bytes:
        ids = [id_bytes(outcome.id) for outcome in outcomes]
        issued = self._ids.issued
        strangers = [at for at, one in enumerate(ids) if one is None or not issued(one)]
        if strangers:
            raise NotFoundError(
                expected="ids of predictions of this endpoint",
                got=f"{len(strangers)} of {len(ids)} that it did not issue",
                where=f"outcomes at positions {_positions(strangers)}",
                next_step="send the id that came with the prediction; none of this request was taken",
            )
        return b"".join(one for one in ids if one is not None)

    def _labels(self, outcomes: list[Outcome]) -> list[Value]:
        values = [outcome.value for outcome in outcomes]
        wrong = [at for at, value in enumerate(values) if not self._is_label(value)]
        if wrong:
            index = self._index
            raise ContractError(
                expected="finite numbers" if index is None else f"one of the {len(index.classes)} classes",
                got=f"{len(wrong)} of {len(values)} that are not",
                where=f"outcomes at positions {_positions(wrong)}",
                next_step="send labels as in the training table; none of this request was taken",
            )
        return values

    def _is_label(self, value: Value) -> bool:
        if self._index is not None:
            return self._index(value) is not None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value) and abs(value) < 2**63


def _time_us(outcome: Outcome) -> int | None:
    time = outcome.time
    if time is UNSET or time is None:
        return None
    if isinstance(time, datetime):
        return (time - _EPOCH) // _MICROSECOND
    return int(time * 1_000_000)


def _positions(found: list[int]) -> str:
    listed = ", ".join(map(str, found[:_NAMED]))
    return f"{listed} and {len(found) - _NAMED} more" if len(found) > _NAMED else listed
