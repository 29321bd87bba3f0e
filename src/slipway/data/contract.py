"""The contract: what each column must look like, one object for training and serving.

Only msgspec and the standard library are imported here, because the gateway reads contracts too.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from slipway.base.errors import ConfigError

ColumnType = Literal["float", "int", "bool", "category", "datetime", "text"]
Role = Literal["feature", "target", "time", "group", "ignore"]

#: Types whose cells are numbers, so that ``min`` and ``max`` mean something.
NUMERIC: frozenset[ColumnType] = frozenset(("float", "int"))
#: Roles whose values a request may carry and the log keeps.
INPUT_ROLES: frozenset[Role] = frozenset(("feature", "time", "group"))


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one column must look like.

    ``max_missing`` is a share in [0, 1]; ``min`` and ``max`` are inclusive and only for numbers;
    ``allowed`` lists the levels of a category, None allows any.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    type: ColumnType
    role: Role = "feature"
    #: A row without a value is refused, in a table and in a request.
    required: bool = False
    max_missing: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    min: int | float | None = None
    max: int | float | None = None
    allowed: tuple[str, ...] | None = None
    description: str = ""
    owner: str = ""
    #: Why the column is a feature.
    rationale: str = ""
    #: Why the column is ignored.
    reason: str = ""


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All columns of a table, in order, and how many rows a training table must have.

    Raises:
        ConfigError: on construction, when the columns contradict each other.
    """

    columns: tuple[Column, ...]
    min_rows: Annotated[int, msgspec.Meta(ge=1)] = 1
    max_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        _refuse_contradictions(self)

    @property
    def target(self) -> Column:
        """The column to predict."""
        return next(column for column in self.columns if column.role == "target")

    @property
    def time(self) -> Column | None:
        """The column that orders the rows in time."""
        return next((column for column in self.columns if column.role == "time"), None)

    @property
    def group(self) -> Column | None:
        """The column whose equal values must stay on one side of a split."""
        return next((column for column in self.columns if column.role == "group"), None)

    @property
    def features(self) -> tuple[Column, ...]:
        """What the model reads, in contract order."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def inputs(self) -> tuple[Column, ...]:
        """What a request may carry, in contract order: features, time and group."""
        return tuple(column for column in self.columns if column.role in INPUT_ROLES)

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


def _refuse_contradictions(contract: Contract) -> None:
    repeated = [name for name, n in Counter(c.name for c in contract.columns).items() if n > 1]
    if repeated:
        raise _bad("each column once", f"column {repeated[0]!r} more than once")
    roles = Counter(column.role for column in contract.columns)
    if roles["target"] != 1:
        raise _bad('one column with role = "target"', str(roles["target"]))
    for role in ("time", "group"):
        if roles[role] > 1:
            raise _bad(f'at most one column with role = "{role}"', str(roles[role]))
    if roles["feature"] == 0:
        raise _bad('at least one column with role = "feature"', "none")
    if contract.max_rows is not None and contract.max_rows < contract.min_rows:
        raise _bad("min_rows <= max_rows", f"{contract.min_rows} > {contract.max_rows}")
    for column in contract.columns:
        _refuse_odd_column(column)


def _refuse_odd_column(column: Column) -> None:
    where = f"column {column.name!r}"
    bounds = [bound for bound in (column.min, column.max) if bound is not None]
    if bounds and column.type not in NUMERIC:
        raise _bad("min and max on a float or int column only", f"them on a {column.type}", where)
    if any(not abs(bound) < float("inf") for bound in bounds):
        raise _bad("finite min and max", "inf or nan", where)
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        raise _bad("min <= max", f"{bounds[0]} > {bounds[1]}", where)
    if column.allowed is None:
        return
    if column.type != "category":
        raise _bad("allowed on a category column only", f"it on a {column.type}", where)
    if not column.allowed or len(set(column.allowed)) != len(column.allowed):
        raise _bad("different allowed levels, at least one", "none, or one of them twice", where)


def _bad(expected: str, got: str, where: str = "contract") -> ConfigError:
    return ConfigError(expected=expected, got=got, where=where, next_step="mend contract.toml")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of ``contract.toml``."""

    columns: dict[str, dict[str, object]]
    rows: dict[str, int] = {}


