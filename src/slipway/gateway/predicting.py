"""``POST /v1/endpoints/{name}/predict``: decode, check, predict, log, answer.

One row costs one pass in each step and no thread change but the commit's. A body too large for that is
worked on in a thread, so that small requests do not wait behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from slipway.base.ids import PredictionIds, id_text, split_ids
from slipway.gateway.context import INLINE_BYTES, Context, Meter, Reply, Request
from slipway.gateway.decode import Row, RowDecoder, Rows, merge_contracts
from slipway.gateway.shadow import ShadowTarget, ShadowWork
from slipway.models.bundle import Bundle
from slipway.store.frames import Prediction, encode_frame

_encode_json = msgspec.json.Encoder().encode


class LoadedVersion(NamedTuple):
    """A version of the plan with its bundle."""

    version: str
    bundle: Bundle


class _Work(NamedTuple):
    """What came of one body: the frame for the log, the answer, the rows for the shadows."""

    payload: bytes
    answer: bytes
    ids: bytes
    rows: list[Row]
    flagged: int


class PredictRoute:
    """Answers rows for one endpoint under one plan.

    Args:
        context: the worker's parts.
        endpoint: name that clients call.
        arm: name of the arm that answers.
        champion: the version that answers.
        shadows: versions that score the same rows unseen.
    """

    method = "POST"

    def __init__(
        self,
        context: Context,
        endpoint: str,
        arm: str,
        champion: LoadedVersion,
        shadows: Sequence[LoadedVersion],
    ) -> None:
        self.meter = Meter(context.metrics, endpoint, "predict")
        self._context = context
        self._endpoint = endpoint
        self._arm = arm
        self._version, self._bundle = champion
        contract = merge_contracts(champion.bundle.contract, [shadow.bundle.contract for shadow in shadows])
        self._decoder = RowDecoder(contract, strict=context.strict)
        self._columns = self._decoder.columns
        self._ids = PredictionIds(context.key, endpoint)
        group = contract.group
        self._group = None if group is None else self._columns.index(group.name)
        self._shadow_names = tuple(shadow.version for shadow in shadows)
        self._target = (
            ShadowTarget(
                endpoint,
                self._columns,
                [(shadow.version, shadow.bundle) for shadow in shadows],
                context.metrics,
            )
            if shadows
            else None
        )
        self._rows = context.metrics.counter("slipway_rows_total", endpoint=endpoint)
        self._flagged = context.metrics.counter("slipway_flagged_rows_total", endpoint=endpoint)

    async def answer(self, request: Request) -> Reply:
        """Answer one request; the answer is in the log before it is returned.

        Raises:
            SlipwayError: with the status that it carries; the rows were not answered.
        """
        context = self._context
        context.require_log()
        if len(request.body) > INLINE_BYTES:
            work = await context.loop.run_in_executor(context.pool, self._work, request)
        else:
            work = self._work(request)
        await context.commit.submit(work.payload)
        self._rows.add(len(work.rows))
        if work.flagged:
            self._flagged.add(work.flagged)
        if self._target is not None:
            context.lane.offer(ShadowWork(self._target, work.ids, work.rows, len(request.body)))
        return Reply(200, work.answer)

    def _work(self, request: Request) -> _Work:
        rows = self._decoder.decode(request.body)
        outputs = self._bundle.predict_rows(rows.values, self._columns)
        now = self._context.clock.now_us()
        ids = self._ids.issue(now, len(outputs))
        frame = Prediction(
            now,
            self._endpoint,
            self._version,
            self._arm,
            1.0,
            request.request_id,
            ids,
            self._columns,
            rows.values,  # pyright: ignore[reportArgumentType]  (a row is written alike as tuple and list)
            outputs,
            rows.flags,
            self._keys(rows),
            self._shadow_names,
        )
        flagged = sum(map(bool, rows.flags))
        return _Work(encode_frame(frame), self._answer(request, ids, outputs), ids, rows.values, flagged)

    def _answer(self, request: Request, ids: bytes, outputs: list[list[float]]) -> bytes:
        answer = self._bundle.answer
        predictions = [
            {"id": id_text(one), **answer(output)}
            for one, output in zip(split_ids(ids), outputs, strict=True)
        ]
        return _encode_json(
            {
                "endpoint": self._endpoint,
                "version": self._version,
                "request_id": request.request_id,
                "predictions": predictions,
            }
        )

    def _keys(self, rows: Rows) -> list[str | None] | None:
        if self._group is None:
            return None
        groups = [values[self._group] for values in rows.values]
        return [None if group is None else str(group) for group in groups]
