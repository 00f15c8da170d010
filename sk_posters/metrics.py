"""Scores of multi-label answers, beside what answers without a model would score.

Everything here takes what any classifier returns, ours or another's. Nothing is
registered with scikit-learn: `mean_average_precision_score` shows the scorers to use.
"""

import warnings
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score

from sk_posters._answers import (
    check_answers,
    check_cells,
    check_sample_weight,
    common_names,
    label_matrix,
    shortened,
)
from sk_posters._compat import Interval, validate_params

__all__ = ["mean_average_precision_score", "scores_beside_trivial"]


def mean_average_precision_score(y_true, y_score, *, sample_weight=None):
    """Mean of the average precision over the labels that have a positive.

    Average precision says how well the scores of one label put its positive rows
    before the others: 1 is perfect, and scores that know nothing come out near the
    label's share of positive rows. A label without a positive has no average
    precision: it is left out of the mean, and a warning names it.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label. A 1-D array is read as one label.
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
        If shapes or column names differ, if `y_true` holds anything but 0 and 1, or
        if `y_score` holds nan or infinite values.

    Warns
    -----
    UndefinedMetricWarning
        If a label has no positive row (of a weight above zero).

    See Also
    --------
    scores_beside_trivial : This score and others beside those of trivial answers.
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
    labels, scores, names = check_answers(y_true, y_score, only_class=1)
    counts = labels.any(axis=0)
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, len(labels))
        counts = labels[sample_weight > 0].any(axis=0)
    _warn_of_labels_without_positive(names[~counts], len(names), stacklevel=3)
    return _mean_average_precision(labels, scores, counts, sample_weight)


@validate_params(
    {"threshold": [Interval(Real, 0, 1, closed="both")]},
    prefer_skip_nested_validation=True,
)
def scores_beside_trivial(y_true, y_score, *, y_train, threshold=0.5):
    """Scores of a model beside those of answers that need no model.

    With many rare labels, an answer that never looks at an image can score well: a
    model has learned something only where it does better than all of them.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, of rows that the model has not seen.
    y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of arrays
        The model's probabilities for these rows, in any of the forms that
        `mean_average_precision_score` takes.
    y_train : array-like, DataFrame or sparse matrix of shape (n_train, n_labels)
        0/1 of the rows that the model was fitted on. The trivial answers are learned
        from them alone, as the model was.
    threshold : float, default=0.5
        A label is given where its probability lies above it.

    Returns
    -------
    DataFrame
        A row per score, ``"hamming loss"``, ``"macro mAP"``, ``"micro F1"`` and
        ``"element accuracy"``, and these columns:

        - ``"better"``: whether the ``"lower"`` or the ``"higher"`` value is better;
        - ``"model"``: what `y_score` reaches;
        - ``"no label"``: the answer that no row has any label;
        - ``"label frequencies"``: each label's frequency in `y_train` as its
          probability in every row;
        - ``"most frequent"``: the k most frequent labels of `y_train` in every
          row, k being the mean number of labels of its rows, rounded, and at least 1.

    Raises
    ------
    ValueError
        If shapes or column names differ, if a target holds anything but 0 and 1, or
        if `y_score` holds anything but probabilities.

    Warns
    -----
    UndefinedMetricWarning
        If a label has no positive in `y_true`: it is left out of the macro mAP. If
        none has one, the macro mAP is nan, and so is the micro F1 of answers that
        give no label.

    See Also
    --------
    mean_average_precision_score : The macro mAP alone, for any kind of scores.

    Notes
    -----
    The macro mAP of all three trivial answers is the same: they tell no two rows
    apart, so each label's average precision is its share of positive rows. The micro
    F1 of "no label" is 0 by definition, as it finds none of the positives.

    Element accuracy is the share of right cells, 1 - hamming loss. It stands last
    because it flatters: where labels are rare, "no label" is right nearly everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.metrics import scores_beside_trivial
    >>> y_train = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]])
    >>> y_true = np.array([[1, 0, 0], [0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.1], [0.3, 0.4, 0.8]])
    >>> table = scores_beside_trivial(y_true, y_score, y_train=y_train)
    >>> print(table.iloc[:, :4].to_string(float_format="{:.3f}".format))
                      better  model  no label  label frequencies
    hamming loss       lower  0.167     0.500              0.500
    macro mAP         higher  1.000     0.500              0.500
    micro F1          higher  0.800     0.000              0.400
    element accuracy  higher  0.833     0.500              0.500
    """
    train, train_names = label_matrix(y_train, "y_train")
    only_class = np.where(train.min(axis=0) == train.max(axis=0), train[0], np.nan)
    labels, scores, names = check_answers(y_true, y_score, only_class)
    if train.shape[1] != labels.shape[1]:
        raise ValueError(
            "y_train and y_true must have the same labels: got "
            f"{train.shape[1]} and {labels.shape[1]} columns."
        )
    common_names(train_names, "y_train", names, "y_true and y_score")
    possible = (scores >= 0) & (scores <= 1)
    check_cells(possible, scores, names, "y_score must hold probabilities, 0 to 1")

    counts = labels.any(axis=0)
    # One more level than above: validate_params stands between.
    _warn_of_labels_without_positive(names[~counts], len(names), stacklevel=4)
    answers = {"model": scores, **_trivial_answers(train, len(labels))}
    columns = {"better": ["lower", "higher", "higher", "higher"]}
    for name, answer in answers.items():
        given = answer > threshold
        wrong = np.mean(given != labels)
        mean_ap = _mean_average_precision(labels, answer, counts)
        columns[name] = [wrong, mean_ap, _micro_f1(labels, given), 1 - wrong]
    rows = ["hamming loss", "macro mAP", "micro F1", "element accuracy"]
    return pd.DataFrame(columns, index=rows)


def _trivial_answers(train, n_samples):
    frequencies = train.mean(axis=0)
    n_most = max(1, round(train.sum(axis=1).mean()))
    most_frequent = np.zeros(len(frequencies))
    most_frequent[np.argsort(-frequencies, kind="stable")[:n_most]] = 1
    rows = {
        "no label": np.zeros(len(frequencies)),
        "label frequencies": frequencies,
        "most frequent": most_frequent,
    }
    return {name: np.tile(row, (n_samples, 1)) for name, row in rows.items()}


def _mean_average_precision(labels, scores, counts, sample_weight=None):
    if not counts.any():
        return float("nan")
    each = [
        average_precision_score(labels[:, j], scores[:, j], sample_weight=sample_weight)
        for j in np.flatnonzero(counts)
    ]
    return float(np.mean(each))


def _micro_f1(labels, given):
    # By hand: scikit-learn's would say 0 where there is nothing to find or to give.
    marked = labels.sum() + given.sum()
    return 2 * (labels * given).sum() / marked if marked else float("nan")


def _warn_of_labels_without_positive(names, n_labels, stacklevel):
    if len(names):
        left = "the mean over labels is undefined (nan)"
        if len(names) < n_labels:
            left = "they are left out of the mean over labels"
        warnings.warn(
            f"{len(names)} of {n_labels} labels have no positive in y_true, so that "
            f"average precision is undefined for them, and {left}: {shortened(names)}",
            UndefinedMetricWarning,
            stacklevel=stacklevel,
        )
