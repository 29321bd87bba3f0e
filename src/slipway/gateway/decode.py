"""Bodies to values: one typed pass over the bytes, with every defect named and no value repeated.

msgspec decodes straight into structs made from the contract, so the JSON types are checked while the
bytes are read. JSON leaves the meaning of a repeated key open, and a decoder would silently keep one of
the two values; here such a body is refused. The check is a count: a body that repeats no key has as many
``":`` pairs as its rows have keys. Only a body that does not add up is read a second time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn, cast

import msgspec
from msgspec import UNSET, UnsetType

from slipway.base.errors import ContractError, MalformedError, SlipwayError, TooLargeError
from slipway.base.vocabulary import Value
from slipway.data.contract import Column, Contract
from slipway.data.rowcheck import RowCheck, compile_row_check, decoding_error, row_type

Row = Sequence[Value]

#: Rows in one request; more bytes of objects than this are refused before they are decoded.
MAX_ROWS = 100_000


class Rows(msgspec.Struct, frozen=True, gc=False):
    """Decoded and checked rows of one request."""

    values: list[Row]
    #: Rules of the contract that each row breaks without being refused.
    flags: list[int]


class RowDecoder:
    """Decodes predict bodies ``{"row": {...}}`` and ``{"rows": [{...}, ...]}`` under one contract.

    Instances hold no state; threads may share one.

    Args:
        contract: what a row must look like.
        strict: refuse columns that the contract does not know, else ignore them.
    """

    def __init__(self, contract: Contract, *, strict: bool) -> None:
        self._check: RowCheck = compile_row_check(contract)
        #: Names of the values of a row, in order.
        self.columns: tuple[str, ...] = self._check.columns
        row = _presence_row(contract, strict=strict)
        body = msgspec.defstruct(
            "Body",
            [("row", row | UnsetType, UNSET), ("rows", list[row] | UnsetType, UNSET)],
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(body).decode

    def decode(self, body: bytes) -> Rows:
        """Read a body.

        Raises:
            MalformedError: not JSON, or a repeated key.
            TooLargeError: too many rows.
            ContractError: no rows, or both ``row`` and ``rows``.
            ContractError: a row that breaks the contract in a way that is not only flagged.
        """
        if len(body) > MAX_ROWS and body.count(b"{") > MAX_ROWS + 1:
            _refuse_count(body.count(b"{") - 1)
        decoded = _decoded(self._decode, body, _row_error)
        rows = _rows_of(decoded)
        check = self._check.check
        width = len(self.columns)
        values: list[Row] = []
        flags: list[int] = []
        keys = 1
        for at, row in enumerate(rows):
            cells = msgspec.structs.astuple(row)
            absent = cells.count(UNSET)
            keys += len(cells) - absent
            if absent:
                cells = tuple(None if cell is UNSET else cell for cell in cells)
                if absent == len(cells):
                    _refuse_empty(at)
            if len(cells) > width:
                cells = cells[:width]
            flags.append(check(cells, at))
            values.append(cells)
        if body.count(b'":') != keys:
            refuse_repeated_keys(body)
        return Rows(values, flags)


def _presence_row(contract: Contract, *, strict: bool) -> type[msgspec.Struct]:
    """The contract's row type with UNSET for absent keys, so that present ones can be counted."""
    base = row_type(contract, strict=strict)
    fields = msgspec.structs.fields(base)
    absent = cast("Any", UNSET)
    return msgspec.defstruct(
        "Row",
        [(field.name, field.type, absent) for field in fields],
        rename={field.name: field.encode_name for field in fields},
        forbid_unknown_fields=strict,
        gc=False,
    )


def _row_error(error: msgspec.ValidationError) -> SlipwayError:
    message = str(error)
    if "unknown field" in message and " - at `" not in message:
        return ContractError(
            expected='a body with "row" or "rows" and nothing else',
            got="another key",
            where="the body",
            next_step='send {"rows": [{...}]}',
        )
    return decoding_error(error)


def _rows_of(decoded: Any) -> list[msgspec.Struct]:
    if decoded.rows is UNSET:
        if decoded.row is UNSET:
            raise ContractError(
                expected='"row" with one object or "rows" with a list of them',
                got="neither",
                where="the body",
                next_step='send {"rows": [{...}]}',
            )
        return [decoded.row]
    if decoded.row is not UNSET:
        raise ContractError(
            expected='"row" or "rows"', got="both", where="the body", next_step="send one of them"
        )
    if not decoded.rows:
        raise ContractError(
            expected="at least one row", got="none", where="rows", next_step="send a row, or no request"
        )
    if len(decoded.rows) > MAX_ROWS:
        _refuse_count(len(decoded.rows))
    return decoded.rows


