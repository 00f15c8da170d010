"""Thresholds of multi-label classifiers, learned from rows that they have not seen."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import Bunch, get_tags, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._compat import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    _check_method_params,
    _estimator_has,
    _fit_context,
    _num_samples,
)
from sk_posters._base._predictions import predict_scores, score_subsets
from sk_posters._base._public_path import set_module
from sk_posters._base._row_weights import check_fit_weights, pass_on_weights
from sk_posters._base._validation import (
    check_all_known_somewhere,
    find_known,
    indicator_matrix,
    unbox_target,
)
from sk_posters.model_selection._calibration import (
    SigmoidCalibration,
    TemperatureCalibration,
    log_odds,
)
from sk_posters.model_selection._out_of_fold import (
    explain_unknown_labels,
    find_informative,
    make_splits,
    score_out_of_fold,
)
from sk_posters.model_selection._split import MultilabelStratifiedGroupKFold
from sk_posters.model_selection._threshold_search import (
    EXPECTED,
    find_best,
    make_objective,
    make_threshold_search,
)

__all__ = ["MultilabelTunedThresholdClassifierCV"]

USE_INSTEAD = "For a binary target, use scikit-learn's TunedThresholdClassifierCV."
CALIBRATIONS = {"sigmoid": SigmoidCalibration, "temperature": TemperatureCalibration}


def _is_weight(name, value):
    return value is not None and name.rpartition("__")[2] == "sample_weight"


def _leave_out(parts, scores, weights):
    """Return rows and scores of each split, without the rows of weight 0."""
    if weights is None:
        return parts, scores
    parts = [np.arange(len(weights))[part] for part in parts]
    counts = [weights[part] > 0 for part in parts]
    pairs = [
        (part[each], score[each])
        for part, score, each in zip(parts, scores, counts, strict=True)
        if each.any()
    ]
    return zip(*pairs, strict=True)


def _gives_probabilities(self):
    return self.calibration is not None or _estimator_has("predict_proba")(self)


@set_module("sk_posters")
class MultilabelTunedThresholdClassifierCV(
    ClassifierMixin, MetaEstimatorMixin, BaseEstimator
):
    """Multi-label classifier whose thresholds are tuned by cross-validation.

    Where labels are rare, probabilities seldom reach 0.5, and a classifier that ranks
    well predicts hardly any label. This one learns a threshold for each label from
    out-of-fold scores, those of rows that the scoring classifier was not fitted on. It
    does for label indicator matrices what
    `sklearn.model_selection.TunedThresholdClassifierCV` does for binary targets.

    Parameters
    ----------
    estimator : estimator instance
        Any multi-label classifier with `predict_proba` (an array, or a list of arrays)
        or `decision_function`, such as a `Pipeline`. `X` is passed on unchanged.
    scoring : str or callable, default="f1_macro"
        Metric that the thresholds maximise. ``"f1_macro"``, ``"f1_micro"`` and
        ``"f1_weighted"`` are maximised exactly over all distinct thresholds. Any other
        name of a scikit-learn scorer, or any scorer, is maximised by trials, for each
        label in turn; it must be a metric of predicted labels, not of probabilities.
        ``"expected_f1_macro"``, ``"expected_f1_micro"`` and ``"expected_f1_weighted"``
        search nothing: they take thresholds from the out-of-fold probabilities alone,
        which must be calibrated.
    response_method : {"auto", "decision_function", "predict_proba"}, default="auto"
        The scores that thresholds are for; ``"auto"`` takes `predict_proba` where there
        is one.
    per_label : bool, default=True
        Whether each label has its own threshold, or all have the same.
    shrinkage : float, default=200
        How strongly the thresholds of rare labels are shrunk towards what is best for
        all labels: a label with that many positives counts half its own. 0 disables
        shrinkage. Only for ``per_label=True``, and not for an expected F1.
    at_least_one : bool, default=False
        Whether rows without any label get the one whose score comes nearest to its
        threshold.
    calibration : {"sigmoid", "temperature"} or None, default=None
        How scores become probabilities, learned from the out-of-fold scores, before
        thresholds are tuned: one sigmoid for each label (Platt), or one temperature
        for all. `predict_proba` returns them.
    thresholds : int or array-like, default=None
        Maximum number of thresholds to try, or which ones. None tries all distinct ones
        for the three F1 scores, and 100 for others. Not for an expected F1 of each
        label.
    cv : int, float, cross-validation generator, iterable or "prefit", default=None
        How rows are split:

        - None or an int: that many folds (5) of `MultilabelStratifiedKFold`, or of
          `MultilabelStratifiedGroupKFold` if `fit` is given `groups`;
        - a float: one split with that share of the rows as validation set, by
          `multilabel_train_test_split`;
        - any cross-validator of scikit-learn, or an iterable of splits;
        - ``"prefit"``: `estimator` is already fitted, on other rows than those passed
          to `fit`.
    refit : bool, default=True
        Whether the classifier is fitted on all rows in the end. It must be False for
        ``cv="prefit"``, and may be for a single split, whose classifier is then kept.
    n_jobs : int, default=None
        How many folds are fitted at the same time; None is 1, -1 all processors.
    random_state : int, RandomState instance or None, default=None
        Seed of the split if `cv` is a float.
    store_cv_results : bool, default=False
        Whether out-of-fold scores and trials are kept in `cv_results_`.

    Attributes
    ----------
    estimator_ : estimator instance
        The fitted classifier.
    best_thresholds_ : ndarray of shape (n_labels,)
        Labels are predicted where their score is at least this.
    common_threshold_ : float
        The best threshold for all labels.
    best_score_ : float
        The objective for the out-of-fold rows, at the thresholds learned from them:
        an optimistic estimate. Cross-validate this classifier for an honest one. For an
        expected F1, the F1 of the labels.
    calibration_ : object or None
        The learned calibration, None without one.
    cv_results_ : dict
        Only with ``store_cv_results=True``: ``"thresholds"`` and ``"scores"``, the
        objective at each threshold for all labels; ``"label_thresholds"``, those of
        each label before they were shrunk; ``"rows"`` and ``"y_score"``, the
        out-of-fold rows and their scores, calibrated if `calibration` is set.
    classes_ : ndarray of shape (n_labels, 2)
        [0, 1] for each label.
    label_names_ : ndarray of shape (n_labels,), dtype object
        Columns of the target, 0, 1, … if it was not a DataFrame.
    n_features_in_ : int
        Number of columns of X, if `estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X. Only if `estimator_` has them.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : The same for binary targets.
    sk_posters.model_selection.MultilabelStratifiedKFold : The folds.

    Notes
    -----
    Scores of all folds are pooled before the search: a rare label has too few positives
    in each fold. Candidates lie midway between scores, and the middle one of several
    equally good ones is taken. A label without a positive in the out-of-fold rows gets
    the last candidate, above all of its scores unless `thresholds` says otherwise, and
    is not predicted.

    Shrinkage happens in ranks, as scores of different labels need not be comparable.
    Let a label have n positives, and its own best threshold predict it for k rows. For
    all labels, one rate r is searched, so that predicting each label for r * n rows is
    best. The label then gets the threshold that predicts it for
    ``(r * n) ** (1 - w) * k ** w`` rows,
    where ``w = n / (n + shrinkage)``: the form of an empirical Bayes estimate whose
    sampling variance goes with 1 / n. So a label with few positives is not predicted
    for nearly all rows because that happened to be best. Rows with tied scores are
    predicted together: of the numbers of rows that are possible, the nearest on a
    logarithmic scale is taken.

    Expected F1 puts probabilities in the place of true labels. It is greatest where a
    label is predicted from half of that greatest value on [1]_, of each label, or of
    all pairs for the micro average. It depends on no single positive of a rare label,
    so that nothing is shrunk, and on how well the probabilities are calibrated: those
    of a strongly regularised classifier need `calibration`.

    A label with constant scores keeps the usual threshold: 0.5 for
    probabilities, 0 for decision functions.

    Pairs that are nan in `y`, because they are not known, are left out: of the search
    and of calibration, where each label counts its known rows alone, and of the folds'
    balance. `estimator` must take nan in y, as `OneVsRestHead` and `PosterClassifier`
    do; `scoring` must be one of these F1 scores or a scorer of
    `sk_posters.metrics.get_multilabel_scorer`. A label that is known in no out-of-fold
    row keeps the usual threshold.

    `at_least_one` does not affect the search for thresholds, but `best_score_`
    includes it.

    Without metadata routing, `fit` passes `groups` to the splitter and everything else
    to the `fit` of `estimator`. Of a pipeline, all steps whose `fit` has
    `sample_weight` are given it, so that scaling is weighted, too. All rows count the
    same when thresholds are tuned. With metadata routing, metadata are passed to the
    estimator, to the splitter, and to a scorer as requested. As in scikit-learn's
    `TunedThresholdClassifierCV`, rows are weighted in the search, and in `calibration`,
    if `scoring` is a scorer that requests `sample_weight`, such as
    ``get_multilabel_scorer("macro_f1").set_score_request(sample_weight=True)``. A row
    of weight 2 then counts like two rows, and one of weight 0 like none.

    References
    ----------
    .. [1] Z. Lipton, C. Elkan, B. Naryanaswamy: Optimal Thresholding of Classifiers to
       Maximize F1 Measure. ECML PKDD 2014.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.metrics import f1_score
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> from sk_posters import MultilabelTunedThresholdClassifierCV
    >>> from sk_posters.model_selection import multilabel_train_test_split
    >>> X, y = make_multilabel_classification(
    ...     n_samples=600, n_classes=8, n_labels=1, random_state=0
    ... )
    >>> X, X_test, y, y_test = multilabel_train_test_split(
    ...     X, y, stratify=y, random_state=0
    ... )
    >>> classifier = OneVsRestClassifier(LogisticRegression(C=0.01))
    >>> tuned = MultilabelTunedThresholdClassifierCV(classifier)
    >>> for model in (classifier, tuned):
    ...     y_pred = model.fit(X, y).predict(X_test)
    ...     print(f"{f1_score(y_test, y_pred, average='macro'):.2f}")
    0.51
    0.59
    """

    _parameter_constraints: dict = {
        "estimator": [
            HasMethods(["fit", "predict_proba"]),
            HasMethods(["fit", "decision_function"]),
        ],
        "scoring": [StrOptions({*get_scorer_names(), *EXPECTED}), callable],
        "response_method": [StrOptions({"auto", "predict_proba", "decision_function"})],
        "per_label": ["boolean"],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "at_least_one": ["boolean"],
        "calibration": [StrOptions(set(CALIBRATIONS)), None],
        "thresholds": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "cv": [
            "cv_object",
            StrOptions({"prefit"}),
            Interval(RealNotInt, 0.0, 1.0, closed="neither"),
        ],
        "refit": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "store_cv_results": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        *,
        scoring="f1_macro",
        response_method="auto",
        per_label=True,
        shrinkage=200,
        at_least_one=False,
        calibration=None,
        thresholds=None,
        cv=None,
        refit=True,
        n_jobs=None,
        random_state=None,
        store_cv_results=False,
    ):
        self.estimator = estimator
        self.scoring = scoring
        self.response_method = response_method
        self.per_label = per_label
        self.shrinkage = shrinkage
        self.at_least_one = at_least_one
        self.calibration = calibration
        self.thresholds = thresholds
        self.cv = cv
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.store_cv_results = store_cv_results

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, **params):
        """Learn thresholds from out-of-fold scores, and fit the classifier.

        Parameters
        ----------
        X : array-like of length n_samples
            Whatever `estimator` takes.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            0/1 for each row and label, nan where it is not known.
        **params : dict
            `groups` for the splitter; what the `fit` of `estimator` takes, such as
            `sample_weight`, which reaches all steps of a pipeline that take it, or
            ``classifier__sample_weight``, for the step of that name.

        Returns
        -------
        MultilabelTunedThresholdClassifierCV
            This object.

        Raises
        ------
        ValueError
            If `y` is not such a matrix, if `cv` and `refit` do not go together, if
            scores are nan or the same for all rows (of each fold, if folds have
            several), or if `scoring` judges probabilities; if `sample_weight` does not
            hold a number >= 0 for each row, one of them above 0, or no step takes it.
        NotFittedError
            If ``cv="prefit"`` and `estimator` is not fitted.
        """
        labels, names = indicator_matrix(y, "y", USE_INSTEAD)
        check_all_known_somewhere(labels, names)
        X, y = indexable(X, unbox_target(y, labels))
        routed = self._route(X, params)
        splits = make_splits(self, X, y, labels, routed.splitter.split)
        self.label_names_ = np.array(names, dtype=object)
        self.classes_ = np.tile([0, 1], (len(names), 1))
        parts, scores, self._method, estimator = score_out_of_fold(
            *(self, X, y, splits),
            n_labels=labels.shape[1],
            methods=self._response_methods(),
            fit_params=routed.estimator.fit,
        )
        if self.refit:
            fit_params = _check_method_params(X, routed.estimator.fit)
            with explain_unknown_labels(self.estimator, labels):
                estimator = clone(self.estimator).fit(X, y, **fit_params)
        self.estimator_ = estimator
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        score_params = _check_method_params(X, routed.scorer.score)
        parts, scores = _leave_out(parts, scores, score_params.get("sample_weight"))
        rows = np.concatenate(parts)
        self._tune(
            *(labels[rows], scores),
            _check_method_params(X, score_params, indices=rows),
        )
        if self.store_cv_results:
            self.cv_results_["rows"] = rows
        return self

    def _route(self, X, params):
        n_rows = _num_samples(X)
        params = {
            name: check_fit_weights(value, n_rows) if _is_weight(name, value) else value
            for name, value in params.items()
        }
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params)
            estimator, splitter = routed.estimator, routed.splitter
            # The name of a scorer cannot request anything.
            by_name = isinstance(self.scoring, str)
            scorer = Bunch(score={}) if by_name else routed.scorer
        else:
            weights = pass_on_weights(params.pop("sample_weight", None), self.estimator)
            groups = {"groups": params.pop("groups")} if "groups" in params else {}
            estimator, splitter = Bunch(fit={**params, **weights}), Bunch(split=groups)
            scorer = Bunch(score={})
        return Bunch(estimator=estimator, splitter=splitter, scorer=scorer)

    def _tune(self, labels, parts, score_params):
        """Learn calibration and thresholds from the scores of all splits."""
        weights = score_params.get("sample_weight")
        informative = find_informative(parts, find_known(labels).any(axis=0))
        scores = self._calibrate(np.concatenate(parts), labels, weights)
        # A sigmoid without a slope takes from scores what they told.
        informative &= np.ptp(scores, axis=0) > 0
        objective = make_objective(self._find_scorer(), self.scoring, score_params)
        cutoffs = make_threshold_search(
            labels, scores, self._thresholds(), self.scoring, objective, weights
        )
        with warnings.catch_warnings():  # Bad thresholds may well give no label at all.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            candidates, values = cutoffs.for_all()
            n_positive = (labels == 1).sum()
            self.common_threshold_ = float(find_best(candidates, values, n_positive))
            own = np.full(labels.shape[1], self.common_threshold_)
            if self.per_label:
                own = np.where(
                    informative, cutoffs.for_each(), self._usual(labels, scores)
                )
            best = own
            if self.per_label and self.shrinkage > 0:
                best = np.where(informative, cutoffs.shrink(own, self.shrinkage), own)
        self.best_thresholds_ = best
        self.best_score_ = float(objective(labels, self._answers(scores)))
        if self.store_cv_results:
            self.cv_results_ = {
                "thresholds": candidates,
                "scores": values,
                "label_thresholds": own,
                "y_score": scores,
            }

    def _find_scorer(self):
        """Return the scorer, None for an expected F1: it is computed here."""
        if not isinstance(self.scoring, str) or self.scoring not in EXPECTED:
            return check_scoring(self.estimator, scoring=self.scoring)
        if not self._as_probabilities:
            raise ValueError(
                f"scoring={self.scoring!r} needs probabilities, and {self._method} of "
                f"{type(self.estimator).__name__} returns none: set "
                "calibration='temperature', or take an estimator with predict_proba."
            )
        return None

    def _calibrate(self, scores, labels, weights):
        """Learn the calibration, and return what it makes of the scores."""
        self.calibration_ = None
        if self.calibration is None:
            return scores
        margins = self._margins(scores)
        calibration = CALIBRATIONS[self.calibration]()
        self.calibration_ = calibration.fit(margins, labels, weights)
        return self.calibration_.transform(margins)

    def _thresholds(self):
        if self.thresholds is None or isinstance(self.thresholds, Integral):
            return self.thresholds
        thresholds = np.unique(np.asarray(self.thresholds, dtype=float))
        if not np.isfinite(thresholds).all() or not len(thresholds):
            raise ValueError(
                "thresholds must be finite numbers, one at least: got "
                f"{self.thresholds!r}."
            )
        return thresholds

    def _usual(self, labels, scores):
        """Return the thresholds of labels whose scores tell nothing."""
        usual = 0.5 if self._as_probabilities else 0.0
        # A constant decision function may be 0 for a label that no row has.
        is_negative = (labels == 0).any(axis=0) & ~(labels == 1).any(axis=0)
        above = np.nextafter(scores.max(axis=0), np.inf)
        return np.where(is_negative, np.maximum(usual, above), usual)

    @property
    def _as_probabilities(self):
        return self.calibration_ is not None or self._method == "predict_proba"

    def _margins(self, scores):
        return log_odds(scores) if self._method == "predict_proba" else scores

    def _response_methods(self):
        if self.response_method == "auto":
            return ("predict_proba", "decision_function")
        return (self.response_method,)

    def _scores(self, X):
        """Return the scores that thresholds are for."""
        scores = self._raw(X, self._method)
        if self.calibration_ is None:
            return scores
        return self.calibration_.transform(self._margins(scores))

    def _raw(self, X, method):
        scores, _, _ = predict_scores(
            self.estimator_, X, methods=(method,), n_labels=len(self.classes_)
        )
        return scores

    def _answers(self, scores):
        """Return 0/1 for each row and label."""
        predicted = (scores >= self.best_thresholds_).astype(int)
        if self.at_least_one:
            without = np.flatnonzero(~predicted.any(axis=1))
            above = self._distances(scores[without])
            predicted[without, above.argmax(axis=1)] = 1
        return predicted

    def _distances(self, scores):
        if self._as_probabilities:
            return log_odds(scores) - log_odds(self.best_thresholds_)
        return scores - self.best_thresholds_

    def predict(self, X):
        """Give each row the labels whose scores reach their thresholds.

        Parameters
        ----------
        X : array-like of length n
            Whatever `estimator` takes.

        Returns
        -------
        ndarray of shape (n, n_labels), dtype int
            0/1 for each row and label.
        """
        check_is_fitted(self, "best_thresholds_")
        return self._answers(self._scores(X))

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Probability of each label: the estimator's, or the calibrated one.

        Parameters
        ----------
        X : array-like of length n
            Whatever `estimator` takes.

        Returns
        -------
        ndarray of shape (n, n_labels)
            Numbers from 0 to 1, in one array whatever the estimator returns.
        """
        check_is_fitted(self, "best_thresholds_")
        if self.calibration_ is not None:
            return self._scores(X)
        return self._raw(X, "predict_proba")

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each label.

        Parameters
        ----------
        X : array-like of length n
            Whatever `estimator` takes.

        Returns
        -------
        ndarray of shape (n, n_labels)
            Natural logarithms; -inf for a probability of 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X):
        """Decision function of the estimator, which calibration does not touch.

        Parameters
        ----------
        X : array-like of length n
            Whatever `estimator` takes.

        Returns
        -------
        ndarray of shape (n, n_labels)
            Scores, higher where a label is likelier.
        """
        check_is_fitted(self, "best_thresholds_")
        return self._raw(X, "decision_function")

    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose known labels are all predicted rightly.

        Parameters
        ----------
        X : array-like of length n_samples
            Whatever `estimator` takes.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            0/1 for each row and label, nan where it is not known.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Subset accuracy, of the rows in which any label is known.

        Raises
        ------
        ValueError
            If the columns of `y` are not the labels seen in fit, in the same order.
        """
        return score_subsets(self, X, y, sample_weight)

    def get_metadata_routing(self):
        """Tell scikit-learn which metadata goes where.

        Returns
        -------
        MetadataRouter
            What `estimator`, the splitter and a scorer have requested.
        """
        splitter = self.cv
        if splitter is None or isinstance(splitter, Real):
            splitter = MultilabelStratifiedGroupKFold()
        router = (
            MetadataRouter(owner=self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(callee="fit", caller="fit"),
            )
            .add(
                splitter=splitter,
                method_mapping=MethodMapping().add(callee="split", caller="fit"),
            )
        )
        if isinstance(self.scoring, str):
            return router
        return router.add(
            scorer=self.scoring,
            method_mapping=MethodMapping().add(callee="score", caller="fit"),
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        return tags
