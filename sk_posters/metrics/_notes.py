"""Why a score is undefined, or what it leaves out."""

import numpy as np

from sk_posters._base._validation import shorten

__all__ = ["notes"]


def notes(evaluation, names):
    """Return the note on each kind of mean, by the keys of `Score.over`."""
    labels, given = evaluation.labels == 1, evaluation.given == 1
    some, both = labels.any(axis=0), _find_both(evaluation, labels)
    marked_rows = (labels | given).any(axis=1)
    true_rows = labels.any(axis=1) & (evaluation.n_known > 1)
    one_label = labels.shape[1] < 2
    alone = "undefined: one label alone has no order"
    return {
        "pairs": "" if evaluation.known.any() else "undefined: no pair is known",
        "known rows": _of_rows(evaluation.n_known > 0, "with a known label"),
        "two labels": (
            alone
            if one_label
            else _of_rows(evaluation.n_known > 1, "with two known labels")
        ),
        "labels with a positive": _of_labels(some, names, "without a positive"),
        "labels with both": _of_labels(both, names, "constant"),
        "positives": "" if some.any() else "undefined: no label has a positive",
        "marked pairs": (
            "" if marked_rows.any() else "undefined: no label is true or predicted"
        ),
        "marked rows": _of_rows(marked_rows, "with a label that is true or predicted"),
        "labelled rows": alone if one_label else _of_rows(true_rows, "with a label"),
    }


def _find_both(evaluation, labels):
    """Return which labels have positives and negatives."""
    return labels.any(axis=0) & (evaluation.known & ~labels).any(axis=0)


def _of_labels(counts, names, lacking):
    if counts.all():
        return ""
    left_out = f"{lacking}: {shorten(np.asarray(names, dtype=object)[~counts])}"
    if not counts.any():
        return f"undefined: all labels are {left_out}"
    return f"over {counts.sum()} of {len(counts)} labels; {left_out}"


def _of_rows(counts, having):
    if counts.all():
        return ""
    if not counts.any():
        return f"undefined: there is no row {having}"
    return f"over the {counts.sum()} of {len(counts)} rows {having}"
