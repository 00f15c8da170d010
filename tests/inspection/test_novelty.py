"""Novelty of images, through whole models."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline

from sk_posters import (
    FeatureNovelty,
    MultilabelTunedThresholdClassifierCV,
    PosterImageLoader,
    export_onnx,
    load_model,
    make_poster_pipeline,
    save_model,
)
from sk_posters.datasets import load_poster_table, make_posters
from sk_posters.inspection import grad_cam, novelty

SMALL = {"image_size": (96, 64)}


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    home = tmp_path_factory.mktemp("posters")
    return make_posters(
        70, n_labels=2, image_size=(96, 64), random_state=0, data_home=home
    )


@pytest.fixture(scope="module")
def model(posters):
    return make_poster_pipeline(**SMALL).fit(posters.data[:40], posters.target[:40])


@pytest.fixture(scope="module")
def others():
    """Images that are no posters: noise, and plain colours."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (10, 96, 64, 3), dtype=np.uint8)
    return np.concatenate([noise, np.broadcast_to(noise[:, :1, :1], noise.shape)])


def test_what_is_no_drawn_poster_is_novel(model, posters, others):
    assert novelty(model, others).min() > 0.95
    usual = novelty(model, posters.data[40:])
    assert usual.shape == (30,)
    assert (usual > 0.95).mean() < 0.2
    assert 0.2 < np.median(usual) < 0.8


def test_real_images_that_are_no_posters_are_novel(real_posters):
    from sklearn.datasets import load_sample_images

    table = load_poster_table(real_posters / "train.csv")
    encoder, *rest = make_poster_pipeline(image_size=(160, 112))
    features = encoder.transform(table.data[:160])
    step = rest[0].fit(features[:120])
    assert (step.novelty(features[120:]) > 0.95).mean() < 0.2
    photographs = [image[:, :400] for image in load_sample_images().images]
    photographs = encoder.transform(np.stack(photographs)[:, :572:4, ::4])
    assert step.novelty(photographs).min() > 0.95


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


WRAPPED = {
    "tuned pipeline": lambda pipe: MultilabelTunedThresholdClassifierCV(pipe, cv=2),
    "search of a tuned pipeline": lambda pipe: GridSearchCV(
        MultilabelTunedThresholdClassifierCV(pipe, cv=2), {"shrinkage": [0]}, cv=2
    ),
    "tuned head": lambda pipe: make_pipeline(
        *pipe[:-1], MultilabelTunedThresholdClassifierCV(pipe[-1], cv=2)
    ),
    "forest": lambda pipe: make_pipeline(*pipe[:2], RandomForestClassifier(2)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_novelty_is_found_through_any_nesting(name, model, posters, cache):
    pipe = make_poster_pipeline(**SMALL, cache_dir=cache)
    wrapped = WRAPPED[name](pipe).fit(posters.data[:40], posters.target[:40])
    X = posters.data[40:50]
    np.testing.assert_array_equal(novelty(wrapped, X), novelty(model, X))


def test_novelty_survives_files_and_pickles(model, posters, tmp_path):
    expected = novelty(model, posters.data[40:])
    card = save_model(model, tmp_path / "genres.model")
    assert "FeatureNovelty" in card["model"]
    for loaded in (
        load_model(tmp_path / "genres.model"),
        pickle.loads(pickle.dumps(model)),
    ):
        np.testing.assert_array_equal(novelty(loaded, posters.data[40:]), expected)


def leave_out(model):
    """Return a model as version 0.1 of this package fitted it."""
    return make_pipeline(
        *(step for step in model if not isinstance(step, FeatureNovelty))
    )


def test_the_step_changes_no_prediction_map_or_graph(model, posters, tmp_path):
    pytest.importorskip("onnx")
    X, without = posters.data[:2], leave_out(model)
    np.testing.assert_array_equal(model.predict_proba(X), without.predict_proba(X))
    np.testing.assert_array_equal(grad_cam(model, X), grad_cam(without, X))
    for name, each in (("with", model), ("without", without)):
        export_onnx(each, tmp_path / name)
    assert (tmp_path / "with").read_bytes() == (tmp_path / "without").read_bytes()


def test_models_saved_without_the_step_load_and_say_that_they_have_none(
    model, posters, tmp_path
):
    save_model(leave_out(model), tmp_path / "old.model")
    loaded = load_model(tmp_path / "old.model")
    assert loaded.predict(posters.data[:2]).shape == (2, 2)
    message = (
        r"novelty takes a fitted model with the step FeatureNovelty after its encoder, "
        r"as make_poster_pipeline\('frozen'\) and \('best'\) make: got PosterEncoder, "
        r"StandardScaler, OneVsRestHead\. Models of version 0\.1 have none: fit the "
        r"recipe again\."
    )
    with pytest.raises(ValueError, match=message):
        novelty(loaded, posters.data[:2])


@pytest.mark.parametrize(
    ("other", "listed"),
    [
        (OneVsRestClassifier(LogisticRegression()), "OneVsRestClassifier"),
        (LocalOutlierFactor(novelty=True), "LocalOutlierFactor"),
        (
            make_pipeline(PosterImageLoader(), LogisticRegression()),
            "PosterImageLoader, LogisticRegression",
        ),
    ],
)
def test_models_without_the_step_are_named(other, listed):
    with pytest.raises(ValueError, match=rf"FeatureNovelty after its .*: got {listed}"):
        novelty(other, ["no_such.jpg"])


@pytest.fixture(scope="module")
def rows():
    """Features, labels, and what a model fitted to both says of its own rows."""
    random = np.random.default_rng(0)
    X = random.random((60, 8))
    y = (X[:, :2] > 0.5).astype(float)
    return X, y, novelty(make_poster_pipeline()[1:].fit(X, y), X)


@pytest.mark.filterwarnings("ignore:Label not 0 is present in all training")
def test_labels_without_positives_and_unknown_ones_do_not_count(rows):
    X, y, expected = rows
    y = y.copy()
    y[:, 0], y[::2, 1] = 0, np.nan
    found = novelty(make_poster_pipeline()[1:].fit(X, y), X)
    np.testing.assert_array_equal(found, expected)


def test_weights_do_not_count(rows):
    X, y, expected = rows
    with config_context(enable_metadata_routing=True):
        pipe = make_poster_pipeline()[1:]
        pipe["scaler"].set_fit_request(sample_weight=True)
        pipe["classifier"].estimator.set_fit_request(sample_weight=True)
        pipe.fit(X, y, sample_weight=np.arange(60) % 3)
    np.testing.assert_array_equal(novelty(pipe, X), expected)
