"""Heat maps show what a label's score comes from, and neighbours what looks alike."""

import gc
import re
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import binom, spearmanr
from several_encoders import make_several
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    OneVsRestHead,
    PosterClassifier,
    PosterEncoder,
    PosterImageLoader,
    make_poster_pipeline,
)
from sk_posters._features._encoder import list_encoders, list_networks
from sk_posters._networks._cnn import reseed
from sk_posters.datasets import _synthetic, make_posters
from sk_posters.exceptions import PosterFileError
from sk_posters.inspection import _network_maps as network_maps_module
from sk_posters.inspection import grad_cam, nearest_posters
from sk_posters.inspection._linear_maps import linear_maps, linear_weights
from sk_posters.inspection._maps import add_enlarged, rectify
from sk_posters.inspection._network_maps import network_maps

layers = keras.layers
LINEAR = OneVsRestClassifier(LogisticRegression(C=1e-2, max_iter=10_000))


# -- Small parts -----------------------------------------------------------------------


def test_maps_are_enlarged_linearly_between_the_centres_of_positions():
    heat = np.ones((1, 2, 4), dtype=np.float32)
    add_enlarged(heat, np.array([[[0.0, 1.0]]]))
    np.testing.assert_allclose(heat[0], 1 + np.array([[0, 0.25, 0.75, 1]] * 2))


def test_a_map_of_the_right_size_is_unchanged():
    small = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    heat = np.zeros_like(small)
    add_enlarged(heat, small)
    np.testing.assert_array_equal(heat, small)


def test_saliency_runs_from_0_to_1_and_negative_values_become_0():
    maps = np.array([[[-1.0, 2.0, 4.0]], [[-1.0, 0.0, -3.0]]], dtype=np.float32)
    np.testing.assert_array_equal(rectify(maps), [[[0, 0.5, 1]], [[0, 0, 0]]])


# -- Networks --------------------------------------------------------------------------


class OwnNetwork(PosterClassifier):
    """A classifier whose network is the one that it is given, as it is."""

    def _build_network(self):
        return self.build()


def fitted(build, images, n_labels=1):
    """Return a classifier with a network of its own, untrained."""
    classifier = OwnNetwork(random_state=0)
    classifier.build = build
    y = np.arange(len(images) * n_labels).reshape(-1, n_labels) % 2
    classifier.initialize(images, y)
    # `initialize` draws weights anew: give it those of the function back.
    classifier.model_.set_weights(build().get_weights())
    return classifier


def dense(values, bias, activation="sigmoid"):
    """Return a last layer with one output and these weights."""
    kernel = np.array(values, dtype=np.float32).reshape(-1, 1)
    return layers.Dense(
        1,
        activation=activation,
        kernel_initializer=lambda shape, dtype=None: kernel.reshape(shape),
        bias_initializer=keras.initializers.Constant(bias),
    )


def two_channels():
    """Return a convolution that gives the first colour, and one minus it."""
    kernel = np.zeros((1, 1, 3, 2), dtype=np.float32)
    kernel[0, 0, 0] = 1, -1
    offset = np.array([0, 1], dtype=np.float32)
    return layers.Conv2D(
        2,
        1,
        kernel_initializer=lambda shape, dtype=None: kernel,
        bias_initializer=lambda shape, dtype=None: offset,
    )


SHAPE = (2, 3, 3)


def plain():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            two_channels(),
            layers.GlobalAveragePooling2D(),
            dense([2, 1], 200),
        ]
    )


def apart():
    """The sigmoid is a layer of its own."""
    return keras.Sequential(
        [keras.Input(SHAPE), *plain().layers[:-1], dense([2, 1], 200, None), SIGMOID]
    )


def without_sigmoid():
    return keras.Sequential(
        [keras.Input(SHAPE), *plain().layers[:-1], dense([2, 1], 200, None)]
    )


def nested():
    """The feature map is in a model that gives rows of numbers."""
    inner = keras.Sequential([keras.Input(SHAPE), *plain().layers[:-1]])
    scaling = layers.Rescaling(1.0)
    return keras.Sequential([keras.Input(SHAPE), scaling, inner, dense([2, 1], 200)])


def nested_first():
    inner = keras.Sequential([keras.Input(SHAPE), *plain().layers[:-1]])
    return keras.Sequential([inner, dense([2, 1], 200)])


