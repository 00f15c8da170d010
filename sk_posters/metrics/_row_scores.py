"""Scores of single rows, whose mean is the score of a set of rows.

Labels are 0, 1 or nan, where they are not known. Such pairs are left out: orders and
the k best labels of a row are those of its known labels, and a row with fewer than two
of them has no order.
"""

import numpy as np
from scipy.special import comb
from scipy.stats import rankdata

__all__ = ["N_BINS", "at_k", "calibration_gaps", "cross_entropy", "f1", "order_scores"]

N_BINS = 15  # Bins of equal width in which probabilities are compared with outcomes.


def f1(labels, given):
    """Return F1 by row, nan where no label is true or predicted."""
    marked = labels.sum(axis=1) + given.sum(axis=1)
    right = (labels * given).sum(axis=1)
    return np.where(marked > 0, 2 * right / np.maximum(marked, 1), np.nan)


def order_scores(labels, scores):
    """Return LRAP, coverage error and ranking loss by row, as scikit-learn has them."""
    if labels.shape[1] < 2:
        names = ("LRAP", "coverage error", "ranking loss")
        return dict.fromkeys(names, np.full(len(labels), np.nan))
    true, known = labels == 1, ~np.isnan(labels)
    n_true, n_known = true.sum(axis=1), known.sum(axis=1)
    n_false = n_known - n_true
    scores = np.where(known, scores, -np.inf)  # Below all that count.
    # How many labels, and how many true ones, score as high or higher.
    rank = rankdata(-scores, method="max", axis=1)
    of_true = np.where(true, -scores, np.inf)
    rank_among_true = rankdata(of_true, method="max", axis=1)
    precision = np.where(true, rank_among_true / rank, 0).sum(axis=1)
    wrong = np.where(true, rank - rank_among_true, 0).sum(axis=1)
    pairs = n_true * n_false
    values = {
        "LRAP": np.where(n_true > 0, precision / np.maximum(n_true, 1), 1.0),
        "coverage error": np.where(true, rank, 0).max(axis=1).astype(float),
        "ranking loss": np.where(pairs > 0, wrong / np.maximum(pairs, 1), 0.0),
    }
    return {n: np.where(n_known > 1, value, np.nan) for n, value in values.items()}


def at_k(labels, scores, k):
    """Return precision, recall and hits among the k best labels by row."""
    if labels.shape[1] < 2:
        names = ("precision", "recall", "hit")
        return dict.fromkeys(names, np.full(len(labels), np.nan))
    true, known = labels == 1, ~np.isnan(labels)
    n_known = known.sum(axis=1)
    if known.all():
        last = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    else:
        k = np.minimum(k, np.maximum(n_known, 1))
        scores = np.where(known, scores, -np.inf)
        last = -np.take_along_axis(np.sort(-scores), k[:, np.newaxis] - 1, axis=1)
    sure, tied = scores > last, scores == last
    places, n_tied = k - sure.sum(axis=1), tied.sum(axis=1)
    found, open_ = (true & sure).sum(axis=1), (true & tied).sum(axis=1)
    expected = found + open_ * places / n_tied
    missed = comb(n_tied - open_, places) / comb(n_tied, places)
    n_true = true.sum(axis=1)
    some = (n_true > 0) & (n_known > 1)
    return {
        "precision": np.where(n_known > 1, expected / k, np.nan),
        "recall": np.where(some, expected / np.maximum(n_true, 1), np.nan),
        "hit": np.where(some, np.where(found > 0, 1.0, 1 - missed), np.nan),
    }


def cross_entropy(labels, probabilities):
    """Return the cross-entropy of each (sample, label) pair, clipped off 0 and 1."""
    least = np.finfo(float).eps
    right = np.where(labels == 1, probabilities, 1 - probabilities)
    losses = -np.log(np.clip(right, least, 1 - least))
    return np.where(np.isnan(labels), np.nan, losses)


def calibration_gaps(labels, probabilities):
    """Return how far probabilities exceed outcomes, summed by row and bin."""
    bins = np.minimum((probabilities * N_BINS).astype(int), N_BINS - 1)
    gaps = np.zeros((len(labels), N_BINS))
    rows = np.arange(len(labels))[:, np.newaxis]
    np.add.at(gaps, (rows, bins), np.nan_to_num(probabilities - labels))
    return gaps
