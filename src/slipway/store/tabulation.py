"""Frames as Arrow tables, one row per prediction, shadow output, dropped row or outcome.

Features are kept as received, in columns named ``f_`` and the feature's name: numbers as doubles, truth
values as such, anything else as text. A column's type is that of its values in the table, so it may differ
from one file to the next; readers take the wider one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any, Protocol

import pyarrow as pa

from slipway.base.errors import IntegrityError
from slipway.base.ids import ID_BYTES, id_text, split_ids
from slipway.base.vocabulary import Value
from slipway.store.frames import Dropped, Frame, Outcomes, Prediction, Shadow

_TIME = pa.timestamp("us")

#: The columns that each kind of row always has. Times are UTC. ``intake_seq`` is the number of the frame
#: in the order of consumption, null where it has not been consumed; ``row`` counts from 0 in the frame.
SCHEMAS: dict[str, pa.Schema] = {
    "predictions": pa.schema(
        [
            ("intake_seq", pa.int64()),
            ("row", pa.int32()),
            ("prediction_id", pa.string()),
            ("request_id", pa.string()),
            ("time", _TIME),
            ("endpoint", pa.string()),
            ("version", pa.string()),
            ("arm", pa.string()),
            ("propensity", pa.float64()),
            ("key", pa.string()),
            ("flags", pa.int32()),
            ("output", pa.list_(pa.float64())),
            ("shadows", pa.list_(pa.string())),
        ]
    ),
    "shadows": pa.schema(
        [
            ("intake_seq", pa.int64()),
            ("row", pa.int32()),
            ("prediction_id", pa.string()),
            ("time", _TIME),
            ("endpoint", pa.string()),
            ("version", pa.string()),
            ("output", pa.list_(pa.float64())),
        ]
    ),
    "dropped": pa.schema(
        [
            ("intake_seq", pa.int64()),
            ("row", pa.int32()),
            ("prediction_id", pa.string()),
            ("time", _TIME),
            ("endpoint", pa.string()),
            ("version", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    "outcomes": pa.schema(
        [
            ("intake_seq", pa.int64()),
            ("row", pa.int32()),
            ("prediction_id", pa.string()),
            ("time", _TIME),
            ("endpoint", pa.string()),
            ("value", pa.string()),
            ("number", pa.float64()),
            ("event_time", _TIME),
        ]
    ),
}


class ArrowTable(Protocol):
    """What is used of an Arrow table; the library ships no types."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...


class FrameTables:
    """Collects frames and turns them into one table per kind of row."""

    def __init__(self) -> None:
        self._columns: dict[str, list[list[object]]] = {
            kind: [[] for _ in schema] for kind, schema in SCHEMAS.items()
        }
        self._features: dict[tuple[str, ...], tuple[list[int], list[list[Value]]]] = {}

    def add(self, seq: int | None, frame: Frame) -> None:
        """Take a frame; ``seq`` is its number in the order of consumption, None before it is consumed.

        Raises:
            IntegrityError: its parts differ in length.
        """
        kind, columns = _ROWS[type(frame)](frame)
        ids = split_ids(frame.ids)
        _check_lengths(seq, len(ids), columns)
        into = self._columns[kind]
        if isinstance(frame, Prediction):
            places, rows = self._features.setdefault(frame.columns, ([], []))
            places.extend(range(len(into[0]), len(into[0]) + len(ids)))
            rows.extend(frame.rows)
        fixed: list[Sequence[object]] = [[seq] * len(ids), range(len(ids)), [id_text(one) for one in ids]]
        for column, values in zip(into, chain(fixed, columns), strict=True):
            column.extend(values)

    def tables(self) -> dict[str, ArrowTable]:
        """One table per kind that has rows."""
        made: dict[str, Any] = {}
        for kind, columns in self._columns.items():
            if not columns[0]:
                continue
            arrays = [
                pa.array(values, field.type) for values, field in zip(columns, SCHEMAS[kind], strict=True)
            ]
            made[kind] = pa.Table.from_arrays(arrays, schema=SCHEMAS[kind])
        if "predictions" in made:
            for name, values in self._feature_columns(made["predictions"].num_rows).items():
                made["predictions"] = made["predictions"].append_column(f"f_{name}", feature_array(values))
        return made

    def _feature_columns(self, n: int) -> dict[str, list[Value]]:
        """Column by column what came row by row; null where a row's request had no such column."""
        found: dict[str, list[Value]] = {}
        for names, (places, rows) in self._features.items():
            for name, values in zip(names, zip_longest(*rows), strict=False):
                column = found.setdefault(name, [None] * n)
                for place, value in zip(places, values, strict=True):
                    column[place] = value
        return dict(sorted(found.items()))


def feature_array(values: Sequence[Value]) -> object:
    """An Arrow array of what was received: doubles, truth values, or text; all null stays untyped."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([value_text(value) for value in values], pa.string())


def value_text(value: Value) -> str | None:
    """A cell as text: strings as they are, the rest as JSON writes it."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _number(value: Value) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)


def _prediction_rows(frame: Prediction) -> tuple[str, list[Sequence[object]]]:
    n = len(frame.ids) // ID_BYTES
    return "predictions", [
        [frame.request_id] * n,
        [frame.time] * n,
        [frame.endpoint] * n,
        [frame.version] * n,
        [frame.arm] * n,
        [frame.propensity] * n,
        [None] * n if frame.keys is None else frame.keys,
        frame.flags,
        frame.outputs,
        # As many as there are rows of features, so that the check of lengths sees those as well.
        [frame.shadows] * len(frame.rows),
    ]


def _shadow_rows(frame: Shadow) -> tuple[str, list[Sequence[object]]]:
    n = len(frame.ids) // ID_BYTES
    return "shadows", [[frame.time] * n, [frame.endpoint] * n, [frame.version] * n, frame.outputs]


def _dropped_rows(frame: Dropped) -> tuple[str, list[Sequence[object]]]:
    n = len(frame.ids) // ID_BYTES
    return "dropped", [[frame.time] * n, [frame.endpoint] * n, [frame.version] * n, [frame.reason] * n]


def _outcome_rows(frame: Outcomes) -> tuple[str, list[Sequence[object]]]:
    n = len(frame.ids) // ID_BYTES
    return "outcomes", [
        [frame.time] * n,
        [frame.endpoint] * n,
        [value_text(value) for value in frame.values],
        [_number(value) for value in frame.values],
        frame.event_times,
    ]


_ROWS: dict[type, Callable[..., tuple[str, list[Sequence[object]]]]] = {
    Prediction: _prediction_rows,
    Shadow: _shadow_rows,
    Dropped: _dropped_rows,
    Outcomes: _outcome_rows,
}


def _check_lengths(seq: int | None, n: int, columns: list[Sequence[object]]) -> None:
    lengths = {len(column) for column in columns}
    if lengths != {n}:
        raise IntegrityError(
            expected=f"{n} values in each part of a frame with {n} ids",
            got=", ".join(map(str, sorted(lengths))),
            where=f"frame {seq} of the log",
            next_step="report this: a gateway wrote a frame that contradicts itself",
        )
