"""A linear classifier for each label, on pretrained features."""

from copy import copy
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import indexable, metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import validate_data

from sk_posters._base._compat import (
    _check_method_params,
    _estimator_has,
    _fit_binary,
    _num_samples,
    _raise_for_params,
    _safe_indexing,
    validate_params_of,
)
from sk_posters._base._label_lists import refuse_label_lists
from sk_posters._base._label_warnings import name_labels
from sk_posters._base._predictions import score_subsets
from sk_posters._base._public_path import set_module
from sk_posters._base._row_weights import check_fit_weights, pass_on_weights
from sk_posters._base._threads import map_in_threads, use_one_blas_thread
from sk_posters._base._validation import (
    check_all_known_somewhere,
    find_known,
    has_unknown,
    label_matrix,
    name_columns,
    to_array,
)
from sk_posters._features._logistic import find_gram, fit_logistic

__all__ = ["OneVsRestHead"]

# Labels whose logistic regressions are fitted at once, and so held in memory.
N_TOGETHER = 32
# Beyond, nothing holds the coefficients, and scikit-learn has ways of its own.
MAX_C = 1e9


@set_module("sk_posters")
class OneVsRestHead(OneVsRestClassifier):
    """A binary classifier per label, each fitted on the rows that know its label.

    scikit-learn's `OneVsRestClassifier`, fitted on one BLAS thread, which takes nan in
    `y` for "not known", and learns the names of labels: the last step of the recipes
    `"frozen"` and `"best"`. Around any binary classifier, it is the way to fit it to a
    target with unknown labels. Around a `LogisticRegression` with its own solver and
    penalty ("lbfgs", L2), all labels are fitted at once (see the notes).

    Parameters
    ----------
    estimator : estimator object
        A binary classifier, or regressor, which is cloned for each label.
    n_jobs : int, default=None
        Number of labels to fit at the same time, as in `OneVsRestClassifier`.
    verbose : int, default=0
        Progress, as in `OneVsRestClassifier`.

    Attributes
    ----------
    estimators_ : list of estimators
        The classifier of each label.
    classes_ : ndarray of shape (n_classes,)
        Class labels; the positions of labels for a matrix of 0 and 1.
    label_binarizer_ : LabelBinarizer
        Turns classes into columns and back.
    label_names_ : ndarray of shape (n_labels,), dtype object
        Columns of the target. Only if it was a frame.
    n_features_in_ : int
        Number of columns of X, if the classifiers have it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if the classifiers have them.

    See Also
    --------
    make_poster_pipeline : Makes pipelines that end in this classifier.
    sklearn.multiclass.OneVsRestClassifier : The same for labels that are all known.

    Notes
    -----
    Logistic regressions of a label indicator matrix on dense `X` share their products
    with `X`, 32 labels at a time, by Newton's method with conjugate gradients [1]_.
    They minimise what scikit-learn minimises, and come nearer to the minimum in less
    time: `tol` is the length of the gradient that they stop at, as a share of the one
    that they start with, and `max_iter` bounds Newton's steps. Labels with one class in
    `y`, sparse `X`, other solvers, penalties and classifiers are left to scikit-learn.

    References
    ----------
    .. [1] C.-J. Lin, R. C. Weng and S. S. Keerthi, "Trust Region Newton Method for
       Logistic Regression", JMLR 9, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sk_posters import OneVsRestHead
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> y = np.array([[0, 1], [0, np.nan], [1, 0], [np.nan, 0]])
    >>> OneVsRestHead(LogisticRegression()).fit(X, y).predict([[0.5], [2.5]])
    array([[0, 1],
           [1, 0]])
    """

    # Requests are those of `estimator`, which weights are passed on to.
    __metadata_request__fit = {"sample_weight": metadata_routing.UNUSED}

    def fit(self, X, y, sample_weight=None, **fit_params):
        """Fit a classifier for each label.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            0/1 for each row and label, nan where it is not known; or classes, of shape
            (n_samples,).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, passed to the classifiers. A row of weight 0 is left
            out.
        **fit_params : dict
            Passed to the classifiers, with metadata routing enabled.

        Returns
        -------
        OneVsRestHead
            The fitted classifier.

        Raises
        ------
        ValueError
            If `y` holds anything else, or a label is known in no row; if
            `sample_weight` does not hold a number >= 0 for each row, one of them above
            0, or the classifiers take no weights.
        """
        vars(self).pop("label_names_", None)
        names = name_columns(y)
        y = _check_target(y)
        if names is not None:
            self.label_names_ = np.array(names, dtype=object)
        with (
            name_labels(names, lambda: self.estimators_),
            use_one_blas_thread(),
        ):
            is_complete = not (np.ndim(y) == 2 and has_unknown(y))
            if sample_weight is None and is_complete and not self._can_share(X, y):
                return super().fit(X, y, **fit_params)
            X, y = indexable(X, y)
            params, weights = self._route(X, sample_weight, fit_params)
            return self._fit_counted(X, y, params, weights)

    def _route(self, X, sample_weight, fit_params):
        """Return the parameters for each classifier, and the weights they are given."""
        if sample_weight is not None:
            sample_weight = check_fit_weights(sample_weight, _num_samples(X))
        if not get_config()["enable_metadata_routing"]:
            _raise_for_params(fit_params, self, "fit")
            return pass_on_weights(sample_weight, self.estimator), sample_weight
        if sample_weight is not None:
            fit_params = {**fit_params, "sample_weight": sample_weight}
        routed = metadata_routing.process_routing(self, "fit", **fit_params)
        return routed.estimator.fit, routed.estimator.fit.get("sample_weight")

    def _fit_counted(self, X, y, params, weights):
        """Fit each label on the rows that know it and have a weight."""
        if weights is not None:
            rows = np.flatnonzero(weights)
            params = _check_method_params(X, params, indices=rows)
            X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
        self.label_binarizer_ = LabelBinarizer(sparse_output=True)
        if _is_matrix(y):
            names = getattr(self, "label_names_", np.arange(y.shape[1]))
            check_all_known_somewhere(y, names)
            self.label_binarizer_.fit(np.nan_to_num(y).astype(int))
            labels = y
        else:
            labels = self.label_binarizer_.fit_transform(y).toarray()
        self.classes_ = self.label_binarizer_.classes_

        shared = {}
        if self._can_share(X, y):
            shared = _fit_together(self.estimator, X, labels, self.n_jobs, **params)

        def fit_label(label):
            rows = np.flatnonzero(find_known(labels[:, label]))
            name = self.classes_[label]
            return delayed(_fit_binary)(
                self.estimator,
                X if len(rows) == len(labels) else _safe_indexing(X, rows),
                labels[rows, label].astype(int),
                fit_params=_check_method_params(X, params, indices=rows),
                classes=[f"not {name}", name],
            )

        rest = [label for label in range(labels.shape[1]) if label not in shared]
        fitted = Parallel(n_jobs=self.n_jobs, verbose=self.verbose)(
            map(fit_label, rest)
        )
        found = shared | dict(zip(rest, fitted, strict=True))
        self.estimators_ = [found[label] for label in range(labels.shape[1])]
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimators_[0], name):
                setattr(self, name, getattr(self.estimators_[0], name))
        return self

    def _can_share(self, X, y):
        """Return whether all labels can be fitted at once, as scikit-learn would."""
        each = self.estimator
        return (
            type(each) is LogisticRegression
            and np.ndim(y) == 2
            and not issparse(X)
            and each.solver == "lbfgs"
            and each.penalty in ("l2", "deprecated")
            and not (each.l1_ratio or each.dual or each.warm_start)
            and each.class_weight in (None, "balanced")
            and not (isinstance(each.C, Real) and each.C > MAX_C)
        )

    @available_if(_estimator_has("set_fit_request"))
    def set_fit_request(self, *, sample_weight):
        """Request weights of rows for the `fit` of `estimator`.

        Parameters
        ----------
        sample_weight : str, bool or None
            True where `fit` passes weights on, False where not, or the name under which
            a meta-estimator is given them.

        Returns
        -------
        OneVsRestHead
            This object.
        """
        self.estimator.set_fit_request(sample_weight=sample_weight)
        return self

    @available_if(lambda self: hasattr(self, "predict_proba"))
    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each label.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Natural logarithms; -inf for a probability of 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose known labels are all predicted rightly.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Subset accuracy, of the rows in which any label is known; the accuracy for
            classes.

        Raises
        ------
        ValueError
            If the columns of `y` are not the labels seen in fit, in the same order.
        """
        if self.multilabel_ or _is_matrix(y):
            return score_subsets(self, X, y, sample_weight)
        return super().score(X, y, sample_weight)


def _fit_together(estimator, X, labels, n_jobs, sample_weight=None):
    """Return a fitted clone for each label that has both classes."""
    validate_params_of(estimator)
    first = clone(estimator)
    X = validate_data(first, X, dtype=[np.float64, np.float32], order="C")
    known = find_known(labels)
    labels = np.nan_to_num(labels)
    rows = 1.0 if sample_weight is None else sample_weight[:, np.newaxis]
    weights = known * np.asarray(rows, dtype=float)
    positive, negative = (weights * each > 0 for each in (labels, 1 - labels))
    mixed = np.flatnonzero(positive.any(axis=0) & negative.any(axis=0))
    if estimator.class_weight == "balanced":
        weights = weights * _balance(labels, weights)
    gram = find_gram(X, len(mixed), estimator.fit_intercept)

    def fit(columns):
        return fit_logistic(
            X,
            labels[:, columns],
            estimator.C * weights[:, columns],
            fit_intercept=estimator.fit_intercept,
            tol=estimator.tol,
            max_iter=estimator.max_iter,
            gram=gram,
        )

    parts = [
        mixed[start : start + N_TOGETHER] for start in range(0, len(mixed), N_TOGETHER)
    ]
    found = {}
    for columns, results in zip(parts, map_in_threads(fit, parts, n_jobs), strict=True):
        for label, coefficients, intercept, n_iter in zip(
            columns, *results, strict=True
        ):
            found[label] = each = copy(first)
            each.classes_ = np.array([0, 1])
            each.coef_ = coefficients[np.newaxis]
            each.intercept_ = np.array([intercept])
            each.n_iter_ = np.array([n_iter], dtype=np.int32)
    return found


def _balance(labels, weights):
    """Return factors that give both classes of each label the same weight."""
    total = weights.sum(axis=0)
    positive = (weights * labels).sum(axis=0)
    counts = np.where(labels > 0, positive, total - positive)
    return np.divide(total, 2 * counts, out=np.zeros_like(weights), where=counts > 0)


def _check_target(y):
    """Return a matrix of labels as 0, 1 and nan; classes unchanged."""
    if y is None:
        raise ValueError(
            "OneVsRestHead requires y to be passed, but the target y is None: give a "
            "label matrix of 0 and 1."
        )
    refuse_label_lists(y)
    y = y if hasattr(y, "shape") else to_array(y)
    return label_matrix(y, "y", allow_unknown=True)[0] if _is_matrix(y) else y


def _is_matrix(y):
    shape = np.shape(y)
    if len(shape) != 2 or shape[1] > 1 or name_columns(y) is not None:
        return len(shape) == 2
    # A column without a name that is not 0/1 holds classes, as in PosterClassifier.
    values = np.ravel(y)
    return not set(values[find_known(values)]) - {0, 1}
