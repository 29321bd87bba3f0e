"""``slipway sql``: one statement over the project's views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from slipway.base.errors import UsageError
from slipway.base.layout import Layout
from slipway.store.query import connect

#: Errors whose text is about the statement; others, such as a failed cast, would quote values of rows.
_ABOUT_THE_STATEMENT = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)


@dataclass(frozen=True)
class Answer:
    """Rows of a query under the names of their columns."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def run_query(layout: Layout, query: str) -> Answer:
    """Run one statement, read only.

    Raises:
        UsageError: the statement does not run.
        NotFoundError, StoreError, IntegrityError: see ``slipway.store.query.connect``.
    """
    connection = connect(layout)
    try:
        result = connection.execute(query)
        columns = [column[0] for column in result.description or []]
        return Answer(columns, result.fetchall())
    except duckdb.Error as error:
        text = str(error).splitlines()[0] if isinstance(error, _ABOUT_THE_STATEMENT) else type(error).__name__
        raise UsageError(
            expected="a statement that runs",
            got=text,
            where="the query",
            next_step="views: predictions, shadows, dropped, outcomes, labelled, decisions, versions",
        ) from None
    finally:
        connection.close()
