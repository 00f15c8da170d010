"""Pretrained backbones in Keras: the same answers, ready to be trained further."""

import copy
import pickle
import random

import keras
import numpy as np
import onnxruntime
import pytest
from keras.ops import convert_to_numpy

from sk_posters._features._efficientnet import BACKBONES, backbone_onnx, load_weights
from sk_posters._networks._backbone_models import ImageModel, keras_backbone
from sk_posters._networks._cnn import ImageNetwork

NAME = "efficientnet_lite0"


@pytest.fixture(scope="module")
def lite0():
    return keras_backbone(NAME, (None, None, 3))


def assert_same(*tensors):
    """Compare outputs of networks, which PyTorch could still train."""
    np.testing.assert_array_equal(*map(convert_to_numpy, tensors))


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_predictions_are_those_of_the_reference(name, reference):
    expected = np.load(reference / f"{name}.npz", allow_pickle=False)
    images = expected["images"]
    maps = convert_to_numpy(keras_backbone(name, images.shape[1:])(images))
    features = np.mean(maps, axis=(1, 2))
    np.testing.assert_allclose(features, expected["features"], rtol=0, atol=1e-3)
    weights = load_weights(name)
    logits = features @ weights["classifier.weight"].T + weights["classifier.bias"]
    np.testing.assert_allclose(logits, expected["logits"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(75, 51), (64, 97), (1, 1)])
def test_features_are_those_of_the_onnx_graph_at_any_size(size, lite0):
    session = onnxruntime.InferenceSession(
        backbone_onnx(NAME), providers=["CPUExecutionProvider"]
    )
    images = pixels(2, *size)
    average, maximum = session.run(["average", "maximum"], {"images": images})
    maps = convert_to_numpy(lite0(images))
    assert maps.shape == (2, *(-(-side // 32) for side in size), 1280)
    np.testing.assert_allclose(maps.mean((1, 2)), average, rtol=0, atol=1e-4)
    np.testing.assert_allclose(maps.max((1, 2)), maximum, rtol=0, atol=1e-4)


def test_bytes_and_floats_give_the_same(lite0):
    images = pixels(2, 33, 32)
    floats = images.astype(np.float32) / np.float32(255)
    assert_same(lite0(images), lite0(floats))


def test_layers_are_named_by_what_they_do_and_where(lite0):
    names = [layer.name for layer in lite0.layers]
    assert names[:8] == [
        *("images", "pixel_scaling", "stem_conv", "stem_norm", "stem_relu6"),
        *("block1a_depthwise_conv", "block1a_depthwise_norm"),
        "block1a_depthwise_relu6",
    ]
    block = [name for name in names if name.startswith("block3b")]
    assert block == [
        *("block3b_expand_conv", "block3b_expand_norm", "block3b_expand_relu6"),
        *("block3b_depthwise_conv", "block3b_depthwise_norm"),
        "block3b_depthwise_relu6",
        *("block3b_project_conv", "block3b_project_norm", "block3b_sum"),
    ]
    assert names[-3:] == ["head_conv", "head_norm", "head_relu6"]
    assert lite0.name == NAME


def test_the_output_has_the_channels_of_the_table():
    model = keras_backbone(NAME, (64, 33, 3))
    assert model.output_shape == (None, 2, 2, BACKBONES[NAME].n_features)


def test_all_weights_or_none_can_be_trained(lite0):
    assert len(lite0.trainable_weights) == 49 * 3
    frozen = keras_backbone(NAME, (32, 32, 3), trainable=False)
    assert frozen.trainable_weights == []
    frozen.trainable = True
    for layer in frozen.layers[:-3]:
        layer.trainable = False
    paths = [each.path for each in frozen.trainable_weights]
    assert paths == ["head_conv/kernel", "head_norm/gamma", "head_norm/beta"]


def values_of(model, name):
    return [
        variable.numpy().copy() for variable in model.variables if variable.name == name
    ]


def n_changed(before, after):
    pairs = zip(before, after, strict=True)
    return sum(not np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(("frozen", "expected"), [(True, 0), (False, 49)])
def test_statistics_are_kept_unless_they_are_asked_for(frozen, expected):
    model = keras_backbone(NAME, (32, 32, 3), frozen_statistics=frozen)
    for name in ("moving_mean", "moving_variance"):
        before = values_of(model, name)
        model(pixels(4, 32, 32), training=True)
        assert n_changed(before, values_of(model, name)) == expected


def test_every_weight_gets_a_gradient(lite0, tf):
    images = tf.constant(pixels(2, 64, 64))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(lite0(images, training=True) ** 2)
    variables = [each.value for each in lite0.trainable_weights]
    gradients = tape.gradient(loss, variables)
    assert all(np.any(each != 0) for each in gradients)


def test_a_saved_model_loads_in_safe_mode(lite0, tmp_path):
    lite0.save(tmp_path / "backbone.keras")
    loaded = keras.saving.load_model(tmp_path / "backbone.keras", safe_mode=True)
    assert isinstance(loaded, ImageModel)
    images = pixels(1, 40, 33)
    assert_same(loaded(images), lite0(images))
    before = values_of(loaded, "moving_mean")
    loaded(images, training=True)
    assert n_changed(before, values_of(loaded, "moving_mean")) == 0


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_predicts_the_same(copied, lite0):
    images = pixels(1, 40, 33)
    other = copied(lite0)
    assert isinstance(other, ImageModel)
    assert_same(other(images), lite0(images))


def test_it_is_a_part_of_a_network_that_is_saved_as_one(tmp_path):
    backbone = keras_backbone(NAME, (40, 32, 3))
    pooling = keras.layers.GlobalAveragePooling2D()
    network = ImageNetwork([keras.Input((40, 32, 3)), backbone, pooling])
    images = pixels(2, 40, 32)
    expected = convert_to_numpy(backbone(images)).mean(axis=(1, 2))
    found = convert_to_numpy(network(images))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    assert_same(loaded(images), network(images))


def test_building_draws_from_no_global_random_state():
    keras.utils.set_random_seed(0)
    state = random.getstate()
    expected = keras.random.uniform((3,))
    keras.utils.set_random_seed(0)
    keras_backbone(NAME, (32, 32, 3))
    assert random.getstate() == state
    np.testing.assert_array_equal(keras.random.uniform((3,)), expected)


@pytest.mark.parametrize("shape", [(32, 32, 1), (32, 32), (32, 32, 4)])
def test_images_without_colour_are_refused(shape):
    message = r"'efficientnet_lite0' takes images of shape \(height, width, 3\), got \("
    with pytest.raises(ValueError, match=message):
        keras_backbone(NAME, shape)


def test_an_unknown_name_is_reported_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'efficientnet_lite0'"):
        keras_backbone("efficientnet_lite00", (32, 32, 3))
