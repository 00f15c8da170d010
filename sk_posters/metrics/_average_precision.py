"""Average precision, over the labels that have a positive."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score

from sk_posters._base._validation import (
    check_predictions,
    check_sample_weight,
    find_known,
    shorten,
)

__all__ = [
    "mean_average_precision",
    "mean_average_precision_score",
    "warn_of_labels_without_positive",
]


def mean_average_precision_score(y_true, y_score, *, sample_weight=None):
    """Mean of the average precision over the labels that have a positive.

    Average precision says how well the scores of one label put its positive rows
    before the others: 1 is perfect, and scores that know nothing come out near the
    label's share of positive rows. A label without a positive has no average
    precision: it is left out of the mean, and a warning names it. Each label is scored
    on the rows in which it is known.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, nan where it is not known. A 1-D array is read as
        one label.
    y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of arrays
        Probabilities or other scores, higher where a label is likelier; also the
        list with an array of shape (n_samples, 2) per label that ``predict_proba``
        of scikit-learn's multi-output classifiers returns.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; None weighs them alike.

    Returns
    -------
    float
        The mean, from 0 to 1; nan if no label has a positive.

    Raises
    ------
    ValueError
        If shapes or column names differ, if `y_true` holds anything but 0, 1 and
        nan, or if `y_score` holds nan or infinite values.

    Warns
    -----
    UndefinedMetricWarning
        If a label has no positive row (of a weight above zero).

    See Also
    --------
    scores_beside_trivial : This score and others next to those of baselines.
    sklearn.metrics.average_precision_score : The same with ``average="macro"``, save
        that a label without a positive counts as 0 there.

    Notes
    -----
    For cross-validation and searches, make a scorer of it::

        make_scorer(mean_average_precision_score, response_method="predict_proba")

    ``scoring="average_precision"`` works too, and gives the same wherever every label
    has a positive in every fold. Where one has not, it counts that label as 0, so
    that a fold which lacks a rare label scores lower for no fault of the model's.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_posters.metrics import mean_average_precision_score
    >>> y_true = pd.DataFrame({"Drama": [1, 0, 1], "Comedy": [0, 1, 0]})
    >>> y_score = [[0.9, 0.2], [0.6, 0.7], [0.5, 0.8]]
    >>> round(mean_average_precision_score(y_true, y_score), 3)
    0.667

    A scorer, for `cross_val_score` or `GridSearchCV`:

    >>> from sklearn.metrics import make_scorer
    >>> scorer = make_scorer(
    ...     mean_average_precision_score, response_method="predict_proba"
    ... )
    """
    # What a label's only class was does not matter to ranks: it is constant either way.
    labels, scores, names = check_predictions(y_true, y_score, only_class=1)
    counts = (labels == 1).any(axis=0)
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, len(labels))
        counts = (labels[sample_weight > 0] == 1).any(axis=0)
    warn_of_labels_without_positive(names[~counts], len(names), stacklevel=3)
    return mean_average_precision(labels, scores, counts, sample_weight)


def mean_average_precision(labels, scores, counts, sample_weight=None):
    """Return the mean over the labels that count, nan if none does."""
    if not counts.any():
        return float("nan")
    each = [
        _average_precision(labels[:, j], scores[:, j], sample_weight)
        for j in np.flatnonzero(counts)
    ]
    return float(np.mean(each))


def _average_precision(labels, scores, sample_weight):
    """Return the average precision of the rows in which a label is known."""
    rows = find_known(labels)
    if not rows.all():
        labels, scores = labels[rows], scores[rows]
        sample_weight = None if sample_weight is None else sample_weight[rows]
    return average_precision_score(labels, scores, sample_weight=sample_weight)


def warn_of_labels_without_positive(names, n_labels, stacklevel):
    """Say which labels a mean over labels leaves out."""
    if len(names):
        left = "the mean over labels is undefined (nan)"
        if len(names) < n_labels:
            left = "they are left out of the mean over labels"
        warnings.warn(
            f"{len(names)} of {n_labels} labels have no positive in y_true, so that "
            f"average precision is undefined for them, and {left}: {shorten(names)}",
            UndefinedMetricWarning,
            stacklevel=stacklevel,
        )