def nested_map():
    """A model gives the feature map."""
    inner = keras.Sequential([keras.Input(SHAPE), two_channels()])
    return keras.Sequential([keras.Input(SHAPE), inner, *plain().layers[1:]])


def nested_head():
    head = keras.Sequential([keras.Input((2,)), dense([2, 1], 200)])
    return keras.Sequential([keras.Input(SHAPE), *plain().layers[:-1], head])


def functional():
    inputs = keras.Input(SHAPE)
    features = two_channels()(inputs)
    # A residual sum and two ways of pooling: not a chain of layers.
    features = layers.Add()([features, features])
    pooled = [
        layers.GlobalAveragePooling2D()(features),
        layers.GlobalMaxPooling2D()(features),
    ]
    outputs = dense([0.5, 0.25, 0.5, 0.25], 200)(layers.Concatenate()(pooled))
    return keras.Model(inputs, outputs)


SIGMOID = layers.Activation("sigmoid")
BUILDS = [plain, apart, without_sigmoid, nested, nested_first, nested_map, nested_head]


@pytest.mark.parametrize(
    "build", [*BUILDS, functional], ids=lambda build: build.__name__
)
def test_the_map_is_that_computed_by_hand(build):
    first = np.random.default_rng(0).random((3, 2, 3), dtype=np.float32)
    images = np.stack([first, 1 - first, 0 * first], axis=-1)
    classifier = fitted(build, images)
    if build is not without_sigmoid:
        # So sure that the gradient of the probability is 0.
        assert (classifier.predict_proba(images) == 1).all()
    # The logit is 2 mean(x) + mean(1 - x), of 6 cells: weights are 2/6 and 1/6, so
    # that the map is (2 x + 1 - x) / 6, and what it is divided by goes away.
    expected = (1 + first) / (1 + first.max(axis=(1, 2), keepdims=True))
    np.testing.assert_allclose(grad_cam(classifier, images)[:, 0], expected, rtol=1e-5)


def test_gradients_of_a_flattened_map_are_averaged_over_it():
    kernel = np.array([[[1, 4], [2, -4]], [[3, -2], [0, 1]]])
    images = np.random.default_rng(0).random((2, 2, 2, 3), dtype=np.float32)

    def build():
        return keras.Sequential(
            [
                keras.Input((2, 2, 3)),
                two_channels(),
                layers.Flatten(),
                dense(kernel, 0),
            ]
        )

    # The weights are mean(1, 2, 3, 0) and mean(4, -4, -2, 1).
    signed = 1.5 * images[..., 0] - 0.25 * (1 - images[..., 0])
    np.testing.assert_allclose(
        grad_cam(fitted(build, images), images)[:, 0],
        rectify(signed),
        rtol=1e-5,
    )


def only_dense():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(1.0),
            layers.Flatten(),
            dense([1] * 18, 0),
        ]
    )


def side_by_side():
    """The last layer also reads the images."""
    inputs = keras.Input(SHAPE)
    pooled = layers.GlobalAveragePooling2D()(two_channels()(inputs))
    both = layers.Concatenate()([pooled, layers.Flatten()(inputs)])
    return keras.Model(inputs, dense([1] * 20, 0)(both))


class Opaque(keras.Model):
    """A network that is no graph of layers."""

    def __init__(self):
        super().__init__()
        self.flatten, self.dense = layers.Flatten(), dense([1] * 18, 0)

    def call(self, inputs):
        return self.dense(self.flatten(inputs))


def opaque():
    model = Opaque()
    model(np.zeros((1, *SHAPE), dtype=np.float32))
    return model


def nested_dense():
    inner = keras.Sequential([keras.Input(SHAPE), layers.Flatten()])
    return keras.Sequential([inner, dense([1] * 18, 0)])


@pytest.mark.parametrize("build", [only_dense, nested_dense, side_by_side, opaque])
def test_a_network_without_a_feature_map_is_refused(build):
    model = build()
    images = np.zeros((1, *SHAPE), dtype=np.float32)
    with pytest.raises(ValueError, match=f"network '{model.name}' has none that only"):
        next(network_maps(model, images, [0], 1))


def test_another_backend_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="runs on 'jax': set the environment variable"):
        next(network_maps(plain(), np.zeros((1, *SHAPE)), [0], 1))


@pytest.fixture(scope="module")
def cnn(images, labels):
    classifier = PosterClassifier(
        filters=(4,), dense_units=(8,), dropout=0.1, batch_size=7, random_state=0
    )
    return classifier.fit(images, labels)


