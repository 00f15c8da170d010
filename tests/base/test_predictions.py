"""Scores of any classifier come as one array, whatever form it gives them in."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters import MultilabelTunedThresholdClassifierCV
from sk_posters._base._predictions import as_scores, predict_scores

X = np.arange(12.0).reshape(-1, 1)
BOTH = np.column_stack([X[:, 0] > 5, X[:, 0] % 2 == 0]).astype(int)


def forest():
    return RandomForestClassifier(n_estimators=5, random_state=0)


@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: GridSearchCV(model, {}, cv=2),
        lambda model: GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2),
    ],
    ids=["alone", "pipeline", "search", "search of a pipeline"],
)
@pytest.mark.parametrize(
    "model",
    [forest(), MultiOutputClassifier(DummyClassifier(strategy="prior"))],
    ids=["forest", "one per label"],
)
def test_a_label_with_one_class_in_fit_gets_the_probability_of_1(model, wrap, only):
    y = BOTH.copy()
    y[:, 1] = only
    fitted = wrap(model).fit(X, y)
    scores, names, method = predict_scores(fitted, X)
    assert scores.shape == (12, 2)
    assert (scores[:, 1] == only).all()
    assert method == "predict_proba"
    assert list(names) == [0, 1]


@pytest.mark.parametrize(
    ("model", "n_labels"),
    [
        (forest(), 1),
        (forest(), None),
        (OneVsRestClassifier(LogisticRegression()), 1),
        (OneVsRestClassifier(LogisticRegression()), None),
        (make_pipeline(StandardScaler(), LogisticRegression()), 1),
    ],
)
def test_a_binary_classifier_gives_one_column(model, n_labels):
    fitted = model.fit(X, BOTH[:, 0])
    scores, _, _ = predict_scores(fitted, X, n_labels=n_labels)
    np.testing.assert_array_equal(scores[:, 0], fitted.predict_proba(X)[:, 1])


@pytest.mark.parametrize("only", [0, 1])
def test_a_binary_classifier_that_met_one_class_gives_the_probability_of_1(only):
    fitted = DummyClassifier(strategy="prior").fit(X, np.full(12, only))
    scores, _, _ = predict_scores(fitted, X, n_labels=1)
    assert (scores == only).all()


def test_one_label_with_tuned_thresholds_keeps_its_column():
    tuned = MultilabelTunedThresholdClassifierCV(
        OneVsRestClassifier(LogisticRegression()), cv=2
    ).fit(X, BOTH[:, :1])
    scores, _, _ = predict_scores(tuned, X)
    np.testing.assert_array_equal(scores, tuned.predict_proba(X))


def test_two_labels_are_not_taken_for_two_classes():
    network = MLPClassifier(hidden_layer_sizes=(2,), max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        network.fit(X, BOTH)
    scores, _, _ = predict_scores(network, X)
    np.testing.assert_array_equal(scores, network.predict_proba(X))


def test_the_first_method_there_is_counts():
    ridge = RidgeClassifier().fit(X, BOTH)
    scores, _, method = predict_scores(
        ridge, X, methods=("predict_proba", "decision_function"), n_labels=2
    )
    assert method == "decision_function"
    np.testing.assert_array_equal(scores, ridge.decision_function(X))


def test_an_estimator_without_scores_is_named():
    ridge = RidgeClassifier().fit(X, BOTH)
    with pytest.raises(AttributeError, match="RidgeClassifier has no predict_proba"):
        predict_scores(ridge, X)


def test_scores_of_another_number_of_labels_are_refused():
    fitted = OneVsRestClassifier(LogisticRegression()).fit(X, BOTH)
    with pytest.raises(ValueError, match="each of the 3 labels of y: got 2 columns"):
        predict_scores(fitted, X, n_labels=3)


def test_column_names_are_kept():
    fitted = OneVsRestClassifier(LogisticRegression()).fit(X, BOTH)
    frame = pd.DataFrame(fitted.predict_proba(X), columns=["a", "b"])
    assert list(as_scores(frame, fitted)[1]) == ["a", "b"]
