"""Writers of predictions: a table to read, CSV, or JSON Lines."""

import csv
import json
import sys
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from sk_posters._base._atomic import replace_when_done
from sk_posters._base._novelty import describe_novelty
from sk_posters.cli._terminal import escape_control, is_terminal

__all__ = ["choose_format", "escape_formula", "open_writer"]

# Beginnings of cells that spreadsheets run as formulas.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
WIDTH = 24


class TableWriter:
    """Writes a line per prediction, for reading."""

    def __init__(self, stream, names, probabilities, novelty):
        self.stream = stream
        self.probabilities = probabilities
        self.width = WIDTH

    def write(self, prediction):
        path = escape_control(prediction.path).replace("\n", "\\n")
        # The paths to come are unknown, so the column only grows.
        self.width = max(self.width, len(path))
        text = escape_control(self._format(prediction)).replace("\n", "\\n")
        self.stream.write(f"{path:{self.width}}  {text}\n")

    def _format(self, prediction):
        if prediction.error is not None:
            return f"error: {prediction.error}"
        labels, scores = prediction.labels, prediction.probabilities
        if self.probabilities and scores is not None:
            labels = [f"{name} {scores[name]:.2f}" for name in labels]
        text = ", ".join(labels) or "(no label)"
        unlike = describe_novelty(prediction.novelty)
        return text if unlike is None else f"{text}  ({unlike})"


class CsvWriter:
    """Writes CSV in UTF-8 with a header, in which no cell is a formula."""

    def __init__(self, stream, names, probabilities, novelty):
        self.stream = stream
        self.names = (names or []) if probabilities else []
        self.novelty = novelty
        own = ["path", "labels", "novelty", "error"]
        path, labels, unlike, error = (self._name_column(name) for name in own)
        names = map(escape_formula, self.names)
        self._write_row([path, labels, *names, *[unlike] * novelty, error])

    def _name_column(self, name):
        """Return the name of a column that is no label, with _ where it is a label."""
        return self._name_column(f"{name}_") if name in self.names else name

    def write(self, prediction):
        path = prediction.path
        if path.startswith(FORMULA):
            path = f"./{path}"
        labels = escape_formula("|".join(prediction.labels or []))
        scores = prediction.probabilities or {}
        cells = [scores.get(name, "") for name in self.names]
        if self.novelty:
            cells.append("" if prediction.novelty is None else prediction.novelty)
        self._write_row([path, labels, *cells, prediction.error or ""])

    def _write_row(self, cells):
        line = StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        text = line.getvalue()
        self.stream.write(escape_control(text) if is_terminal(self.stream) else text)


class JsonLinesWriter:
    """Writes a JSON object per line, in ASCII, with exact names."""

    def __init__(self, stream, names, probabilities, novelty):
        self.stream = stream
        self.left_out = [] if probabilities else ["probabilities"]
        self.left_out += [] if novelty else ["novelty"]

    def write(self, prediction):
        row = prediction._asdict()
        for name in self.left_out:
            del row[name]
        self.stream.write(json.dumps(row) + "\n")


WRITERS = {"table": TableWriter, "csv": CsvWriter, "jsonl": JsonLinesWriter}


def escape_formula(text):
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def choose_format(name, output):
    """Return the format: by name, else by the suffix of a file, else a table."""
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return name or (suffix if suffix in WRITERS else "table")


@contextmanager
def open_writer(output, kind, names, probabilities, novelty=False):
    """Open a writer of a kind of format; a file appears complete or not at all."""
    # File names need not be UTF-8: their bytes are written unchanged.
    how = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    if output is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield WRITERS[kind](_Flushed(sys.stdout), names, probabilities, novelty)
    elif output.exists() and not output.is_file():
        with open(output, "w", **how) as stream:  # A pipe or device is not replaced.
            yield WRITERS[kind](_Flushed(stream), names, probabilities, novelty)
    else:
        with replace_when_done(Path(output)) as part, open(part, "w", **how) as stream:
            yield WRITERS[kind](stream, names, probabilities, novelty)


class _Flushed:
    """A stream that flushes each line."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        self.stream.write(text)
        self.stream.flush()

    def isatty(self):
        return self.stream.isatty()
