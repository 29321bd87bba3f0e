"""What changed between two snapshots: rows, schema, and how each column is distributed.

Rows are told apart by two 64-bit hashes, which are all that is held of them: 16 bytes per row, 32 with a key.
Columns are read one at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from slipway.base.errors import DataError, NotFoundError
from slipway.base.layout import Layout
from slipway.data.manifests import Manifest, load_manifest
from slipway.data.stored import iter_snapshot, snapshot_column

#: Bins of a number: tenths of the first snapshot. Of a text: its most frequent values in both, and the rest.
_BINS, _LEVELS = 10, 30
_ROW, _KEY = ("row_1", "row_2"), ("key_1", "key_2")

Counts = NDArray[np.float64]


class ColumnShift(msgspec.Struct, frozen=True, kw_only=True):
    """How one column is distributed in the two snapshots, first and second."""

    name: str
    type: str
    #: Share of missing values.
    missing: tuple[float, float]
    #: Of a number, or of a bool as 0 and 1; None where there is no value.
    mean: tuple[float | None, float | None]
    #: Number of different values, missing not counted.
    distinct: tuple[int, int]
    #: Total variation distance in [0, 1]: the share of rows that lie in other bins than before.
    distance: float
    #: The distance to expect between two such samples of one distribution.
    by_chance: float
    #: Rows in both snapshots whose value changed; None without a key.
    changed: int | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two snapshots, first and second; the order of their rows does not count.

    Without a key a row that changed is one removed and one added. Rows are compared in the columns that both
    snapshots have; a column that changed its type counts as equal where its numbers, or else its texts, are.
    """

    first: str
    second: str
    rows: tuple[int, int]
    key: tuple[str, ...]
    added: int
    removed: int
    #: None without a key.
    changed: int | None
    same: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    #: Name, type in the first, type in the second.
    columns_retyped: tuple[tuple[str, str, str], ...]
    #: In the order of the first snapshot.
    columns: tuple[ColumnShift, ...]


def compare(layout: Layout, first: str, second: str, key: Sequence[str] = ()) -> Comparison:
    """Compare two snapshots.

    Args:
        layout: of the project.
        first, second: their digests.
        key: columns that name each row once, in both; without them rows are compared as a whole.

    Raises:
        NotFoundError: no such snapshot, or no such key column in both.
        DataError: a key that several rows have.
        IntegrityError: the stored rows are not those that the digest names.
    """
    old, new = load_manifest(layout, first), load_manifest(layout, second)
    types = dict(old.columns), dict(new.columns)
    common = [name for name in types[0] if name in types[1]]
    absent = [name for name in key if name not in common]
    if absent:
        raise NotFoundError(
            expected="key columns that both snapshots have",
            got=f"{absent[0]!r}, which one of them lacks",
            where="the key",
            next_step="see `slipway data show SNAPSHOT` for the columns",
        )
    forms = {name: _common_form(types[0][name], types[1][name]) for name in common}
    rows = _by_key(layout, old, new, forms, key) if key else _by_content(layout, old, new, forms)
    columns = [_shift(layout, old, new, name, forms[name], rows) for name in common]
    return Comparison(
        first=first,
        second=second,
        rows=(old.rows, new.rows),
        key=tuple(key),
        added=rows.added,
        removed=rows.removed,
        changed=rows.changed.height if key else None,
        same=old.rows - rows.removed - rows.changed.height,
        columns_added=tuple(name for name in types[1] if name not in types[0]),
        columns_removed=tuple(name for name in types[0] if name not in types[1]),
        columns_retyped=tuple(
            (name, types[0][name], types[1][name]) for name in common if types[0][name] != types[1][name]
        ),
        columns=tuple(columns),
    )


class _Rows(msgspec.Struct, frozen=True):
    """Counts, and the positions ``at``, ``at_right`` of the changed rows in the two snapshots."""

    added: int
    removed: int
    changed: pl.DataFrame


def _common_form(old: str, new: str) -> pl.DataType | None:
    """The type in which values of both types are compared; None: as they are."""
    if old == new:
        return None
    return pl.Float64() if {old, new} == {"int", "float"} else pl.String()


def _formed(series: pl.Series, form: pl.DataType | None) -> pl.Series:
    return series if form is None else series.cast(form)


def _fingerprints(
    layout: Layout,
    manifest: Manifest,
    forms: Mapping[str, pl.DataType | None],
    names: Mapping[tuple[str, str], Collection[str]],
    leave_out: Collection[int] = (),
) -> pl.DataFrame:
    """Two hashes per row over each of the sets of columns."""
    parts: list[pl.DataFrame] = []
    for block in iter_snapshot(layout, manifest.digest, leave_out=leave_out):
        formed = pl.DataFrame([_formed(block[name], form) for name, form in forms.items()])
        parts.append(
            pl.DataFrame(
                [
                    _hashes(formed, columns, seed).alias(target)
                    for targets, columns in names.items()
                    for seed, target in enumerate(targets)
                ]
            )
        )
    empty = pl.DataFrame(schema={target: pl.UInt64 for targets in names for target in targets})
    return pl.concat([empty, *parts])


def _hashes(table: pl.DataFrame, columns: Collection[str], seed: int) -> pl.Series:
    chosen = table.select(columns)
    if not chosen.width:
        return pl.Series([0], dtype=pl.UInt64).new_from_index(0, table.height)
    return chosen.hash_rows(seed)


