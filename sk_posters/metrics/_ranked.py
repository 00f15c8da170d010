"""Average precision and ROC-AUC of one ranking under many weightings of its rows."""

from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

__all__ = ["RankedPairs", "mean_of_defined", "ratio"]


class RankedPairs:
    """The (sample, label) pairs of a label or of several, best score first."""

    def __init__(self, labels, scores, rows, n_rows):
        order = np.argsort(-scores, kind="stable")
        labels, scores, rows = labels[order], scores[order], rows[order]
        places = np.cumsum(np.r_[False, scores[1:] != scores[:-1]])
        has_positive = np.bincount(places, weights=labels) > 0
        # Ranks without a positive only count as a sum, so neighbours are merged.
        starts = has_positive | np.r_[True, has_positive[:-1]]
        places = (np.cumsum(starts) - 1)[places]
        shape = (int(starts.sum()), n_rows)
        found = labels == 1
        self._all = csr_array((np.ones(len(rows)), (places, rows)), shape=shape)
        self._positive = csr_array(
            (np.ones(found.sum()), (places[found], rows[found])), shape=shape
        )

    def under(self, weights):
        """Return the ranking under weights of shape (n_rows, n_weightings)."""
        return _Weighted(self._all @ weights, self._positive @ weights)


class _Weighted:
    """Weights of all and of positive pairs by rank, a column for each weighting."""

    def __init__(self, all_pairs, positive):
        self._all, self._positive = all_pairs, positive
        self._all_so_far = np.cumsum(all_pairs, axis=0)
        self._positive_so_far = np.cumsum(positive, axis=0)

    @cached_property
    def average_precision(self):
        """Average precision, nan where no positive has a weight."""
        precision = ratio(self._positive_so_far, self._all_so_far, empty=0)
        found = (self._positive * precision).sum(axis=0)
        return ratio(found, self._positive_so_far[-1])

    @cached_property
    def roc_auc(self):
        """Area under the ROC curve, nan where one of the classes has no weight."""
        negative = self._all - self._positive
        so_far = self._all_so_far - self._positive_so_far
        won = self._positive * (so_far[-1] - so_far + negative / 2)
        return ratio(won.sum(axis=0), self._positive_so_far[-1] * so_far[-1])


def ratio(above, below, empty=np.nan):
    """Divide, with `empty` where there is nothing to divide by."""
    above, below = np.broadcast_arrays(above, below)
    result = np.full(above.shape, empty, dtype=float)
    return np.divide(above, below, out=result, where=below > 0)


def mean_of_defined(values, axis=0):
    """Return the mean of what is not nan, nan where everything is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=axis), defined.sum(axis=axis))
