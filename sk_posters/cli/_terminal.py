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
    "escape_control",
    "find_program",
    "flush_streams",
    "format_error",
    "get_verbosity",
    "is_terminal",
    "print_next_steps",
    "quote",
]

NAME = "sk-posters"


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
    text, here = os.fspath(path), os.path.join(os.getcwd(), "")
    return escape_control(shlex.quote(text.removeprefix(here)))


def is_terminal(stream):
    """Tell whether a stream, or None, is a terminal."""
    return stream is not None and stream.isatty()


def flush_streams():
    """Write what is buffered, where the streams are still open."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def get_verbosity():
    """Return `verbose` for the package: progress is for terminals, not for pipes."""
    return int(is_terminal(sys.stderr) and is_terminal(sys.stdout))


def print_next_steps(*steps, heading="next:"):
    """Print the commands to run next, ready for pasting."""
    typer.echo(f"\n{heading}")
    for words in steps:
        typer.echo(f"  {find_program()} {' '.join(map(quote, words))}")