def parse_contract(text: str, where: str = "contract.toml") -> Contract:
    """Read the text of a contract file.

    Raises:
        ConfigError: names the key, what was expected and what came.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
        columns = [{"name": name, **spec} for name, spec in file.columns.items()]
        return msgspec.convert({"columns": columns, **_row_bounds(file.rows)}, Contract)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            expected="valid TOML", got=str(error), where=where, next_step="mend that line"
        ) from None
    except msgspec.ValidationError as error:
        names = list(tomllib.loads(text).get("columns", {}))
        raise ConfigError(
            expected="known contract keys of the documented types",
            got=_with_name(str(error), names),
            where=where,
            next_step="the first lines of a contract made by `slipway init` list all keys",
        ) from None


def _row_bounds(rows: dict[str, int]) -> dict[str, int]:
    unknown = set(rows) - {"min", "max"}
    if unknown:
        raise _bad("[rows] with min and max only", f"key {min(unknown)!r}", "[rows]")
    return {f"{side}_rows": bound for side, bound in rows.items()}


def _with_name(message: str, names: list[str]) -> str:
    """Replace the position of a column in an error of msgspec by its name."""

    def name(match: re.Match[str]) -> str:
        return f"columns.{names[int(match[1])]}"

    return re.sub(r"\$\.columns\[(\d+)\]", name, message)


def load_contract(path: Path) -> Contract:
    """Read a contract file.

    Raises:
        ConfigError: the file is missing, or does not read as it should.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            expected="a readable UTF-8 contract file",
            got=type(error).__name__,
            where=str(path),
            next_step="create it with `slipway init FILE --target COLUMN`",
        ) from None
    return parse_contract(text, path.name)


def contract_digest(contract: Contract) -> str:
    """SHA-256 of the contract in canonical form: layout and comments of the file do not count."""
    return hashlib.sha256(msgspec.json.encode(contract, order="deterministic")).hexdigest()


_HEADER = """\
# The contract: what each column must look like, in training tables and in live requests.
# Inferred from the data by `slipway init`. Read it, correct it, review changes to it like code.
#
# type         float | int | bool (true/false) | category (text with levels) | datetime (ISO 8601 text) | text
# role         feature (the model reads it) | target (what is predicted) | time (orders the rows)
#              | group (rows of one group stay together) | ignore (not used; say why in `reason`)
# required     true: a row without a value is refused. Otherwise null and an absent key are "missing".
# max_missing  largest share of missing values, 0 to 1; at 0 each missing value is flagged.
# min, max     smallest and largest number expected, both included; what lies outside is flagged.
# allowed      the levels of a category; others are flagged and treated as "new level".
# description, owner, rationale: words for your colleagues.
"""


def dump_contract(contract: Contract) -> str:
    """The contract as a TOML file that explains itself; ``parse_contract`` reads it back unchanged."""
    parts = [_HEADER, "\n[rows]\n", f"min = {contract.min_rows}  # a smaller training table is refused\n"]
    if contract.max_rows is not None:
        parts.append(f"max = {contract.max_rows}\n")
    for column in contract.columns:
        parts.append(f"\n[columns.{_key(column.name)}]\n")
        fields: dict[str, object] = msgspec.structs.asdict(column)
        fields["role"] = column.role
        parts += [f"{key} = {toml_value(value)}\n" for key, value in fields.items() if _written(key, value)]
    return "".join(parts)


def _written(key: str, value: object) -> bool:
    return key in ("type", "role") or not (key == "name" or value is None or value is False or value == "")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(text: str) -> str:
    """A TOML basic string: JSON's escapes plus that of DEL."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def toml_value(value: object) -> str:
    """A text, number, bool or tuple of texts as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return _array(_text(str(item)) for item in value)  # pyright: ignore[reportUnknownVariableType]  (levels are text)
    return repr(value)


def _array(items: Iterable[str]) -> str:
    texts = list(items)
    line = f"[{', '.join(texts)}]"
    return line if len(line) <= 100 else "[\n" + "".join(f"    {text},\n" for text in texts) + "]"
