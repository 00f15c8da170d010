"""Pretrained backbones as Keras models, to be trained further."""

import numpy as np

from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module
from sk_posters._features._efficientnet import (
    NORM_EPSILON,
    NORM_PARTS,
    find_backbone,
    iterate_convolutions,
    load_weights,
)
from sk_posters._networks._cnn import ImageNetwork, in_unit_range
from sk_posters._networks._layers import (
    FrozenBatchNormalization,
    FusedBatchNormalization,
)

__all__ = ["ImageModel", "backbone_weights", "keras_backbone", "restore_weights"]


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class ImageModel(keras.Model):
    """A functional model that also takes uint8 images, as `ImageNetwork` does."""

    def call(self, inputs, training=None, mask=None):
        """Return the outputs for some images."""
        return super().call(in_unit_range(inputs), training=training, mask=mask)

    # For the reasons that ImageNetwork has.
    get_compile_config = ImageNetwork.get_compile_config
    __reduce__ = ImageNetwork.__reduce__
    __deepcopy__ = ImageNetwork.__deepcopy__


def keras_backbone(
    name, image_shape, *, trainable=True, frozen_statistics=True, dtype=None
):
    """Build a pretrained backbone as a Keras model."""
    backbone = find_backbone(name)
    if len(image_shape) != 3 or image_shape[2] != 3:
        raise ValueError(
            f"The backbone {name!r} takes images of shape (height, width, 3), got "
            f"{image_shape!r}. Load images in colour."
        )
    inputs = keras.Input(image_shape, name="images")
    outputs = keras.layers.Rescaling(
        255 / backbone.std,
        -backbone.mean / backbone.std,
        name="pixel_scaling",
        dtype=dtype,
    )(inputs)
    norm = FrozenBatchNormalization if frozen_statistics else FusedBatchNormalization
    for each in iterate_convolutions(backbone.stages):
        if each.opens:
            block_input = outputs
        outputs = _convolution(each, dtype)(outputs)
        outputs = norm(epsilon=NORM_EPSILON, name=f"{each.name}_norm", dtype=dtype)(
            outputs
        )
        if each.activated:
            outputs = keras.layers.ReLU(6, name=f"{each.name}_relu6", dtype=dtype)(
                outputs
            )
        if each.adds_input:
            add = keras.layers.Add(name=f"{each.block}_sum", dtype=dtype)
            outputs = add([outputs, block_input])
    model = ImageModel(inputs, outputs, name=name)
    restore_weights(model)
    model.trainable = trainable
    return model


def restore_weights(model):
    """Give a backbone the weights of ImageNet, whatever it has learned since."""
    table = iterate_convolutions(find_backbone(model.name).stages)
    _set_weights(model, load_weights(model.name), table)


def backbone_weights(model):
    """Return the weights of a backbone as they are now."""
    weights = {}
    for each in iterate_convolutions(find_backbone(model.name).stages):
        (kernel,) = model.get_layer(f"{each.name}_conv").get_weights()
        axes = (2, 3, 0, 1) if each.depthwise else (3, 2, 0, 1)
        weights[f"{each.name}_conv.weight"] = np.transpose(kernel, axes)
        norm = f"{each.name}_norm"
        values = model.get_layer(norm).get_weights()
        for part, value in zip(NORM_PARTS, values, strict=True):
            weights[f"{norm}.{part}"] = value
    return weights


def _convolution(each, dtype):
    """Return the layer of one convolution, whose weights are set later."""
    options = {
        "kernel_size": each.kernel,
        "strides": each.stride,
        "padding": "same",
        "use_bias": False,
        "name": f"{each.name}_conv",
        "dtype": dtype,
    }
    # Drawn weights would cost time, and numbers of a global random state.
    if each.depthwise:
        return keras.layers.DepthwiseConv2D(depthwise_initializer="zeros", **options)
    return keras.layers.Conv2D(each.n_out, kernel_initializer="zeros", **options)


def _set_weights(model, weights, table):
    for each in table:
        kernel = weights[f"{each.name}_conv.weight"]
        # (out, in, height, width), where depthwise kernels have one channel in.
        axes = (2, 3, 0, 1) if each.depthwise else (2, 3, 1, 0)
        model.get_layer(f"{each.name}_conv").set_weights([np.transpose(kernel, axes)])
        norm = f"{each.name}_norm"
        values = [weights[f"{norm}.{part}"] for part in NORM_PARTS]
        model.get_layer(norm).set_weights(values)
