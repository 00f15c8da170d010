"""What is printed on a terminal, and whether there is one."""

import os
import re
import shlex
import shutil
import sys
from contextlib import suppress

import typer

from sk_posters.exceptions import PosterFileError, describe_failures

__all__ = [
    "discard_output",
    "escape_control",
    "find_program",
    "flush_streams",
    "format_error",
    "get_verbosity",
    "is_terminal",
    "open_closed_streams",
    "print_next_steps",
    "print_or_remember",
    "quote",
    "raise_lost",
]

NAME = "sk-posters"

# Errors of printing before the work was done.
_lost = []


def escape_control(text):
    """Escape characters that control a terminal, such as ``\\x1b``; keep line ends."""
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def format_error(error):
    """Return an error as one line: its message, and its type where that is needed."""
    text = _join_lines(re.sub(r"^\[Errno -?\d+\] ", "", str(error)))
    if isinstance(error, PosterFileError):
        failures = _join_lines(describe_failures(error.failed))
        text = f"{failures}. Replace these files or leave them out."
    expected = isinstance(error, OSError | ValueError | ImportError | RuntimeError)
    if text and expected and not isinstance(error, UnicodeError):
        return escape_control(text)
    return escape_control(f"{type(error).__name__}: {text}".removesuffix(": "))


def _join_lines(text):
    joined = ""
    for line in map(str.strip, text.splitlines()):
        between = " " if not joined or joined.endswith((":", ".")) else "; "
        joined = (joined + between + line).strip()
    return joined


def find_program():
    """Return the command's name, with its folder where it is not on the PATH."""
    program = sys.argv[0]
    if os.path.basename(program) != NAME or shutil.which(NAME) == program:
        return NAME
    return quote(program)


def quote(path):
    """Return a path or word to paste into a shell, relative to the current folder."""
    text, here = os.fspath(path), ""
    with suppress(FileNotFoundError):  # The folder has been removed.
        here = os.path.join(os.getcwd(), "")
    text = text.removeprefix(here)
    try:
        text.encode()
    except UnicodeEncodeError:  # Shells take such bytes in this form.
        content = repr(os.fsencode(text))[1:]
        return f"$'{content[1:-1]}'" if content[0] == "'" else escape_control(text)
    return escape_control(shlex.quote(text))


def is_terminal(stream):
    """Tell whether a stream, or None, is a terminal."""
    return stream is not None and stream.isatty()


def flush_streams():
    """Write what is buffered, where the streams are still open."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def print_or_remember(text):
    """Print a line; where that fails, the work goes on, and the command fails later."""
    try:
        typer.echo(text)
    except OSError as error:
        _lost.append(error)
        discard_output(sys.stdout)


def raise_lost():
    """Raise the first error of `print_or_remember`, if there was one."""
    error = next(iter(_lost), None)
    _lost.clear()
    if isinstance(error, BrokenPipeError):
        raise error
    if error is not None:
        raise OSError(
            f"Cannot write to standard output ({error.strerror or error}); all files "
            "were written."
        ) from error


def discard_output(stream):
    """Discard what is buffered for a stream that takes no more, at exit too."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, stream.fileno())
    os.close(devnull)


def open_closed_streams():
    """Open standard streams that are closed, or the next file would take their number.

    Then messages for standard error would be in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest number that is free.
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  It stays open.


def get_verbosity():
    """Return `verbose` for the package: progress is for terminals, not for pipes."""
    return int(is_terminal(sys.stderr) and is_terminal(sys.stdout))


def print_next_steps(*steps, heading="next:"):
    """Print the commands to run next, ready for pasting."""
    typer.echo(f"\n{heading}")
    for words in steps:
        typer.echo(f"  {find_program()} {' '.join(map(quote, words))}")
