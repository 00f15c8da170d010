"""The scores beside trivial answers, and those of each label, as tables."""

import numpy as np

from sk_posters._report._markup import name_of, tag
from sk_posters.metrics._evaluation import find_score
from sk_posters.metrics._report_text import number

__all__ = [
    "MEANINGS",
    "bar",
    "best_trivial",
    "interval",
    "label_table",
    "score_table",
    "scrolling",
]

TRIVIAL = {
    "no label": "gives no label",
    "label frequencies": "gives each label's frequency",
    "most frequent": "gives the labels that most have",
}
HEADS = ["Score", "This model", "Interval", "Surely better?", *TRIVIAL]
MEANINGS = {
    "hamming loss": "share of cells, an image and a label, answered wrongly",
    "subset accuracy": "share of images with exactly the right labels",
    "macro F1": "precision and recall in one number, each label counted the same",
    "micro F1": "the same over all cells, so that frequent labels count most",
    "weighted F1": "mean over labels, by how many images have them",
    "samples F1": "mean over images",
    "macro average precision": "how far ahead the right images stand in the order of "
    "probability, each label counted the same",
    "micro average precision": "the same over all cells",
    "macro ROC-AUC": "how often an image with a label gets more probability than one "
    "without, each label counted the same",
    "LRAP": "how far ahead the right labels of an image stand in its own order",
    "ranking loss": "share of pairs of a right and a wrong label in the wrong order",
    "coverage error": "how far down an image's last right label stands",
    "precision at k": "share of the most probable labels that are right",
    "recall at k": "share of the right labels among the most probable",
    "top-k hit": "share of images with a right label among the most probable",
    "top-1 hit": "share of images whose most probable label is right",
    "log loss": "how surprising the truth is; being sure and wrong costs most",
    "calibration error": "how far probabilities lie from what comes true",
    "element accuracy": "share of cells answered rightly: flatters if labels are rare",
}
NUMBERS = ["chance", "ROC-AUC", "F1", "precision", "recall", "threshold"]
NUMBERS += ["calibration error"]
BAR_WIDTH, BAR_HEIGHT = 120, 16


def score_table(report, top_k):
    """Return the table of all scores.

    Parameters
    ----------
    report : MultilabelReport
        The report.
    top_k : int
        The k of its scores at k.

    Returns
    -------
    Element
        The table.
    """
    heads = [
        tag("th", head, tag("small", TRIVIAL[head]) if head in TRIVIAL else None)
        for head in HEADS
    ]
    rows = [_score_row(name, row, top_k) for name, row in report.scores.iterrows()]
    return scrolling("scores", heads, rows)


def _score_row(name, row, top_k):
    beats, best = _beats(row), best_trivial(row)
    meaning = MEANINGS[find_score(name, top_k)]
    note = tag("small", row["note"], class_="note") if row["note"] else None
    better = f"{row['better']} is better"
    cells = [
        tag("td", number(row["value"]), class_="main"),
        tag("td", interval(row)),
        tag("td", beats, class_=beats if beats == "yes" else None),
    ]
    for name_of_trivial in TRIVIAL:
        value = row[name_of_trivial]
        cells.append(tag("td", number(value), class_="best" if value == best else None))
    for head, cell in zip(HEADS[1:], cells, strict=True):
        cell.set("data-head", head)  # Narrow screens show it in front of the cell.
    return tag(
        "tr",
        tag("th", name, tag("small", f"{meaning}; {better}"), note, scope="row"),
        *cells,
    )


def _beats(row):
    """Return whether a score is better than the best trivial one, in a word."""
    if row["beats trivial"] is None:
        return "-"
    if row["beats trivial"]:
        return "yes"
    ahead = row["value"] - best_trivial(row)
    ahead = ahead if row["better"] == "higher" else -ahead
    return "not surely" if ahead > 0 else "no"


def best_trivial(row):
    """Return the best value that an answer without looking scores."""
    trivial = row[list(TRIVIAL)].astype(float)
    return trivial.max() if row["better"] == "higher" else trivial.min()


def label_table(labels):
    """Return the table of all labels, those that most images have first.

    Parameters
    ----------
    labels : DataFrame
        A row per label, as in `MultilabelReport.labels`.

    Returns
    -------
    Element
        The table.
    """
    heads = ["Label", "Images", "Average precision", "Interval", "Chance", "ROC-AUC"]
    heads += ["F1", "Precision", "Recall", "Threshold", "Calibration error"]
    heads = [tag("th", head) for head in heads]
    ordered = labels.sort_values("support", ascending=False, kind="stable")
    rows = [_label_row(name, row) for name, row in ordered.iterrows()]
    return scrolling("labels sortable", heads, rows)


def _label_row(name, row):
    value = row["average precision"]
    share = f" ({row['prevalence']:.0%})"
    return tag(
        "tr",
        tag("th", name_of(name), scope="row", data_value=name),
        tag("td", f"{row['support']:.0f}", share, data_value=row["support"]),
        tag("td", _average_precision(row), class_="main", data_value=_sortable(value)),
        tag("td", interval(row, 2), data_value=_sortable(row["low"])),
        *[_cell(row[column]) for column in NUMBERS],
    )


def _cell(value):
    return tag("td", number(value), data_value=_sortable(value))


def _sortable(value):
    return "" if np.isnan(value) else value


def _average_precision(row):
    """Return a bar, its interval as a line, and chance as a mark."""
    value, chance = row["average precision"], row["chance"]
    if np.isnan(value):
        return tag("span", "no image has it", class_="quiet")
    said = f"average precision {number(value)}, by chance {number(chance)}"
    sure = row["low"] > chance or np.isnan(row["low"])
    parts = [tag("line", class_="chance", **_line(chance, chance, 0, BAR_HEIGHT))]
    if not np.isnan(row["low"]):
        middle = BAR_HEIGHT / 2
        said += f", interval {interval(row, 2)}"
        ends = _line(row["low"], row["high"], middle, middle)
        parts.append(tag("line", class_="interval", **ends))
    drawn = bar(value, said, *parts, kind="fill" if sure else "fill unsure")
    return tag("div", drawn, number(value), class_="measure")


def bar(share, said, *parts, kind="fill"):
    """Return a bar as a picture.

    Parameters
    ----------
    share : float
        How much of it is filled, from 0 to 1.
    said : str
        The same in words, for those who cannot see it.
    *parts : Element
        What is drawn over it.
    kind : str, default="fill"
        Class of what is filled.

    Returns
    -------
    Element
        An ``<svg>``.
    """
    inner = BAR_HEIGHT - 6
    return tag(
        "svg",
        tag("rect", class_="empty", x=0, y=3, width="100%", height=inner, rx=2),
        tag("rect", class_=kind, x=0, y=3, width=f"{share:.2%}", height=inner, rx=2),
        *parts,
        class_="bar",
        width=BAR_WIDTH,
        height=BAR_HEIGHT,
        role="img",
        aria_label=said,
    )


def _line(first, last, top, bottom):
    return {"x1": f"{first:.2%}", "x2": f"{last:.2%}", "y1": top, "y2": bottom}


def interval(row, digits=3):
    """Return the interval of a row as text."""
    if np.isnan(row["low"]):
        return "-"
    return f"{number(row['low'], digits)} to {number(row['high'], digits)}"


def scrolling(kind, heads, rows):
    """Return a table that scrolls sideways where the screen is narrow."""
    for head in heads:
        head.set("scope", "col")
    table = tag(
        "table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_=kind
    )
    return tag("div", table, class_="wide", tabindex=0)
