"""ONNX files give the probabilities of the pipelines that they were made from."""

import copy
import json
import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from several_encoders import make_several
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterClassifier,
    PosterEncoder,
    PosterImageLoader,
    export_onnx,
    make_poster_pipeline,
)
from sk_posters._features._efficientnet import load_weights
from sk_posters._images._lazy import PosterImages
from sk_posters._networks._backbone_models import backbone_weights
from sk_posters.datasets import make_posters

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    return make_posters(
        24, n_labels=3, random_state=0, data_home=tmp_path_factory.mktemp("posters")
    )


def frozen(**parameters):
    return make_poster_pipeline(
        **{"image_size": (64, 48), "encoder__n_jobs": 1, "C": 1.0, **parameters}
    )


def cnn(tiny, **parameters):
    loader = PosterImageLoader(image_size=(16, 12), n_jobs=1)
    classifier = PosterClassifier(**{**tiny, **parameters})
    return Pipeline([("images", loader), ("classifier", classifier)])


def finetuned(**parameters):
    # The last stage alone is trained: its step is traced in the least time.
    loader = PosterImageLoader(image_size=(64, 48), n_jobs=1)
    classifier = PosterClassifier(
        **{
            "network": "efficientnet_lite0",
            "unfreeze": 1,
            "epochs": 2,
            "batch_size": 12,
            "random_state": 0,
            **parameters,
        }
    )
    return Pipeline([("images", loader), ("classifier", classifier)])


def pixels(posters, size, interpolation):
    images = PosterImages(
        list(posters.data), image_size=size, interpolation=interpolation
    )
    return np.rint(np.asarray(images) * 255).astype(np.uint8)


def answers(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (described,) = session.get_outputs()
    assert described.name == "probabilities"
    assert {each.name for each in session.get_inputs()} == set(images)
    return session.run(None, images)[0]


def check(model, posters, tmp_path):
    """Compare what the exported file says of pixels with what the model says."""
    card = export_onnx(model, tmp_path / "it.onnx")
    images = {
        name: pixels(posters, tuple(given["image_size"]), given["interpolation"])
        for name, given in card["inputs"].items()
    }
    found = answers(tmp_path / "it.onnx", images)
    expected = np.asarray(model.predict_proba(posters.data))
    assert found.shape == expected.shape
    assert np.ptp(expected, axis=0).max() > 1e-2
    assert_allclose(found, expected, atol=1e-4, rtol=0)
    return card


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"precision": "float32", "pooling": ("max", "covariance")},
        {"normalize": False, "precision": "float32", "pooling": "avg"},
        {"pooling": "covariances"},
    ],
    ids=str,
)
def test_the_frozen_recipe(given, posters, tmp_path):
    model = frozen(**given).fit(posters.data, posters.target)
    card = check(model, posters, tmp_path)
    assert card["image_size"] == [64, 48]
    assert card["interpolation"] == "bilinear"
    assert card["label_names"] == list(posters.target)


def test_mirrored_images(posters, tmp_path):
    model = frozen(flip=True).fit(posters.data, posters.target)
    check(model, posters, tmp_path)


def test_several_networks_in_one_encoder(posters, tmp_path):
    names = ["efficientnet_lite1", "efficientnet_lite0", "efficientnet_lite1"]
    model = frozen(backbone=names, pooling="avgmax")
    check(model.fit(posters.data, posters.target), posters, tmp_path)


def test_the_best_recipe(posters, tmp_path):
    model = make_poster_pipeline("best", image_size=(64, 48), encoder__n_jobs=1)
    card = check(model.fit(posters.data, posters.target), posters, tmp_path)
    assert card["image_size"] == [64, 48]


def test_several_encoders_take_an_image_of_each_size(posters, tmp_path):
    model = make_several().fit(posters.data, posters.target)
    card = check(model, posters, tmp_path)
    assert card["image_size"] is card["interpolation"] is None
    assert card["inputs"] == {
        f"images_{height}x{width}": {
            "image_size": [height, width],
            "interpolation": "bilinear",
        }
        for height, width in [(64, 48), (48, 32), (80, 56)]
    }


