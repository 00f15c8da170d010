"""Reports and comparisons as text and as HTML."""

import textwrap
from html import escape

import numpy as np

__all__ = ["comparison_text", "html", "report_text"]

MAX_LABELS, MAX_LINES = 25, 54
WIDTH = 88
LABEL_HEADS = {
    "chance": "chance",
    "ROC-AUC": "AUC",
    "F1": "F1",
    "precision": "prec.",
    "recall": "recall",
    "threshold": "thr.",
    "calibration error": "calib.",
}


def report_text(report):
    """Return a report in less than 55 lines."""
    lines = [_cut(line) for line in report.about]
    scores = report.scores
    heads = {"no label": 9, "label frequencies": 12, "most frequent": 11}
    heads["every label"] = 7
    lines.append(
        f"  {'':23}{'value':>7}{'interval':>17} no label frequencies most freq.  every"
    )
    for name, row in scores.iterrows():
        mark = "*" if row["beats trivial"] else " "
        baselines = "".join(f"{number(row[h]):>{width}}" for h, width in heads.items())
        lines.append(
            f"{mark} {name:23}{number(row['value']):>7}{_interval(row):>17}{baselines}"
        )
    lines.append("* the whole interval is better than all baselines")
    lines += _note_lines(scores["note"])
    most = min(MAX_LABELS, MAX_LINES - len(lines) - 2)
    return "\n".join([*lines, *_label_lines(report.labels, most)])


def _note_lines(notes):
    """Yield each note with the scores that it is about."""
    for note, scores in notes[notes != ""].groupby(notes, sort=False):
        text = f"{note} ({', '.join(scores.index)})"
        yield from textwrap.wrap(
            text, WIDTH, initial_indent="- ", subsequent_indent="  "
        )


def _label_lines(labels, most):
    has_unknown = "unknown" in labels
    most -= has_unknown  # For a line that counts them.
    # One line says how many are not shown, so that one label fewer is.
    shown = labels if len(labels) <= most else labels[: most - 1]
    heads = dict(LABEL_HEADS)
    if has_unknown:  # In the place of what takes most pairs to tell.
        del heads["calibration error"]
    texts = [*heads.values(), *["unkn."] * has_unknown]
    heads_line = "".join(f"{head:>7}" for head in texts)
    yield f"  {'label':12}{'n':>6}{'AP':>6}{'interval':>13}{heads_line}"
    for name, row in shown.iterrows():
        columns = [f"{row['support']:6.0f}", f"{number(row['average precision']):>6}"]
        columns.append(f"{_interval(row, 2):>13}")
        columns += [f"{number(row[column]):>7}" for column in heads]
        if has_unknown:
            columns.append(f"{row['unknown']:7.0f}")
        text = str(name)
        text = text if len(text) <= 12 else text[:11] + "…"
        yield f"  {text:12}{''.join(columns)}"
    if len(shown) < len(labels):
        yield f"  … and {len(labels) - len(shown)} more in report.labels"


def comparison_text(comparison):
    """Return a comparison, a line for each model and score."""
    frame = comparison.differences
    names = [" ".join(_words(key)) for key in frame.index]
    width = max(len(name) for name in names)
    lines = [*comparison.about]
    lines.append(
        f"{'':{width}}{'a':>8}{'b':>8}{'a - b':>9}{'interval':>20}{'above 0':>9}"
        "  better"
    )
    for name, (_, row) in zip(names, frame.iterrows(), strict=True):
        share = row["share above zero"]
        share = "-" if np.isnan(share) else f"{share:.3f}"
        lines.append(
            f"{name:{width}}{number(row['a']):>8}{number(row['b']):>8}"
            f"{number(row['difference'], sign='+'):>9}{_interval(row, sign='+'):>20}"
            f"{share:>9}  {row['better']}"
        )
    noted = frame["note"][frame["note"] != ""]
    lines += [f"{' '.join(_words(key))}: {note}" for key, note in noted.items()]
    return "\n".join(lines)


def html(about, frames):
    """Return paragraphs and tables, all names escaped."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in about)
    tables = "".join(
        frame.to_html(float_format=number, escape=True) for frame in frames
    )
    return f"<div>{lines}{tables}</div>"


def number(value, digits=3, sign=""):
    """Return a number as text, a dash where it is undefined."""
    if np.isnan(value):
        return "-"
    return f"{value:{sign}.{digits if abs(value) < 100 else 0}f}"


def _interval(row, digits=3, sign=""):
    if np.isnan(row["low"]):
        return "-"
    low, high = (number(row[name], digits, sign) for name in ("low", "high"))
    return f"[{low}, {high}]"


def _words(key):
    return [str(part) for part in (key if isinstance(key, tuple) else (key,))]


def _cut(line):
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
