"""The best and the worst answers, with their posters."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sk_posters._base._compat import _safe_indexing
from sk_posters._report._markup import listed, name_of, tag
from sk_posters._report._pictures import heated, poster_thumbnail, to_jpeg
from sk_posters._report._tables import bar
from sk_posters.inspection import grad_cam
from sk_posters.metrics._row_scores import cross_entropy
from sk_posters.plotting._posters import as_list

__all__ = ["Answers", "heat_maps"]

MOST_LABELS, FEWEST_LABELS = 8, 3
# Said by a sign and a word, never by colour alone.
SAYINGS = {
    (1, 1): ("✓", "right", "right"),
    (0, 1): ("✗", "wrong", "wrong"),
    (1, 0): ("○", "missed", "missed"),
    (0, 0): ("", "", "other"),
}


@dataclass(frozen=True)
class Answers:
    """Answers beside the truth.

    Parameters
    ----------
    X : array-like of length n_samples
        Paths or images.
    labels : ndarray of shape (n_samples, n_labels)
        0/1 for each row and label.
    scores : ndarray of shape (n_samples, n_labels)
        Probabilities.
    thresholds : float or ndarray of shape (n_labels,)
        From which probability on a label is given.
    names : list of str
        Names of the labels.
    """

    X: object
    labels: np.ndarray
    scores: np.ndarray
    thresholds: object
    names: list

    @cached_property
    def loss(self):
        """Log loss of each row."""
        return cross_entropy(self.labels, self.scores).mean(axis=1)

    def best_and_worst(self, n_posters, groups=None):
        """Return the rows with the least log loss, and those with the most.

        Parameters
        ----------
        n_posters : int
            How many rows of each, at most; no row or group is in both.
        groups : array-like of shape (n_samples,), default=None
            Of each group, which may be one poster many times, a single row is taken.

        Returns
        -------
        best : list of int
            Rows with a true label if there are any: an image without one is easy.
        worst : list of int
            Rows of any kind.
        """
        order = np.argsort(self.loss, kind="stable")
        some = self.labels.any(axis=1)[order]
        easy = order[some] if some.any() else order
        groups = np.arange(len(order)) if groups is None else np.asarray(groups)
        n_each = min(n_posters, max(1, len(pd.unique(groups)) // 2))
        worst = _first_of_groups(order[::-1], groups)[:n_each]
        others = easy[~np.isin(groups[easy], groups[worst])]
        return _first_of_groups(others, groups)[:n_each], worst

    def gallery(self, rows, heat):
        """Return posters with what was answered and what is true.

        Parameters
        ----------
        rows : list of int
            Which ones.
        heat : dict of int to ndarray
            Heat maps of rows that have one.

        Returns
        -------
        Element or None
            A list of posters, None without rows.
        """
        if not rows:
            return None
        posters = as_list(_safe_indexing(self.X, rows))
        items = [
            self._poster(row, poster, heat.get(row))
            for row, poster in zip(rows, posters, strict=True)
        ]
        return tag("ul", *items, class_="posters")

    def _poster(self, row, poster, heat):
        labels, scores = self.labels[row], self.scores[row]
        given = (scores >= self.thresholds).astype(int)
        true, most = self._marked(labels), self.names[int(scores.argmax())]
        called = f"row {row}"
        if isinstance(poster, str | os.PathLike):
            called = os.path.basename(os.fspath(poster))
        image = poster_thumbnail(poster)
        answered = ", ".join(self._marked(given))
        said = f"Poster {called}. Given: {answered}. True: {', '.join(true)}."
        pictures, spoke = [_picture(image, said)], None
        if image is not None and heat is not None:
            said = f"The same in grey; orange: what spoke for {most}."
            pictures.append(_picture(heated(image, heat), said))
            spoke = tag("p", "orange: what spoke for ", name_of(most), class_="quiet")
        answers = [
            _answer(self.names[j], labels[j], scores[j], given[j])
            for j in _worth_showing(labels, scores, given)
        ]
        return tag(
            "li",
            tag("div", *pictures, class_="pictures"),
            tag("p", name_of(called), class_="file"),
            spoke,
            tag("table", tag("tbody", *answers), class_="answers"),
            tag("p", "True: ", *listed(true), class_="file"),
            tag("p", f"log loss {self.loss[row]:.3f}", class_="quiet"),
        )

    def _marked(self, marks):
        return [self.names[j] for j in np.flatnonzero(marks)] or ["none"]


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
    # One row at a time: maps of all labels of all rows might not fit in memory.
    return {
        row: grad_cam(
            estimator, _safe_indexing(X, [row]), labels=[int(scores[row].argmax())]
        )[0, 0]
        for row in rows
    }


def _first_of_groups(rows, groups):
    return rows[~pd.Series(groups[rows]).duplicated().to_numpy()].tolist()


def _picture(image, said):
    if image is None:
        return tag("span", "file cannot be read", class_="gap")
    width, height = image.size
    return tag("img", src=to_jpeg(image), alt=said, width=width, height=height)


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
