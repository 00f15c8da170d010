"""The command's frame: what it says of itself, and how each of its parts behaves."""

import functools
import inspect
from importlib.metadata import version
from typing import Annotated

import typer

from sk_posters.cli._manners import Stop, manners
from sk_posters.cli._options import WithTraceback

__all__ = ["app", "command"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(function):
    """Make a function a command: with our manners, and an option to see tracebacks."""

    @functools.wraps(function)
    def run(*args, traceback=False, **kwargs):
        passed = (typer.Exit, typer.Abort, typer.BadParameter)
        try:
            with manners(with_traceback=traceback, passed=passed):
                function(*args, **kwargs)
        except Stop as stop:
            raise typer.Exit(stop.code) from None

    signature = inspect.signature(function)
    extra = inspect.Parameter(
        "traceback",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=WithTraceback,
    )
    run.__signature__ = signature.replace(
        parameters=[*signature.parameters.values(), extra]
    )
    run.__annotations__ = {**function.__annotations__, "traceback": WithTraceback}
    return app.command(function.__name__)(run)


def _version(value):
    if value:
        typer.echo(f"sk-posters {version('sk-posters')}")
        raise typer.Exit


@app.callback()
def sk_posters(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which."),
    ] = False,
):
    """Which genres does a movie have, judged by its poster?

    Begin with a demonstration, which draws its own posters:

    \b
      sk-posters demo

    Then with posters of your own, which stand in a table:

    \b
      sk-posters check train.csv
      sk-posters train train.csv --output genres.model --held-out held_out.csv
      sk-posters evaluate genres.model held_out.csv --html report.html
      sk-posters predict genres.model new_posters/
      sk-posters app genres.model

    Exit codes: 0 if all is well; 1 if a check has found errors or a poster could not
    be read; 2 if the command could not do its job; 130 after Ctrl-C.
    """
