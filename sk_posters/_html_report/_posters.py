"""The best and the worst answers, with their posters."""

import os

import numpy as np
import pandas as pd

from sk_posters._compat import _safe_indexing
from sk_posters._html_report._markup import name_of, tag
from sk_posters._html_report._pictures import heated, poster_thumbnail, to_jpeg
from sk_posters._html_report._tables import bar
from sk_posters.metrics._rows import cross_entropy
from sk_posters.plotting._posters import as_list

__all__ = ["best_and_worst", "gallery", "heat_maps"]

MOST_LABELS, FEWEST_LABELS = 8, 3
# Said by a sign and a word, never by colour alone.
SAYINGS = {
    (1, 1): ("✓", "right", "right"),
    (0, 1): ("✗", "wrong", "wrong"),
    (1, 0): ("○", "missed", "missed"),
    (0, 0): ("", "", "other"),
}


def best_and_worst(labels, scores, n_posters, groups=None):
    """Return the rows with the least log loss, and those with the most.

    Parameters
    ----------
    labels, scores : ndarray of shape (n_samples, n_labels)
        The truth, and probabilities.
    n_posters : int
        How many rows of each, at most; no row is in both.
    groups : array-like of shape (n_samples,), default=None
        Of each group, which may be one poster many times, a single row is taken.

    Returns
    -------
    best : list of int
        Rows with a true label if there are any, as an image without one is easy.
    worst : list of int
        Rows of any kind.
    loss : ndarray of shape (n_samples,)
        Log loss of each row.
    """
    loss = cross_entropy(labels, scores).mean(axis=1)
    order = np.argsort(loss, kind="stable")
    some = labels.any(axis=1)
    easy = order[some[order]] if some.any() else order
    n_each = min(n_posters, max(1, len(order) // 2))
    worst = _first_of_groups(order[::-1], groups)[:n_each]
    best = [row for row in _first_of_groups(easy, groups) if row not in worst]
    return best[:n_each], worst, loss


def _first_of_groups(rows, groups):
    if groups is None:
        return rows.tolist()
    return rows[~pd.Series(np.asarray(groups)[rows]).duplicated().to_numpy()].tolist()


def heat_maps(estimator, X, rows, scores):
    """Return what spoke for the most probable label of each row.

    Parameters
    ----------
    estimator : estimator
        The model, of a kind that `grad_cam` knows.
    X : array-like of length n_samples
        What it takes.
    rows : list of int
        The rows to explain.
    scores : ndarray of shape (n_samples, n_labels)
        Probabilities.

    Returns
    -------
    dict of int to ndarray
        A map of shape (height, width) for each row, from 0 to 1.
    """
    from sk_posters.inspection import grad_cam

    # One row at a time: maps of all labels of all rows might not fit in memory.
    return {
        row: grad_cam(
            estimator, _safe_indexing(X, [row]), labels=[int(scores[row].argmax())]
        )[0, 0]
        for row in rows
    }


def gallery(rows, X, labels, scores, thresholds, names, loss, heat):
    """Return posters with what was answered and what is true.

    Parameters
    ----------
    rows : list of int
        Which ones.
    X : array-like of length n_samples
        Paths or images.
    labels, scores : ndarray of shape (n_samples, n_labels)
        The truth, and probabilities.
    thresholds : float or ndarray of shape (n_labels,)
        From where on a label is given.
    names : sequence of str
        Names of the labels.
    loss : ndarray of shape (n_samples,)
        Log loss of each row.
    heat : dict of int to ndarray
        Heat maps of rows that have one.

    Returns
    -------
    Element
        A list of posters.
    """
    given = (scores >= thresholds).astype(int)
    posters = as_list(_safe_indexing(X, rows))
    return tag(
        "ul",
        *[
            _poster(
                poster,
                row,
                *(labels[row], scores[row], given[row]),
                names,
                loss[row],
                heat.get(row),
            )
            for row, poster in zip(rows, posters, strict=True)
        ],
        class_="posters",
    )


def _poster(poster, row, labels, scores, given, names, loss, heat):
    called = f"row {row}"
    if isinstance(poster, str | os.PathLike):
        called = os.path.basename(os.fspath(poster))
    true = _listed(names, labels)
    said = f"Poster {called}. Given: {_listed(names, given)}. True: {true}."
    pictures = [_picture(poster_thumbnail(poster), said)]
    most = names[int(scores.argmax())]
    if heat is not None:
        pictures.append(_heat_picture(poster, heat, most))
    spoke = f"Orange: what spoke for {most}." if heat is not None else None
    shown = _worth_showing(labels, scores, given)
    answers = [_answer(names[j], labels[j], scores[j], given[j]) for j in shown]
    left_out = int(labels.sum() - labels[shown].sum())
    return tag(
        "li",
        tag("div", *pictures, class_="pictures"),
        tag("p", name_of(called), class_="file"),
        None if spoke is None else tag("p", name_of(spoke), class_="quiet"),
        tag("table", tag("tbody", *answers), class_="answers"),
        None if not left_out else tag("p", f"and {left_out} more missed or right"),
        tag("p", "True: ", name_of(true), class_="true"),
        tag("p", f"log loss {loss:.3f}", class_="quiet"),
    )


def _picture(image, said):
    if image is None:
        return tag("span", "file cannot be read", class_="gap")
    width, height = image.size
    return tag("img", src=to_jpeg(image), alt=said, width=width, height=height)


def _heat_picture(poster, heat, most):
    image = poster_thumbnail(poster)
    if image is not None:
        image = heated(image, heat)
    return _picture(image, f"The same poster in grey; orange: what spoke for {most}.")


def _listed(names, marks):
    return ", ".join(str(names[j]) for j in np.flatnonzero(marks)) or "none"


def _worth_showing(labels, scores, given):
    """Return the labels that are true, given or most probable, best first."""
    order = np.argsort(-scores, kind="stable")
    some = (labels == 1) | (given == 1)
    some[order[:FEWEST_LABELS]] = True
    return order[some[order]][:MOST_LABELS]


def _answer(name, true, score, given):
    sign, word, kind = SAYINGS[int(true), int(given)]
    return tag(
        "tr",
        tag("td", tag("span", sign, aria_hidden="true"), class_=kind),
        tag("th", name_of(name), tag("small", word) if word else None, scope="row"),
        tag("td", bar(score, f"probability {score:.2f}", kind=f"fill {kind}")),
        tag("td", f"{score:.2f}"),
    )
