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
from sk_posters.metrics._average_precision import warn_of_labels_without_positive
from sk_posters.metrics._evaluation import SCORES, Evaluation
from sk_posters.metrics._ranked import mean_of_defined
from sk_posters.metrics._ties import (
    expect_average_precision,
    expect_chance,
    expect_order_scores,
)

__all__ = [
    "BASELINES",
    "find_only_class",
    "score_baselines",
    "scores_beside_trivial",
]

BASELINES = ["no label", "label frequencies", "most frequent", "every label"]
FOUR_SCORES = {
    "hamming loss": "hamming loss",
    "macro average precision": "macro mAP",
    "micro F1": "micro F1",
    "element accuracy": "element accuracy",
}


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
        A label is predicted where its probability is at least the threshold.

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
          row, k being the mean number of labels of its rows, rounded, and at least 1;
        - ``"every label"``: every label predicted for every row.

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
    The baselines do not distinguish rows, so that their macro mAP is the same: that of
    rows in random order. Of n rows with m positives, this is H_n / n + (1 - H_n / n)
    (m - 1) / (n - 1) on average, where H_n is 1 + 1/2 + ... + 1/n: more than the
    prevalence m / n, and much more for a rare label. (scikit-learn gives all rows the
    same rank, and comes out at the prevalence.) The micro F1 of "no label" is 0 by
    definition, as it finds none of the positives.

    All baselines but the label frequencies are decisions, whatever the threshold.

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
    macro mAP         higher  1.000     0.750              0.750
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

    # validate_params adds a level.
    without = names[~(labels == 1).any(axis=0)]
    warn_of_labels_without_positive(without, len(names), stacklevel=4)
    model = Evaluation(labels, scores, scores >= threshold, 1)
    columns = {"model": {name: SCORES[name].of(model.once)[0] for name in FOUR_SCORES}}
    columns |= score_baselines(train, labels, threshold, names=FOUR_SCORES)
    frame = pd.DataFrame(columns, index=list(FOUR_SCORES))
    frame.insert(0, "better", [SCORES[name].better for name in FOUR_SCORES])
    return frame.rename(FOUR_SCORES)


def score_baselines(train, labels, thresholds, *, names=SCORES, top_k=1, group_of=None):
    """Return scores by baseline and name, the mean over all orders of equal scores."""
    group_of = np.arange(len(labels)) if group_of is None else group_of
    some, others = (labels == 1).any(axis=0), (labels == 0).any(axis=0)
    # Of scores that are the same for all rows.
    by_chance = {
        "macro average precision": mean_of_defined(expect_chance(labels, group_of)),
        "macro ROC-AUC": 0.5 if (some & others).any() else np.nan,
    }
    found = {}
    for baseline, row in _predict_baselines(train).items():
        # The others are decisions, whatever the thresholds.
        least = thresholds if baseline == "label frequencies" else 0.5
        scores = np.tile(row, (len(labels), 1))
        evaluation = Evaluation(labels, scores, scores >= least, top_k)
        evaluation.order_scores = expect_order_scores(labels, row)
        once = evaluation.once
        known = dict(by_chance)
        if "micro average precision" in names:
            micro = expect_average_precision(labels, row, group_of)
            known["micro average precision"] = micro
        found[baseline] = {
            name: float(known[name] if name in known else SCORES[name].of(once)[0])
            for name in names
        }
    return found


def _predict_baselines(train):
    """Return the probabilities that each baseline predicts for any row, by name."""
    frequencies, n_per_row = _count_labels(train)
    n_most = max(1, round(n_per_row))
    most_frequent = np.zeros(len(frequencies))
    most_frequent[np.argsort(-frequencies, kind="stable")[:n_most]] = 1
    rows = [np.zeros(len(frequencies)), frequencies, most_frequent]
    return dict(zip(BASELINES, [*rows, np.ones(len(frequencies))], strict=True))


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
