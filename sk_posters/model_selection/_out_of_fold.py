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
from sk_posters._base._predictions import predict_scores
from sk_posters._base._validation import find_known
from sk_posters.model_selection._split import (
    MultilabelStratifiedGroupKFold,
    MultilabelStratifiedKFold,
    multilabel_train_test_split,
)

__all__ = [
    "explain_unknown_labels",
    "find_informative",
    "make_splits",
    "score_out_of_fold",
]


def make_splits(tuner, X, y, labels, params):
    """Return the rows to fit on and those to score, for each split."""
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


def score_out_of_fold(tuner, X, y, splits, *, n_labels, methods, fit_params):
    """Fit on one part of the rows and score the other, for each split."""
    parts = Parallel(n_jobs=tuner.n_jobs)(
        delayed(_fit_and_score)(
            tuner.estimator if train is None else clone(tuner.estimator),
            *(X, y, train, test, n_labels, methods, fit_params, not tuner.refit),
        )
        for train, test in splits
    )
    scores, chosen, estimators = zip(*parts, strict=True)
    return [test for _, test in splits], scores, chosen[0], estimators[-1]


@contextlib.contextmanager
def explain_unknown_labels(estimator, y):
    """Say what to do where an estimator refuses the nan of unknown labels."""
    try:
        yield
    except ValueError as error:
        if "NaN" not in str(error) or find_known(np.asarray(y)).all():
            raise
        name = type(estimator).__name__
        raise ValueError(
            f"y has unknown labels (nan), which {name} does not take. Put a classifier "
            "in sk_posters.OneVsRestHead, which fits each label on the rows that know "
            "it, take PosterClassifier, or leave these rows out."
        ) from error


def _fit_and_score(estimator, X, y, train, test, n_labels, methods, params, keep):
    if train is not None:
        params = _check_method_params(X, params, indices=train)
        with explain_unknown_labels(estimator, y):
            estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train), **params)
    if not any(hasattr(estimator, method) for method in methods):
        raise ValueError(
            f"response_method={methods[0]!r} needs an estimator with that method, and "
            f"{type(estimator).__name__} has none. Set response_method='auto'."
        )
    scores, _, method = predict_scores(
        estimator, _safe_indexing(X, test), methods=methods, n_labels=n_labels
    )
    return scores, method, estimator if keep else None


def find_informative(parts, is_known):
    """Return which labels that are known have scores that differ, of those by fold."""
    n_rows = max(map(len, parts))
    # What differs between folds alone says which fold a row is in, and no more. But in
    # folds of one row, as of LeaveOneOut, there is nothing else to compare.
    compared = [np.concatenate(parts)] if n_rows == 1 else parts
    informative = np.any([np.ptp(scores, axis=0) > 0 for scores in compared], axis=0)
    informative &= is_known
    if informative.any():
        return informative
    where, hint = "", ""
    if np.ptp(np.concatenate(parts), axis=0).any():
        where = " within its fold"
        hint = f", or set cv to fewer folds than {len(parts)}: they have {n_rows} rows "
        hint += "at most"
    raise ValueError(
        f"The estimator gives every row the same scores{where}, from which no "
        f"threshold can be learned. Check its parameters and X{hint}."
    )
