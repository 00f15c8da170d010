"""What displays ask of a fitted estimator."""

from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_label_names
from sk_posters._base._validation import label_matrix, match_names

__all__ = ["match_learned_names", "predict_for_display"]


def predict_for_display(estimator, X, y, display, methods=("predict_proba",)):
    """Return the scores of an estimator for the labels of y, and their names."""
    if not any(hasattr(estimator, method) for method in methods):
        raise ValueError(
            f"{display} needs an estimator with {' or '.join(methods)}, and "
            f"{type(estimator).__name__} has none."
        )
    labels, names = label_matrix(y, "y")
    scores, _, _ = predict_scores(
        estimator, X, methods=methods, n_labels=labels.shape[1]
    )
    return scores, match_learned_names(estimator, names)


def match_learned_names(estimator, names):
    """Return the names of y's columns, or the estimator's where y has none."""
    learned = find_label_names(estimator, names)
    return match_names(learned, "the estimator", names, "y")
