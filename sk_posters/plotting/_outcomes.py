"""F1, precision and recall at many thresholds."""

import numpy as np

from sk_posters._base._validation import find_known, shorten

__all__ = ["AVERAGES", "METRICS", "Outcomes"]

AVERAGES = ("micro", "macro")
METRICS = ("F1", "precision", "recall")


class Outcomes:
    """Labels and scores; a label is predicted where its score reaches a threshold."""

    def __init__(self, labels, scores, names):
        self.labels, self.scores, self.names = labels, scores, names
        self.known = find_known(labels)
        self.n_positive = np.where(self.known, labels, 0).sum(axis=0)

    def check(self, chosen):
        """Refuse names that are neither labels nor averages."""
        unknown = [name for name in chosen if name not in [*self.names, *AVERAGES]]
        if unknown or not len(chosen):
            raise ValueError(
                "labels must be names of labels, 'micro' or 'macro', one at least: got "
                f"{shorten(unknown)}. The labels are {shorten(self.names)}."
            )

    def values(self, name, thresholds):
        """Return metrics of a label or average at thresholds of shape (n,)."""
        if name in self.names:
            label = self.names.index(name)
            return _metrics(*self._counts(label, thresholds), self.n_positive[label])
        return self._average(name, [thresholds] * len(self.names))

    def evaluate(self, name, thresholds):
        """Return the threshold of a label, and its F1 there."""
        if name in self.names:
            threshold = thresholds[self.names.index(name)]
            f1 = self.values(name, np.array([threshold]))["F1"]
        else:
            threshold = thresholds[0] if np.ptp(thresholds) == 0 else np.nan
            f1 = self._average(name, thresholds[:, np.newaxis])["F1"]
        return float(threshold), float(f1[0])

    def _average(self, name, thresholds):
        each = [self._counts(label, tried) for label, tried in enumerate(thresholds)]
        if name == "micro":
            return _metrics(*np.sum(each, axis=0), self.n_positive.sum())
        values = [
            _metrics(*counts, n_positive)
            for counts, n_positive in zip(each, self.n_positive, strict=True)
            if n_positive
        ]
        return {
            metric: _mean_of_defined([value[metric] for value in values])
            for metric in METRICS
        }

    def _counts(self, label, thresholds):
        """Return the numbers of true positives and of predicted rows of a label."""
        rows = np.flatnonzero(self.known[:, label])
        order = rows[np.argsort(self.scores[rows, label])]
        first = np.searchsorted(self.scores[order, label], thresholds)
        hits = np.append(np.cumsum(self.labels[order[::-1], label])[::-1], 0)
        return hits[first], len(order) - first


def _metrics(hits, given, n_positive):
    some = n_positive if n_positive else np.nan
    precision = np.full(len(given), np.nan)
    np.divide(hits, given, out=precision, where=given > 0)
    return {
        "F1": 2 * hits / (given + some),
        "precision": precision,
        "recall": hits / some,
    }


def _mean_of_defined(values):
    values = np.array(values)
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0).sum(axis=0)
    mean = np.full(len(total), np.nan)
    return np.divide(total, defined.sum(axis=0), out=mean, where=defined.any(axis=0))
