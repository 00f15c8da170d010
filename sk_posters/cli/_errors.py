"""How a command ends: errors in one line, exit codes, closed pipes, warnings."""

import sys
import traceback
import warnings
from contextlib import contextmanager

import typer

from sk_posters.cli._terminal import (
    discard_output,
    escape_control,
    format_error,
    raise_lost,
)

__all__ = ["FAILED", "FOUND", "handle_errors"]

# As of grep: 1 if it found something, 2 if it failed.
FOUND, FAILED = 1, 2
# As of a shell: 128 and the number of the signal.
INTERRUPTED, PIPE_CLOSED = 130, 141


@contextmanager
def handle_errors(*, with_traceback=False):
    """Print an error in one line, and end the command with its exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield
            raise_lost()
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            _print("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            discard_output(sys.stdout)
            raise typer.Exit(PIPE_CLOSED) from None
        except Exception as error:
            if with_traceback:
                traceback.print_exc()
            _print(f"error: {format_error(error)}")
            raise typer.Exit(FAILED) from error


def _show_warning(message, category, filename, lineno, file=None, line=None):
    # Other categories are for programmers.
    if issubclass(category, UserWarning):
        _print(f"warning: {escape_control(' '.join(str(message).split()))}")


def _print(text):
    print(text, file=sys.stderr, flush=True)
