"""The command line: its commands, `main`, and what holds for all commands."""

import functools
import inspect
import os
import signal
import sys
import threading
from typing import Annotated

import typer

from sk_posters.cli._app import app
from sk_posters.cli._check import check
from sk_posters.cli._demo import demo
from sk_posters.cli._errors import handle_errors
from sk_posters.cli._evaluate import evaluate
from sk_posters.cli._explain import explain
from sk_posters.cli._export import export
from sk_posters.cli._fetch import fetch
from sk_posters.cli._options import Traceback
from sk_posters.cli._predict import predict
from sk_posters.cli._report import report
from sk_posters.cli._terminal import open_closed_streams
from sk_posters.cli._train import train

__all__ = ["command_line", "main"]

# In the order of the help.
COMMANDS = [demo, fetch, check, train, evaluate, predict, explain, report, export, app]

command_line = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments=None):
    """Run the command ``sk-posters``.

    Parameters
    ----------
    arguments : list of str, default=None
        Arguments of the command; None takes those of the process.

    Returns
    -------
    int
        The exit code: 0 on success; 1 if ``check`` found errors or a poster could not
        be read; 2 if the command failed; 130 after Ctrl-C.

    Examples
    --------
    >>> from sk_posters.cli import main
    >>> main(["--version"])
    sk-posters ...
    0
    """
    open_closed_streams()
    # TensorFlow calls it an error that a machine has no GPU. What really fails raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Signals are not for other threads.
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        previous = signal.signal(signal.SIGTERM, _exit)
    try:
        command_line(arguments, prog_name="sk-posters")
    except SystemExit as stop:
        return stop.code or 0
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, previous)


def _exit(number, frame):
    """Let temporary files be removed where a process is asked to end."""
    sys.exit(128 + number)


def _show_version(value):
    if value:
        from importlib.metadata import version  # A fifth of the time of --help.

        typer.echo(f"sk-posters {version('sk-posters')}")
        raise typer.Exit


@command_line.callback()
def sk_posters(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
):
    """Predict the genres of movies from their posters.

    Start with the demo, which draws its own posters:

    \b
      sk-posters demo

    Then use your own posters, listed in a table:

    \b
      sk-posters check train.csv
      sk-posters train train.csv --output genres.model --held-out held_out.csv
      sk-posters evaluate genres.model held_out.csv --html report.html
      sk-posters predict genres.model new_posters/
      sk-posters app genres.model

    Exit codes: 0 on success; 1 if check found errors or a poster could not be read; 2
    if the command failed; 130 after Ctrl-C.
    """


def _add_command(function):
    """Add a command that handles errors, with an option to see tracebacks."""

    @functools.wraps(function)
    def run(*args, traceback=False, **kwargs):
        with handle_errors(with_traceback=traceback):
            function(*args, **kwargs)

    signature = inspect.signature(function)
    option = inspect.Parameter(
        "traceback",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Traceback,
    )
    run.__signature__ = signature.replace(
        parameters=[*signature.parameters.values(), option]
    )
    run.__annotations__ = {**function.__annotations__, "traceback": Traceback}
    command_line.command(function.__name__)(run)


for command in COMMANDS:
    _add_command(command)
