"""PosterClassifier: what it takes, what it learns, what it refuses."""

import copy
import os
import pickle
import random
from pathlib import Path

import cloudpickle
import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from keras.src.random.seed_generator import global_seed_generator
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from sk_posters import PosterClassifier, PosterImageLoader
from sk_posters._networks._row_weights import split_rows
from sk_posters.exceptions import PosterFileError


@pytest.fixture
def fitted(tiny, images, labels):
    return PosterClassifier(**tiny).fit(images, labels)


@pytest.fixture
def poster_files(images, tmp_path):
    """The images as files, in an array of paths."""
    keras_images = keras.utils.array_to_img
    paths = [str(tmp_path / f"{number:02d}.png") for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        keras_images(image * 255, scale=False).save(path)
    return np.array(paths)


# -- learning -------------------------------------------------------------------------


def test_it_learns_from_informative_features(tiny, images, labels):
    tiny |= {"epochs": 20, "learning_rate": 0.03}
    classifier = PosterClassifier(**tiny).fit(images, labels)
    scores = classifier.predict_proba(images)
    learned = average_precision_score(labels, scores, average=None)
    assert learned[0] == 1.0
    assert learned[1] > 0.9


def test_learned_attributes_describe_images_and_labels(fitted, labels):
    assert fitted.image_shape_ == (8, 8, 3)
    assert fitted.n_features_in_ == 8 * 8 * 3
    assert fitted.label_names_.tolist() == list(labels.columns)
    assert [c.tolist() for c in fitted.classes_] == [[0, 1]] * 3
    assert isinstance(fitted.model_, keras.Model)


def test_the_history_is_a_dict_of_lists_of_floats(tiny, images, labels):
    history = PosterClassifier(**tiny | {"epochs": 2}).fit(images, labels).history_
    assert type(history) is dict
    assert [type(value) for value in history["loss"]] == [float, float]


@pytest.mark.parametrize(
    "convert",
    [np.asarray, pd.DataFrame, csr_array, lambda y: y.to_numpy().tolist()],
    ids=["array", "frame", "sparse", "list"],
)
def test_every_form_of_labels_gives_the_same_network(
    convert, tiny, images, labels, fitted
):
    other = PosterClassifier(**tiny).fit(images, convert(labels))
    expected = fitted.predict_proba(images)
    np.testing.assert_array_equal(other.predict_proba(images), expected)


def test_paths_through_a_pipeline_equal_arrays(tiny, poster_files, images, labels):
    pipeline = make_pipeline(
        PosterImageLoader(image_size=(8, 8)), PosterClassifier(**tiny)
    )
    pipeline.fit(poster_files, labels)
    arrays = np.asarray(pipeline[0].transform(poster_files))
    direct = PosterClassifier(**tiny).fit(arrays, labels)
    expected = direct.predict_proba(arrays)
    np.testing.assert_array_equal(pipeline.predict_proba(poster_files), expected)


def test_uint8_images_are_learned_as_floats_divided_by_255(tiny, images, labels):
    pixels = (images * 255).astype(np.uint8)
    first = PosterClassifier(**tiny).fit(pixels, labels)
    second = PosterClassifier(**tiny).fit(pixels / np.float32(255), labels)
    np.testing.assert_array_equal(
        first.predict_proba(pixels), second.predict_proba(pixels / np.float32(255))
    )


def test_float64_images_are_not_cut_down_to_uint8(tiny, images, labels):
    classifier = PosterClassifier(**tiny).fit(images.astype(np.float64), labels)
    moved = images + np.float32(0.2 / 255) * (images < 0.9)
    assert not np.array_equal(
        classifier.predict_proba(images), classifier.predict_proba(moved)
    )


# -- answers --------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [1, 7, 8, 9])
def test_shapes_do_not_depend_on_the_number_of_rows(n_rows, fitted, images):
    assert fitted.predict_proba(images[:n_rows]).shape == (n_rows, 3)
    assert fitted.predict(images[:n_rows]).shape == (n_rows, 3)


@pytest.mark.parametrize("n_labels", [1, 2])
def test_few_labels_stay_a_matrix(n_labels, tiny, images, labels):
    classifier = PosterClassifier(**tiny).fit(images, labels.iloc[:, :n_labels])
    assert classifier.predict_proba(images).shape == (24, n_labels)
    assert classifier.predict(images).shape == (24, n_labels)
    assert len(classifier.classes_) == n_labels


def test_rows_of_one_label_each_stay_a_matrix(tiny, images):
    one_each = np.eye(3, dtype=int)[np.arange(24) % 3]
    classifier = PosterClassifier(**tiny).fit(images, one_each)
    assert classifier.predict(images).shape == (24, 3)
    assert classifier.predict_proba(images).sum(axis=1) != pytest.approx(1.0)


def test_labels_are_those_above_one_half(fitted, images):
    expected = (fitted.predict_proba(images) > 0.5).astype(int)
    np.testing.assert_array_equal(fitted.predict(images), expected)


def test_probabilities_are_float32(fitted, images):
    assert fitted.predict_proba(images).dtype == np.float32


def test_the_top_labels_are_names_best_first(fitted, images):
    best = fitted.predict_proba(images).argmax(axis=1)
    top = fitted.predict_top_k(images, k=2)
    assert top.shape == (24, 2)
    assert top[:, 0].tolist() == fitted.label_names_[best].tolist()
    assert all(len(set(row)) == 2 for row in top.tolist())


@pytest.mark.parametrize("k", [0, 4])
def test_there_must_be_as_many_labels_as_asked_for(k, fitted, images):
    with pytest.raises(
        ValueError, match=rf"from 1 to 3, the number of labels: got {k}"
    ):
        fitted.predict_top_k(images, k=k)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_top_k"])
def test_an_unfitted_classifier_says_so(method, images):
    with pytest.raises(NotFittedError):
        getattr(PosterClassifier(), method)(images)


def test_initialize_gives_a_network_that_has_learned_nothing(tiny, images, labels):
    classifier = PosterClassifier(**tiny).initialize(images, labels)
    assert classifier.predict_proba(images).shape == (24, 3)
    assert classifier.history_ == {}


# -- weights and held-out rows --------------------------------------------------------


def test_rows_of_weight_zero_count_like_no_rows(tiny, images, labels):
    weights = np.repeat([1.0, 0.0], 12)
    tiny |= {"fit__batch_size": 24}
    weighted = PosterClassifier(**tiny).fit(images, labels, sample_weight=weights)
    without = PosterClassifier(**tiny).fit(images[:12], labels[:12])
    np.testing.assert_allclose(
        weighted.predict_proba(images), without.predict_proba(images), rtol=1e-5
    )


def test_only_the_ratios_of_weights_matter(tiny, images, labels):
    weights = np.arange(24) + 1.0
    first = PosterClassifier(**tiny).fit(images, labels, sample_weight=weights)
    second = PosterClassifier(**tiny).fit(images, labels, sample_weight=weights * 8)
    plain = PosterClassifier(**tiny).fit(images, labels)
    expected = first.predict_proba(images)
    np.testing.assert_allclose(second.predict_proba(images), expected, rtol=1e-5)
    assert not np.allclose(plain.predict_proba(images), expected, rtol=1e-5)


def test_negative_weights_are_an_error(tiny, images, labels):
    weights = np.full(24, -1.0)
    with pytest.raises(ValueError, match=r"sample_weight must hold .*: got -1"):
        PosterClassifier(**tiny).fit(images, labels, sample_weight=weights)


def test_weights_are_routed_as_metadata(tiny, poster_files, labels):
    weights = np.repeat([1.0, 0.0], 12)
    loader = PosterImageLoader(image_size=(8, 8))
    classifier = PosterClassifier(**tiny)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(loader, classifier.set_fit_request(sample_weight=True))
        pipeline.fit(poster_files, labels, sample_weight=weights)
    arrays = loader.transform(poster_files)
    direct = PosterClassifier(**tiny).fit(arrays, labels, sample_weight=weights)
    np.testing.assert_array_equal(
        pipeline.predict_proba(poster_files), direct.predict_proba(arrays)
    )


@pytest.mark.parametrize("how", ["parameter", "argument"])
def test_a_share_of_the_rows_is_held_out(how, tiny, images, labels):
    parameter = {"validation_fraction": 0.25} if how == "parameter" else {}
    argument = {"validation_split": 0.25} if how == "argument" else {}
    classifier = PosterClassifier(**tiny, **parameter)
    assert set(classifier.fit(images, labels, **argument).history_) == {
        "loss",
        "val_loss",
    }


def test_held_out_rows_are_not_trained_on(tiny, images, labels):
    classifier = PosterClassifier(**tiny, validation_fraction=0.25)
    seed = classifier.initialize(images, labels)._seed
    kept, held_out = split_rows(np.arange(24), 0.25, seed)
    assert len(held_out) == 6
    assert sorted([*kept, *held_out]) == list(range(24))
    spoiled = images.copy()
    spoiled[held_out] = 0.0
    first = classifier.fit(images, labels).model_.get_weights()
    second = classifier.fit(spoiled, labels).model_.get_weights()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_given_by_the_caller_replace_those_held_out(tiny, images, labels):
    classifier = PosterClassifier(**tiny, validation_fraction=0.25)
    given = images[:6], labels[:6], np.ones(6)
    classifier.fit(images[6:], labels[6:], validation_data=given)
    loss = classifier.model_.evaluate(images[:6], labels[:6], verbose=0)
    assert classifier.history_["val_loss"] == [pytest.approx(loss, rel=1e-4)]


@pytest.mark.parametrize(
    ("validation_data", "message"),
    [
        ("images", r"must be \(X, y\) or \(X, y, sample_weight\): got str"),
        ((1,), r"must be \(X, y\) or \(X, y, sample_weight\): got tuple"),
    ],
)
def test_held_out_rows_have_a_form(validation_data, message, tiny, images, labels):
    with pytest.raises(ValueError, match=message):
        PosterClassifier(**tiny).fit(images, labels, validation_data=validation_data)


def test_held_out_labels_must_be_those_of_the_training_rows(tiny, images, labels):
    other = labels.rename(columns={"Fifth": "Sixth"})
    message = "columns of y of validation_data must be .* Unknown: 'Sixth'"
    with pytest.raises(ValueError, match=message):
        PosterClassifier(**tiny).fit(images, labels, validation_data=(images, other))


def test_some_rows_must_be_left_to_train_on(tiny, images, labels):
    message = r"Holding out 0\.9 of 2 rows leaves none to train on"
    with pytest.raises(ValueError, match=message):
        PosterClassifier(**tiny, validation_fraction=0.9).fit(images[:2], labels[:2])


def test_a_share_is_below_one(tiny, images, labels):
    with pytest.raises(
        ValueError, match=r"validation_split must be in \[0, 1\): got 1"
    ):
        PosterClassifier(**tiny).fit(images, labels, validation_split=1)


# -- going on -------------------------------------------------------------------------


def test_two_fits_going_on_equal_one_of_twice_the_epochs(tiny, images, labels):
    once = PosterClassifier(**tiny | {"epochs": 2}).fit(images, labels)
    twice = PosterClassifier(**tiny, warm_start=True)
    twice.fit(images, labels).fit(images, labels)
    assert twice.history_ == once.history_
    np.testing.assert_array_equal(
        twice.predict_proba(images), once.predict_proba(images)
    )


def test_partial_fit_adds_an_epoch(tiny, images, labels):
    once = PosterClassifier(**tiny | {"epochs": 3}).fit(images, labels)
    parts = PosterClassifier(**tiny)
    for _ in range(3):
        parts.partial_fit(images, labels)
    assert parts.history_ == once.history_
    assert parts.label_names_.tolist() == list(labels.columns)


def test_a_cold_fit_begins_again(fitted, images, labels):
    before = fitted.predict_proba(images)
    fitted.fit(images, labels)
    assert len(fitted.history_["loss"]) == 1
    np.testing.assert_array_equal(fitted.predict_proba(images), before)


def test_a_cold_fit_takes_other_labels_and_images(fitted, images, labels):
    fitted.fit(images[:, :6, :6], labels[["Bright"]])
    assert fitted.image_shape_ == (6, 6, 3)
    assert fitted.label_names_.tolist() == ["Bright"]


def test_going_on_with_other_labels_is_an_error(fitted, images, labels):
    message = "columns of y must be the labels seen in fit"
    with pytest.raises(ValueError, match=message):
        fitted.partial_fit(images, labels.rename(columns={"Fifth": "Sixth"}))


def test_going_on_with_other_images_is_an_error(fitted, images, labels):
    with pytest.raises(ValueError, match=r"was fitted on \(8, 8, 3\)"):
        fitted.partial_fit(images[:, :6], labels)


# -- one seed, one network ------------------------------------------------------------


def predictions(parameters, images, labels):
    return PosterClassifier(**parameters).fit(images, labels).predict_proba(images)


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading"])
def test_one_seed_gives_one_network(backend, tiny, images, labels):
    tiny |= {"epochs": 2, "dropout": 0.5, "validation_fraction": 0.2}
    expected = predictions(tiny, images, labels)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        results = joblib.Parallel()(
            joblib.delayed(predictions)(tiny, images, labels) for _ in range(3)
        )
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_another_seed_gives_another_network(tiny, images, labels, fitted):
    other = predictions(tiny | {"random_state": 1}, images, labels)
    assert not np.array_equal(other, fitted.predict_proba(images))


def test_a_random_state_is_drawn_from(tiny, images, labels):
    def run():
        state = np.random.RandomState(3)
        parameters = tiny | {"random_state": state}
        return [predictions(parameters, images, labels) for _ in range(2)]

    first, second = run(), run()
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def global_random_states(tf):
    """States of Python's, NumPy's, Keras's and TensorFlow's global generators."""
    tf.random.set_seed(0)
    keras_state = global_seed_generator().state.numpy().tolist()
    numpy_state = pickle.dumps(np.random.get_state())  # noqa: NPY002
    return random.getstate(), numpy_state, keras_state


def test_no_global_random_state_is_touched(tiny, images, labels, tf):
    before = global_random_states(tf)
    untouched = tf.random.uniform((3,)).numpy()
    assert global_random_states(tf) == before
    PosterClassifier(**tiny).fit(images, labels).predict(images)
    # TensorFlow's next number first: asking for the states seeds it anew.
    np.testing.assert_array_equal(tf.random.uniform((3,)).numpy(), untouched)
    assert global_random_states(tf) == before


def test_keras_without_seeds_still_runs_afterwards(tiny, images, labels):
    PosterClassifier(**tiny).fit(images, labels)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dropout(0.5)])
    model.add(keras.layers.Dense(3))
    model.compile("adam", "mse")
    losses = model.fit(images, labels.to_numpy(), verbose=0).history["loss"]
    assert np.isfinite(losses).all()


