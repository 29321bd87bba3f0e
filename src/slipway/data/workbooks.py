"""Excel workbooks: one sheet, its first row the names."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from slipway.base.config import Data
from slipway.base.errors import SourceError
from slipway.data.reading import Reading, without_markers


def read_workbook(path: Path, data: Data, where: str) -> Reading:
    """Read a sheet of a workbook (xlsx, xlsm, xlsb, xls, ods); ``data.sheet`` names it, default: the first.

    Raises:
        SourceError: the workbook does not open (broken, or with a password), has no such sheet, or repeated
            column names.
    """
    import fastexcel

    try:
        workbook = fastexcel.read_excel(path.read_bytes())
    except fastexcel.FastExcelError as error:
        secret = "password" in str(error).lower() or "encrypt" in str(error).lower()
        raise SourceError(
            expected="an Excel workbook",
            got="one that needs a password"
            if secret
            else "a zip archive or an Excel workbook that does not open",
            where=where,
            next_step="save it again without password" if secret else "unpack it, or open and save it again",
        ) from None
    sheet = _sheet(workbook.sheet_names, data, where)
    try:
        with _quiet():
            table, header = _table(workbook, sheet, data, where)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            expected="a sheet of rows and columns",
            got=f"one that does not read ({type(error).__name__})",
            where=f"{where}, sheet {sheet!r}",
            next_step="keep one table on the sheet, from its first cell on, or export CSV",
        ) from None
    table = pl.DataFrame([_plain(series, data.missing) for series in table.get_columns()])
    return Reading(table, msgspec.structs.replace(data, format="excel", sheet=sheet, header=header))


@contextmanager
def _quiet() -> Generator[None]:
    """The reader warns of each column without values, on the terminal; such a column is no news."""
    logger = logging.getLogger("fastexcel")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _plain(series: pl.Series, missing: tuple[str, ...]) -> pl.Series:
    """A column without markers; whole numbers are integers, of which a workbook knows nothing."""
    if series.dtype == pl.String:
        return without_markers(series, missing)
    if series.dtype == pl.Float64 and bool((series.drop_nulls() % 1 == 0).all()):
        whole = series.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == series.null_count() else series
    return series


def _sheet(names: list[str], data: Data, where: str) -> str:
    if data.sheet is None and names:
        return names[0]
    if data.sheet in names:
        return str(data.sheet)
    raise SourceError(
        expected=f"a sheet {data.sheet!r}",
        got="a workbook with " + (", ".join(map(repr, names[:8])) or "no sheets"),
        where=where,
        next_step="correct data.sheet (--sheet)",
    )


def _table(workbook: Any, sheet: str, data: Data, where: str) -> tuple[pl.DataFrame, bool]:
    """The rows, and whether the first of them was the header."""
    top = workbook.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
    first = [str(cell or "").strip() for cell in (top.row(0) if top.height else ())]
    header = data.header
    if header is None:
        same = sum(name == given for name, given in zip(first, data.columns, strict=False))
        header = not data.columns or same * 2 > len(data.columns)
    given = list(data.columns) or (first if header else [f"column_{n}" for n, _ in enumerate(first, start=1)])
    names = [name or f"unnamed_{position}" for position, name in enumerate(given, start=1)]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated or len(names) != len(first):
        raise SourceError(
            expected=f"different names for all {len(first)} columns",
            got=f"{', '.join(map(repr, repeated[:5]))} more than once" if repeated else f"{len(names)} names",
            where=f"{where}, sheet {sheet!r}",
            next_step="rename the columns in the sheet, or give all names (--columns a,b,c)",
        )
    loaded = workbook.load_sheet(
        sheet, header_row=None, skip_rows=1 if header else 0, schema_sample_rows=None
    )
    table = loaded.to_polars()
    if table.width != len(names):
        table = pl.DataFrame(schema=dict.fromkeys(names, pl.String)) if not table.height else table
    table.columns = names
    return table.filter(~pl.all_horizontal(pl.all().is_null())), header
