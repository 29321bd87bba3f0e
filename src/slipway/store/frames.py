"""What a log segment holds: one msgpack frame per request, per shadow batch, per outcome post.

The gateway writes frames, the controller reads them. Only msgspec is imported here, because the
gateway must stay light.
"""

from __future__ import annotations

import msgspec

from slipway.base.vocabulary import Value


class Prediction(msgspec.Struct, array_like=True, frozen=True, tag="p", gc=False):
    """One answered request; a batch call is one frame with several rows."""

    #: Microseconds since 1970 UTC when the answer was computed.
    time: int
    endpoint: str
    #: Version that answered, such as ``loan@1``.
    version: str
    arm: str
    #: Probability with which this arm was chosen for the row.
    propensity: float
    #: The caller's ``X-Request-Id``, or one made for it.
    request_id: str
    #: 16 bytes a row.
    ids: bytes
    columns: tuple[str, ...]
    #: Row-major values as received, in the order of ``columns``; None is null or missing.
    rows: list[list[Value]]
    #: One list per row: probability of the positive class, one per class, or the number.
    outputs: list[list[float]]
    #: Number of contract rules a row breaks without being refused.
    flags: list[int]
    #: Value of the group column per row, where the project has one.
    keys: list[str | None] | None
    #: Versions that will score these rows unseen.
    shadows: tuple[str, ...]


class Shadow(msgspec.Struct, array_like=True, frozen=True, tag="s", gc=False):
    """Outputs of a version that scored unseen rows of earlier ``Prediction`` frames."""

    time: int
    endpoint: str
    version: str
    ids: bytes
    outputs: list[list[float]]


class Dropped(msgspec.Struct, array_like=True, frozen=True, tag="d", gc=False):
    """Rows that a version will never score: its queue was full, or it raised."""

    time: int
    endpoint: str
    version: str
    ids: bytes
    #: ``queue_full``, ``error`` or ``unloaded``.
    reason: str


class Outcomes(msgspec.Struct, array_like=True, frozen=True, tag="o", gc=False):
    """Labels that came later, one per prediction id."""

    #: Microseconds since 1970 UTC when they were received.
    time: int
    endpoint: str
    ids: bytes
    values: list[Value]
    #: Microseconds since 1970 UTC at which each outcome became true, where the caller says so.
    event_times: list[int | None]


Frame = Prediction | Shadow | Dropped | Outcomes

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """The msgpack payload of a frame."""
    return _encoder.encode(frame)


def decode_frame(payload: bytes | memoryview) -> Frame:
    """Read a payload back.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: the payload is no frame.
    """
    return _decoder.decode(payload)
