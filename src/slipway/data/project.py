"""A project folder from a table: ``slipway.toml`` and ``contract.toml``, written to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from slipway.base.config import Config, Data, load_config, parse_config
from slipway.base.errors import ConfigError, ConflictError, StoreError
from slipway.base.files import write_atomic
from slipway.base.layout import Layout
from slipway.base.vocabulary import Task, Value
from slipway.data.contract import Column, Contract, dump_contract, load_contract, toml_value
from slipway.data.inference import Hints, Inference, infer
from slipway.data.source import read_table
from slipway.data.tables import matching


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """What the user says beside the file and the target."""

    #: Default: the file's name without its suffix.
    name: str | None = None
    owner: str = ""
    task: Task | None = None
    #: Names of all columns of a file without a header line.
    columns: tuple[str, ...] = ()
    separator: str | None = None
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
    rows: int
    inference: Inference

    @property
    def contract(self) -> Contract:
        """The contract written."""
        return self.inference.contract


_NO_OPTIONS = InitOptions()


def init_project(file: Path, target: str, folder: Path, options: InitOptions = _NO_OPTIONS) -> InitReport:
    """Read a table, infer its contract, and write ``slipway.toml`` and ``contract.toml``.

    Nothing is written unless all of it can be.

    Args:
        file: CSV or Parquet.
        target: the column to predict.
        folder: of the project; made when absent.
        options: what the user knows better than the data.

    Raises:
        ConflictError: the folder is a project already, and ``options.force`` is not set.
        SourceError, TargetError, DataError, UsageError: see ``read_table`` and ``infer``.
        StoreError: the folder cannot be written.
    """
    layout = Layout(folder)
    if not options.force:
        _refuse_existing(layout)
    table = read_table(file, _reading(str(file), options))
    hints = Hints(options.task, options.time, options.group, options.exclude)
    inference = infer(table, target, hints)
    settings = render_settings(
        _reading(_relative(file, folder), options),
        inference,
        name=options.name or _project_name(file.stem),
        owner=options.owner,
    )
    parse_config(settings)
    try:
        layout.create()
        (layout.state / ".gitignore").write_text("*\n", encoding="utf-8")
        write_atomic(layout.contract, dump_contract(inference.contract).encode())
        write_atomic(layout.config, settings.encode())
    except OSError as error:
        raise StoreError(
            expected="a folder to write the project to",
            got=error.strerror or type(error).__name__,
            where=str(folder),
            next_step="choose another folder, or mend its permissions",
        ) from None
    return InitReport(layout, table.height, inference)


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
        columns=options.columns,
        separator=options.separator,
        missing=plain.missing if options.missing is None else options.missing,
        time=options.time,
        group=options.group,
        exclude=options.exclude,
    )


def _relative(file: Path, folder: Path) -> str:
    """The path as seen from the project: relative inside it, so that the folder can move; else absolute."""
    source, root = file.resolve(), folder.resolve()
    return source.relative_to(root).as_posix() if source.is_relative_to(root) else str(source)


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
        f"source = {toml_value(data.source)}  # CSV or Parquet; a relative path starts at this folder",
        _setting("columns", data.columns, "names for a file without a header line"),
        _setting("separator", data.separator, "default: found from the first lines"),
        _setting("missing", data.missing, "texts that mean: no value", shown=data.missing == _MARKERS),
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


_MARKERS = Data(source="").missing

_EXAMPLES: dict[str, str] = {
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