def test_encoders_share_what_they_can(posters, tmp_path):
    onnx = pytest.importorskip("onnx")

    def convolutions_and_bytes(model):
        export_onnx(model.fit(posters.data, posters.target), tmp_path / "it.onnx")
        nodes = onnx.load(tmp_path / "it.onnx").graph.node
        n_convolutions = sum(node.op_type == "Conv" for node in nodes)
        return n_convolutions, (tmp_path / "it.onnx").stat().st_size

    def side_by_side(*encoders):
        pipe = frozen()
        pipe.steps[0] = (
            "encoders",
            FeatureUnion([*zip("abc", encoders, strict=False)]),
        )
        return pipe

    encoder = PosterEncoder(image_size=(64, 48), n_jobs=1)
    one, size = convolutions_and_bytes(side_by_side(encoder))
    maxima = clone(encoder).set_params(pooling="max")
    shared = convolutions_and_bytes(side_by_side(encoder, maxima))
    assert shared == (one, pytest.approx(size, rel=0.05))
    mirrored = clone(encoder).set_params(flip=True)
    larger = clone(encoder).set_params(image_size=(80, 48))
    apart = convolutions_and_bytes(side_by_side(encoder, mirrored, larger))
    assert apart == (3 * one, pytest.approx(size, rel=0.05))


def test_encoders_that_weigh_and_that_are_left_out(posters, tmp_path):
    model = make_several(
        encoders__transformer_weights={"efficientnet_lite1": 0.1},
        encoders__efficientnet_lite1__image_size=(80, 56),
        encoders__efficientnet_lite2__interpolation="box",
    ).set_params(encoders__efficientnet_lite0="drop")
    card = check(model.fit(posters.data, posters.target), posters, tmp_path)
    names = ["images_80x56_bilinear", "images_80x56_box"]
    assert list(card["inputs"]) == names


def test_a_scaler_that_does_the_other_half_of_it(posters, tmp_path):
    model = frozen(with_mean=False, with_std=True, normalize=False, pooling="avg")
    check(model.fit(posters.data, posters.target), posters, tmp_path)


def test_labels_that_never_vary(posters, tmp_path):
    target = posters.target.to_numpy(copy=True)
    target[:, 0], target[:, 1] = 0, 1
    with pytest.warns(UserWarning, match="Label"):
        model = frozen().fit(posters.data, target)
    check(model, posters, tmp_path)


def test_tuned_thresholds_are_in_the_metadata(posters, tmp_path):
    tuned = MultilabelTunedThresholdClassifierCV(
        frozen(), cv=0.5, thresholds=10, random_state=0
    )
    card = check(tuned.fit(posters.data, posters.target), posters, tmp_path)
    assert card["thresholds"] == tuned.best_thresholds_.tolist()
    assert card["label_names"] == list(posters.target)
    onnx = pytest.importorskip("onnx")
    properties = onnx.load(tmp_path / "it.onnx").metadata_props
    properties = {each.key: json.loads(each.value) for each in properties}
    assert properties == card


@pytest.mark.parametrize(
    "parameters",
    [
        {"dense_units": (8,)},
        {"dense_units": (8,), "batch_norm": False},
        {"filters": (3, 4), "epochs": 3},
    ],
    ids=str,
)
def test_the_network_of_the_tutorial(parameters, posters, tiny, tmp_path):
    model = cnn(tiny, **{"epochs": 8, **parameters}).fit(posters.data, posters.target)
    card = check(model, posters, tmp_path)
    assert card["label_names"] == list(posters.target)


def test_variations_of_training_images_are_no_part_of_it(posters, tiny, tmp_path):
    augment = ("flip", "crop", "colour", "mixup")
    model = cnn(tiny, epochs=8, augment=augment).fit(posters.data, posters.target)
    check(model, posters, tmp_path)


def test_the_size_of_arrays_in_fit_is_the_size_that_the_file_asks_for(
    posters, tmp_path
):
    arrays = pixels(posters, (96, 64), "bilinear")
    card = export_onnx(frozen().fit(arrays, posters.target), tmp_path / "model.onnx")
    assert card["image_size"] == [96, 64]


@pytest.fixture(scope="module")
def tuned_network(posters):
    return finetuned().fit(posters.data, posters.target)


