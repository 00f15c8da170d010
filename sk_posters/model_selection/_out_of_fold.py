"""Scores of rows that the scoring classifier was not fitted on, of any classifier."""

import contextlib
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._compat import _check_method_params, _num_samples, _safe_indexing
from sk_posters._base._validation import check_finite, score_matrix
from sk_posters.model_selection._split import (
    MultilabelStratifiedGroupKFold,
    MultilabelStratifiedKFold,
    multilabel_train_test_split,
)

__all__ = ["held_out_scores", "scores_of", "splits_of"]


def splits_of(tuner, X, y, labels, params):
    """Return the rows to fit on and those to score, for each split.

    Parameters
    ----------
    tuner : estimator
        Its parameters `estimator`, `cv`, `refit` and `random_state` count.
    X : array-like of length n
        What will be split.
    y : array-like of length n
        The target as given.
    labels : ndarray of shape (n, n_labels)
        The target as 0/1.
    params : dict
        What the splitter takes besides: `groups`.

    Returns
    -------
    list of (ndarray, ndarray)
        In place of the rows to fit on, None stands for an estimator that is fitted.

    Raises
    ------
    ValueError
        If `cv` and `refit` do not go together.
    NotFittedError
        If ``cv="prefit"`` and the estimator is not fitted.
    """
    if isinstance(tuner.cv, str):
        if tuner.refit:
            raise ValueError(
                "cv='prefit' keeps the estimator as it is: set refit=False with it."
            )
        check_is_fitted(tuner.estimator)
        return [(None, np.arange(_num_samples(X)))]
    splits = _splits(tuner, X, y, labels, params)
    if not tuner.refit and len(splits) > 1:
        raise ValueError(
            "refit=False needs a single split, whose classifier is kept: cv has "
            f"{len(splits)}. Set refit=True, or cv to the share of rows to hold out."
        )
    return splits


def _splits(tuner, X, y, labels, params):
    cv, grouped = tuner.cv, params.get("groups") is not None
    if cv is None or isinstance(cv, Integral):
        folds = MultilabelStratifiedKFold(5 if cv is None else cv)
        if grouped:
            folds = MultilabelStratifiedGroupKFold(folds.n_splits)
        with _rare_labels_allowed():
            return list(folds.split(X, labels, params.get("groups")))
    if isinstance(cv, Real):
        rows = np.arange(_num_samples(X))
        options = {"test_size": cv, "random_state": tuner.random_state, **params}
        with _rare_labels_allowed():
            return [
                tuple(multilabel_train_test_split(rows, stratify=labels, **options))
            ]
    return list(check_cv(cv).split(X, y, **params))


@contextlib.contextmanager
def _rare_labels_allowed():
    """Silence what the splitter says of rare labels: their thresholds are shrunk."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\d+ of \d+ labels are [01] in fewer than")
        yield


def held_out_scores(tuner, X, y, splits, *, n_labels, methods, fit_params):
    """Fit on one part of the rows and score the other, for each split.

    Parameters
    ----------
    tuner : estimator
        Its parameters `estimator`, `refit` and `n_jobs` count.
    X : array-like of length n
        All rows.
    y : array-like of length n
        Their target.
    splits : list of (ndarray, ndarray)
        As `splits_of` returns them.
    n_labels : int
        Number of labels.
    methods : tuple of str
        Methods that give scores; the first that there is counts.
    fit_params : dict
        What `fit` takes besides, all rows of it.

    Returns
    -------
    rows : list of ndarray
        The rows scored, for each split.
    scores : list of ndarray
        Their scores.
    method : str
        Where they come from.
    estimator : estimator instance
        The last classifier that was fitted, None with ``refit=True``.
    """
    parts = Parallel(n_jobs=tuner.n_jobs)(
        delayed(_fit_and_score)(
            tuner.estimator if train is None else clone(tuner.estimator),
            *(X, y, train, test, n_labels, methods, fit_params, not tuner.refit),
        )
        for train, test in splits
    )
    scores, chosen, estimators = zip(*parts, strict=True)
    return [test for _, test in splits], scores, chosen[0], estimators[-1]


def _fit_and_score(estimator, X, y, train, test, n_labels, methods, params, keep):
    if train is not None:
        params = _check_method_params(X, params, indices=train)
        estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train), **params)
    scores, method = scores_of(estimator, _safe_indexing(X, test), methods, n_labels)
    return scores, method, estimator if keep else None


def scores_of(estimator, X, methods, n_labels):
    """Return scores as one array, in whatever form a classifier gives them.

    Parameters
    ----------
    estimator : estimator instance
        A fitted classifier.
    X : array-like of length n
        Whatever it takes.
    methods : tuple of str
        Methods that give scores; the first that there is counts.
    n_labels : int
        Number of labels that there must be scores for.

    Returns
    -------
    scores : ndarray of shape (n, n_labels), dtype float64
        Scores, higher where a label is likelier.
    method : str
        Where they come from.

    Raises
    ------
    ValueError
        If there is no such method, if it gives scores of another number of labels, or
        if one of them is nan or infinite.
    """
    name = type(estimator).__name__
    method = next((method for method in methods if hasattr(estimator, method)), None)
    if method is None:
        raise ValueError(
            f"response_method={methods[0]!r} needs an estimator with that method, and "
            f"{name} has none. Set response_method='auto'."
        )
    given = getattr(estimator, method)(X)
    if n_labels == 1 and isinstance(given, np.ndarray) and given.shape[1:] == (2,):
        given = given[:, 1]  # The classes 0 and 1 of a binary classifier.
    scores, names = score_matrix(given, _only_classes(estimator, n_labels))
    if scores.shape[1] != n_labels:
        raise ValueError(
            f"{method} of {name} must give a score for each of the {n_labels} labels "
            f"of y: got {scores.shape[1]} columns."
        )
    check_finite(scores, names)
    return scores, method


def _only_classes(estimator, n_labels):
    """Return the class of each label that had only one in fit, and nan for others."""
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, list) or len(classes) != n_labels:
        return np.nan
    return [each[0] if np.size(each) == 1 else np.nan for each in classes]
