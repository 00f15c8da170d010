"""Scores of any multi-label classifier as one array, in whatever form it gives them."""

import numpy as np

from sk_posters._base._unwrap import find_label_names, unwrap
from sk_posters._base._validation import check_finite, score_matrix

__all__ = ["as_scores", "predict_scores"]


def predict_scores(estimator, X, *, methods=("predict_proba",), n_labels=None):
    """Return scores by the first method that an estimator has."""
    method = next((name for name in methods if hasattr(estimator, name)), None)
    if method is None:
        raise AttributeError(
            f"{type(estimator).__name__} has no {' or '.join(methods)}, so it gives no "
            "scores: take a classifier that has it."
        )
    scores, names = as_scores(getattr(estimator, method)(X), estimator, n_labels)
    if n_labels is not None and scores.shape[1] != n_labels:
        raise ValueError(
            f"{method} of {type(estimator).__name__} must give a score for each of the "
            f"{n_labels} labels of y: got {scores.shape[1]} columns."
        )
    check_finite(scores, names)
    return scores, names, method


def as_scores(given, estimator, n_labels=None):
    """Return what a method of an estimator gave as one array, and its column names."""
    steps, tuners = unwrap(estimator)
    if tuners:
        return score_matrix(given)  # Tuned thresholds give one array themselves.
    classes = getattr(steps[-1][1], "classes_", None)
    if (
        isinstance(given, np.ndarray)
        and isinstance(classes, np.ndarray)
        and given.shape[1:] == classes.shape
        and _has_one_label(estimator, n_labels)
    ):
        given, classes = [given], [classes]  # Those of a binary classifier.
    only_class = np.nan
    if isinstance(given, list) and classes is not None and len(classes) == len(given):
        only_class = [each[0] if np.size(each) == 1 else np.nan for each in classes]
    return score_matrix(given, only_class)


def _has_one_label(estimator, n_labels):
    names = find_label_names(estimator)
    if n_labels is None and names is not None:
        n_labels = len(names)
    if n_labels is not None:
        return n_labels == 1
    head = unwrap(estimator).head
    multilabel = getattr(head, "multilabel_", None)  # Of OneVsRestClassifier.
    return multilabel is False or getattr(head, "n_outputs_", None) == 1
