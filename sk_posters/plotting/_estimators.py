"""What displays ask of a fitted estimator."""

from sk_posters._base._predictions import match_learned_names, predict_scores
from sk_posters._base._validation import label_matrix

__all__ = ["predict_for_display"]


def predict_for_display(estimator, X, y, display, methods=("predict_proba",)):
    """Return the scores of an estimator for the labels of y, and their names."""
    if not any(hasattr(estimator, method) for method in methods):
        raise ValueError(
            f"{display} needs an estimator with {' or '.join(methods)}, and "
            f"{type(estimator).__name__} has none."
        )
    labels, names = label_matrix(y, "y", allow_unknown=True)
    scores, _, _ = predict_scores(
        estimator, X, methods=methods, n_labels=labels.shape[1]
    )
    return scores, match_learned_names(estimator, names)