def test_a_map_does_not_depend_on_other_images_of_the_batch(cnn, images):
    together = grad_cam(cnn, images)
    assert together.shape == (24, 3, 8, 8)
    assert together.dtype == np.float32
    greatest = together.max(axis=(2, 3))
    assert ((greatest == 1) | (greatest == 0)).all()
    assert together.min() == 0
    for row in (0, 10, 23):
        np.testing.assert_allclose(
            grad_cam(cnn, images[row : row + 1])[0], together[row], atol=1e-5
        )


def test_bytes_are_explained_like_floats(images, labels, tiny):
    pixels = np.rint(255 * images).astype(np.uint8)
    below = PosterClassifier(**tiny).initialize(pixels, labels).model_
    (as_bytes,) = network_maps(below, pixels, [0, 1], 24)
    (as_floats,) = network_maps(below, pixels / np.float32(255), [0, 1], 24)
    np.testing.assert_allclose(as_bytes, as_floats, rtol=1e-5, atol=1e-7)


def test_half_precision_gives_nearly_the_same_maps(images, labels, tiny):
    half = PosterClassifier(**tiny, mixed_precision=True).fit(images, labels)
    full = PosterClassifier(**tiny, mixed_precision=False).fit(images, labels)
    full.model_.set_weights(half.model_.get_weights())
    (maps,) = network_maps(half.model_, images, [0, 1, 2], 24)
    (expected,) = network_maps(full.model_, images, [0, 1, 2], 24)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=0.02 * np.abs(expected).max())


def test_labels_come_in_the_order_asked_for_by_name_or_position(cnn, images):
    everything = grad_cam(cnn, images[:2])
    for asked in (["Fifth", "Bright"], [2, 0], np.array([2, 0]), pd.Series([2, 0])):
        np.testing.assert_array_equal(
            grad_cam(cnn, images[:2], labels=asked), everything[:, [2, 0]]
        )
    for one in ("Fifth", 2):
        np.testing.assert_array_equal(
            grad_cam(cnn, images[:2], labels=one), everything[:, [2]]
        )


def test_batches_and_labels_are_traced_once(cnn, images):
    grad_cam(cnn, images)
    (functions,) = network_maps_module._traced[cnn.model_].values()
    grad_cam(cnn, images[:3], labels=[2, 1])
    assert [each.experimental_get_tracing_count() for each in functions] == [1, 1]


def test_a_network_that_was_explained_is_forgotten_with_its_classifier(images, labels):
    classifier = PosterClassifier(
        filters=(4,),
        dense_units=(),
        dropout=0.1,
        callbacks=keras.callbacks.Callback,
        epochs=1,
    ).fit(images, labels)
    before = len(classifier.model_.layers[-1]._inbound_nodes)
    grad_cam(classifier, images[:2])
    assert len(classifier.model_.layers[-1]._inbound_nodes) == before
    model = weakref.ref(classifier.model_)
    del classifier
    gc.collect()
    assert model() is None


def test_a_trained_backbone_is_explained_as_its_linear_head_says():
    images = np.random.default_rng(0).random((3, 64, 96, 3), dtype=np.float32)
    images = np.rint(255 * images) / np.float32(255)
    y = np.array([[1, 0], [0, 1], [1, 0]])
    network = PosterClassifier(network="efficientnet_lite0", unfreeze=0).fit(images, y)
    (by_gradient,) = network_maps(network.model_, images, [0, 1], 3)
    kernel, _ = network.model_.layers[-1].get_weights()
    (network,) = list_networks(PosterEncoder(), (64, 96))
    (maps,) = network.maps(images)
    by_weights = np.moveaxis(maps @ kernel, 3, 1) / (2 * 3)
    np.testing.assert_allclose(by_gradient, by_weights, atol=1e-5)


# -- Linear classifiers on features ----------------------------------------------------


@pytest.fixture
def one_by_one(save_onnx):
    """Function that returns a pipeline on a backbone whose maps have full size."""

    def fit(images, labels, *, last=LINEAR, scaler=True, onnx=None, **parameters):
        encoder = PosterEncoder(save_onnx(**onnx or {}), **parameters)
        steps = [encoder, StandardScaler(), last] if scaler else [encoder, last]
        return make_pipeline(*steps).fit(images, labels)

    return fit