# -- copies ---------------------------------------------------------------------------


def joblib_copy(estimator, tmp_path):
    joblib.dump(estimator, tmp_path / "estimator")
    return joblib.load(tmp_path / "estimator")


COPIES = {
    "pickle": lambda estimator, _: pickle.loads(pickle.dumps(estimator)),
    "cloudpickle": lambda estimator, _: pickle.loads(cloudpickle.dumps(estimator)),
    "joblib": joblib_copy,
    "deepcopy": lambda estimator, _: copy.deepcopy(estimator),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_gives_identical_predictions(name, fitted, images, tmp_path):
    other = COPIES[name](fitted, tmp_path)
    expected = fitted.predict_proba(images)
    np.testing.assert_array_equal(other.predict_proba(images), expected)
    assert other.history_ == fitted.history_


def predict(classifier, images):
    return os.getpid(), classifier.predict_proba(images)


def test_a_copy_in_another_process_gives_identical_predictions(fitted, images):
    pickle.dumps(keras.Sequential())  # scikeras then names classes in its own way.
    jobs = [joblib.delayed(predict)(fitted, images)]
    with joblib.parallel_config("loky", n_jobs=2):
        [(process, found)] = joblib.Parallel()(jobs)
    assert process != os.getpid()
    np.testing.assert_array_equal(found, fitted.predict_proba(images))


def test_a_copy_trains_on_like_the_original(fitted, images, labels):
    other = pickle.loads(pickle.dumps(fitted))
    expected = fitted.partial_fit(images, labels).predict_proba(images)
    actual = other.partial_fit(images, labels).predict_proba(images)
    np.testing.assert_array_equal(actual, expected)


def test_a_pipeline_can_be_carried(tiny, poster_files, labels):
    loader = PosterImageLoader(image_size=(8, 8))
    pipeline = make_pipeline(loader, PosterClassifier(**tiny)).fit(poster_files, labels)
    other = pickle.loads(pickle.dumps(pipeline))
    expected = pipeline.predict_proba(poster_files)
    np.testing.assert_array_equal(other.predict_proba(poster_files), expected)


def test_a_clone_knows_nothing(fitted, images):
    with pytest.raises(NotFittedError):
        clone(fitted).predict(images)


# -- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda x: x[:, :6], r"images of shape \(6, 8, 3\), but .* \(8, 8, 3\)"),
        (lambda x: (x * 255).astype(np.uint8), "has uint8 pixels, but .* float pixels"),
        (lambda x: x * 255, r"from 0 to 1; got values from"),
        (lambda x: x[0], r"got \(8, 8, 3\)\. A single image is X\[np\.newaxis\]"),
    ],
    ids=["size", "dtype", "range", "3-D"],
)
def test_other_images_than_in_fit_are_refused(convert, message, fitted, images):
    with pytest.raises(ValueError, match=message):
        fitted.predict(convert(images))


