"""Layers that replace Keras's own must give what Keras's own give."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from sk_posters._networks._layers import (
    FrozenBatchNormalization,
    FusedBatchNormalization,
)

SHAPE = (6, 5, 4, 3)


@pytest.fixture
def activations():
    return np.random.default_rng(0).normal(2, 3, size=SHAPE).astype(np.float32)


def pair(shape=SHAPE, **options):
    """The plain layer and ours, with equal weights that are not the initial ones."""
    layers = [
        cls(
            gamma_initializer=keras.initializers.RandomUniform(0.5, 2, seed=0),
            **options,
        )
        for cls in (keras.layers.BatchNormalization, FusedBatchNormalization)
    ]
    for layer in layers:
        layer.build(shape)
    return layers


def outputs_and_gradients(tf, layer, activations):
    """One training step's forward and backward pass, in a graph as in fit."""

    @tf.function
    def step(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs * tf.cos(outputs))
        gradients = tape.gradient(loss, [inputs, *layer.trainable_variables])
        return [outputs, *gradients]

    return [tensor.numpy() for tensor in step(tf.constant(activations))]


def count_fused(tf, layer, dtype="float32", shape=SHAPE):
    """How often the fused operation stands in the graph of a training step."""
    step = tf.function(lambda inputs: layer(inputs, training=True))
    graph = step.get_concrete_function(tf.TensorSpec(shape, dtype)).graph
    return sum(
        "FusedBatchNorm" in operation.type for operation in graph.get_operations()
    )


def test_the_fused_operation_is_used(tf):
    plain, fused = pair()
    assert (count_fused(tf, plain), count_fused(tf, fused)) == (0, 1)


def test_outputs_and_gradients_are_those_of_the_plain_layer(activations, tf):
    plain, fused = (outputs_and_gradients(tf, layer, activations) for layer in pair())
    for expected, actual in zip(plain, fused, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-4, atol=2e-4)


def test_moving_averages_are_those_of_the_plain_layer(activations):
    plain, fused = pair()
    for _ in range(3):
        for layer in (plain, fused):
            layer(activations, training=True)
    for name in ("moving_mean", "moving_variance"):
        expected, actual = getattr(plain, name), getattr(fused, name)
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_predictions_are_those_of_the_plain_layer(activations):
    plain, fused = pair()
    for layer in (plain, fused):
        layer(activations, training=True)
    outputs = [convert_to_numpy(layer(activations)) for layer in (fused, plain)]
    np.testing.assert_allclose(*outputs, rtol=1e-5)


def test_a_frozen_layer_keeps_its_averages(activations):
    plain, fused = pair()
    fused.trainable = plain.trainable = False
    outputs = convert_to_numpy(fused(activations, training=True))
    expected = convert_to_numpy(plain(activations, training=True))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    np.testing.assert_array_equal(fused.moving_mean, np.zeros(3))


@pytest.mark.parametrize(
    ("shape", "options", "dtype"),
    [
        ((6, 3), {}, "float32"),
        (SHAPE, {"axis": 1}, "float32"),
        (SHAPE, {"scale": False}, "float32"),
        (SHAPE, {"center": False}, "float32"),
        (SHAPE, {"dtype": "float64"}, "float64"),
        (SHAPE, {"dtype": "mixed_float16"}, "float16"),
    ],
    ids=["dense", "axis", "no scale", "no centre", "float64", "mixed"],
)
def test_the_plain_layer_handles_what_the_fused_one_cannot(shape, options, dtype, tf):
    _, fused = pair(shape, **options)
    assert count_fused(tf, fused, dtype, shape) == 0


def test_a_saved_model_loads_in_safe_mode(activations, tmp_path):
    model = keras.Sequential([keras.Input(SHAPE[1:]), FusedBatchNormalization()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert isinstance(loaded.layers[0], FusedBatchNormalization)
    np.testing.assert_array_equal(
        convert_to_numpy(loaded(activations)), convert_to_numpy(model(activations))
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_frozen_layer_trains_on_its_moving_averages(dtype, tf):
    layer = FrozenBatchNormalization(
        moving_mean_initializer=keras.initializers.Constant(2.0),
        moving_variance_initializer=keras.initializers.Constant(4.0),
        epsilon=0.0,
        dtype=dtype,
    )
    inputs = tf.constant(np.arange(24).reshape(2, 2, 2, 3), dtype)
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs)
    np.testing.assert_allclose(outputs, (inputs - 2) / 2, rtol=1e-6)
    np.testing.assert_array_equal(layer.moving_mean, [2, 2, 2])
    np.testing.assert_array_equal(layer.moving_variance, [4, 4, 4])
    scale, offset = tape.gradient(loss, [layer.gamma.value, layer.beta.value])
    np.testing.assert_allclose(scale, np.sum(outputs, axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(offset, [8, 8, 8])


def test_a_frozen_layer_is_frozen_in_a_functional_model_and_when_loaded(tmp_path):
    inputs = keras.Input((2, 2, 3))
    model = keras.Model(inputs, FrozenBatchNormalization()(inputs))
    model.save(tmp_path / "frozen.keras")
    loaded = keras.saving.load_model(tmp_path / "frozen.keras", safe_mode=True)
    for each in (model, loaded):
        each(np.ones((4, 2, 2, 3), np.float32), training=True)
        np.testing.assert_array_equal(each.layers[-1].moving_mean, [0, 0, 0])