def signed_maps(pipe, X):
    weights = linear_weights([step for _, step in pipe.steps[1:]])
    return linear_maps(list_encoders(pipe[0]), weights, X), weights


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scaler", [False, True])
@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_the_mean_of_a_map_is_what_the_features_add_to_the_score(
    one_by_one, images, labels, flip, scaler, order
):
    parameters = {"flip": flip, "scaler": scaler, "onnx": {"order": order}}
    pipe = one_by_one(images, labels, **parameters)
    maps, weights = signed_maps(pipe, images)
    mean = pipe[1].mean_ if scaler else 0
    constant = [each.intercept_[0] for each in pipe[-1].estimators_] - weights @ (
        mean * np.ones(4)
    )
    # Both go through the same 256 values of a pixel, in float32.
    np.testing.assert_allclose(
        maps.mean(axis=(2, 3)) + constant, pipe.decision_function(images), atol=1e-4
    )


@pytest.mark.parametrize("flip", [False, True])
def test_covariances_are_divided_among_the_positions(
    one_by_one, images, labels, flip, monkeypatch
):
    pipe = one_by_one(images, labels, pooling="covariance", flip=flip)
    constant = [each.intercept_[0] for each in pipe[-1].estimators_]
    score = pipe.decision_function(images)
    steady, weights = signed_maps(pipe, images)
    constant = constant - weights @ pipe[1].mean_
    monkeypatch.setattr("sk_posters.inspection._linear_maps.SMALLEST_CORRELATION", 0)
    exact, _ = signed_maps(pipe, images)
    found = exact.mean(axis=(2, 3)) + constant
    np.testing.assert_allclose(found, score, rtol=1e-3, atol=1e-3)
    assert np.corrcoef(steady.ravel(), exact.ravel())[0, 1] > 0.9


def test_normalised_parts_are_divided_among_the_positions(
    one_by_one, images, labels, monkeypatch
):
    monkeypatch.setattr("sk_posters.inspection._linear_maps.SMALLEST_CORRELATION", 0)
    pooling = ("avg", "covariance")
    pipe = one_by_one(images, labels, pooling=pooling, normalize=True, scaler=False)
    maps, _ = signed_maps(pipe, images)
    constant = [each.intercept_[0] for each in pipe[-1].estimators_]
    np.testing.assert_allclose(
        maps.mean(axis=(2, 3)) + constant, pipe.decision_function(images), atol=1e-4
    )


def test_a_backbone_shows_where_covariances_come_from(posters):
    pipe = make_poster_pipeline(image_size=(96, 64), pooling="covariance")
    pipe.fit(posters.data, posters.target)
    maps = grad_cam(pipe, posters.data[:3])
    assert maps.shape == (3, posters.target.shape[1], 96, 64)
    np.testing.assert_array_equal(maps.max(axis=(2, 3)), 1)


def test_each_stage_has_its_part_of_a_score(posters):
    encoder = PosterEncoder(image_size=(96, 64), pooling="covariances")
    features = encoder.fit_transform(posters.data[:3])
    stages = np.repeat(np.arange(3), [3240, 6328, 6328])
    # A pair of channels that hardly varies together is not divided in full.
    weights = np.float32(np.abs(features).min(axis=0) > 0.3)
    for stage in range(3):
        chosen = (weights * (stages == stage))[np.newaxis]
        assert chosen.sum() > 10
        maps = linear_maps([(encoder, 1)], chosen, posters.data[:3])
        np.testing.assert_allclose(
            maps.mean(axis=(2, 3)), features @ chosen.T, rtol=1e-2
        )


def test_the_mirrored_image_counts_where_it_lies_in_the_image(
    one_by_one, images, labels
):
    # A map of 1×1 windows is mirrored with its image: nothing changes.
    plain, _ = signed_maps(one_by_one(images, labels), images)
    mirrored, _ = signed_maps(one_by_one(images, labels, flip=True), images)
    np.testing.assert_allclose(mirrored, plain, atol=1e-3)


def test_averages_and_maxima_have_the_same_weight_in_a_map(
    one_by_one, images, labels, save_onnx
):
    pipe = one_by_one(images, labels, pooling="avgmax", scaler=False)
    maps, weights = signed_maps(pipe, images)
    feature_maps = np.rint(255 * images) @ save_onnx.weights.T
    summed = weights[:, :4] + weights[:, 4:]
    expected = np.moveaxis(feature_maps @ summed.T, 3, 1)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-2)


