"""The best and the worst predictions, with their posters."""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sk_posters._base._compat import _safe_indexing
from sk_posters._report._pictures import picture_poster
from sk_posters.inspection import grad_cam
from sk_posters.metrics._ranked import mean_of_defined
from sk_posters.metrics._row_scores import cross_entropy
from sk_posters.plotting._posters import as_list

__all__ = ["Predictions", "map_saliency"]

MOST_LABELS, FEWEST_LABELS = 8, 3
# A sign and a word, so that colour alone tells nothing; the last is a CSS class.
OUTCOMES = {
    (1, 1): ("✓", "right", "right"),
    (0, 1): ("✗", "wrong", "wrong"),
    (1, 0): ("○", "missed", "missed"),
    (0, 0): ("", "", "other"),
}
UNKNOWN = ("?", "not known", "other")


@dataclass(frozen=True)
class Predictions:
    """Samples with their true labels, probabilities and thresholds."""

    X: object
    labels: np.ndarray
    scores: np.ndarray
    thresholds: object
    names: list

    @cached_property
    def loss(self):
        """Log loss of each row, of the labels that are known; nan if none is."""
        return mean_of_defined(cross_entropy(self.labels, self.scores), axis=1)

    def find_best_and_worst(self, n_posters, groups=None):
        """Return the rows of least and of greatest log loss, one of each group."""
        order = np.argsort(self.loss, kind="stable")
        order = order[~np.isnan(self.loss[order])]
        # An image without a true label is easy, and shows little.
        labelled = (self.labels == 1).any(axis=1)[order]
        easy = order[labelled] if labelled.any() else order
        groups = np.arange(len(self.loss)) if groups is None else np.asarray(groups)
        n_each = min(n_posters, max(1, len(pd.unique(groups[order])) // 2))
        worst = _take_one_of_each(order[::-1], groups)[:n_each]
        others = easy[~np.isin(groups[easy], groups[worst])]
        return _take_one_of_each(others, groups)[:n_each], worst

    def describe(self, rows, saliency):
        """Return what the page shows of some rows; `saliency` maps rows to maps."""
        posters = as_list(_safe_indexing(self.X, rows)) if rows else []
        return [
            self._describe_row(row, poster, saliency.get(row))
            for row, poster in zip(rows, posters, strict=True)
        ]

    def _describe_row(self, row, poster, saliency):
        labels, scores = self.labels[row], self.scores[row]
        predicted = (scores >= self.thresholds).astype(int)
        name = f"row {row}"
        path = poster if isinstance(poster, str) else getattr(poster, "path", None)
        if path is not None:
            name = os.path.basename(path)
        return {
            "name": name,
            "pictures": picture_poster(poster, saliency),
            "predicted": self._select_names(predicted),
            "true": self._select_names(labels == 1),
            "most_probable": self.names[int(scores.argmax())],
            "loss": self.loss[row],
            "labels": [
                {
                    "name": self.names[j],
                    "score": scores[j],
                    "outcome": _find_outcome(labels[j], predicted[j]),
                }
                for j in _find_notable(labels, scores, predicted)
            ],
        }

    def _select_names(self, marks):
        return [self.names[j] for j in np.flatnonzero(marks)] or ["none"]


def _find_outcome(label, predicted):
    return UNKNOWN if np.isnan(label) else OUTCOMES[int(label), int(predicted)]


def map_saliency(estimator, X, rows, scores):
    """Return by row a saliency map of its most probable label, from 0 to 1."""
    # One row at a time: maps of all labels of all rows might not fit in memory.
    return {
        row: grad_cam(
            estimator, _safe_indexing(X, [row]), labels=[int(scores[row].argmax())]
        )[0, 0]
        for row in rows
    }


def _take_one_of_each(rows, groups):
    return rows[~pd.Series(groups[rows]).duplicated().to_numpy()].tolist()


def _find_notable(labels, scores, predicted):
    """Return the labels that are true, predicted or most probable, best first."""
    order = np.argsort(-scores, kind="stable")
    notable = (labels == 1) | (predicted == 1)
    notable[order[:FEWEST_LABELS]] = True
    return order[notable[order]][:MOST_LABELS]