def test_the_finetuned_recipe(tuned_network, posters, tmp_path):
    backbone = tuned_network["classifier"].model_.get_layer("efficientnet_lite0")
    learned, before = backbone_weights(backbone), load_weights("efficientnet_lite0")
    assert set(before) - set(learned) == {"classifier.weight", "classifier.bias"}
    changed = {name for name in learned if (learned[name] != before[name]).any()}
    assert {name.partition("_")[0] for name in changed} == {"block7a", "head"}
    card = check(tuned_network, posters, tmp_path)
    assert card["image_size"] == [64, 48]
    assert card["label_names"] == list(posters.target)


def test_a_finetuned_network_with_another_layer_is_refused(tuned_network, tmp_path):
    model = copy.deepcopy(tuned_network)
    network = model["classifier"].model_
    more = keras.layers.Softmax()(network.output)
    model["classifier"]._network.model = type(network)(network.inputs, more)
    with pytest.raises(ValueError, match="a network with the layer Softmax"):
        export_onnx(model, tmp_path / "it.onnx")


def test_any_number_of_images(posters, tiny, tmp_path):
    model = cnn(tiny).fit(posters.data, posters.target)
    export_onnx(model, tmp_path / "it.onnx")
    images = pixels(posters, (16, 12), "nearest")
    check_any_number(tmp_path / "it.onnx", images)


def check_any_number(path, images):
    all_at_once = answers(path, {"images": images})
    assert answers(path, {"images": images[:0]}).shape == (0, 3)
    first = answers(path, {"images": images[:1]})
    assert_allclose(first, all_at_once[:1], atol=1e-6)


def test_any_number_of_mirrored_images(posters, tmp_path):
    model = frozen(flip=True).fit(posters.data, posters.target)
    export_onnx(model, tmp_path / "it.onnx")
    check_any_number(tmp_path / "it.onnx", pixels(posters, (64, 48), "bilinear"))


def test_other_models_are_not_exported(posters, images, labels, tiny, tmp_path):
    path, data, target = tmp_path / "it.onnx", posters.data, posters.target
    classes = target.to_numpy()[:, 0]
    tuned = MultilabelTunedThresholdClassifierCV(
        frozen(), cv=0.5, thresholds=10, calibration="sigmoid"
    )
    encoder = PosterEncoder(image_size=(64, 48), n_jobs=1)
    svm = make_pipeline(encoder, StandardScaler(), OneVsRestClassifier(LinearSVC()))
    loader = PosterImageLoader(image_size=(16, 12), n_jobs=1)
    trivial = make_pipeline(loader, DummyClassifier())
    head = OneVsRestClassifier(LogisticRegression())
    union = frozen()
    union.steps[0] = (
        "both",
        FeatureUnion([("a", encoder), ("b", make_pipeline(encoder))]),
    )
    for model, message in [
        (tuned.fit(data, target), "got calibration='sigmoid'"),
        (svm.fit(data, target), "got OneVsRestClassifier of LinearSVC"),
        (union.fit(data, target), "got FeatureUnion, StandardScaler, OneVsRest"),
        (frozen().fit(data, classes), "fitted to classes"),
        (cnn(tiny).fit(data, classes), "fitted to classes"),
        (trivial.fit(data, target), "got PosterImageLoader, DummyClassifier"),
        (head.fit(np.eye(24), labels), "got OneVsRestClassifier$"),
    ]:
        with pytest.raises(ValueError, match=message):
            export_onnx(model, path)
    with pytest.raises(NotFittedError):
        export_onnx(frozen(), path)
    assert not path.exists()


def test_a_network_with_other_layers_is_refused(posters, tiny, tmp_path):
    model = cnn(tiny).fit(posters.data, posters.target)
    model["classifier"].model_.add(keras.layers.Softmax())
    with pytest.raises(ValueError, match="a network with the layer Softmax"):
        export_onnx(model, tmp_path / "it.onnx")


def test_onnx_is_asked_for(posters, tmp_path, monkeypatch):
    model = frozen().fit(posters.data, posters.target)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"export_onnx needs the package 'onnx'"):
        export_onnx(model, tmp_path / "it.onnx")


def test_pixels_are_those_that_the_pipeline_sees(posters):
    loader = PosterImageLoader(image_size=(16, 12), n_jobs=1)
    loaded = np.asarray(loader.fit_transform(posters.data))
    read = pixels(posters, (16, 12), "nearest")
    assert_array_equal(read / np.float32(255), loaded)
