"""Tables that are in memory already: Polars, pandas, Arrow, and whatever else speaks the Arrow C stream."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol, cast, runtime_checkable

import polars as pl
import pyarrow as pa

from slipway.base.errors import SourceError


@runtime_checkable
class Frame(Protocol):
    """A table in the memory of this process, as all frame libraries hand it out."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table as an Arrow C stream."""
        ...


def from_frame(frame: object) -> pl.DataFrame:
    """The frame as a Polars table.

    A pandas index goes, unless it has a name: then it becomes the first column.

    Raises:
        SourceError: no frame, repeated column names, or a column of values that do not go together.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if not isinstance(frame, Frame):
        raise SourceError(
            expected="a frame of Polars, pandas or Arrow",
            got=f"a {type(frame).__name__}",
            where="the table given",
            next_step="turn it into one of them",
        )
    made = _with_index(frame) if type(frame).__module__.partition(".")[0] == "pandas" else frame
    try:
        return pl.DataFrame(made)
    except (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise SourceError(
            expected="columns of numbers, text, booleans or times",
            got=f"one with values that do not go together ({type(error).__name__})",
            where="the frame given",
            next_step="give each column one type, or make it text",
        ) from None


def _with_index(frame: object) -> Frame:
    """A pandas frame whose columns have different names, all text, and whose index says nothing more."""
    known = cast(Any, frame)
    made = known.reset_index(drop=known.index.names == [None])
    names = [str(name) for name in made.columns]
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        raise SourceError(
            expected="different names for all columns",
            got=f"{', '.join(map(repr, repeated[:5]))} more than once",
            where="the frame given",
            next_step="rename the repeated columns",
        )
    return made.set_axis(names, axis=1)
