"""Answers as lines: a table to read, CSV, or JSON Lines."""

import csv
import json
import sys
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from sk_posters._base._atomic import replace_when_done
from sk_posters.cli._terminal import is_terminal, printable

__all__ = ["FORMATS", "check_target", "format_of", "no_formula", "opened_rows"]

FORMATS = ("table", "csv", "jsonl")
# What spreadsheets take for the start of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
WIDTH = 24


class TableRows:
    """Answers as lines to read.

    Parameters
    ----------
    stream : text file
        Where to write.
    names : list of str or None
        Not used.
    probabilities : bool
        Whether labels come with their probabilities.
    """

    def __init__(self, stream, names, probabilities):
        self.stream = stream
        self.probabilities = probabilities
        self.width = WIDTH

    def write(self, answer):
        """Write one line.

        Parameters
        ----------
        answer : Answer
            What to write.
        """
        path = printable(answer.path).replace("\n", "\\n")
        # Columns of a stream cannot know how wide what follows is.
        self.width = max(self.width, len(path))
        text = printable(self._text(answer)).replace("\n", "\\n")
        self.stream.write(f"{path:{self.width}}  {text}\n")

    def _text(self, answer):
        if answer.error is not None:
            return f"error: {answer.error}"
        if not self.probabilities or answer.probabilities is None:
            return ", ".join(answer.labels) or "(no label)"
        scored = [f"{name} {answer.probabilities[name]:.2f}" for name in answer.labels]
        return ", ".join(scored) or "(no label)"


class CsvRows:
    """Answers as CSV in UTF-8, with a header.

    A cell that a spreadsheet would take for a formula is made harmless: a path by
    ``./`` before it, which names the same file, and any other text by an apostrophe.

    Parameters
    ----------
    stream : text file
        Where to write.
    names : list of str or None
        The columns of probabilities; None takes them from the first answer that has
        any.
    probabilities : bool
        Whether there are such columns.
    """

    def __init__(self, stream, names, probabilities):
        self.stream = stream
        self.names = (names or []) if probabilities else []
        self._write(["path", "labels", *map(no_formula, self.names), "error"])

    def write(self, answer):
        """Write one line.

        Parameters
        ----------
        answer : Answer
            What to write.
        """
        path = answer.path
        if path.startswith(FORMULA):
            path = f"./{path}"
        labels = no_formula("|".join(answer.labels or []))
        scores = answer.probabilities or {}
        cells = [scores.get(name, "") for name in self.names]
        self._write([path, labels, *cells, answer.error or ""])

    def _write(self, cells):
        line = StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        text = line.getvalue()
        self.stream.write(printable(text) if is_terminal(self.stream) else text)


class JsonRows:
    """Answers as JSON Lines: an object a line, in ASCII, names exact.

    Parameters
    ----------
    stream : text file
        Where to write.
    names : list of str or None
        Not used.
    probabilities : bool
        Whether there are probabilities.
    """

    def __init__(self, stream, names, probabilities):
        self.stream = stream
        self.probabilities = probabilities

    def write(self, answer):
        """Write one line.

        Parameters
        ----------
        answer : Answer
            What to write.
        """
        row = answer._asdict()
        if not self.probabilities:
            del row["probabilities"]
        self.stream.write(json.dumps(row) + "\n")


ROWS = {"table": TableRows, "csv": CsvRows, "jsonl": JsonRows}


def no_formula(text):
    """Return text that no spreadsheet takes for a formula.

    Parameters
    ----------
    text : str
        The text of a cell.

    Returns
    -------
    str
        The same, after an apostrophe where it begins like a formula.
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def format_of(name, output):
    """Return the format that is meant.

    Parameters
    ----------
    name : str or None
        What was asked for.
    output : Path or None
        Where answers go: its suffix tells, where nothing was asked for.

    Returns
    -------
    {"table", "csv", "jsonl"}
        The format.
    """
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return name or (suffix if suffix in FORMATS else "table")


def check_target(path):
    """Refuse, before any work is done, a file that cannot be written.

    Parameters
    ----------
    path : Path or None
        The file; None is the standard output.

    Raises
    ------
    IsADirectoryError
        If it is a folder.
    FileNotFoundError
        If its folder does not exist.
    """
    if path is None:
        return
    if path.is_dir():
        raise IsADirectoryError(
            f"Cannot write to {str(path)!r}, which is a folder: name a file in it."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"Cannot write {str(path)!r}: there is no folder {str(path.parent)!r}. "
            "Make it first."
        )


@contextmanager
def opened_rows(output, kind, names, probabilities):
    """Open what answers are written to.

    A file appears once all is written, or not at all.

    Parameters
    ----------
    output : Path or None
        The file; None is the standard output.
    kind : {"table", "csv", "jsonl"}
        How to write.
    names : list of str or None
        Labels.
    probabilities : bool
        Whether to write the probabilities of all labels.

    Yields
    ------
    TableRows, CsvRows or JsonRows
        With a method `write`.
    """
    # Names of files need not be UTF-8: their bytes go through as they came.
    how = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    if output is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield ROWS[kind](_Flushed(sys.stdout), names, probabilities)
    elif output.exists() and not output.is_file():
        with open(output, "w", **how) as stream:  # A pipe or a device stays what it is.
            yield ROWS[kind](_Flushed(stream), names, probabilities)
    else:
        with replace_when_done(Path(output)) as part, open(part, "x", **how) as stream:
            yield ROWS[kind](stream, names, probabilities)


class _Flushed:
    """A stream whose readers see each line at once."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        self.stream.write(text)
        self.stream.flush()

    def isatty(self):
        return self.stream.isatty()
