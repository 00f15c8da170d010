"""What is wrong with labels: too rare, or against the text, or against scores."""

import numpy as np

from sk_posters._base._validation import find_known
from sk_posters.datasets._checks._rows import Finding
from sk_posters.datasets._genres import contradictions

__all__ = [
    "find_suspicious_pairs",
    "label_findings",
    "suspicious_labels",
    "text_findings",
]


def label_findings(posters, n_splits):
    """Yield the labels that are constant, or too rare to be in every fold."""
    for name, column in zip(posters.names, posters.labels.T, strict=True):
        # Rows of one group stay on one side, so that they count as one.
        n_groups = {
            value: len(np.unique(posters.groups[column == value])) for value in (1, 0)
        }
        value = min(n_groups, key=n_groups.get)
        rows = np.flatnonzero(column == value)
        n_known = int(find_known(column).sum())
        if n_known < len(column):
            yield _report_unknown(name, column, n_known)
        if not n_known:
            continue
        if not n_groups[value]:
            which = "" if n_known == len(column) else " that know it"
            detail = f"{name!r} is {1 - value} in all {n_known} rows{which}"
            advice = "Leave this label out: there is nothing to learn or to score."
            yield Finding("constant label", "warning", [], [name], detail, advice)
        elif n_groups[value] < n_splits:
            detail = (
                f"{name!r} is {value} in {n_groups[value]} different posters, fewer "
                f"than {n_splits} folds"
            )
            advice = "Leave this label out, merge it into another, or use fewer folds."
            yield Finding("rare label", "warning", rows, [name], detail, advice)


def _report_unknown(name, column, n_known):
    rows = np.flatnonzero(~find_known(column))
    detail = f"{name!r} is not known in {len(rows)} of {len(column)} rows"
    if not n_known:
        advice = "Fill in some rows, or leave this label out: nothing is known of it."
        return Finding("constant label", "warning", [], [name], detail, advice)
    advice = "Nothing need be done: these pairs are left out of training and scores."
    return Finding("unknown label", "note", rows, [name], detail, advice)


def text_findings(posters, genre_text):
    """Yield the rows whose text does not say what their labels say."""
    for row, said in contradictions(genre_text, posters.labels, posters.names):
        given = set(posters.names_of(posters.labels[row] == 1))
        if said is not None:
            said -= set(posters.names_of(~find_known(posters.labels[row])))
        if said is None:
            names = []
            detail = f"not a list of names: {genre_text[row]!r}"
        else:
            names = sorted(said ^ given, key=str)
            parts = [
                f"only {where} {sorted(some, key=str)}"
                for where, some in (
                    ("the text says", said - given),
                    ("the columns say", given - said),
                )
                if some
            ]
            detail = ", ".join(parts)
        advice = "Find out which is right, and correct the other."
        yield Finding("contradicting text", "error", [row], names, detail, advice)


def suspicious_labels(posters, scores):
    """Yield the labels that out-of-fold scores contradict, the most certain first.

    Forgotten and wrong labels are two lists: probabilities near 0 are common and those
    near 1 are rare, so that in one list all wrong labels would come first.
    """
    pairs = find_suspicious_pairs(posters.labels, scores)
    given = posters.labels[tuple(pairs.T)] == 1
    for kind, chosen, advice in (
        ("forgotten label", ~given, "Review the poster, and add the label if it fits."),
        (
            "wrong label",
            given,
            "Review the poster, and remove the label if wrong.",
        ),
    ):
        for row, column in pairs[chosen]:
            name = posters.names[column]
            detail = (
                f"{name!r} is {posters.labels[row, column]:.0f}, but a model that did "
                f"not see the row says {scores[row, column]:.2f}"
            )
            yield Finding(kind, "note", [row], [name], detail, advice)


def find_suspicious_pairs(labels, scores):
    """Return (row, label) pairs whose scores favour the other value."""
    given, known = labels == 1, find_known(labels)
    found = np.zeros(labels.shape, dtype=bool)
    for column in range(labels.shape[1]):
        ones, score = given[:, column], scores[:, column]
        zeros = known[:, column] & ~ones
        if not zeros.any() or not ones.any():
            continue
        too_high = (score > 0.5) & (score >= score[ones].mean())
        too_low = (score < 0.5) & (score <= score[zeros].mean())
        found[:, column] = np.where(ones, too_low, too_high & zeros)
    pairs = np.argwhere(found)
    wrong = np.where(given, 1 - scores, scores)[found]
    return pairs[np.argsort(-wrong, kind="stable")]
