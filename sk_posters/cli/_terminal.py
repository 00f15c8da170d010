"""What may be written to a terminal, and whether there is one."""

import os
import shlex
import shutil
import sys

__all__ = ["called", "is_terminal", "one_line", "printable", "progress", "shown"]

NAME = "sk-posters"


def printable(text):
    """Return text without characters that do something to a terminal.

    Parameters
    ----------
    text : str
        Any text, such as the name of a file.

    Returns
    -------
    str
        The text, in which control characters, half characters and marks that turn
        the direction of writing are spelled out, as in ``"\\\\x1b"``. Line ends stay.

    Examples
    --------
    >>> from sk_posters.cli._terminal import printable
    >>> print(printable("red\\x1b[31m.jpg"))
    red\\x1b[31m.jpg
    """
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def one_line(error):
    """Say in one line what went wrong.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str
        Its message, or its type where that says more.

    Examples
    --------
    >>> from sk_posters.cli._terminal import one_line
    >>> one_line(ValueError("2 files are bad:\\n  'a.jpg'\\n  'b.jpg'"))
    "2 files are bad: 'a.jpg'; 'b.jpg'"
    """
    text = ""
    for line in map(str.strip, str(error).splitlines()):
        between = " " if not text or text.endswith((":", ".")) else "; "
        text = (text + between + line).strip()
    expected = isinstance(error, OSError | ValueError | ImportError | RuntimeError)
    if text and expected and not isinstance(error, UnicodeError):
        return printable(text)
    return printable(f"{type(error).__name__}: {text}".removesuffix(": "))


def called():
    """Return the words that call the command in the shell that has called it.

    Returns
    -------
    str
        Its name; with its folder, where the shell would not find it.

    Examples
    --------
    >>> from sk_posters.cli._terminal import called
    >>> called()
    'sk-posters'
    """
    started = sys.argv[0]
    if os.path.basename(started) != NAME or shutil.which(NAME) == started:
        return NAME
    return shown(started)


def is_terminal(stream):
    """Tell whether a person is looking at a stream.

    Parameters
    ----------
    stream : file object or None
        Such as ``sys.stderr``.

    Returns
    -------
    bool
        True for a terminal.
    """
    return stream is not None and stream.isatty()


def progress():
    """Tell whether to show progress: to a person, and not into a pipe.

    Returns
    -------
    int
        What parameters `verbose` take.
    """
    return int(is_terminal(sys.stderr) and is_terminal(sys.stdout))


def shown(path):
    """Return a path, or a word, as it can be pasted into a shell.

    Parameters
    ----------
    path : str or path-like
        The path.

    Returns
    -------
    str
        The path, from where the shell stands if it is below.
    """
    text, here = os.fspath(path), os.path.join(os.getcwd(), "")
    return printable(shlex.quote(text.removeprefix(here)))