def _by_content(
    layout: Layout, old: Manifest, new: Manifest, forms: Mapping[str, pl.DataType | None]
) -> _Rows:
    shared: tuple[Collection[int], Collection[int]] = ((), ())
    if old.columns == new.columns:
        both = Counter(old.blocks) & Counter(new.blocks)
        shared = _first_of(old.blocks, both), _first_of(new.blocks, both)
    counts = [
        _fingerprints(layout, manifest, forms, {_ROW: list(forms)}, skip).group_by(_ROW).len()
        for manifest, skip in zip((old, new), shared, strict=True)
    ]
    joined = counts[0].join(counts[1], on=_ROW, how="full", coalesce=True)
    more = joined["len_right"].fill_null(0).cast(pl.Int64) - joined["len"].fill_null(0).cast(pl.Int64)
    return _Rows(int(more.clip(lower_bound=0).sum()), int((-more).clip(lower_bound=0).sum()), pl.DataFrame())


def _first_of(blocks: Sequence[str], wanted: Counter[str]) -> set[int]:
    """Positions of as many blocks of each digest as wanted."""
    left = Counter(wanted)
    found: set[int] = set()
    for at, block in enumerate(blocks):
        if left[block] > 0:
            left[block] -= 1
            found.add(at)
    return found


def _by_key(
    layout: Layout,
    old: Manifest,
    new: Manifest,
    forms: Mapping[str, pl.DataType | None],
    key: Sequence[str],
) -> _Rows:
    made: list[pl.DataFrame] = []
    for manifest in (old, new):
        rows = _fingerprints(layout, manifest, forms, {_KEY: key, _ROW: list(forms)})
        repeated = rows.height - rows.select(_KEY).n_unique()
        if repeated:
            raise DataError(
                expected="a key that each row has to itself",
                got=f"{repeated} rows with the key of another",
                where=f"snapshot {manifest.digest[:16]}",
                next_step="name more columns, or compare without a key",
            )
        made.append(rows.with_row_index("at"))
    both = made[0].join(made[1], on=_KEY, how="inner")
    differs = (pl.col(_ROW[0]) != pl.col(f"{_ROW[0]}_right")) | (
        pl.col(_ROW[1]) != pl.col(f"{_ROW[1]}_right")
    )
    changed = both.filter(differs).select("at", "at_right")
    return _Rows(made[1].height - both.height, made[0].height - both.height, changed)


def _shift(
    layout: Layout, old: Manifest, new: Manifest, name: str, form: pl.DataType | None, rows: _Rows
) -> ColumnShift:
    a, b = (_formed(snapshot_column(layout, each.digest, name), form) for each in (old, new))
    changed = None
    if rows.changed.width:
        pairs = a.gather(rows.changed["at"]), b.gather(rows.changed["at_right"])
        changed = int(pairs[0].ne_missing(pairs[1]).sum())
    counts = _binned(a, b)
    distance, by_chance = _distance(*counts)
    return ColumnShift(
        name=name,
        type=dict(new.columns)[name],
        missing=(_missing(a), _missing(b)),
        mean=(_mean(a), _mean(b)),
        distinct=(a.drop_nulls().n_unique(), b.drop_nulls().n_unique()),
        distance=distance,
        by_chance=by_chance,
        changed=changed,
    )


def _missing(series: pl.Series) -> float:
    return series.null_count() / len(series) if len(series) else 0.0


def _mean(series: pl.Series) -> float | None:
    if series.dtype == pl.String:
        return None
    mean = series.cast(pl.Float64).mean()
    # a column may hold infinities, whose mean JSON cannot carry
    return mean if isinstance(mean, float) and math.isfinite(mean) else None


def _binned(a: pl.Series, b: pl.Series) -> tuple[Counts, Counts]:
    """Rows per bin, missing ones last."""
    codes = _number_codes(a, b) if a.dtype.is_numeric() else _level_codes(a, b)
    bins = max((int(part.max(initial=-1)) for part in codes), default=-1) + 1
    made = [np.bincount(part, minlength=bins).astype(np.float64) for part in codes]
    lost = [float(series.null_count()) for series in (a, b)]
    return np.append(made[0], lost[0]), np.append(made[1], lost[1])


def _number_codes(a: pl.Series, b: pl.Series) -> list[NDArray[np.int64]]:
    values = [series.drop_nulls().cast(pl.Float64).to_numpy() for series in (a, b)]
    known = values[0] if len(values[0]) else values[1]
    if not len(known):
        return [np.zeros(0, np.int64)] * 2
    inner = np.quantile(known, np.arange(1, _BINS) / _BINS, method="inverted_cdf")
    edges = np.unique(inner)
    return [np.searchsorted(edges, part, side="left").astype(np.int64) for part in values]


def _level_codes(a: pl.Series, b: pl.Series) -> list[NDArray[np.int64]]:
    texts = [series.drop_nulls().cast(pl.String) for series in (a, b)]
    counted = pl.concat(texts).value_counts(sort=True, name="n")
    levels = counted[counted.columns[0]].head(_LEVELS)
    codes = pl.DataFrame({"level": levels, "code": pl.int_range(len(levels), eager=True)})
    return [
        pl.DataFrame({"level": part})
        .join(codes, on="level", how="left", maintain_order="left")["code"]
        .fill_null(len(levels))
        .cast(pl.Int64)
        .to_numpy()
        for part in texts
    ]


def _distance(a: Counts, b: Counts) -> tuple[float, float]:
    n, m = a.sum(), b.sum()
    if not n or not m:
        return (0.0 if n == m else 1.0), 0.0
    pooled = (a + b) / (n + m)
    # mean of |X| for a normal X is its deviation times sqrt(2 / pi)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    chance = float(spread.sum()) * math.sqrt(2 / math.pi) / 2
    return float(np.abs(a / n - b / m).sum()) / 2, min(chance, 1.0)
