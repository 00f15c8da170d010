"""What displays ask of a fitted estimator."""

import numpy as np

from sk_posters._answers import score_matrix

__all__ = ["last_step", "predicted_scores"]


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
