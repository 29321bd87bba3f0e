"""A project folder from a table: ``slipway.toml`` and ``contract.toml``, written to be read."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from slipway.base.config import Config, Data, load_config, parse_config
from slipway.base.errors import ConfigError, ConflictError, StoreError, UsageError
from slipway.base.files import write_atomic
from slipway.base.layout import Layout
from slipway.base.vocabulary import Task, Value
from slipway.data.contract import Column, Contract, dump_contract, load_contract, toml_value
from slipway.data.frames import Frame, from_frame
from slipway.data.inference import Hints, Inference, infer
from slipway.data.locations import locate, relocated
from slipway.data.reading import Reading, quarantine
from slipway.data.source import read_source
from slipway.data.tables import canonical, matching


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """What the user says beside the file and the target."""

    #: Default: the file's name without its suffix.
    name: str | None = None
    owner: str = ""
    task: Task | None = None
    #: What to ask a database.
    query: str | None = None
    #: Of a workbook.
    sheet: str | None = None
    #: Default: UTF-8.
    encoding: str | None = None
    #: Names of all columns of a file without a header line.
    columns: tuple[str, ...] = ()
    #: Whether the first line holds names; default: seen.
    header: bool | None = None
    separator: str | None = None
    #: Columns whose values lose a dot at their end.
    trailing_dots: tuple[str, ...] = ()
    #: Default: the markers of ``slipway.base.config.Data``.
    missing: tuple[str, ...] | None = None
    time: str | None = None
    group: str | None = None
    #: Names or patterns such as ``y_pred*``.
    exclude: tuple[str, ...] = ()
    #: Replace slipway.toml and contract.toml when they are there.
    force: bool = False


@dataclass(frozen=True)
class InitReport:
    """What ``init_project`` made."""

    layout: Layout
    #: The table and how it was read; its plan stands in slipway.toml now.
    reading: Reading
    inference: Inference
    #: Where the rows lie that could not be read.
    quarantined: Path | None = None

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return self.reading.table.height

    @property
    def contract(self) -> Contract:
        """The contract written."""
        return self.inference.contract


_NO_OPTIONS = InitOptions()


def init_project(
    source: Path | str | Frame | pl.LazyFrame, target: str, folder: Path, options: InitOptions = _NO_OPTIONS
) -> InitReport:
    """Read a table, infer its contract, and write ``slipway.toml`` and ``contract.toml``.

    Nothing is written unless all of it can be.

    Args:
        source: a file of one of the formats that Slipway reads, or the URL of an object or a database.
            A frame (Polars, pandas, Arrow) is written to the folder as Parquet, and that file is the source.
        target: the column to predict.
        folder: of the project; made when absent.
        options: what the user knows better than the data.

    Raises:
        ConflictError: the folder is a project already, and ``options.force`` is not set.
        SourceError, TargetError, DataError, UsageError: see ``read_source`` and ``infer``.
        StoreError: the folder cannot be written.
    """
    layout = Layout(folder)
    if not options.force:
        _refuse_existing(layout)
    frame = None if isinstance(source, Path | str) else from_frame(source)
    if not isinstance(source, Path | str):
        source = folder / f"{options.name or 'table'}.parquet"
    reading = _read(source, frame, options)
    _refuse_idle(options, reading.plan, database=frame is None and locate(source).is_database)
    hints = Hints(options.task, options.time, options.group, options.exclude)
    inference = infer(reading.table, target, hints)
    settings = render_settings(
        msgspec.structs.replace(reading.plan, source=relocated(source, folder)),
        inference,
        name=options.name or _project_name(locate(source).stem),
        owner=options.owner,
    )
    parse_config(settings)
    try:
        layout.create()
        (layout.state / ".gitignore").write_text("*\n", encoding="utf-8")
        if frame is not None:
            write_atomic(Path(source), _parquet(reading.table))
        quarantined = quarantine(layout, reading)
        write_atomic(layout.contract, dump_contract(inference.contract).encode())
        write_atomic(layout.config, settings.encode())
    except OSError as error:
        raise StoreError(
            expected="a folder to write the project to",
            got=error.strerror or type(error).__name__,
            where=str(folder),
            next_step="choose another folder, or mend its permissions",
        ) from None
    return InitReport(layout, reading, inference, quarantined)


def _read(source: Path | str, frame: pl.DataFrame | None, options: InitOptions) -> Reading:
    plan = _reading(str(source), options)
    if frame is None:
        return read_source(source, plan)
    if isinstance(source, Path) and source.exists() and not options.force:
        raise ConflictError(
            expected="a folder without a table of this name",
            got=f"one with {source.name}",
            where=str(source.parent),
            next_step="choose another name, or replace the table with force",
        )
    return Reading(canonical(frame, exclude=options.exclude), msgspec.structs.replace(plan, format="parquet"))


def _refuse_idle(options: InitOptions, plan: Data, *, database: bool) -> None:
    """Refuse options that say nothing about a source of this kind."""
    kind = "database" if database else str(plan.format)
    formats = {key: used for key, _, used in _READING if used} | {"query": ("database",)}
    for key, used in formats.items():
        if getattr(options, key, None) not in (None, ()) and kind not in used:
            raise UsageError(
                expected=f"--{key} with a source that it is for ({', '.join(used)})",
                got=f"one that is {kind}",
                where=locate(plan.source).shown,
                next_step="leave the option out",
            )


def _parquet(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    table.write_parquet(file)
    return file.getvalue()


def load_project(layout: Layout) -> tuple[Config, Contract]:
    """The settings and the contract of a project, brought into line with each other.

    The target and ``data.time``, ``data.group`` and ``data.exclude`` of slipway.toml win over the roles in
    contract.toml.

    Raises:
        ConfigError: a file does not read, or slipway.toml names a column that the contract does not have.
    """
    config = load_config(layout.config)
    return config, reconcile(load_contract(layout.contract), config)


def reconcile(contract: Contract, config: Config) -> Contract:
    """The contract with the roles that the settings ask for.

    Raises:
        ConfigError: the settings name a column that the contract does not have.
    """
    data, names = config.data, [column.name for column in contract.columns]
    for key, name in (
        ("project.target", config.project.target),
        ("data.time", data.time),
        ("data.group", data.group),
        *(("data.exclude", pattern) for pattern in data.exclude),
    ):
        if name is not None and not matching([name], names):
            raise ConfigError(
                expected=f"{key} to name a column of contract.toml",
                got=repr(name),
                where="slipway.toml",
                next_step="correct the name, or run `slipway init --force` on the new table",
            )
    excluded = set(matching(data.exclude, names))
    columns = tuple(_settled(column, config, excluded) for column in contract.columns)
    return msgspec.structs.replace(contract, columns=columns)


def _settled(column: Column, config: Config, excluded: set[str]) -> Column:
    if column.name == config.project.target:
        return msgspec.structs.replace(column, role="target")
    for role, name in (("time", config.data.time), ("group", config.data.group)):
        if column.name == name:
            return msgspec.structs.replace(column, role=role)
        if column.role == role and name is not None:
            return msgspec.structs.replace(column, role="feature")
    if column.name in excluded and column.role != "ignore":
        return msgspec.structs.replace(column, role="ignore", reason="excluded in slipway.toml")
    return column


def _refuse_existing(layout: Layout) -> None:
    for path in (layout.config, layout.contract):
        if path.exists():
            raise ConflictError(
                expected="a folder without a project",
                got=f"one with {path.name}",
                where=str(layout.root),
                next_step="choose another folder, or replace both files with --force",
            )


def _reading(source: str, options: InitOptions) -> Data:
    """The ``[data]`` section that reads the table as it is read now."""
    plain = Data(source=source)
    return Data(
        source=source,
        query=options.query,
        sheet=options.sheet,
        encoding=options.encoding or plain.encoding,
        columns=options.columns,
        header=options.header,
        separator=options.separator,
        trailing_dots=options.trailing_dots,
        missing=plain.missing if options.missing is None else options.missing,
        time=options.time,
        group=options.group,
        exclude=options.exclude,
    )


def _project_name(stem: str) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")
    return (name if name[:1].isalpha() else f"p-{name}".rstrip("-"))[:63]


def render_settings(data: Data, inference: Inference, *, name: str, owner: str = "") -> str:
    """``slipway.toml`` with a line on what each setting does; ``parse_config`` reads it."""
    contract = inference.contract
    lines = [
        "# Settings of this project. What is commented out shows the default.",
        "# What each column must look like is in contract.toml.",
        "",
        "[project]",
        f"name = {toml_value(name)}  # also the name of the model and of its endpoint",
        f"task = {toml_value(inference.task)}  # binary, multiclass or regression",
        f"target = {toml_value(contract.target.name)}  # the column to predict",
        *_positive(inference),
        _setting("owner", owner, "the team to ask"),
        "",
        "[data]",
        *_reading_plan(data),
        _setting(
            "time",
            contract.time.name if contract.time else None,
            "orders the rows; the newest test the model",
        ),
        _setting("group", data.group, "rows with the same value stay on one side of the split"),
        _setting("exclude", data.exclude, "columns that no model may read; y_pred* stands for several"),
        _DEFAULTS,
    ]
    return "\n".join(lines)


_PLAIN = Data(source="")

#: Each reading setting: what it does, and the formats that use it (none: databases too).
_READING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("format", "csv, jsonl, parquet, arrow or excel", ()),
    ("encoding", "of the text", ("csv", "jsonl")),
    ("columns", "names for a file without a header line", ("csv", "excel")),
    ("header", "whether the first line holds names", ("csv", "excel")),
    ("separator", "between the fields", ("csv",)),
    ("quoted", "whether double quotes hold a value together, or are text", ("csv",)),
    ("comment", "what a line starts with that is no row", ("csv",)),
    ("sheet", "of the workbook", ("excel",)),
    ("missing", "texts that mean: no value", ("csv", "jsonl", "excel")),
    ("trailing_dots", "columns whose values lose a dot at their end", ()),
    ("max_bad_rows", "largest share of rows that may be set aside as unreadable", ("csv", "jsonl")),
)


def reading_plan(data: Data) -> list[tuple[str, Value | tuple[str, ...], str]]:
    """How a source is read: name, value and meaning of each setting that it needs."""
    found: list[tuple[str, Value | tuple[str, ...], str]] = []
    for key, note, formats in _READING:
        value = getattr(data, key)
        if value != getattr(_PLAIN, key) or (data.format in formats and value not in (None, ())):
            found.append((key, value, note))
    return found


def _reading_plan(data: Data) -> list[str]:
    """The plan as settings: what was found stands as a value, so that it is never guessed again."""
    lines = [f"source = {toml_value(data.source)}  # a relative path starts at this folder"]
    if data.query is not None:
        lines.append(f"query = {toml_value(data.query)}  # what the database is asked")
    planned = {key for key, _, _ in reading_plan(data)}
    for key, note, formats in _READING:
        value = getattr(data, key)
        if key in planned and value != getattr(_PLAIN, key):
            lines.append(f"{key} = {toml_value(value)}  # {note}")
        elif data.format in formats:
            lines.append(_setting(key, value, note, shown=True))
    return lines


_EXAMPLES: dict[str, str] = {
    "comment": '"#"',
    "sheet": '"2024"',
    "columns": '["age", "income"]',
    "separator": '";"',
    "time": '"timestamp"',
    "group": '"customer"',
    "exclude": '["customer_id"]',
    "owner": '"risk-team"',
}


def _setting(key: str, value: str | tuple[str, ...] | None, note: str, *, shown: bool = False) -> str:
    """A line with the value, or, where it is the default, a comment that shows the setting."""
    if value and not shown:
        return f"{key} = {toml_value(value)}  # {note}"
    return f"# {key} = {_EXAMPLES.get(key) or toml_value(value)}  # {note}"


def _positive(inference: Inference) -> list[str]:
    """The label that counts as 1, where there are two."""
    if inference.task != "binary":
        return []
    positive: Value = max(inference.classes, key=_label_order)
    return [f"positive = {toml_value(positive)}  # the label whose probability is predicted"]


def _label_order(label: Value) -> tuple[float, str]:
    return (0.0, label) if isinstance(label, str) else (float(label or 0), "")


_DEFAULTS = """
[train]
# budget = "1m"  # time to spend on fitting: 30s, 5m, 2h
# candidates = ["linear", "lightgbm"]
# holdout = 0.25  # share of the rows that test the model
# seed = 0

[gates]  # what a new version must reach before it may be launched
# auc = {min = 0.8}
# brier = {max = 0.2}

[serve]
# port = 8080
# workers = 2
# on_invalid = "reject"  # a request with unknown columns is refused; "flag" answers and counts it

[rollout]
# promote = "auto"  # "approve" waits for a person before a version goes live
# alpha = 0.05  # how often, at most, a version that is not better may be promoted
# margin = 0.0  # loss difference that does not matter

[monitor]
# false_alarms = "1 per 90d"

[retrain]
# on = ["risk", "drift"]  # alarms that start a new training
# min_labels = 5000
"""