def test_encoders_side_by_side_are_added_up(images, labels, save_onnx):
    encoder = PosterEncoder(save_onnx())
    union = FeatureUnion(
        [("one", encoder), ("none", "drop"), ("two", encoder)],
        transformer_weights={"two": 3.0},
    )
    pipe = make_pipeline(union, LINEAR).fit(images, labels)
    maps, weights = signed_maps(pipe, images)
    feature_maps = np.rint(255 * images) @ save_onnx.weights.T
    summed = weights[:, :4] + 3 * weights[:, 4:]
    expected = np.moveaxis(feature_maps @ summed.T, 3, 1)
    np.testing.assert_allclose(maps, expected, rtol=1e-3, atol=1e-2)
    assert grad_cam(pipe, images[:1]).shape == (1, 3, 8, 8)


def test_a_keras_backbone_is_explained_like_an_onnx_file(
    one_by_one, images, labels, save_onnx, monkeypatch
):
    convolution = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 1, use_bias=False)]
    )
    convolution.set_weights([save_onnx.weights.T[np.newaxis, np.newaxis]])
    encoder = PosterEncoder(convolution, mean=0, std=1)
    pipe = make_pipeline(encoder, StandardScaler(), LINEAR).fit(images, labels)
    heat = grad_cam(pipe, np.rint(255 * images) / np.float32(255))
    expected = grad_cam(one_by_one(images, labels), images)
    np.testing.assert_allclose(heat, expected, atol=1e-2)


def test_channels_of_a_keras_backbone_may_come_first(monkeypatch):
    encoder = PosterEncoder(
        keras.Sequential([keras.Input((4, 6, 3)), layers.Conv2D(2, 1)]), mean=0, std=1
    )
    (network,) = list_networks(encoder, (4, 6))
    image = np.zeros((1, 4, 6, 3), dtype=np.uint8)
    assert [maps.shape for maps in network.maps(image)] == [(1, 4, 6, 2)]
    monkeypatch.setattr(network, "_axes", (2, 3))
    monkeypatch.setattr(network, "_run", lambda batch: np.zeros((1, 2, 4, 6)))
    assert [maps.shape for maps in network.maps(image)] == [(1, 4, 6, 2)]


def test_a_label_with_one_class_in_fit_has_an_empty_map(one_by_one, images, labels):
    labels = labels.assign(Never=0)[["Never", "Bright"]]
    with pytest.warns(UserWarning, match="present in all"):
        pipe = one_by_one(images, labels)
    heat = grad_cam(pipe, images)
    assert not heat[:, 0].any()
    assert heat[:, 1].any()
    with pytest.warns(UserWarning, match="present in all"):
        pipe = one_by_one(images, labels.assign(Also=0)[["Never", "Also"]])
    assert not grad_cam(pipe, images).any()


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    return make_posters(
        24, n_labels=3, random_state=1, data_home=tmp_path_factory.mktemp("posters")
    )


@pytest.fixture(scope="module")
def frozen(posters):
    pipe = make_poster_pipeline(image_size=(96, 64))
    return pipe.fit(posters.data, posters.target)


def test_paths_are_explained_at_the_size_of_the_encoder(frozen, posters):
    heat = grad_cam(frozen, posters.data[:2])
    assert heat.shape == (2, 3, 96, 64)
    images = np.asarray(
        PosterImageLoader(image_size=(96, 64), interpolation="bilinear").transform(
            posters.data[:2]
        )
    )
    np.testing.assert_allclose(grad_cam(frozen, images), heat, atol=1e-4)


def test_several_encoders_meet_at_the_largest_size(posters):
    pipe = make_several([(64, 32), (96, 64), (64, 64)])
    pipe.fit(posters.data, posters.target)
    assert grad_cam(pipe, posters.data[:2], labels=[1]).shape == (2, 1, 96, 64)


@pytest.mark.parametrize("around", ["pipeline", "last step", "search"])
def test_searches_and_thresholds_are_unwrapped(around, frozen, posters):
    linear = frozen[-1].estimator
    if around == "pipeline":
        tuned = MultilabelTunedThresholdClassifierCV(
            make_poster_pipeline(image_size=(96, 64)), cv=2
        )
    else:
        last = MultilabelTunedThresholdClassifierCV(OneVsRestHead(linear), cv=2)
        tuned = make_pipeline(*frozen[:-1], last)
    if around == "search":
        tuned = GridSearchCV(tuned, {"posterencoder__flip": [False]}, cv=2)
    tuned.fit(posters.data, posters.target)
    name = posters.target_names[1]
    np.testing.assert_array_equal(
        grad_cam(tuned, posters.data[:2], labels=[name]),
        grad_cam(frozen, posters.data[:2], labels=[1]),
    )


