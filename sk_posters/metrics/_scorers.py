"""Scorers for cross-validation and searches, right for multi-label classifiers."""

import warnings

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.metadata_routing import MetadataRequest

from sk_posters._base._predictions import match_learned_names, predict_scores
from sk_posters._base._validation import (
    check_probabilities,
    check_sample_weight,
    label_matrix,
)
from sk_posters.metrics._evaluation import SCORES, Evaluation
from sk_posters.metrics._notes import notes

__all__ = ["get_multilabel_scorer", "get_multilabel_scorer_names"]


def _scorer_name(name):
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return plain if SCORES[name].better == "higher" else f"neg_{plain}"


SCORER_NAMES = {_scorer_name(name): name for name in SCORES}


def get_multilabel_scorer_names():
    """Names of all multi-label scorers.

    Returns
    -------
    list of str
        Those that `get_multilabel_scorer` takes.

    Examples
    --------
    >>> from sk_posters.metrics import get_multilabel_scorer_names
    >>> get_multilabel_scorer_names()[:3]
    ['element_accuracy', 'lrap', 'macro_average_precision']
    """
    return sorted(SCORER_NAMES)


def get_multilabel_scorer(name, *, top_k=3):
    """Scorer of multi-label classifiers, by name.

    Give it as ``scoring=`` to `cross_val_score`, `GridSearchCV` and the like, or
    several in a dict. Higher is better: names of losses start with ``neg_``, and their
    values are below 0.

    Parameters
    ----------
    name : str
        One of ``"macro_average_precision"``, ``"micro_average_precision"``,
        ``"macro_f1"``, ``"micro_f1"``, ``"weighted_f1"``, ``"samples_f1"``,
        ``"subset_accuracy"``, ``"element_accuracy"``, ``"neg_hamming_loss"``,
        ``"macro_roc_auc"``, ``"lrap"``, ``"neg_ranking_loss"``,
        ``"neg_coverage_error"``, ``"precision_at_k"``, ``"recall_at_k"``,
        ``"top_k_hit"``, ``"top_1_hit"``, ``"neg_log_loss"`` and
        ``"neg_calibration_error"``, as `multilabel_report` defines them.
    top_k : int, default=3
        How many of a row's best labels count for the scores at k.

    Returns
    -------
    callable
        A scorer, called as ``scorer(estimator, X, y, sample_weight=None)``. F1,
        accuracies and hamming loss ask the estimator for ``predict``, all others for
        ``predict_proba``; ranks are content with ``decision_function``. With metadata
        routing, ``scorer.set_score_request(sample_weight=True)`` requests weights.

    Raises
    ------
    ValueError
        If there is no scorer of that name, or `top_k` is no whole number above 0.

    Warns
    -----
    UndefinedMetricWarning
        By the scorer, if it leaves out labels that the rows lack, or if there is
        nothing left: it then returns nan.

    See Also
    --------
    multilabel_report : All scores at once, next to baselines.
    mean_average_precision_score : The macro average precision as a function.

    Notes
    -----
    These scorers take what ``predict_proba`` returns, whether an array of shape
    (n_samples, n_labels) or a list of arrays, and know from ``classes_`` what a label
    is that the training rows held in one class only. ``scoring="neg_log_loss"`` of
    scikit-learn takes the labels of a row for classes that exclude each other, and is
    wrong here; ``"neg_log_loss"`` of this function is the mean cross-entropy of
    a (sample, label) pair.

    Pairs that are nan in y, because they are not known, are left out, as
    `multilabel_report` does; scikit-learn's own scorers refuse nan. The columns of y
    must be the labels that the estimator learned, in their order, where both have
    names.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sk_posters.metrics import get_multilabel_scorer
    >>> X, y = make_multilabel_classification(n_samples=60, random_state=0)
    >>> scoring = get_multilabel_scorer("macro_average_precision")
    >>> search = GridSearchCV(
    ...     KNeighborsClassifier(), {"n_neighbors": [1, 9]}, scoring=scoring, cv=3
    ... )
    >>> search.fit(X, y).best_params_
    {'n_neighbors': 9}
    """
    if name not in SCORER_NAMES:
        raise ValueError(
            f"There is no multi-label scorer named {name!r}: choose one of "
            f"{', '.join(map(repr, get_multilabel_scorer_names()))}."
        )
    if not isinstance(top_k, (int, np.integer)) or top_k < 1:
        raise ValueError(f"top_k must be a whole number above 0: got {top_k!r}.")
    return _Scorer(name, top_k)


class _Scorer:
    """Scores the predictions of an estimator; can be pickled."""

    requested = None

    def __init__(self, name, top_k):
        self.name, self.top_k = name, top_k

    def __repr__(self):
        return f"get_multilabel_scorer({self.name!r}, top_k={self.top_k})"

    def set_score_request(self, *, sample_weight):
        """Request weights of rows from meta-estimators, with metadata routing."""
        self.requested = sample_weight
        return self

    def get_metadata_routing(self):
        """Return which metadata meta-estimators pass to this scorer."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self.requested)
        return request

    def _routing_repr(self):
        return repr(self)

    def _accept_sample_weight(self):
        # Asked by scikit-learn's searches, without metadata routing.
        return True

    def __call__(self, estimator, X, y_true, sample_weight=None):
        score = SCORES[SCORER_NAMES[self.name]]
        labels, names = label_matrix(y_true, "y_true", allow_unknown=True)
        match_learned_names(estimator, names, "y_true")
        weights = np.ones((len(labels), 1))
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, len(labels)).reshape(-1, 1)
        if score.needs == "given":
            scores, _ = label_matrix(estimator.predict(X), "what predict returns")
            given = scores
        else:
            methods = ("predict_proba",)
            if score.needs == "scores":
                methods += ("decision_function",)
            scores, _, _ = predict_scores(
                estimator, X, methods=methods, n_labels=labels.shape[1]
            )
            given = np.zeros_like(labels)  # Not used.
        if score.needs == "probabilities":
            check_probabilities(scores, names, f" for {self.name}")
        if scores.shape != labels.shape:
            raise ValueError(
                "What predict returns must have the shape of y_true: got "
                f"{scores.shape} and {labels.shape}."
            )
        top_k = min(self.top_k, labels.shape[1])
        evaluation = Evaluation(labels, scores, given, top_k)
        value = float(score.of(evaluation.under(weights))[0])
        self._warn(evaluation, weights[:, 0] > 0, score, names, value)
        return value if score.better == "higher" else -value

    def _warn(self, evaluation, counts, score, names, value):
        seen = Evaluation(
            evaluation.true[counts], evaluation.scores, evaluation.given[counts], 1
        )
        note = notes(seen, names)[score.over]
        if np.isnan(value) or (note and score.over.startswith("labels")):
            warnings.warn(
                f"{self.name} is {note or 'undefined'}",
                UndefinedMetricWarning,
                stacklevel=3,
            )
