"""ONNX files give the probabilities of the pipelines that they were made from."""

import hashlib
import json
import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
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
from sk_posters._lazy_images import PosterImages
from sk_posters._onnx_seal import is_damaged
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


def pixels(posters, size, interpolation):
    images = PosterImages(
        list(posters.data), image_size=size, interpolation=interpolation
    )
    return np.rint(np.asarray(images) * 255).astype(np.uint8)


def answers(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (described,) = session.get_outputs()
    assert described.name == "probabilities"
    return session.run(None, {"images": images})[0]


def check(model, posters, size, tmp_path):
    """Compare what the exported file says of pixels with what the model says."""
    card = export_onnx(model, tmp_path / "it.onnx")
    images = pixels(posters, size, card["interpolation"])
    found = answers(tmp_path / "it.onnx", images)
    expected = np.asarray(model.predict_proba(posters.data))
    assert found.shape == expected.shape
    assert np.ptp(expected, axis=0).max() > 1e-2
    assert_allclose(found, expected, atol=1e-4, rtol=0)
    return card


@pytest.mark.parametrize("pooling", ["avg", "avgmax", "covariance"])
def test_the_frozen_recipe(pooling, posters, tmp_path):
    model = frozen(pooling=pooling).fit(posters.data, posters.target)
    card = check(model, posters, (64, 48), tmp_path)
    assert card["image_size"] == [64, 48]
    assert card["label_names"] is None


@pytest.mark.parametrize("parameter", ["with_mean", "with_std"])
def test_a_scaler_that_does_half_of_it(parameter, posters, tmp_path):
    model = frozen(**{parameter: False}).fit(posters.data, posters.target)
    check(model, posters, (64, 48), tmp_path)


def test_labels_that_never_vary(posters, tmp_path):
    target = posters.target.to_numpy(copy=True)
    target[:, 0], target[:, 1] = 0, 1
    with pytest.warns(UserWarning, match="Label"):
        model = frozen().fit(posters.data, target)
    check(model, posters, (64, 48), tmp_path)


def test_tuned_thresholds_stand_in_the_metadata(posters, tmp_path):
    tuned = MultilabelTunedThresholdClassifierCV(
        frozen(), cv=0.5, thresholds=10, random_state=0
    )
    card = check(tuned.fit(posters.data, posters.target), posters, (64, 48), tmp_path)
    assert card["thresholds"] == tuned.best_thresholds_.tolist()
    assert card["label_names"] == list(posters.target)
    onnx = pytest.importorskip("onnx")
    properties = onnx.load(tmp_path / "it.onnx").metadata_props
    properties = {each.key: json.loads(each.value) for each in properties}
    content = (tmp_path / "it.onnx").read_bytes()[:-78]
    assert properties.pop("sha256") == hashlib.sha256(content).hexdigest()
    assert properties == card
    assert not is_damaged(tmp_path / "it.onnx")


def test_a_damaged_export_is_refused(posters, tmp_path):
    path = tmp_path / "it.onnx"
    export_onnx(frozen().fit(posters.data, posters.target), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    encoder = PosterEncoder(path, image_size=(64, 48))
    with pytest.raises(ValueError, match=r"it\.onnx' is damaged: it has not"):
        encoder.fit(posters.data)


def test_what_cannot_be_read_or_has_no_checksum_is_not_called_damaged(tmp_path):
    (tmp_path / "other.onnx").write_bytes(b"short")
    assert not is_damaged(tmp_path / "other.onnx")
    assert not is_damaged(tmp_path)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"batch_norm": False},
        {"filters": (3, 4), "dense_units": (), "epochs": 3},
    ],
    ids=str,
)
def test_the_network_of_the_tutorial(parameters, posters, tiny, tmp_path):
    model = cnn(tiny, **{"epochs": 8, **parameters}).fit(posters.data, posters.target)
    card = check(model, posters, (16, 12), tmp_path)
    assert card["label_names"] == list(posters.target)


def test_any_number_of_images(posters, tiny, tmp_path):
    model = cnn(tiny).fit(posters.data, posters.target)
    export_onnx(model, tmp_path / "it.onnx")
    images = pixels(posters, (16, 12), "nearest")
    all_at_once = answers(tmp_path / "it.onnx", images)
    assert answers(tmp_path / "it.onnx", images[:0]).shape == (0, 3)
    assert_allclose(answers(tmp_path / "it.onnx", images[:1]), all_at_once[:1])


def test_what_cannot_be_exported_is_refused(posters, images, labels, tiny, tmp_path):
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
    for model, message in [
        (tuned.fit(data, target), "got calibration='sigmoid'"),
        (svm.fit(data, target), "got OneVsRestClassifier of LinearSVC"),
        (frozen(flip=True).fit(data, target), "flip=True"),
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
