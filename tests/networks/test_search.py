"""scikit-learn's searches and cross-validation over PosterClassifier."""

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline

from sk_posters import PosterClassifier, PosterImageLoader

GRID = {"cnn__dropout": [0.1, 0.5], "cnn__epochs": [1, 2]}
ONE = {"cnn__epochs": [1]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Twenty-four posters of noise, as paths."""
    folder = tmp_path_factory.mktemp("posters")
    generator = np.random.default_rng(0)
    paths = []
    for number in range(24):
        pixels = generator.integers(0, 256, size=(12, 9, 3), dtype=np.uint8)
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    return np.array([str(path) for path in paths])


@pytest.fixture
def pipeline(tiny):
    classifier = PosterClassifier(**tiny)
    return Pipeline(
        [
            ("images", PosterImageLoader(image_size=(8, 8), n_jobs=1)),
            ("cnn", classifier),
        ]
    )


def random_labels(n_labels, n_rows=24):
    generator = np.random.default_rng(1)
    return pd.DataFrame(
        generator.integers(0, 2, size=(n_rows, n_labels)),
        columns=[f"Genre {number}" for number in range(n_labels)],
    )


def searched(pipeline, files, labels, n_jobs, cv=2, grid=ONE):
    search = GridSearchCV(
        pipeline,
        grid,
        scoring="average_precision",
        cv=cv,
        n_jobs=n_jobs,
        error_score="raise",
    )
    return search.fit(files, labels)


@pytest.mark.parametrize(("n_labels", "grid"), [(1, ONE), (25, GRID)])
def test_two_processes_search_as_one(n_labels, grid, pipeline, files):
    labels = random_labels(n_labels)
    alone = searched(pipeline, files, labels, n_jobs=1, grid=grid)
    together = searched(pipeline, files, labels, n_jobs=2, grid=grid)
    scores = alone.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(together.cv_results_["mean_test_score"], scores)
    assert together.best_params_ == alone.best_params_
    assert together.predict_proba(files).shape == (24, n_labels)


def scores_of_a_larger_network():
    """Train one whose sums TensorFlow divides among its threads."""
    images = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 3), dtype=np.uint8)
    classifier = PosterClassifier(
        filters=(16,), dense_units=(8,), dropout=0.1, epochs=1, random_state=0
    )
    return classifier.fit(images, random_labels(2, 16)).predict_proba(images)


def test_threads_divide_sums_alike_in_all_processes():
    with joblib.parallel_config("loky", n_jobs=2):
        (scores,) = joblib.Parallel()([joblib.delayed(scores_of_a_larger_network)()])
    np.testing.assert_array_equal(scores, scores_of_a_larger_network())


@pytest.mark.filterwarnings("ignore:No positive class found in y_true")
def test_a_fold_that_lacks_a_label_is_searched(pipeline, files):
    labels = random_labels(3)
    labels["Genre 2"] = 0
    labels.loc[:3, "Genre 2"] = 1  # All of them in the first of the folds.
    search = searched(pipeline, files, labels, n_jobs=1, cv=KFold(3))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("scoring", ["average_precision", "f1_macro", "roc_auc", None])
def test_scores_of_scikit_learn_work(scoring, pipeline, files):
    scores = cross_val_score(
        pipeline, files, random_labels(2), scoring=scoring, cv=2, error_score="raise"
    )
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()


def test_a_fitted_pipeline_can_be_searched_in_processes(pipeline, files):
    labels = random_labels(2)
    pipeline.fit(files, labels)
    assert searched(pipeline, files, labels, n_jobs=2).best_score_ > 0