def _refuse_count(count: int) -> NoReturn:
    raise TooLargeError(
        expected=f"at most {MAX_ROWS} rows in a request",
        got=str(count),
        where="rows",
        next_step="send them in several requests",
    )


def _refuse_empty(at: int) -> NoReturn:
    raise ContractError(
        expected="at least one column of the contract",
        got="an empty object",
        where=f"row {at}",
        next_step="send the columns; null stands for a missing value",
    )


def merge_contracts(champion: Contract, shadows: Sequence[Contract]) -> Contract:
    """The champion's contract, and the columns that only a shadow reads, which nobody must send."""
    columns: dict[str, Column] = {column.name: column for column in champion.columns}
    read = {column.name for column in champion.inputs} | {champion.target.name}
    for contract in shadows:
        for column in contract.features:
            if column.name not in read:
                read.add(column.name)
                columns[column.name] = msgspec.structs.replace(column, required=False)
    return msgspec.structs.replace(champion, columns=tuple(columns.values()))


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One posted label."""

    id: str
    value: str | int | float | bool | None
    time: (
        Annotated[datetime, msgspec.Meta(tz=True)]
        | Annotated[float, msgspec.Meta(ge=0, le=253402300799)]
        | UnsetType
        | None
    ) = UNSET


class _OutcomesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    outcomes: list[Outcome]


_decode_outcomes = msgspec.json.Decoder(_OutcomesBody).decode


def decode_outcomes(body: bytes) -> list[Outcome]:
    """Read ``{"outcomes": [{"id": ..., "value": ..., "time": ...}]}``.

    Raises:
        MalformedError: not JSON, or a repeated key.
        ContractError: not of that shape, or none.
        TooLargeError: too many.
    """
    outcomes = cast("_OutcomesBody", _decoded(_decode_outcomes, body, _outcome_error)).outcomes
    if not outcomes:
        raise ContractError(
            expected="at least one outcome", got="none", where="outcomes", next_step="send one, or no request"
        )
    if len(outcomes) > MAX_ROWS:
        _refuse_count(len(outcomes))
    keys = 1 + sum(2 if outcome.time is UNSET else 3 for outcome in outcomes)
    if body.count(b'":') != keys:
        refuse_repeated_keys(body)
    return outcomes


def _outcome_error(error: msgspec.ValidationError) -> SlipwayError:
    message, _, path = str(error).partition(" - at `")
    unknown = "unknown field" in message or "missing required field" in message
    return ContractError(
        expected='{"id": text, "value": label, "time": RFC 3339 with offset or epoch seconds}',
        got="keys other than these, or not all of id and value" if unknown else "another type or range",
        where=path.removesuffix("`").removeprefix("$.") or "the body",
        next_step="see docs/http.md",
    )


def _decoded(decode: Any, body: bytes, explain: Any) -> Any:
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise explain(error) from None
    except RecursionError:
        raise _malformed("deeper nesting than any row needs") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(_defect(body, error)) from None


def _defect(body: bytes, error: Exception) -> str:
    """Where the JSON ends being JSON; msgspec's own text quotes no value."""
    if not body:
        return "an empty body"
    if isinstance(error, UnicodeDecodeError) or "utf-8" in str(error).lower():
        return "bytes that are not UTF-8"
    return f"something else ({error})"


def _malformed(got: str) -> MalformedError:
    return MalformedError(
        expected="a JSON document (no NaN or Infinity, no key twice, UTF-8)",
        got=got,
        where="the body",
        next_step="mend the JSON",
    )


def refuse_repeated_keys(body: bytes) -> None:
    """Read the body again, slowly, to find a key that an object has twice.

    Raises:
        MalformedError: there is one.
    """

    def pairs(items: list[tuple[str, object]]) -> None:
        if len({key for key, _ in items}) != len(items):
            raise _malformed("an object with the same key twice")

    try:
        json.loads(body, object_pairs_hook=pairs, parse_int=len, parse_float=len)
    except RecursionError:
        raise _malformed("deeper nesting than any row needs") from None
