"""Recipes are pipelines of ordinary parts that take paths."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

from sk_posters import PosterEncoder, make_poster_pipeline
from sk_posters.datasets import make_posters

SMALL = {"image_size": (48, 32)}


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    return make_posters(
        24, n_labels=3, random_state=0, data_home=tmp_path_factory.mktemp("posters")
    )


def test_the_default_is_frozen():
    pipe = make_poster_pipeline()
    assert isinstance(pipe, Pipeline)
    assert list(pipe.named_steps) == ["encoder", "novelty", "scaler", "classifier"]
    assert repr(pipe) == repr(make_poster_pipeline("frozen"))
    assert isinstance(pipe["encoder"], PosterEncoder)
    assert isinstance(pipe["classifier"], OneVsRestClassifier)
    assert pipe["classifier"].estimator.C == 1.5e-3


def test_frozen_learns_from_paths(posters):
    pipe = make_poster_pipeline(C=1, **SMALL).fit(posters.data, posters.target)
    scores = pipe.predict_proba(posters.data)
    assert scores.shape == pipe.predict(posters.data).shape == (24, 3)
    assert pipe.score(posters.data, posters.target) > 0.9
    assert posters.target.to_numpy().all(axis=1).mean() < 0.5


def test_any_backbone_takes_the_place_of_the_default(posters, save_onnx):
    pipe = make_poster_pipeline(**SMALL).set_params(encoder__backbone=save_onnx())
    pipe.fit(posters.data, posters.target)
    assert pipe["classifier"].n_features_in_ == 4
    lengths = np.linalg.norm(pipe["encoder"].transform(posters.data), axis=1)
    np.testing.assert_allclose(lengths, 1280**0.5, rtol=1e-6)


def test_a_label_that_nothing_has_keeps_its_column(posters):
    y = posters.target.to_numpy().copy()
    y[:, 1] = 0
    pipe = make_poster_pipeline(**SMALL)
    with pytest.warns(UserWarning, match="Label not 1 is present in all training"):
        pipe.fit(posters.data, y)
    scores = pipe.predict_proba(posters.data[:2])
    assert scores.shape == (2, 3)
    np.testing.assert_array_equal(scores[:, 1], 0)


@pytest.mark.parametrize("recipe", ["frozen", "best"])
def test_weights_reach_the_steps_by_name(posters, recipe):
    pipe = make_poster_pipeline(recipe, C=0.01, image_size=(48, 32))
    weights = np.arange(24) % 3
    repeated = np.repeat(np.arange(24), weights)
    params = {f"{step}__sample_weight": weights for step in ("scaler", "classifier")}
    pipe.fit(posters.data, posters.target, **params)
    paths, y = posters.data[repeated], posters.target.iloc[repeated]
    alone = clone(pipe).fit(paths, y)
    np.testing.assert_allclose(
        pipe.predict_proba(posters.data), alone.predict_proba(posters.data), atol=1e-3
    )


def test_parameters_of_all_parts_are_searched(posters, tmp_path):
    pipe = make_poster_pipeline(cache_dir=tmp_path / "cache", **SMALL)
    grid = {
        "encoder__pooling": ["avg", "max"],
        "classifier__estimator__C": [0.01, 1],
        "scaler__with_mean": [True],
    }
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(posters.data, posters.target)
    assert search.best_estimator_["encoder"].n_cached_ == 24
    assert search.predict_proba(posters.data).shape == (24, 3)


def test_a_pipeline_is_cloned_crossed_and_pickled(posters):
    pipe = clone(make_poster_pipeline(**SMALL))
    assert np.isfinite(cross_val_score(pipe, posters.data, posters.target, cv=2)).all()
    pipe.fit(posters.data, posters.target)
    copy = pickle.loads(pickle.dumps(pipe))
    np.testing.assert_array_equal(
        copy.predict_proba(posters.data), pipe.predict_proba(posters.data)
    )


FROZEN = """
import sys
import numpy as np
from sk_posters import make_poster_pipeline
from sk_posters.inspection import grad_cam
y = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
pipe = make_poster_pipeline(image_size=(48, 32)).fit(sys.argv[1:], y)
pipe.predict_proba(sys.argv[1:])
assert grad_cam(pipe, sys.argv[1:]).shape == (4, 2, 48, 32)
heavy = ("tensorflow", "keras", "torch", "matplotlib")
print([name for name in heavy if name in sys.modules])
"""


def test_frozen_learns_predicts_and_explains_without_tensorflow(posters):
    command = [sys.executable, "-W", "ignore", "-c", FROZEN, *posters.data[:4]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("[]\n", 0), result.stderr


def test_cnn_is_the_network_of_the_tutorial(posters, tiny):
    pipe = make_poster_pipeline("cnn", image_size=(16, 12), **tiny)
    assert list(pipe.named_steps) == ["images", "classifier"]
    assert pipe["classifier"].dropout == tiny["dropout"]
    pipe.fit(posters.data, posters.target)
    assert pipe.predict_proba(posters.data).shape == (24, 3)


def test_best_takes_more_of_a_larger_network(posters):
    pipe = make_poster_pipeline("best", image_size=(96, 64))
    assert list(pipe.named_steps) == ["encoder", "novelty", "scaler", "classifier"]
    pipe.fit(posters.data, posters.target)
    names = pipe["encoder"].get_feature_names_out()
    assert len(names) == pipe["classifier"].n_features_in_ == 1280 + 18_436
    assert {name.partition("_lite")[2][0] for name in names} == {"2"}
    features = pipe["encoder"].transform(posters.data)
    parts = np.split(features, np.cumsum([1280, 3916, 7260]), axis=1)
    for part in parts:  # Each is of one length.
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1280**0.5, rtol=1e-4)
    assert pipe.predict_proba(posters.data).shape == (24, 3)


@pytest.mark.usefixtures("shallow_backbones")
def test_finetuned_trains_a_pretrained_network(posters):
    pipe = make_poster_pipeline("finetuned")
    assert pipe["images"].image_size == (288, 208)
    assert pipe["classifier"].network == "efficientnet_lite0"
    pipe.set_params(images__image_size=(32, 32), classifier__unfreeze=0)
    pipe.fit(posters.data, posters.target)
    assert pipe.predict_proba(posters.data).shape == (24, 3)


def test_routed_parameters_reach_the_network():
    pipe = make_poster_pipeline("cnn", classifier__optimizer__momentum=0.5)
    assert pipe["classifier"].optimizer__momentum == 0.5


def test_full_and_last_names_may_be_mixed():
    classifier = OneVsRestClassifier(LogisticRegression())
    pipe = make_poster_pipeline(
        backbone="efficientnet_lite2",
        encoder__n_jobs=1,
        classifier=classifier,
        classifier__estimator__C=2.0,
        memory="folder",
    )
    assert pipe["encoder"].backbone == "efficientnet_lite2"
    assert pipe["encoder"].n_jobs == 1
    assert pipe["classifier"] is classifier
    assert classifier.estimator.C == 2.0
    assert pipe.memory == "folder"


def test_a_short_name_that_means_the_same_everywhere_is_set_everywhere(tmp_path):
    pipe = make_poster_pipeline(
        "best", cache_dir=tmp_path, n_jobs=2, verbose=1, on_error="blank", batch_size=3
    )
    encoder = pipe["encoder"]
    assert encoder.cache_dir == tmp_path
    assert encoder.on_error == "blank"
    assert (encoder.n_jobs, encoder.verbose, encoder.batch_size) == (2, 1, 3)
    assert (pipe["classifier"].n_jobs, pipe["classifier"].verbose) == (2, 1)
    # Those of scikit-learn's own parts have another meaning: processes, other texts.
    assert pipe["classifier"].estimator.n_jobs is None
    assert not pipe.verbose


@pytest.mark.parametrize("recipe", ["finetuned", "cnn"])
def test_both_parts_of_a_network_recipe_are_set(recipe):
    pipe = make_poster_pipeline(recipe, verbose=1)
    assert (pipe["images"].verbose, pipe["classifier"].verbose) == (1, 1)


@pytest.mark.parametrize("recipe", ["frozen", "best", "finetuned", "cnn"])
def test_a_last_name_means_one_parameter(recipe):
    names = [name for name in make_poster_pipeline(recipe).get_params() if "__" in name]
    last_names = [name.rpartition("__")[2] for name in names]
    twice = {name for name in last_names if last_names.count(name) > 1}
    assert twice <= {"n_jobs", "verbose"}  # These are set in each own part.


@pytest.mark.parametrize(
    ("recipe", "params", "message"),
    [
        (
            "frosen",
            {},
            r"'finetuned', 'cnn'; got 'frosen' \(did you mean 'frozen'\?\)$",
        ),
        (
            "x",
            {},
            "recipe must be one of 'frozen', 'best', 'finetuned', 'cnn'; got 'x'$",
        ),
        (7, {}, "recipe must be one of 'frozen', 'best', 'finetuned', 'cnn'; got 7$"),
        (
            "frozen",
            {"backbon": 1},
            r"has a parameter 'backbon' \(did you mean 'backbone'",
        ),
        ("frozen", {"zzzz": 1}, r"parameter 'zzzz'; get_params\(\)"),
        ("frozen", {"C": 1, "classifier__estimator__C": 2}, "C' is given twice"),
        ("best", {"n_jobs": 1, "classifier__n_jobs": 2}, "'classifier__n_jobs' is giv"),
        ("frozen", {"encoder__backbon": 1}, "Invalid parameter 'backbon' for estimat"),
    ],
)
def test_other_recipes_and_parameters_are_refused(recipe, params, message):
    with pytest.raises(ValueError, match=message):
        make_poster_pipeline(recipe, **params)
