"""Scorers: right for each form of answers, and for folds that lack a label."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context, metrics
from sklearn.base import BaseEstimator
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sk_posters.metrics import (
    get_multilabel_scorer,
    get_multilabel_scorer_names,
    multilabel_report,
)

FOREST = RandomForestClassifier(n_estimators=5, max_depth=3, random_state=0)
CLASSIFIERS = [
    OneVsRestClassifier(LogisticRegression()),
    FOREST,
    KNeighborsClassifier(),
    MultiOutputClassifier(LogisticRegression()),
    make_pipeline(StandardScaler(), KNeighborsClassifier()),
]


class Answers(BaseEstimator):
    """Gives the answers that it was made with."""

    def __init__(self, proba, classes=None):
        self.proba = proba
        if classes is not None:
            self.classes_ = classes

    def predict_proba(self, X):
        return self.proba


@pytest.fixture(scope="module")
def problem():
    return make_multilabel_classification(
        n_samples=90, n_classes=3, n_labels=2, random_state=0
    )


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_all_values_are_those_of_the_report(classifier, problem):
    X, y = problem
    classifier = classifier.fit(X[:60], y[:60])
    proba = classifier.predict_proba(X[60:])
    scores = multilabel_report(y[60:], proba, n_bootstrap=0, top_k=2).scores
    for name in get_multilabel_scorer_names():
        value = get_multilabel_scorer(name, top_k=2)(classifier, X[60:], y[60:])
        plain = name.removeprefix("neg_").replace("_k", "_2")
        [row] = [s for s in scores.index if plain == s.lower().translate(_PLAIN)]
        sign = 1 if scores.loc[row, "better"] == "higher" else -1
        assert name.startswith("neg_") == (sign == -1)
        assert value == pytest.approx(sign * scores.loc[row, "value"]), name


_PLAIN = str.maketrans(" -", "__")


def test_names_in_the_documentation_are_all_names():
    documented = get_multilabel_scorer.__doc__.split("name : str")[1].split("top_k")[0]
    names = get_multilabel_scorer_names()
    text = get_multilabel_scorer.__doc__
    assert documented
    assert [name for name in names if f'``"{name}"``' not in text] == []


def test_cross_entropy_is_that_of_each_pair(problem):
    X, y = problem
    forest = FOREST.fit(X, y)
    each = [
        metrics.log_loss(y[:, j], proba)
        for j, proba in enumerate(forest.predict_proba(X))
    ]
    value = get_multilabel_scorer("neg_log_loss")(forest, X, y)
    assert value == pytest.approx(-np.mean(each))


def test_searches_and_several_scores(problem):
    X, y = problem
    names = ["macro_average_precision", "neg_log_loss", "micro_f1"]
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": [1, 9]},
        scoring={name: get_multilabel_scorer(name) for name in names},
        refit="neg_log_loss",
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_ == {"n_neighbors": 9}
    assert np.isfinite(search.cv_results_["mean_test_micro_f1"]).all()


def test_a_fold_that_lacks_a_label_scores_the_others(problem):
    X, y = problem
    y = np.column_stack([y, np.r_[np.ones(5, dtype=int), np.zeros(85, dtype=int)]])
    # The first fold tests a label that is never true in training, others lack it.
    scorer = get_multilabel_scorer("macro_average_precision")
    message = "macro_average_precision is over 3 of 4 labels; without a positive: 3"
    with pytest.warns(UndefinedMetricWarning, match=message):
        values = cross_val_score(FOREST, X, y, scoring=scorer, cv=3)
    assert np.isfinite(values).all()


def test_one_class_in_training_is_known_from_the_classes(problem):
    X, y = problem
    y = np.column_stack([y, np.ones(90, dtype=int)])
    forest = FOREST.fit(X, y)
    assert forest.predict_proba(X)[3].shape == (90, 1)
    loss = get_multilabel_scorer("neg_log_loss")(forest, X, y)
    alone = get_multilabel_scorer("neg_log_loss")(FOREST.fit(X, y[:, :3]), X, y[:, :3])
    assert np.isfinite([loss, alone]).all()
    proba = [np.ones((2, 1)), np.array([[0.2, 0.8], [0.9, 0.1]])]
    y_true = [[0, 1], [0, 0]]
    known = Answers(proba, [np.array([0]), np.array([0, 1])])
    value = get_multilabel_scorer("neg_log_loss")(known, None, y_true)
    assert value == pytest.approx((np.log(0.8) + np.log(0.9)) / 4)
    with pytest.raises(ValueError, match="fit met one class only, but not which"):
        get_multilabel_scorer("neg_log_loss")(Answers(proba), None, y_true)


def test_nothing_defined_is_nan_with_a_warning():
    proba = np.array([[0.2, 0.8], [0.9, 0.1]])
    message = "macro_roc_auc is undefined: all labels are constant: 0, 1"
    with pytest.warns(UndefinedMetricWarning, match=message) as caught:
        value = get_multilabel_scorer("macro_roc_auc")(
            Answers(proba), None, np.zeros((2, 2))
        )
    assert np.isnan(value)
    assert caught[0].filename == __file__


def test_rows_without_weight_do_not_count_in_the_warning():
    proba = np.array([[0.2, 0.8], [0.9, 0.1], [0.3, 0.4]])
    scorer = get_multilabel_scorer("macro_average_precision")
    y_true, weight = [[1, 0], [0, 1], [1, 0]], [1, 0, 1]
    with pytest.warns(UndefinedMetricWarning, match="without a positive: 1"):
        scorer(Answers(proba), None, y_true, sample_weight=weight)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = scorer(Answers(proba), None, y_true, sample_weight=[1, 2, 1])
    expected = metrics.average_precision_score(y_true, proba, sample_weight=[1, 2, 1])
    assert value == pytest.approx(expected)


def test_searches_pass_weights_on(problem):
    X, y = problem
    weights = np.repeat([1, 0], 45)
    scoring = {"f1": get_multilabel_scorer("macro_f1"), "other": "f1_macro"}
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    folds = [(np.arange(45), np.arange(20, 90))]
    search = GridSearchCV(tree, {"max_depth": [1, 2]}, scoring=scoring, cv=folds)
    weighted = search.set_params(refit=False).fit(X, y, sample_weight=weights)
    means = weighted.cv_results_
    np.testing.assert_allclose(means["mean_test_f1"], means["mean_test_other"])
    with config_context(enable_metadata_routing=True):
        tree.set_fit_request(sample_weight=True)
        scorer = get_multilabel_scorer("macro_f1").set_score_request(sample_weight=True)
        routed = GridSearchCV(tree, {"max_depth": [1, 2]}, scoring=scorer, cv=folds)
        routed.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(
        routed.cv_results_["mean_test_score"], means["mean_test_f1"]
    )


def test_two_labels_are_not_taken_for_two_classes(problem):
    X, y = problem
    network = MLPClassifier((4,), max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(X, y[:, :2])
    value = get_multilabel_scorer("macro_roc_auc")(network, X, y[:, :2])
    expected = metrics.roc_auc_score(y[:, :2], network.predict_proba(X))
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("one", ["column", "vector"])
def test_one_label(one, problem):
    X, y = problem
    y_true = y[:, :1] if one == "column" else y[:, 0]
    tree = DecisionTreeClassifier(max_depth=2).fit(X, y_true)
    value = get_multilabel_scorer("macro_average_precision")(tree, X, y_true)
    expected = metrics.average_precision_score(y[:, 0], tree.predict_proba(X)[:, 1])
    assert value == pytest.approx(expected)
    assert get_multilabel_scorer("micro_f1")(tree, X, y_true) > 0


def test_ranks_are_content_with_decision_function(problem):
    X, y = problem
    ridge = RidgeClassifier().fit(X, y)
    value = get_multilabel_scorer("lrap")(ridge, X, pd.DataFrame(y))
    expected = metrics.label_ranking_average_precision_score(
        y, ridge.decision_function(X)
    )
    assert value == pytest.approx(expected)
    with pytest.raises(AttributeError, match="predict_proba"):
        get_multilabel_scorer("neg_log_loss")(ridge, X, y)


def test_decisions_are_those_of_predict(problem):
    X, y = problem

    class Everything(Answers):
        def predict(self, X):
            return np.ones_like(self.proba)

    value = get_multilabel_scorer("neg_hamming_loss")(Everything(0 * y), X, y)
    assert value == pytest.approx(y.mean() - 1)


def test_scores_that_are_no_probabilities_are_refused():
    message = r"probabilities, 0 to 1 for neg_log_loss: got 2\.0 in row 0, column 0"
    with pytest.raises(ValueError, match=message):
        get_multilabel_scorer("neg_log_loss")(
            Answers(np.array([[2.0, 0.1]])), None, [[1, 0]]
        )


def test_decisions_of_another_shape_are_refused():
    class Short(Answers):
        def predict(self, X):
            return self.proba

    message = (
        r"What predict returns must have the shape of y_true: got \(1, 1\) and \(1, 2\)"
    )
    with pytest.raises(ValueError, match=message):
        get_multilabel_scorer("micro_f1")(Short(np.array([[1]])), None, [[1, 0]])


@pytest.mark.parametrize("top_k", [0, 1.5, None])
def test_a_k_that_counts_nothing_is_refused(top_k):
    message = f"top_k must be a whole number above 0: got {top_k}"
    with pytest.raises(ValueError, match=message):
        get_multilabel_scorer("recall_at_k", top_k=top_k)


def test_an_unknown_name_lists_all():
    message = "no multi-label scorer named 'f1': choose one of 'element_accuracy'"
    with pytest.raises(ValueError, match=message):
        get_multilabel_scorer("f1")


def test_scorers_are_pickled_and_shown(problem):
    X, y = problem
    scorer = pickle.loads(pickle.dumps(get_multilabel_scorer("recall_at_k", top_k=2)))
    assert repr(scorer) == "get_multilabel_scorer('recall_at_k', top_k=2)"
    result = cross_validate(FOREST, X, y, scoring=scorer, cv=3, n_jobs=2)
    assert np.isfinite(result["test_score"]).all()
