"""Every recipe learns from what is known, and all treat other forms of y alike."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    export_onnx,
    load_model,
    make_poster_pipeline,
    model_card,
    save_model,
)
from sk_posters.datasets import make_posters
from sk_posters.inspection import grad_cam
from sk_posters.metrics import get_multilabel_scorer
from sk_posters.model_selection import MultilabelStratifiedKFold

pytestmark = pytest.mark.usefixtures("shallow_backbones")

SCORING = get_multilabel_scorer("micro_average_precision")


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    """Posters with labels of which a quarter is unknown."""
    home = tmp_path_factory.mktemp("posters")
    posters = make_posters(24, n_labels=3, random_state=0, data_home=home)
    y = posters.target.astype(float)
    y = y.mask(np.random.default_rng(0).random(y.shape) < 0.25)
    return posters.data, y


def make(recipe, tiny):
    """Return a recipe that is quick on few small posters."""
    if recipe == "cnn":
        return make_poster_pipeline("cnn", image_size=(16, 12), **tiny)
    if recipe == "finetuned":
        small = {"image_size": (32, 32), "unfreeze": 0, "random_state": 0}
        return make_poster_pipeline("finetuned", **small)
    pipe = make_poster_pipeline(recipe)
    sizes = {n: (48, 32) for n in pipe.get_params() if n.endswith("__image_size")}
    return pipe.set_params(**sizes)


def tune(pipe):
    tuned = MultilabelTunedThresholdClassifierCV(pipe[-1], cv=0.3, random_state=0)
    pipe.steps[-1] = ("classifier", tuned)
    return pipe


@pytest.mark.parametrize("recipe", ["frozen", "best", "finetuned", "cnn"])
def test_every_recipe_leaves_unknown_labels_out(recipe, posters, tiny):
    paths, y = posters
    pipe = make(recipe, tiny).fit(paths, y)
    scores = pipe.predict_proba(paths)
    assert scores.shape == (24, 3)
    assert np.isfinite(scores).all()
    right = ((pipe.predict(paths) == y) | y.isna()).all(axis=1)
    assert pipe.score(paths, y) == pytest.approx(right[y.notna().any(axis=1)].mean())
    message = "must be the same labels in the same order"
    with pytest.raises(ValueError, match=message):
        pipe.score(paths, y[y.columns[::-1]])
    with pytest.raises(ValueError, match=message):
        SCORING(pipe, paths, y[y.columns[::-1]])


@pytest.mark.parametrize("recipe", ["frozen", "cnn"])
def test_thresholds_are_tuned_and_parameters_searched(recipe, posters, tiny):
    paths, y = posters
    pipe = tune(make(recipe, tiny))
    name = {"frozen": "C", "cnn": "learning_rate"}[recipe]
    name = next(n for n in pipe.get_params() if n.rpartition("__")[2] == name)
    search = GridSearchCV(
        pipe, {name: [0.01]}, scoring=SCORING, cv=MultilabelStratifiedKFold(2)
    )
    search.fit(paths, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(paths).shape == (24, 3)


FORMS = {
    "minus one": (lambda y: 2 * y.fillna(0) - 1, r"use \(y > 0\).astype\(int\)"),
    "texts": (
        lambda y: pd.Series(["haze primary", "primary", "haze", "clear"] * 6),
        r"texts that hold several labels.*get_dummies\(' '\)",
    ),
    "lists": (
        lambda y: [["haze", "primary"], ["primary"]] * 12,
        "lists of label names.*MultiLabelBinarizer",
    ),
    "sets": (lambda y: [{"haze"}, {"primary"}] * 12, "lists of label names"),
    "rows that differ": (lambda y: [[0, 1], [1]] * 12, "rows of different lengths"),
    "nothing known": (
        lambda y: y.assign(Nothing=np.nan),
        "y is nan in all [0-9]+ rows for 'Nothing'",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("recipe", ["frozen", "cnn"])
def test_every_recipe_refuses_the_same_forms_with_the_way(
    recipe, tuned, form, posters, tiny
):
    paths, y = posters
    change, message = FORMS[form]
    pipe = make(recipe, tiny)
    with pytest.raises(ValueError, match=message):
        (tune(pipe) if tuned else pipe).fit(paths, change(y))


@pytest.mark.parametrize("recipe", ["frozen", "cnn"])
def test_every_recipe_takes_object_matrices_as_others(recipe, posters, tiny):
    paths, y = posters
    known = y.fillna(0).astype(int)
    scores = make(recipe, tiny).fit(paths, known).predict_proba(paths)
    for boxed in (known.astype(object), known.to_numpy(dtype=object)):
        pipe = make(recipe, tiny).fit(paths, boxed)
        np.testing.assert_array_equal(pipe.predict_proba(paths), scores)
        assert pipe.score(paths, boxed) == pipe.score(paths, known)


def test_models_are_saved_loaded_exported_and_explained(posters, tmp_path, tiny):
    paths, y = posters
    pipe = tune(make("frozen", tiny)).fit(paths, y)
    save_model(pipe, tmp_path / "m.model", training_data=(paths, y))
    loaded = load_model(tmp_path / "m.model")
    np.testing.assert_array_equal(
        loaded.predict_proba(paths), pipe.predict_proba(paths)
    )
    card = model_card(tmp_path / "m.model")
    assert card["label_names"] == list(y)
    save_model(pipe, tmp_path / "other.model", training_data=(paths, y.fillna(0)))
    other = model_card(tmp_path / "other.model")
    assert card["training_data"]["sha256"] != other["training_data"]["sha256"]
    export_onnx(pipe, tmp_path / "m.onnx")
    assert grad_cam(pipe, paths[:1]).shape[1] == 3


def test_networks_are_saved_and_loaded(posters, tmp_path, tiny):
    paths, y = posters
    pipe = make("cnn", tiny).fit(paths, y)
    save_model(pipe, tmp_path / "m.model")
    loaded = load_model(tmp_path / "m.model")
    np.testing.assert_allclose(
        loaded.predict_proba(paths), pipe.predict_proba(paths), atol=1e-6
    )


def test_frames_of_polars_keep_their_names(posters, tiny):
    polars = pytest.importorskip("polars")
    paths, y = posters
    frame = polars.from_pandas(y)
    for pipe in (make("frozen", tiny), tune(make("frozen", tiny)), make("cnn", tiny)):
        pipe.fit(paths, frame)
        assert pipe[-1].label_names_.tolist() == list(y)
        with pytest.raises(ValueError, match="in the same order"):
            pipe.score(paths, y[y.columns[::-1]])
