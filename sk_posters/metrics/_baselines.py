"""Scores of a model next to those of baselines that need no model."""

from numbers import Real

import numpy as np
import pandas as pd

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._validation import (
    check_predictions,
    check_probabilities,
    find_known,
    has_unknown,
    label_matrix,
    match_names,
)
from sk_posters.metrics._average_precision import (
    mean_average_precision,
    warn_of_labels_without_positive,
)

__all__ = ["find_only_class", "predict_baselines", "scores_beside_trivial"]


@validate_params(
    {"threshold": [Interval(Real, 0, 1, closed="both")]},
    prefer_skip_nested_validation=True,
)
def scores_beside_trivial(y_true, y_score, *, y_train, threshold=0.5):
    """Scores of a model next to those of baselines that need no model.

    With many rare labels, predictions made without any image can score well: a model
    has learned something only where it does better than all baselines.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, of rows that the model has not seen; nan where it
        is not known. Such pairs are left out of all scores.
    y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of arrays
        The model's probabilities for these rows, in any of the forms that
        `mean_average_precision_score` takes.
    y_train : array-like, DataFrame or sparse matrix of shape (n_train, n_labels)
        0/1 of the rows that the model was fitted on, nan where it is not known. The
        baselines are learned from them alone, as the model was.
    threshold : float, default=0.5
        A label is predicted where its probability is above the threshold.

    Returns
    -------
    DataFrame
        A row per score, ``"hamming loss"``, ``"macro mAP"``, ``"micro F1"`` and
        ``"element accuracy"``, and these columns:

        - ``"better"``: whether the ``"lower"`` or the ``"higher"`` value is better;
        - ``"model"``: the score of `y_score`;
        - ``"no label"``: no label predicted for any row;
        - ``"label frequencies"``: each label's frequency in `y_train` as its
          probability in every row;
        - ``"most frequent"``: the k most frequent labels of `y_train` in every
          row, k being the mean number of labels of its rows, rounded, and at least 1.

    Raises
    ------
    ValueError
        If shapes or column names differ, if a target holds anything but 0, 1 and
        nan, or if `y_score` holds anything but probabilities.

    Warns
    -----
    UndefinedMetricWarning
        If a label has no positive in `y_true`: it is left out of the macro mAP. If
        none has one, the macro mAP is nan, and so is the micro F1 of
        predictions without any label.

    See Also
    --------
    mean_average_precision_score : The macro mAP alone, for any kind of scores.

    Notes
    -----
    The macro mAP of all three baselines is the same: they do not distinguish rows, so
    each label's average precision is its share of positive rows. The micro F1 of "no
    label" is 0 by definition, as it finds none of the positives.

    Element accuracy is the share of correct (sample, label) pairs, 1 - hamming loss.
    It comes last because it flatters: where labels are rare, "no label" is right
    almost everywhere.

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
    train, train_names = label_matrix(y_train, "y_train", allow_unknown=True)
    labels, scores, names = check_predictions(y_true, y_score, find_only_class(train))
    if train.shape[1] != labels.shape[1]:
        raise ValueError(
            "y_train and y_true must have the same labels: got "
            f"{train.shape[1]} and {labels.shape[1]} columns."
        )
    match_names(train_names, "y_train", names, "y_true and y_score")
    check_probabilities(scores, names)

    counts = (labels == 1).any(axis=0)
    known = find_known(labels)
    # validate_params adds a level.
    warn_of_labels_without_positive(names[~counts], len(names), stacklevel=4)
    predicted = {"model": scores, **predict_baselines(train, len(labels))}
    columns = {"better": ["lower", "higher", "higher", "higher"]}
    for name, probabilities in predicted.items():
        given = probabilities > threshold
        wrong = np.mean((given != labels)[known]) if known.any() else float("nan")
        mean_ap = mean_average_precision(labels, probabilities, counts)
        f1 = _micro_f1(labels[known], given[known])
        columns[name] = [
            wrong,
            mean_ap,
            f1,
            1 - wrong,
        ]
    rows = ["hamming loss", "macro mAP", "micro F1", "element accuracy"]
    return pd.DataFrame(columns, index=rows)


def predict_baselines(train, n_samples):
    """Return the probabilities that each baseline predicts, by name."""
    frequencies, n_per_row = _count_labels(train)
    n_most = max(1, round(n_per_row))
    most_frequent = np.zeros(len(frequencies))
    most_frequent[np.argsort(-frequencies, kind="stable")[:n_most]] = 1
    rows = {
        "no label": np.zeros(len(frequencies)),
        "label frequencies": frequencies,
        "most frequent": most_frequent,
    }
    return {name: np.tile(row, (n_samples, 1)) for name, row in rows.items()}


def _count_labels(train):
    """Return the frequency of each label where it is known, and the labels per row."""
    if not has_unknown(train):
        return train.mean(axis=0), train.sum(axis=1).mean()
    known = find_known(train)
    n_known = known.sum(axis=0)
    # A label that is known in no row may be in any number of rows.
    frequencies = np.full(train.shape[1], 0.5)
    positives = np.where(known, train, 0).sum(axis=0)
    np.divide(positives, n_known, out=frequencies, where=n_known > 0)
    return frequencies, frequencies.sum()


def find_only_class(train):
    """Return the class of each label that has only one in the training set, or nan."""
    if has_unknown(train):
        some = [(train == value).any(axis=0) for value in (0, 1)]
        return np.select([some[0] & ~some[1], some[1] & ~some[0]], [0.0, 1.0], np.nan)
    return np.where(train.min(axis=0) == train.max(axis=0), train[0], np.nan)


def _micro_f1(labels, given):
    # scikit-learn's would be 0 where nothing is true or predicted.
    marked = labels.sum() + given.sum()
    return 2 * (labels * given).sum() / marked if marked else float("nan")
