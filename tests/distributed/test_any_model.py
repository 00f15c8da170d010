"""predict_to_parquet takes models of any nesting, with the same promises."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    make_poster_pipeline,
)
from sk_posters.datasets import make_posters
from sk_posters.distributed import predict_to_parquet

TRUSTED = [
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._search.GridSearchCV",
    "sklearn.multioutput.MultiOutputClassifier",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._tree.Tree",
]


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posters")
    return make_posters(
        24, n_labels=2, image_size=(48, 32), random_state=0, data_home=folder
    )


def frozen():
    return make_poster_pipeline(image_size=(48, 32), on_error="blank")


def encoder():
    return PosterEncoder(image_size=(48, 32), on_error="blank")


def search(model):
    return GridSearchCV(model, {}, cv=KFold(2))


def tune(model):
    return MultilabelTunedThresholdClassifierCV(model, cv=2)


def one_per_label():
    return MultiOutputClassifier(make_pipeline(encoder(), LogisticRegression()))


NESTED = {
    "search": lambda: search(frozen()),
    "tuned": lambda: tune(frozen()),
    "search of tuned": lambda: search(tune(frozen())),
    "tuned search": lambda: tune(search(frozen())),
    "union": lambda: make_pipeline(
        FeatureUnion([("one", encoder())]), OneVsRestClassifier(LogisticRegression())
    ),
    "one pipeline per label": one_per_label,
}


@pytest.mark.filterwarnings("ignore:1 file cannot be used")
@pytest.mark.parametrize("name", NESTED)
def test_a_missing_file_has_no_prediction_and_its_error(name, posters, tmp_path):
    model = NESTED[name]().fit(posters.data, posters.target)
    paths = [posters.data[0], "nosuch.png", posters.data[1]]
    made = predict_to_parquet(model, paths, tmp_path / "out", trusted=TRUSTED)
    frame = pd.read_parquet(tmp_path / "out")
    assert made.n_failed == 1
    assert frame["error"].tolist()[1] == "no such file"
    assert frame["error"].isna().tolist() == [True, False, True]
    values = frame.drop(columns=["path", "error"]).to_numpy()
    assert np.isnan(values[1]).all()
    assert not np.isnan(values[[0, 2]]).any()


@pytest.mark.parametrize("name", ["search", "search of tuned", "tuned search"])
def test_columns_are_named_as_the_frame_that_the_best_estimator_saw(
    name, posters, tmp_path
):
    model = NESTED[name]().fit(posters.data, posters.target)
    predict_to_parquet(model, posters.data[:2], tmp_path / "out", trusted=TRUSTED)
    columns = pd.read_parquet(tmp_path / "out").columns.tolist()
    assert columns == ["path", *posters.target.columns, "error"]


@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(n_estimators=3, random_state=0),
        MultiOutputClassifier(RandomForestClassifier(n_estimators=3, random_state=0)),
    ],
    ids=["forest", "one forest per label"],
)
def test_a_label_with_one_class_in_fit_has_its_probability(
    classifier, only, posters, tmp_path
):
    target = posters.target.assign(Rare=only)
    model = make_pipeline(encoder(), classifier).fit(posters.data, target)
    predict_to_parquet(
        model,
        posters.data[:3],
        tmp_path / "out",
        label_names=list(target),
        trusted=TRUSTED,
    )
    frame = pd.read_parquet(tmp_path / "out")
    assert frame["Rare"].tolist() == [only] * 3
    first = model.predict_proba(posters.data[:3])[0][:, 1]
    np.testing.assert_allclose(frame[target.columns[0]], first)