def test_a_network_at_the_end_of_a_pipeline_takes_paths(posters, tiny):
    pipe = make_pipeline(
        PosterImageLoader(image_size=(24, 16)), PosterClassifier(**tiny)
    )
    pipe.fit(posters.data, posters.target)
    heat = grad_cam(pipe, posters.data[:1], labels=posters.target_names[0])
    assert heat.shape == (1, 1, 24, 16)
    tuned = MultilabelTunedThresholdClassifierCV(pipe, cv="prefit", refit=False)
    tuned.fit(posters.data, posters.target)
    np.testing.assert_array_equal(grad_cam(tuned, posters.data[:1], labels=[0]), heat)


def test_files_that_cannot_be_read_are_named_or_black(frozen, posters, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    paths = [posters.data[0], str(bad)]
    with pytest.raises(PosterFileError, match=re.escape(str(bad))):
        grad_cam(frozen, paths)
    black = np.zeros((1, 96, 64, 3), dtype=np.uint8)
    frozen.set_params(encoder__on_error="blank")
    try:
        with pytest.warns(UserWarning, match="Their maps are those of a black image"):
            heat = grad_cam(frozen, paths)
    finally:
        frozen.set_params(encoder__on_error="raise")
    np.testing.assert_array_equal(heat[1], grad_cam(frozen, black)[0])


# -- What cannot be explained ----------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["Brigth"], r"no label 'Brigth' \(did you mean 'Bright' or .*; the"),
        (["xyz"], r"There is no label 'xyz'; the labels are .*Fifth'\]?\.?$"),
        ([3], "names, or positions from 0 to 2: got 3"),
        ([-1], "names, or positions from 0 to 2: got -1"),
        ([True], "There is no label True"),
        ([], "labels must hold one label at least, or be None"),
    ],
)
def test_unknown_labels_are_refused(asked, said, cnn, images):
    with pytest.raises(ValueError, match=said):
        grad_cam(cnn, images, labels=asked)


def test_label_names_need_a_model_that_has_names(posters):
    pipe = make_poster_pipeline(image_size=(48, 32))
    pipe.fit(posters.data, posters.target.to_numpy())
    with pytest.raises(ValueError, match="knows no names of labels: got 'Drama'"):
        grad_cam(pipe, posters.data, labels="Drama")


def test_frozen_features_know_the_names_of_a_frame(frozen, posters):
    name = posters.target.columns[1]
    np.testing.assert_array_equal(
        grad_cam(frozen, posters.data[:1], labels=name),
        grad_cam(frozen, posters.data[:1], labels=[1]),
    )


@pytest.mark.parametrize(
    "estimator",
    [PosterClassifier(), make_poster_pipeline(), make_poster_pipeline("cnn")],
)
def test_estimators_that_are_not_fitted_are_refused(estimator, images):
    with pytest.raises(NotFittedError):
        grad_cam(estimator, images)


def test_rows_of_features_are_refused(tiny, labels):
    rows = np.random.default_rng(0).random((24, 12))
    classifier = PosterClassifier(**tiny).fit(rows, labels)
    with pytest.raises(ValueError, match=r"rows of features, of shape \(24, 12\)"):
        grad_cam(classifier, rows)


@pytest.mark.parametrize(
    ("X", "error", "said"),
    [
        (np.zeros((8, 8, 3)), ValueError, r"A single image is X\[np.newaxis\]"),
        (
            ["poster.jpg"],
            TypeError,
            r"takes images as an array, not paths.*'poster\.jpg'",
        ),
        (np.zeros((1, 9, 8, 3)), ValueError, "was fitted on"),
    ],
)
def test_images_that_the_network_does_not_take_are_refused(X, error, said, cnn):
    with pytest.raises(error, match=said):
        grad_cam(cnn, X)


def test_feature_vectors_and_single_images_are_refused_by_an_encoder(frozen, images):
    with pytest.raises(ValueError, match=r"got an array of shape \(24, 12\)"):
        grad_cam(frozen, np.zeros((24, 12)))
    with pytest.raises(ValueError, match=r"got an array of shape \(8, 8, 3\)"):
        grad_cam(frozen, images[0])


