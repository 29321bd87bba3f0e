"""What the commands print: tables and lines for people, one JSON document for machines."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import msgspec

from slipway.base.errors import RefusedError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Set by ``--json``: then stdout carries one JSON document and nothing else; people's text goes nowhere.
_machine_readable = False


def set_json(wanted: bool) -> None:
    """Choose between text for people and JSON for machines, once per command."""
    global _machine_readable  # noqa: PLW0603  (one process runs one command)
    _machine_readable = _machine_readable or wanted


def wants_json() -> bool:
    """Whether this command was asked for JSON."""
    return _machine_readable


def console(*, stderr: bool = False) -> Console:
    """A rich console on stdout, or on stderr."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def say(text: RenderableType) -> None:
    """Print for people; silent under ``--json``."""
    if not _machine_readable:
        console().print(text)


def emit(document: object) -> None:
    """Print the JSON document of a command; silent without ``--json``."""
    if _machine_readable:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode())
        sys.stdout.write("\n")
        sys.stdout.flush()


def refuse(error: RefusedError) -> NoReturn:
    """End a command whose document is printed already: exit code 1, and for people the reason.

    Raises:
        RefusedError: for people, who see it as the last line.
    """
    if not _machine_readable:
        raise error
    sys.exit(error.exit_code)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people; columns that hold numbers only are aligned to the right."""
    if _machine_readable:
        return
    from rich.table import Table

    body = [[_cell(value) for value in row] for row in rows]
    shown = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for at, name in enumerate(columns):
        numeric = bool(body) and all(_numeric(row[at]) for row in body)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        shown.add_row(*row)
    console().print(shown)


def _cell(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return escape(str(value))


def _numeric(cell: str) -> bool:
    return cell == "-" or cell.replace(",", "").replace(".", "").lstrip("-").replace("e", "").isdigit()


class Progress:
    """Takes progress reports ``(done share 0..1, what is being done)``."""

    def __call__(self, share: float, message: str) -> None:
        """Show one report."""


@contextmanager
def progress(title: str) -> Generator[Progress]:
    """A progress bar on stderr while the block runs; silent under ``--json`` or without a terminal."""
    shown = console(stderr=True)
    if _machine_readable or not shown.is_terminal:
        yield Progress()
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=shown, transient=True
    )

    class Shown(Progress):
        def __call__(self, share: float, message: str) -> None:
            bar.update(task, total=1.0, completed=share, description=message)

    with bar:
        task = bar.add_task(title, total=None)  # it pulses until the first report
        yield Shown()