def test_paths_without_a_loader_are_refused(fitted):
    with pytest.raises(TypeError, match="Put a PosterImageLoader before it"):
        fitted.predict(["a.jpg"])


def test_an_image_too_small_is_refused_before_training(images, labels):
    with pytest.raises(ValueError, match=r"8×8 pixels are too small .* 46×46"):
        PosterClassifier().fit(images, labels)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_file_that_vanishes_is_named(held_out, tiny, poster_files, labels):
    loader = PosterImageLoader(image_size=(8, 8))
    lazy = loader.transform(poster_files)
    Path(poster_files[3]).unlink()
    extra = {"validation_data": (lazy, labels)} if held_out else {}
    start = 4 if held_out else 0
    with pytest.raises(PosterFileError, match=r"03\.png': no such file"):
        PosterClassifier(**tiny).fit(lazy[start:], labels[start:], **extra)


def test_a_fit_that_fails_leaves_nothing_fitted(fitted, images, labels):
    with pytest.raises(ValueError, match="watches the validation loss"):
        fitted.set_params(patience=1).fit(images, labels)
    with pytest.raises(NotFittedError):
        fitted.predict(images)


def test_a_wrong_number_of_rows_is_an_error(tiny, images, labels):
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[24, 23\]"
    ):
        PosterClassifier(**tiny).fit(images, labels[:-1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", 1.0),
        ("dropout", "half"),
        ("filters", 16),
        ("dense_units", 16),
        ("batch_norm", "yes"),
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("patience", 0),
        ("validation_fraction", 1.0),
        ("shuffle", "yes"),
        ("warm_start", "no"),
        ("random_state", "seed"),
        ("verbose", 3),
    ],
)
def test_a_wrong_parameter_is_named(name, value, tiny, images, labels):
    classifier = PosterClassifier(**tiny).set_params(**{name: value})
    with pytest.raises(ValueError, match=f"The '{name}' parameter of PosterClassifier"):
        classifier.fit(images, labels)