def refused(images, labels, save_onnx):
    """Yield fitted estimators that have no map, and what is said of them."""
    encoder = PosterEncoder(save_onnx())
    forest = RandomForestClassifier(2)
    yield (
        make_pipeline(encoder, forest).fit(images, labels),
        "PosterEncoder, RandomForest",
    )
    many = make_pipeline(encoder, OneVsRestClassifier(forest))
    yield many.fit(images, labels), "PosterEncoder, OneVsRestClassifier"
    classes = make_pipeline(encoder, OneVsRestClassifier(LogisticRegression()))
    yield classes.fit(images, labels["Bright"]), "PosterEncoder, OneVsRestClassifier"
    scaled = make_pipeline(encoder, MinMaxScaler(), LINEAR)
    yield scaled.fit(images, labels), "PosterEncoder, MinMaxScaler, OneVsRest"
    both = FeatureUnion([("one", encoder), ("two", make_pipeline(encoder, None))])
    yield make_pipeline(both, LINEAR).fit(images, labels), "FeatureUnion, OneVsRest"
    yield encoder, "PosterEncoder"


def test_other_estimators_are_refused_with_what_is_supported(images, labels, save_onnx):
    for estimator, name in refused(images, labels, save_onnx):
        with pytest.raises(ValueError, match=f"grad_cam explains .*; got {name}"):
            grad_cam(estimator, images)


def test_a_backbone_that_gives_feature_vectors_is_refused(one_by_one, images, labels):
    pipe = one_by_one(images, labels, onnx={"rank": 2})
    with pytest.raises(ValueError, match="'tiny', which gives feature vectors: choose"):
        grad_cam(pipe, images)


# -- Sanity: maps depend on the weights (Adebayo et al.), and lie on the cue -----------


def rank_correlation(before, after):
    """Mean over the maps that had some heat; one that has lost it all counts as 0."""
    alike = [
        spearmanr(one.ravel(), two.ravel()).statistic if np.ptp(two) else 0.0
        for maps in zip(before, after, strict=True)
        for one, two in zip(*maps, strict=True)
        if np.ptp(one)
    ]
    assert len(alike) > 50
    return np.mean(alike)


class Game:
    """Synthetic posters, and where each shows the motif of each of its genres."""

    N_POSTERS, N_TRAIN, N_LABELS, SIZE = 260, 200, 5, (222, 150)

    def __init__(self, folder):
        self.posters = make_posters(
            self.N_POSTERS,
            n_labels=self.N_LABELS,
            image_size=self.SIZE,
            random_state=0,
            data_home=folder,
        )
        self.train = self.posters.data[: self.N_TRAIN]
        self.y_train = self.posters.target[: self.N_TRAIN]
        self.test = self.posters.data[self.N_TRAIN :]

    def play(self, heat):
        """Return hits, trials and the chance of a hit by a point anywhere."""
        hits, shares = 0, []
        for number, maps in enumerate(heat, start=self.N_TRAIN):
            for name, cue in self.cues(number, heat.shape[2:]):
                found = maps[self.posters.target_names.index(name)]
                shares.append(cue.mean())
                hits += bool(found.any() and cue.ravel()[found.argmax()])
        return hits, len(shares), np.mean(shares)

    def cues(self, number, size):
        """Yield genres of a poster that has several, and where they are."""
        names = _synthetic._genre_names(self.N_LABELS)
        motifs, _, shown = _synthetic._draw_number(
            number, _synthetic._probabilities(names), self.SIZE, 0
        )
        shown = Image.fromarray(shown.astype(np.int32)).resize(size[::-1], 0)
        for motif in motifs if len(motifs) > 1 else ():
            yield names[motif], np.asarray(shown) == motif

    def check(self, heat):
        hits, n_trials, chance = self.play(heat)
        assert n_trials > 100
        assert 0.2 < chance < 0.4
        # Trials have chances of their own; the binomial of their mean has the heavier
        # tail (Hoeffding 1956).
        assert binom.sf(hits - 1, n_trials, chance) < 1e-6


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    return Game(tmp_path_factory.mktemp("game"))


@pytest.fixture(scope="module")
def linear_model(game):
    pipe = make_poster_pipeline(image_size=(224, 160))
    return pipe.fit(game.train, game.y_train)


