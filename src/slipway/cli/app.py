"""The ``slipway`` command: verbs, their exit codes, and errors in one line.

Exit codes: 0 done, 1 refused by a verdict, 2 usage or data, 3 system fault.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from slipway import __version__
from slipway.base.errors import SlipwayError
from slipway.cli import building, data, planning, records, serving, starting
from slipway.cli.demo import command as demo
from slipway.cli.output import console, emit, set_json, wants_json

app = typer.Typer(
    name="slipway",
    help="From a table to a model in production that proves itself, watches itself and hauls itself back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
starting.register(app)
building.register(app)
serving.register(app)
data.register(app)
records.register(app)
planning.register(app)
demo.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"slipway {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: ARG001  (handled by its callback)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")] = False,
) -> None:
    set_json(json)


def main() -> NoReturn:
    """Run one command and end the process with its exit code."""
    set_json("--json" in sys.argv[1:])
    try:
        app(standalone_mode=True)
    except SlipwayError as error:
        _report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console(stderr=True).print("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(0)


def _report(error: SlipwayError) -> None:
    emit(
        {
            "error": {
                "code": error.code,
                "message": error.message,
                "expected": error.expected,
                "got": error.got,
                "where": error.where,
                "next_step": error.next_step,
            }
        }
    )
    if not wants_json():
        from rich.text import Text

        console(stderr=True).print(Text.assemble((f"{error.code}: ", "bold red"), error.message))