# -- what other libraries take ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 3}, r"no 'epochs'\. It is a parameter: PosterClassifier\(epochs=3"),
        ({"callbacks": []}, r"It is a parameter: PosterClassifier\(callbacks=\[\]\)"),
        ({"class_weight": {0: 2}}, "'class_weight'. Set label_weight, .*sample_weight"),
        ({"steps_per_epoch": 2}, "is the parameter fit__steps_per_epoch of Poster"),
        ({"foo": 2}, "no 'foo'. It takes X, y, sample_weight, validation_data and"),
    ],
)
def test_arguments_of_other_fits_are_told_where_they_belong(
    arguments, message, images, labels
):
    with pytest.raises(TypeError, match=message):
        PosterClassifier().fit(images, labels, **arguments)


def test_a_class_weight_is_a_label_weight():
    with pytest.raises(TypeError, match="'class_weight': set label_weight, the"):
        PosterClassifier(class_weight="balanced")


@pytest.mark.parametrize("n_channels", [1, 3])
def test_channels_that_come_first_are_named_with_the_remedy(n_channels, labels):
    X = np.zeros((24, n_channels, 16, 12), dtype=np.float32)
    message = r"images with their channels first.* X\.transpose\(0, 2, 3, 1"
    with pytest.raises(ValueError, match=message):
        PosterClassifier().fit(X, labels)


def test_a_stream_of_images_is_named_with_what_to_give_instead(images, labels, tf):
    dataset = tf.data.Dataset.from_tensor_slices(images)
    for stream, name in [(dataset, "tf.data.Dataset"), (iter(images), "iterator")]:
        message = f"From a .*{name}, rows cannot be selected. Give the paths"
        with pytest.raises(TypeError, match=message):
            PosterClassifier().fit(stream, labels)
