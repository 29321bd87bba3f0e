"""The ceiling: the gateway's HTTP server decodes the same body into the same structs and answers a constant.

Started as ``python -m benchmarks.serving.constant FD``. It checks nothing, predicts nothing, logs nothing.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from benchmarks.serving.project import contract
from slipway.data.rowcheck import row_type
from slipway.gateway.http import Exchange, Scope, serve
from slipway.gateway.worker import settle_memory

_HEAD = [("content-type", "application/json")]
_ANSWER = (
    b'{"endpoint":"bench","version":"bench@1","request_id":"2c3f887bea2f-2","predictions":[{"id":'
    b'"01a1f9ed-1de2-72ef-b960-84c8c99833af","prediction":1,"probability":0.5090059103401063}]}'
)


def main(fd: int) -> None:
    row: Any = row_type(contract())
    decode = msgspec.json.Decoder(msgspec.defstruct("Body", [("rows", list[row])])).decode

    async def answer(scope: Scope, exchange: Exchange) -> None:
        if scope.method == "POST":
            decode(await exchange())
        exchange.response_bytes(200, _HEAD, _ANSWER)

    async def drained() -> None:
        return None

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    settle_memory()
    serve(answer, fd, loop, lambda: None, drained)


if __name__ == "__main__":
    main(int(sys.argv[1]))
