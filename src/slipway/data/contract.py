"""The contract: what each column must look like, one object for training and serving.

Only msgspec and the standard library are imported here, because the gateway reads contracts too.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from slipway.base.errors import ConfigError
from slipway.base.quantities import parse_duration
from slipway.data.expressions import Expression, Kind, parse_expression
from slipway.data.patterns import portable_pattern

ColumnType = Literal["float", "int", "bool", "category", "datetime", "text"]
Role = Literal["feature", "target", "time", "group", "ignore"]
#: ``reject``: the table must not train a model, the request is refused. ``flag``: worth a look; counted with
#: the prediction. ``warn``: told of a table, silent for a request.
Severity = Literal["reject", "flag", "warn"]
Tag = Literal["sensitive", "personal", "forbidden", "deprecated"]
#: Rules of a column whose severity a contract may change.
RuleName = Literal["missing", "range", "levels", "length", "pattern", "unique", "age", "deprecated"]

#: Types whose cells are numbers, so that ``min`` and ``max`` mean something.
NUMERIC: frozenset[ColumnType] = frozenset(("float", "int"))
#: Roles whose values a request may carry and the log keeps.
INPUT_ROLES: frozenset[Role] = frozenset(("feature", "time", "group"))
#: Types whose cells are words, so that lengths and patterns mean something.
WORDS: frozenset[ColumnType] = frozenset(("category", "text"))

_SEVERITIES: dict[RuleName, Severity] = {"deprecated": "reject"}
_KINDS: dict[ColumnType, Kind] = {
    "float": "number",
    "int": "number",
    "bool": "truth",
    "category": "text",
    "text": "text",
    "datetime": "time",
}

_Length = Annotated[int, msgspec.Meta(ge=0)]


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one column must look like.

    ``max_missing`` is a share in [0, 1]; ``min`` and ``max`` are inclusive and only for numbers;
    ``allowed`` lists the levels of a category, None allows any; lengths are in characters.
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
    min_length: _Length | None = None
    max_length: _Length | None = None
    #: What the whole text must look like; see ``slipway.data.patterns``.
    pattern: str | None = None
    #: No value occurs twice in a table.
    unique: bool = False
    #: How old the newest time of a table may be, such as ``7d``.
    max_age: str | None = None
    #: What a number is counted in.
    unit: str = ""
    tags: tuple[Tag, ...] = ()
    #: Where a rule weighs more or less than it does by default.
    severity: dict[RuleName, Severity] = {}
    description: str = ""
    owner: str = ""
    #: Why the column is a feature.
    rationale: str = ""
    #: Why the column is ignored, forbidden or deprecated.
    reason: str = ""

    def weight(self, rule: RuleName) -> Severity:
        """How much breaking a rule weighs: ``flag``, unless the contract or the rule says otherwise."""
        return self.severity.get(rule) or _SEVERITIES.get(rule, "flag")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the columns of a row must be to each other; see ``slipway.data.expressions``."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    #: Such as ``amount <= 0.5 * income``. A row breaks the rule where this is false.
    expr: str
    severity: Severity = "flag"
    description: str = ""


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All columns of a table, in order, and how many rows a training table must have.

    Raises:
        ConfigError: on construction, when the columns contradict each other.
    """

    columns: tuple[Column, ...]
    min_rows: Annotated[int, msgspec.Meta(ge=1)] = 1
    max_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None
    rules: tuple[Rule, ...] = ()

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

    def expression(self, rule: Rule) -> Expression:
        """A rule of this contract, parsed.

        Raises:
            ConfigError: it does not read, or does not fit the types of its columns.
        """
        kinds: dict[str, Kind] = {column.name: _KINDS[column.type] for column in self.columns}
        return parse_expression(rule.expr, kinds, f"rule {rule.name!r}")


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
    for name, n in Counter(rule.name for rule in contract.rules).items():
        if n > 1:
            raise _bad("each rule once", f"rule {name!r} more than once")
    for rule in contract.rules:
        contract.expression(rule)


def _refuse_odd_column(column: Column) -> None:
    where = f"column {column.name!r}"
    bounds = [bound for bound in (column.min, column.max) if bound is not None]
    if bounds and column.type not in NUMERIC:
        raise _bad("min and max on a float or int column only", f"them on a {column.type}", where)
    if any(not abs(bound) < float("inf") for bound in bounds):
        raise _bad("finite min and max", "inf or nan", where)
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        raise _bad("min <= max", f"{bounds[0]} > {bounds[1]}", where)
    if column.unit and column.type not in NUMERIC:
        raise _bad("a unit on a float or int column only", f"it on a {column.type}", where)
    if len(set(column.tags)) != len(column.tags):
        raise _bad("each tag once", "one of them twice", where)
    _refuse_odd_words(column, where)
    _refuse_odd_age(column, where)
    _refuse_odd_levels(column, where)


