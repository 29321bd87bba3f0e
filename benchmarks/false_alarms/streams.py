"""Seeded tables whose change is known: a reference, and a stream that is still or moves at a known row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SEED = 20_261_120
LEVELS = 20
#: Share of missing cells in "nulls" while nothing changes.
NULLS = 0.05
#: Rows before the change, and rows in which it may be found.
QUIET_ROWS, HORIZON = 5_000, 20_000

#: float64 numbers, or text for categories
Cells = NDArray[Any]
Kind = Literal["number", "category"]
Sampler = Callable[[np.random.Generator, int], Cells]


def _normal(mean: float = 0.0, spread: float = 1.0) -> Sampler:
    return lambda rng, n: rng.normal(mean, spread, n)


def _skewed(scale: float = 1.0) -> Sampler:
    """Log-normal of log-sd 1, as prices and durations are."""
    return lambda rng, n: scale * rng.lognormal(size=n)


def _category(first: float = 1.0 / LEVELS) -> Sampler:
    """``LEVELS`` levels: the first with the given share, the others equal."""
    shares = np.full(LEVELS, (1.0 - first) / (LEVELS - 1))
    shares[0] = first
    names = np.array([f"level {level:02d}" for level in range(LEVELS)])
    return lambda rng, n: names[rng.choice(LEVELS, n, p=shares)]


def _nulls(share: float = NULLS) -> Sampler:
    """Standard normal with missing cells (NaN)."""
    return lambda rng, n: np.where(rng.random(n) < share, np.nan, rng.normal(size=n))


@dataclass(frozen=True)
class Column:
    """A column of the simulation: its kind, and how it is drawn while nothing changes."""

    kind: Kind
    title: str
    draw: Sampler


COLUMNS = {
    "normal": Column("number", "normal numbers", _normal()),
    "skewed": Column("number", "skewed numbers (log-normal)", _skewed()),
    "category": Column("category", f"category, {LEVELS} equal levels", _category()),
    "nulls": Column("number", f"normal numbers, {NULLS:.0%} missing", _nulls()),
}


@dataclass(frozen=True)
class Change:
    """What happens to a column at the row of the change."""

    column: str
    title: str
    draw: Sampler


CHANGES = {
    "mean+0.1": Change("normal", "mean + 0.1 sd", _normal(mean=0.1)),
    "mean+0.2": Change("normal", "mean + 0.2 sd", _normal(mean=0.2)),
    "mean+0.3": Change("normal", "mean + 0.3 sd", _normal(mean=0.3)),
    "mean+0.5": Change("normal", "mean + 0.5 sd", _normal(mean=0.5)),
    "mean+1": Change("normal", "mean + 1 sd", _normal(mean=1.0)),
    "sd*1.25": Change("normal", "sd x 1.25", _normal(spread=1.25)),
    "sd*1.5": Change("normal", "sd x 1.5", _normal(spread=1.5)),
    "scale*1.1": Change("skewed", "skewed, scale x 1.1", _skewed(1.1)),
    "scale*1.25": Change("skewed", "skewed, scale x 1.25", _skewed(1.25)),
    "scale*1.5": Change("skewed", "skewed, scale x 1.5", _skewed(1.5)),
    "level*1.5": Change("category", "one level 5 % -> 7.5 %", _category(0.075)),
    "level*2": Change("category", "one level 5 % -> 10 %", _category(0.10)),
    "level*4": Change("category", "one level 5 % -> 20 %", _category(0.20)),
    "nulls*1.5": Change("nulls", "missing 5 % -> 7.5 %", _nulls(0.075)),
    "nulls*2": Change("nulls", "missing 5 % -> 10 %", _nulls(0.10)),
    "nulls*4": Change("nulls", "missing 5 % -> 20 %", _nulls(0.20)),
}


@dataclass(frozen=True)
class Table:
    """What every tool is given: the same reference and the same stream.

    Attributes:
        name: file name without suffix.
        kinds: kind by column.
        reference: (m,) cells by column.
        stream: (n,) cells by column; numbers float64 with NaN for missing, categories text.
        start: first row of the first window (the row of the change where there is one).
    """

    name: str
    kinds: dict[str, Kind]
    reference: dict[str, Cells]
    stream: dict[str, Cells]
    start: int = 0

    def write(self, folder: Path) -> None:
        """``folder/name.npz`` for the workers, with the keys ``reference:COLUMN`` and ``stream:COLUMN``."""
        arrays = {f"reference:{column}": cells for column, cells in self.reference.items()}
        arrays |= {f"stream:{column}": cells for column, cells in self.stream.items()}
        np.savez(folder / f"{self.name}.npz", **arrays)  # pyright: ignore[reportArgumentType]  (names are data)


def generator(*key: int | str) -> np.random.Generator:
    """The generator of one piece of one stream: same key, same numbers.

    >>> bool(generator("normal", 3).integers(1000) == generator("normal", 3).integers(1000))
    True
    """
    parts = [part if isinstance(part, int) else int.from_bytes(part.encode()) for part in key]
    return np.random.default_rng([SEED, *parts])


def reference_of(column: str, rows: int, index: int) -> Cells:
    """Reference number ``index`` with so many rows, (rows,)."""
    return COLUMNS[column].draw(generator("reference", column, rows, index), rows)


def quiet(reference_rows: int, index: int, rows: int) -> Table:
    """All columns, nothing changes."""
    return Table(
        name=f"quiet-{reference_rows}-{index:02d}",
        kinds={name: column.kind for name, column in COLUMNS.items()},
        reference={name: reference_of(name, reference_rows, index) for name in COLUMNS},
        stream={
            name: column.draw(generator("quiet", name, reference_rows, index), rows)
            for name, column in COLUMNS.items()
        },
    )


def continuation(column: str, reference_rows: int, index: int, part: int, rows: int) -> Cells:
    """More of a quiet stream, (rows,); each ``part`` is another piece."""
    return COLUMNS[column].draw(generator("more", column, reference_rows, index, part), rows)


def changed(reference_rows: int, index: int) -> Table:
    """One column per change: ``QUIET_ROWS`` as in the reference, then ``HORIZON`` rows after the change."""
    stream: dict[str, Cells] = {}
    for name, change in CHANGES.items():
        rng = generator("changed", name, reference_rows, index)
        before = COLUMNS[change.column].draw(rng, QUIET_ROWS)
        stream[name] = np.concatenate([before, change.draw(rng, HORIZON)])
    return Table(
        name=f"changed-{reference_rows}-{index:02d}",
        kinds={name: COLUMNS[change.column].kind for name, change in CHANGES.items()},
        reference={
            name: reference_of(change.column, reference_rows, index) for name, change in CHANGES.items()
        },
        stream=stream,
        start=QUIET_ROWS,
    )


#: Error rates of the simulated classifier: before the change, and after it.
ERROR_RATE, WORSE = 0.056, (0.065, 0.075, 0.085, 0.11)


def answers(reference_rows: int, index: int, error_rate: float, rows: int, quiet_rows: int) -> Table:
    """Labels and hard answers of a classifier of two equal classes that errs independently of the class.

    The error rate is ``ERROR_RATE`` in the reference and in the first ``quiet_rows`` of the stream.
    """

    def draw(part: str, rates: NDArray[np.float64]) -> dict[str, Cells]:
        rng = generator("answers", part, reference_rows, index, round(error_rate * 1e6))
        label = rng.integers(0, 2, rates.size)
        answer = np.where(rng.random(rates.size) < rates, 1 - label, label)
        return {"label": label.astype(np.float64), "answer": answer.astype(np.float64)}

    rates = np.full(rows, error_rate)
    rates[:quiet_rows] = ERROR_RATE
    return Table(
        name=f"answers-{error_rate:g}-{reference_rows}-{index:02d}",
        kinds={"label": "number", "answer": "number"},
        reference=draw("reference", np.full(reference_rows, ERROR_RATE)),
        stream=draw("stream", rates),
        start=quiet_rows,
    )
