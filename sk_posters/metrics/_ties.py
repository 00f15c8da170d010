"""Scores of predictions whose ties come in random order: those of baselines.

Baselines score many rows alike. scikit-learn counts such ties against average
precision, LRAP, ranking loss and coverage error, so that any random order of the rows
seems to know more. Here, each score is the mean over all orders of the ties.
"""

import numpy as np

from sk_posters.metrics._ranked import ratio

__all__ = ["expect_average_precision", "expect_chance", "expect_order_scores"]


def expect_chance(labels, group_of):
    """Return by label the average precision of groups in random order, nan if none."""
    columns = (column[:, np.newaxis] for column in labels.T)
    any_score = np.zeros(1)
    return np.array([expect_average_precision(c, any_score, group_of) for c in columns])


def expect_average_precision(labels, row_scores, group_of):
    """Return that of known pairs, the pairs of equal score by group in random order."""
    n_groups = group_of.max(initial=-1) + 1
    above = positive_above = found = 0.0
    for score in np.unique(row_scores)[::-1]:
        block = labels[:, row_scores == score]
        units = (group_of[:, np.newaxis] + n_groups * np.arange(block.shape[1])).ravel()
        sizes = np.bincount(units, ~np.isnan(block).ravel())
        positives = np.bincount(units, (block == 1).ravel())
        found += _count_found(sizes, positives, above, positive_above)
        above += sizes.sum()
        positive_above += positives.sum()
    return float(found / positive_above) if positive_above else np.nan


def _count_found(sizes, positives, above, positive_above):
    """Return the sum of precisions at the positives of groups in random order.

    Of n rows in groups of one with m positives, and none above, it is m times
    H_n / n + (1 - H_n / n) (m - 1) / (n - 1), H_n being the harmonic number. For groups
    of several sizes, those before a group are taken to be of mean size.
    """
    total, n_positive = sizes.sum(), positives.sum()
    sizes, positives = sizes[sizes > 0], positives[sizes > 0]
    share_before = np.arange(len(sizes)) / max(1, len(sizes) - 1)
    kinds = np.column_stack([sizes, positives])[positives > 0]
    kinds, counts = np.unique(kinds, axis=0, return_counts=True)
    found = 0.0
    for (size, positive), count in zip(kinds, counts, strict=True):
        so_far = positive_above + positive + share_before * (n_positive - positive)
        rank = above + size + share_before * (total - size)
        found += count * positive * np.mean(so_far / rank)
    return found


def expect_order_scores(labels, row_scores):
    """Return LRAP, coverage error and ranking loss by row, equal scores at random."""
    known, true = ~np.isnan(labels), labels == 1
    n_known, n_true = known.sum(axis=1), true.sum(axis=1)
    above, true_above, precision, wrong, depth = np.zeros((5, len(labels)))
    for score in np.unique(row_scores)[::-1]:
        block = row_scores == score
        n, m = known[:, block].sum(axis=1), true[:, block].sum(axis=1)
        before = ratio(m - 1.0, n - 1.0, empty=0)
        for place in range(n.max(initial=0)):
            so_far = true_above + 1 + place * before
            here = ratio(m, n, empty=0) * so_far / (above + 1 + place)
            precision += np.where(place < n, here, 0)
        wrong += m * (above - true_above + (n - m) / 2)
        depth = np.where(m > 0, above + m * (n + 1) / (m + 1), depth)
        above, true_above = above + n, true_above + m
    values = {
        "LRAP": ratio(precision, n_true, empty=1),
        "coverage error": depth,
        "ranking loss": ratio(wrong, n_true * (n_known - n_true), empty=0),
    }
    return {n: np.where(n_known > 1, value, np.nan) for n, value in values.items()}
