"""What a model is made of: the same parts through any nesting."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    PosterImageLoader,
)
from sk_posters._base._unwrap import (
    find_label_names,
    find_thresholds,
    iterate_estimators,
    list_parts,
    list_replaced_files,
    refuse_bad_files,
    unwrap,
)
from sk_posters.exceptions import PosterFileError


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, (X[:, :2] + X[:, 2:] > 0).astype(int)


def tune(classifier, **params):
    return MultilabelTunedThresholdClassifierCV(classifier, cv=2, **params)


def search(classifier):
    return GridSearchCV(classifier, {}, cv=2)


def linear():
    return OneVsRestClassifier(LogisticRegression())


def kinds(model):
    return [type(part).__name__ for part in unwrap(model).estimators]


SCALED = ["StandardScaler", "OneVsRestClassifier"]
NESTED = {
    "pipeline": lambda: make_pipeline(StandardScaler(), linear()),
    "search": lambda: search(make_pipeline(StandardScaler(), linear())),
    "tuned": lambda: tune(make_pipeline(StandardScaler(), linear())),
    "tuned head": lambda: make_pipeline(StandardScaler(), tune(linear())),
    "search of tuned": lambda: search(tune(make_pipeline(StandardScaler(), linear()))),
    "tuned search": lambda: tune(search(make_pipeline(StandardScaler(), linear()))),
    "search of tuned search": lambda: search(
        tune(search(make_pipeline(StandardScaler(), linear())))
    ),
    "searched head": lambda: make_pipeline(StandardScaler(), search(tune(linear()))),
    "pipeline in a pipeline": lambda: make_pipeline(
        make_pipeline(StandardScaler(), "passthrough"), None, search(linear())
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_the_steps_are_found_through_any_nesting(name, data):
    assert kinds(NESTED[name]().fit(*data)) == SCALED


@pytest.mark.parametrize("name", [name for name in NESTED if "tuned" in name])
def test_thresholds_are_found_through_any_nesting(name, data):
    model = NESTED[name]().fit(*data)
    assert find_thresholds(model).shape == (2,)
    assert list(find_label_names(model)) == [0, 1]
    assert [type(part).__name__ for _, part in list_parts(model)] == [
        *SCALED,
        "MultilabelTunedThresholdClassifierCV",
    ]


def test_a_search_predicts_what_its_steps_and_thresholds_say(data):
    model = NESTED["search of tuned"]().fit(*data)
    np.testing.assert_array_equal(
        model.predict(data[0]), model.predict_proba(data[0]) >= find_thresholds(model)
    )


def test_the_outermost_thresholds_decide(data):
    model = tune(tune(linear(), shrinkage=0)).fit(*data)
    assert unwrap(model).tuner is model
    assert [tuner for _, tuner in unwrap(model).tuners] == [model, model.estimator_]


def test_without_tuned_thresholds_a_label_is_predicted_from_one_half(data):
    assert find_thresholds(linear().fit(*data)) == 0.5
    assert unwrap(linear()).tuner is None


def test_thresholds_of_a_decision_function_are_none_of_probabilities(data):
    tuned = tune(linear(), response_method="decision_function").fit(*data)
    assert find_thresholds(tuned) is None


def test_unfitted_models_are_unwrapped_as_far_as_they_go():
    assert kinds(search(linear())) == ["GridSearchCV"]
    assert kinds(make_pipeline(StandardScaler(), linear())) == SCALED
    assert unwrap(Pipeline([("nothing", "passthrough")])).head is None


def names(model):
    return [(name, type(part).__name__) for name, part in list_parts(model)]


def test_parts_of_a_union_come_before_it(data):
    union = FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())])
    model = Pipeline([("both", union), ("linear", linear())]).fit(*data)
    assert names(model) == [
        ("a", "StandardScaler"),
        ("b", "MinMaxScaler"),
        ("both", "FeatureUnion"),
        ("linear", "OneVsRestClassifier"),
    ]


def test_parts_of_columns_are_the_fitted_ones(data):
    columns = ColumnTransformer(
        [("a", StandardScaler(), [0, 1]), ("left out", "drop", [2])], remainder="drop"
    )
    model = make_pipeline(columns, linear()).fit(*data)
    assert names(model)[0] == ("a", "StandardScaler")
    assert list_parts(model)[0][1] is columns.named_transformers_["a"]


@pytest.mark.parametrize(
    "build",
    [
        lambda base: StackingClassifier(base, LogisticRegression(), cv=2),
        lambda base: VotingClassifier(base, voting="soft"),
    ],
)
def test_parts_of_a_stack_are_its_fitted_classifiers(build, data):
    base = [("a", make_pipeline(StandardScaler(), LogisticRegression()))]
    model = build(base).fit(data[0], data[1][:, 0])
    assert [name for _, name in names(model)][:2] == [
        "StandardScaler",
        "LogisticRegression",
    ]
    assert list_parts(model)[0][1] is model.named_estimators_["a"][0]


EVERYWHERE = {
    "search": lambda scaler: search(make_pipeline(scaler, linear())),
    "search of tuned search": lambda scaler: search(
        tune(search(make_pipeline(scaler, linear())))
    ),
    "union": lambda scaler: make_pipeline(FeatureUnion([("a", scaler)]), linear()),
    "columns": lambda scaler: make_pipeline(
        ColumnTransformer([("a", scaler, [0, 1])]), linear()
    ),
    "one per label": lambda scaler: MultiOutputClassifier(
        make_pipeline(scaler, LogisticRegression())
    ),
    "calibrated": lambda scaler: MultiOutputClassifier(
        CalibratedClassifierCV(make_pipeline(scaler, LogisticRegression()), cv=2)
    ),
    "stack": lambda scaler: StackingClassifier(
        [("a", make_pipeline(scaler, LogisticRegression()))], cv=2
    ),
    "selection": lambda scaler: make_pipeline(scaler, SelectKBest(k=2), linear()),
}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_fitted_estimator_is_reached(name, data):
    X, y = data
    y = y[:, 0] if name in {"selection", "stack"} else y
    model = EVERYWHERE[name](StandardScaler()).fit(X, y)
    scalers = [e for e in iterate_estimators(model) if isinstance(e, StandardScaler)]
    for scaler in scalers:
        scaler.with_mean = "reached"
    for scaler in scalers:
        if hasattr(scaler, "mean_"):
            scaler.mean_ = scaler.mean_ * np.nan  # What predicts is really among them.
    assert any(hasattr(scaler, "mean_") for scaler in scalers)
    with pytest.raises(ValueError, match="NaN"):
        model.predict(X)


@pytest.mark.filterwarnings("ignore:.*cannot be used as a poster")
@pytest.mark.parametrize("kind", [PosterEncoder, PosterImageLoader])
def test_files_that_a_part_replaced_are_listed_until_they_are_refused(kind, tmp_path):
    bad = str(tmp_path / "bad.png")
    part = kind(image_size=(32, 32), on_error="blank").fit([bad])
    model = search(make_pipeline(FeatureUnion([("one", part)]), linear()))
    assert list_replaced_files(model) == [bad]
    assert refuse_bad_files(model) is model
    with pytest.raises(PosterFileError, match="no such file"):
        part.transform([bad])