def _refuse_odd_words(column: Column, where: str) -> None:
    least, most = column.min_length, column.max_length
    wordless = least is None and most is None and column.pattern is None
    if not wordless and column.type not in WORDS:
        raise _bad("min_length, max_length and pattern on category and text only", f"a {column.type}", where)
    if least is not None and most is not None and least > most:
        raise _bad("min_length <= max_length", f"{least} > {most}", where)
    if column.pattern is not None:
        try:
            portable_pattern(column.pattern)
        except ValueError as error:
            raise _bad("a pattern of the documented kind", str(error), where) from None


def _refuse_odd_age(column: Column, where: str) -> None:
    if column.max_age is None:
        return
    if column.type != "datetime":
        raise _bad("max_age on a datetime column only", f"it on a {column.type}", where)
    parse_duration(column.max_age, f"max_age of {where}")


def _refuse_odd_levels(column: Column, where: str) -> None:
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
    rules: dict[str, dict[str, object]] = {}


def parse_contract(text: str, where: str = "contract.toml") -> Contract:
    """Read the text of a contract file.

    Raises:
        ConfigError: names the key, what was expected and what came.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
        columns = [{"name": name, **spec} for name, spec in file.columns.items()]
        rules = [{"name": name, **spec} for name, spec in file.rules.items()]
        return msgspec.convert({"columns": columns, "rules": rules, **_row_bounds(file.rows)}, Contract)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            expected="valid TOML", got=str(error), where=where, next_step="mend that line"
        ) from None
    except msgspec.ValidationError as error:
        raise ConfigError(
            expected="known contract keys of the documented types",
            got=_with_name(str(error), tomllib.loads(text)),
            where=where,
            next_step="the first lines of a contract made by `slipway init` list all keys",
        ) from None


def _row_bounds(rows: dict[str, int]) -> dict[str, int]:
    unknown = set(rows) - {"min", "max"}
    if unknown:
        raise _bad("[rows] with min and max only", f"key {min(unknown)!r}", "[rows]")
    return {f"{side}_rows": bound for side, bound in rows.items()}


def _with_name(message: str, file: Mapping[str, Any]) -> str:
    """Replace the position of a column or rule in an error of msgspec by its name."""

    def name(match: re.Match[str]) -> str:
        return f"{match[1]}.{list(file[match[1]])[int(match[2])]}"

    return re.sub(r"\$\.(columns|rules)\[(\d+)\]", name, message)


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
# min_length, max_length, pattern: of a category or text; a pattern describes the whole text.
# unique       true: no value twice in a table.     max_age   "7d": the newest time is at most that old.
# unit         what a number is counted in.         tags      sensitive, personal, forbidden, deprecated
# severity     {range = "reject"}: what breaking a rule means: reject, flag (the default) or warn.
# description, owner, rationale: words for your colleagues.
#
# A rule across columns; a row breaks it where it is false, and cannot break it where a value is missing:
#     [rules.affordable]
#     expr = "amount <= 0.5 * income and (purpose != 'car' or amount < 1e5)"
#     severity = "flag"
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
    for rule in contract.rules:
        parts.append(f"\n[rules.{_key(rule.name)}]\n")
        fields = msgspec.structs.asdict(rule)
        parts += [f"{key} = {toml_value(value)}\n" for key, value in fields.items() if _written(key, value)]
    return "".join(parts)


def _written(key: str, value: object) -> bool:
    if value is None or value is False or value in ("", (), {}):
        return False
    return key != "name"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(text: str) -> str:
    """A TOML basic string: JSON's escapes plus that of DEL."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def toml_value(value: object) -> str:
    """A text, number, bool, tuple of texts or mapping of texts as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return _array(_text(str(item)) for item in value)  # pyright: ignore[reportUnknownVariableType]  (levels are text)
    if isinstance(value, dict):
        pairs = (f"{key} = {toml_value(item)}" for key, item in value.items())  # pyright: ignore[reportUnknownVariableType]  (texts)
        return "{" + ", ".join(pairs) + "}"
    return repr(value)


def _array(items: Iterable[str]) -> str:
    texts = list(items)
    line = f"[{', '.join(texts)}]"
    return line if len(line) <= 100 else "[\n" + "".join(f"    {text},\n" for text in texts) + "]"
