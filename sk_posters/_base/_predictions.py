"""Scores of any multi-label classifier as one array, in whatever form it gives them."""

import numpy as np

from sk_posters._base._unwrap import find_label_names, unwrap
from sk_posters._base._validation import (
    check_finite,
    check_sample_weight,
    find_known,
    label_matrix,
    match_names,
    score_matrix,
)

__all__ = ["as_scores", "match_learned_names", "predict_scores", "score_subsets"]


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


def match_learned_names(estimator, names, source="y"):
    """Return the names of a target's columns, or the estimator's where it has none."""
    learned = find_label_names(estimator, names)
    return match_names(learned, "the estimator", names, source)


def score_subsets(estimator, X, y, sample_weight=None):
    """Return the share of rows whose known labels are all right, nan if none are."""
    labels, names = label_matrix(y, "y", allow_unknown=True)
    match_learned_names(estimator, names)
    predicted = label_matrix(estimator.predict(X), "what predict returns")[0]
    if labels.shape != predicted.shape:
        raise ValueError(
            "y must have a row per sample and a column per label: got "
            f"{labels.shape} for predictions of {predicted.shape}."
        )
    known = find_known(labels)
    right, rows = ((labels == predicted) | ~known).all(axis=1), known.any(axis=1)
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, len(labels))[rows]
    if not rows.any():
        return float("nan")
    return float(np.average(right[rows], weights=sample_weight))


def _has_one_label(estimator, n_labels):
    names = find_label_names(estimator)
    if n_labels is None and names is not None:
        n_labels = len(names)
    if n_labels is not None:
        return n_labels == 1
    head = unwrap(estimator).head
    multilabel = getattr(head, "multilabel_", None)  # Of OneVsRestClassifier.
    return multilabel is False or getattr(head, "n_outputs_", None) == 1
