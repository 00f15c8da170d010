"""Functions that build Keras models; no estimators."""

import numpy as np

from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module
from sk_posters._networks._augmentation import augmentation_layers
from sk_posters._networks._devices import devices_of
from sk_posters._networks._layers import FusedBatchNormalization
from sk_posters._networks._serialize import (
    compile_config_of,
    read_network,
    save_network,
)

__all__ = ["ImageNetwork", "in_unit_range", "poster_cnn", "reseed"]

# Rates of the tutorial, block by block and then dense layer by dense layer.
BLOCK_RATES, DENSE_RATES = (0.3, 0.3, 0.4, 0.5), (0.5, 0.5)

# TensorFlow turns x / 255 into x * (1 / 255), which is another float now and then. The
# sum of these two products is x / 255 to the bit: the first is exact, for HIGH has few
# digits, and the second is what is left.
HIGH_255TH = int(2**23 / 255) / 2**23
LOW_255TH = 1 / 255 - HIGH_255TH


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class ImageNetwork(keras.Sequential):
    """A Sequential that also takes uint8 images, and divides them by 255 itself."""

    def call(self, inputs, training=None, mask=None):
        """Return the outputs for some images."""
        return super().call(in_unit_range(inputs), training=training, mask=mask)

    def get_compile_config(self):
        """Return what Keras needs to compile the network again, once it is read."""
        return compile_config_of(self)

    # scikeras puts methods of its own in place of these on all Keras models. They save
    # a class like this one under a name that no other process knows.
    def __reduce__(self):
        return read_network, (save_network(self), _distribution(self))

    def __deepcopy__(self, memo):
        return read_network(save_network(self), _distribution(self))


def _distribution(model):
    return "mirrored" if devices_of(model) > 1 else None


def in_unit_range(images):
    """Divide images by 255 if they are uint8."""
    if keras.backend.standardize_dtype(images.dtype) != "uint8":
        return images
    floats = keras.ops.cast(images, keras.config.floatx())
    return floats * HIGH_255TH + floats * LOW_255TH


def poster_cnn(
    image_shape,
    n_labels,
    *,
    filters=(16, 32, 64, 128),
    dense_units=(128, 128),
    batch_norm=True,
    dropout=None,
    augment=(),
    seed=0,
    dtype=None,
):
    """Build the convolutional network of the movie poster tutorial."""
    rates = _one_rate_per_layer(dropout, len(filters), len(dense_units))
    _check_image_size(image_shape, len(filters))
    layers = keras.layers
    # Any seed will do until `reseed`; without one, Keras would draw it from a global
    # random state.
    weights = keras.initializers.GlorotUniform(seed=0)
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    # Half floats are too coarse for probabilities near 0 and 1.
    last = policy if dtype is None else policy.variable_dtype

    def drop(rate, number):
        return layers.Dropout(rate, seed=0, dtype=policy, name=f"dropout_{number}")

    stack = [keras.Input(image_shape), *augmentation_layers(augment)]
    size = image_shape[:2]
    for number, (width, rate) in enumerate(zip(filters, rates, strict=False), start=1):
        kernel, _ = _windows(size)
        stack.append(
            layers.Conv2D(
                width,
                kernel,
                activation="relu",
                kernel_initializer=weights,
                dtype=policy,
                name=f"conv_{number}",
            )
        )
        if batch_norm:
            stack.append(FusedBatchNormalization(dtype=policy, name=f"norm_{number}"))
        size = [side - window + 1 for side, window in zip(size, kernel, strict=True)]
        _, pool = _windows(size)
        stack.append(layers.MaxPooling2D(pool, dtype=policy, name=f"pool_{number}"))
        stack.append(drop(rate, number))
        size = [side // window for side, window in zip(size, pool, strict=True)]
    stack.append(layers.Flatten(dtype=policy, name="flatten"))
    dense_rates = rates[len(filters) :]
    for number, (units, rate) in enumerate(
        zip(dense_units, dense_rates, strict=True), start=len(filters) + 1
    ):
        stack.append(
            layers.Dense(
                units,
                activation="relu",
                kernel_initializer=weights,
                dtype=policy,
                name=f"dense_{number}",
            )
        )
        if batch_norm:
            stack.append(FusedBatchNormalization(dtype=policy, name=f"norm_{number}"))
        stack.append(drop(rate, number))
    stack.append(
        layers.Dense(
            n_labels,
            activation="sigmoid",
            kernel_initializer=weights,
            dtype=last,
            name="labels",
        )
    )
    # All at once, because Keras builds a Sequential again for each layer that is added.
    model = ImageNetwork(stack, name="poster_cnn")
    reseed(model, seed)
    return model


def reseed(model, seed):
    """Draw all weights of a network again, as if it had just been built."""
    # RandomState, because its streams never change between versions of NumPy.
    draw = np.random.RandomState(seed).randint
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for variable in (layer.beta, layer.moving_mean):
                variable.assign(np.zeros(variable.shape))
            for variable in (layer.gamma, layer.moving_variance):
                variable.assign(np.ones(variable.shape))
        elif hasattr(layer, "kernel"):
            initializer = keras.initializers.GlorotUniform(seed=draw(2**31 - 1))
            layer.kernel.assign(initializer(layer.kernel.shape, layer.kernel.dtype))
            layer.bias.assign(np.zeros(layer.bias.shape))
        elif isinstance(layer, keras.layers.Dropout):
            state = [draw(2**31 - 1), 0]  # A seed, and how often it was used.
            if layer.rate > 0:
                layer.seed_generator.state.assign(np.array(state, "uint32"))
        elif hasattr(layer, "generator"):  # Keras's name for it in augmentation
            state = [draw(2**31 - 1), 0]
            layer.generator.state.assign(np.array(state, "uint32"))


def _one_rate_per_layer(dropout, n_blocks, n_dense):
    n_layers = n_blocks + n_dense
    if dropout is None:
        return _fit_rates(BLOCK_RATES, n_blocks) + _fit_rates(DENSE_RATES, n_dense)
    if np.ndim(dropout) == 0:
        return (float(dropout),) * n_layers
    if len(dropout) != n_layers:
        raise ValueError(
            f"dropout must be None, one float, or one rate for each of the {n_blocks} "
            f"blocks of filters and {n_dense} dense layers, so {n_layers} rates: got "
            f"{dropout!r} with {len(dropout)}."
        )
    return tuple(float(rate) for rate in dropout)


def _fit_rates(rates, n_layers):
    """Return a rate for each layer: the first ones, or the last one repeated."""
    return (rates + rates[-1:] * n_layers)[:n_layers]


def _check_image_size(image_shape, n_blocks):
    height, width = image_shape[:2]
    smallest = 1
    for _ in range(n_blocks):
        smallest = 2 * smallest + 2
    is_row = height == 1
    if not is_row and min(height, width) < smallest:
        raise ValueError(
            f"Images of {height}×{width} pixels are too small for {n_blocks} blocks "
            f"of filters, which need at least {smallest}×{smallest}. Load larger "
            f"images, such as PosterImageLoader(image_size=({smallest}, {smallest})), "
            "or give fewer filters."
        )


def _windows(size):
    """Return the sides of the convolution's and the pooling's window."""
    height, width = size
    if height > 1:
        return (3, 3), (2, 2)
    return (1, min(3, width)), (1, min(2, width))
