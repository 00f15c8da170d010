"""What displays ask of a fitted estimator."""

import numpy as np

from sk_posters._base._validation import label_matrix, match_names, score_matrix
from sk_posters.model_selection._out_of_fold import scores_of

__all__ = ["last_step", "learned_names", "predicted_answers", "predicted_scores"]


def last_step(estimator):
    """Return the classifier at the end of searches and pipelines."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "steps"):
        return last_step(estimator.steps[-1][1])
    return estimator


def predicted_scores(estimator, X):
    """Return the scores of labels as one array, and the names of its columns."""
    y_score, only_class = estimator.predict_proba(X), np.nan
    if isinstance(y_score, list):  # An array per label, of the classes met in fit.
        classes = [np.asarray(each) for each in last_step(estimator).classes_]
        only_class = [each[0] if each.size == 1 else np.nan for each in classes]
    return score_matrix(y_score, only_class)


def predicted_answers(estimator, X, y, display, methods=("predict_proba",)):
    """Return the scores of an estimator for the labels of y, and their names."""
    if not any(hasattr(estimator, method) for method in methods):
        raise ValueError(
            f"{display} needs an estimator with {' or '.join(methods)}, and "
            f"{type(estimator).__name__} has none."
        )
    labels, names = label_matrix(y, "y")
    scores, _ = scores_of(estimator, X, methods, labels.shape[1])
    return scores, learned_names(estimator, names)


def learned_names(estimator, names):
    """Return the names of y's columns, or the estimator's where y has none."""
    learned = getattr(last_step(estimator), "label_names_", names)
    return match_names(learned, "the estimator", names, "y")
