"""``slipway.toml`` decoded into frozen structs; unknown keys are refused by name."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from slipway.base.errors import ConfigError
from slipway.base.quantities import parse_duration, rows_between_false_alarms
from slipway.base.vocabulary import Task

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Candidate = Literal["linear", "lightgbm"]
Format = Literal["csv", "jsonl", "parquet", "arrow", "excel"]
Objective = Literal["brier", "absolute"]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections: keyword-only, immutable, strict."""


class Project(_Section, frozen=True):
    """``[project]``: what is predicted, for whom."""

    name: Name
    task: Task
    target: str
    #: Label that counts as 1 in a binary task; default: the larger of the two labels.
    positive: str | int | float | bool | None = None
    owner: str = ""


class Data(_Section, frozen=True):
    """``[data]``: where the rows come from and how to read them."""

    #: A path, or the URL of an object or of a database; ``${NAME}`` stands for an environment variable.
    source: str
    #: What to ask a database.
    query: str | None = None
    format: Format | None = None
    encoding: str = "utf-8"
    #: Names of the columns of a file without a header line.
    columns: tuple[str, ...] = ()
    header: bool | None = None
    separator: str | None = None
    #: Whether double quotes hold a value together, or are text.
    quoted: bool | None = None
    #: What a line starts with that is no row.
    comment: str | None = None
    sheet: str | None = None
    #: Columns, or patterns, whose values lose a dot at their end.
    trailing_dots: tuple[str, ...] = ()
    #: Largest share of rows that may be set aside because they cannot be read.
    max_bad_rows: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.001
    missing: tuple[str, ...] = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL")
    time: str | None = None
    group: str | None = None
    exclude: tuple[str, ...] = ()


class Train(_Section, frozen=True):
    """``[train]``: how much to spend on fitting, and on what."""

    budget: str = "1m"
    candidates: tuple[Candidate, ...] = ("linear", "lightgbm")
    holdout: Share = 0.25
    #: Time between the newest row to train on and the oldest held-out one; only with a time column.
    gap: str | None = None
    prefer_simple: bool = True
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def budget_seconds(self) -> float:
        """Wall-clock seconds that the search may take."""
        return parse_duration(self.budget, "train.budget")

    @property
    def gap_seconds(self) -> float:
        """Seconds of ``gap``; 0 without one."""
        return 0.0 if self.gap is None else parse_duration(self.gap, "train.gap")


class Bound(_Section, frozen=True):
    """Limits of one gate: ``{max = 0.06}`` or ``{min = 0.95}``."""

    min: float | None = None
    max: float | None = None


class Serve(_Section, frozen=True):
    """``[serve]``: how the gateway answers."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    on_invalid: Literal["reject", "flag"] = "reject"
    max_body: Annotated[int, msgspec.Meta(ge=1024)] = 8 * 1024 * 1024
    #: Rows that may wait to be scored unseen, per worker; more are dropped and counted.
    shadow_queue: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    #: Bytes of a log segment before the worker starts the next one.
    segment_bytes: Annotated[int, msgspec.Meta(ge=4096)] = 16 * 1024 * 1024


class Rollout(_Section, frozen=True):
    """``[rollout]``: what moves a challenger to champion and back."""

    promote: Literal["auto", "approve"] = "auto"
    alpha: Share = 0.05
    #: Loss difference that does not matter; 0 asks for strictly better.
    margin: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    #: Labelled pairs after a promotion during which the former champion scores in reverse shadow.
    bake_labels: Annotated[int, msgspec.Meta(ge=100)] = 5_000
    #: Labelled pairs after which a challenger without evidence is refused as undecided.
    max_labels: Annotated[int, msgspec.Meta(ge=100)] = 50_000


class Monitor(_Section, frozen=True):
    """``[monitor]``: how watchful, at which price in false alarms."""

    false_alarms: str = "1 per 90d"
    #: Traffic; default: rows per day of the training table's time column, else 10 000.
    rows_per_day: Annotated[float, msgspec.Meta(gt=0)] | None = None
    #: Shift of a bin's share that is tolerated before it counts as drift.
    tolerance: Annotated[float, msgspec.Meta(ge=0, lt=0.5)] = 0.02
    #: Rise of the risk above its held-out bound that is tolerated.
    risk_tolerance: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0

    def run_length(self, rows_per_day: float) -> float:
        """Rows between two tolerated false alarms."""
        return rows_between_false_alarms(
            self.false_alarms, self.rows_per_day or rows_per_day, "monitor.false_alarms"
        )


class Retrain(_Section, frozen=True):
    """``[retrain]``: which alarms start a new model, and on how many labelled rows since the change."""

    on: tuple[Literal["risk", "drift"], ...] = ("risk", "drift")
    min_labels: Annotated[int, msgspec.Meta(ge=50)] = 5_000


class Config(_Section, frozen=True):
    """The whole of ``slipway.toml``."""

    project: Project
    data: Data
    train: Train = Train()
    gates: dict[str, Bound] = {}
    serve: Serve = Serve()
    rollout: Rollout = Rollout()
    monitor: Monitor = Monitor()
    retrain: Retrain = Retrain()

    @property
    def objective(self) -> Objective:
        """The bounded loss that decides: Brier for classes, clipped absolute error for numbers."""
        return "absolute" if self.project.task == "regression" else "brier"


def parse_config(text: str, where: str = "slipway.toml") -> Config:
    """Decode settings.

    Raises:
        ConfigError: names the key, what was expected and what came.
    """
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            expected="valid TOML", got=str(error), where=where, next_step="mend that line"
        ) from None
    except msgspec.ValidationError as error:
        raise ConfigError(
            expected="known settings of the documented types",
            got=str(error),
            where=where,
            next_step="see docs/configuration.md",
        ) from None
    config.train.budget_seconds  # noqa: B018  (a wrong duration is refused now, not in the middle of a run)
    config.train.gap_seconds  # noqa: B018
    config.monitor.run_length(10_000.0)
    return config


def load_config(path: Path) -> Config:
    """Read a settings file.

    Raises:
        ConfigError: the file is missing, or does not read as it should.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            expected="a readable UTF-8 settings file",
            got=type(error).__name__,
            where=str(path),
            next_step="create it with `slipway init FILE --target COLUMN`",
        ) from None
    return parse_config(text, path.name)


def config_digest(config: Config) -> str:
    """SHA-256 of the settings in canonical form: formatting and comments do not count."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()