@pytest.fixture(scope="module")
def network_model(game):
    classifier = PosterClassifier(
        filters=(12, 24, 24),
        dense_units=(),
        dropout=0.1,
        epochs=8,
        batch_size=10,
        learning_rate=3e-3,
        random_state=0,
    )
    loader = PosterImageLoader(image_size=(72, 48), interpolation="box")
    return make_pipeline(loader, classifier).fit(game.train, game.y_train)


def test_saliency_of_a_linear_model_is_on_the_cue(game, linear_model):
    game.check(grad_cam(linear_model, game.test))


def test_saliency_of_a_network_is_on_the_cue(game, network_model):
    game.check(grad_cam(network_model, game.test))


def test_random_points_do_not_pass_the_pointing_game(game):
    heat = np.random.default_rng(0).random((len(game.test), 5, 96, 64))
    hits, n_trials, chance = game.play(heat)
    assert binom.sf(hits - 1, n_trials, chance) > 1e-3


def test_maps_of_a_linear_model_change_with_its_weights(game, linear_model):
    before = grad_cam(linear_model, game.test[:20])
    rng = np.random.default_rng(0)
    linear = linear_model[-1].estimators_
    weights = [each.coef_ for each in linear]
    try:
        for each in linear:
            each.coef_ = rng.permuted(each.coef_, axis=1)
        after = grad_cam(linear_model, game.test[:20])
    finally:
        for each, coef in zip(linear, weights, strict=True):
            each.coef_ = coef
    assert rank_correlation(before, before) == pytest.approx(1)
    assert rank_correlation(before, after) < 0.5


@pytest.mark.parametrize("randomised", ["labels", "conv_3", "all"])
def test_maps_of_a_network_change_with_its_weights(randomised, game, network_model):
    before = grad_cam(network_model, game.test[:20])
    model = network_model[-1].model_
    weights = model.get_weights()
    try:
        if randomised == "all":
            reseed(model, 1)
        else:
            kernel = model.get_layer(randomised).kernel
            drawn = np.random.default_rng(0).permutation(kernel.numpy().ravel())
            kernel.assign(drawn.reshape(kernel.shape))
        after = grad_cam(network_model, game.test[:20])
    finally:
        model.set_weights(weights)
    assert rank_correlation(before, after) < 0.5


# -- Nearest posters -------------------------------------------------------------------


def test_the_nearest_posters_are_those_of_least_cosine_distance(images, save_onnx):
    encoder = PosterEncoder(save_onnx())
    found = nearest_posters(encoder, images[:3], images, n_neighbors=4)
    assert list(found.columns) == ["row", "rank", "index", "path", "distance"]
    assert found["row"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found["rank"].tolist() == [1, 2, 3, 4] * 3
    assert found["path"].isna().all()
    features = encoder.transform(images).astype(float)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    distances = 1 - features[:3] @ features.T
    for row, rows in found.groupby("row"):
        expected = np.sort(distances[row])[:4]
        np.testing.assert_allclose(rows["distance"], expected, atol=1e-5)
        np.testing.assert_allclose(
            distances[row, rows["index"]], expected, rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("form", [list, pd.Series, pd.DataFrame])
def test_neighbours_are_named_and_a_poster_finds_itself(form, frozen, posters):
    X_train = form(posters.data)
    found = nearest_posters(frozen, posters.data[3:5], X_train, n_neighbors=2)
    firsts = found[found["rank"] == 1]
    assert firsts["index"].tolist() == [3, 4]
    np.testing.assert_allclose(firsts["distance"], 0, atol=1e-6)
    assert found["path"].tolist() == posters.data[found["index"]].tolist()


def test_decoded_posters_keep_their_paths(frozen, posters):
    loaded = PosterImageLoader(image_size=(96, 64)).transform(posters.data)
    found = nearest_posters(frozen, loaded[:1], loaded, n_neighbors=1)
    assert found["path"].tolist() == [posters.data[0]]


def test_neighbours_need_an_encoder(cnn, images):
    with pytest.raises(ValueError, match=r"begins with one .* got Poster"):
        nearest_posters(cnn, images, images)


def test_more_neighbours_than_posters_are_refused(images, save_onnx):
    encoder = PosterEncoder(save_onnx())
    with pytest.raises(ValueError, match="at most the 24 posters of X_train: got 25"):
        nearest_posters(encoder, images, images, n_neighbors=25)
    with pytest.raises(ValueError, match=r"'n_neighbors' parameter .* Got 0"):
        nearest_posters(encoder, images, images, n_neighbors=0)
