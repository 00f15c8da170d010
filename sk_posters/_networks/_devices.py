"""What there is to train on: GPUs, their float16, and several devices of one host."""

from contextlib import nullcontext, suppress
from functools import cache

import numpy as np

from sk_posters._base._gpus import list_gpus
from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module

__all__ = [
    "EvenBatches",
    "JointLossScaleOptimizer",
    "compute_policy",
    "device_scope",
    "devices_of",
    "predict_on_devices",
]

# The oldest NVIDIA GPUs with tensor cores. Older ones are slower in float16.
TENSOR_CORES = (7, 0)


class EvenBatches(keras.utils.PyDataset):
    """Batches that several devices share evenly, with the result of one device."""

    def __init__(self, batches, n_devices):
        super().__init__()
        self._batches = batches
        self._n_devices = n_devices

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        images, targets, *weights = self._batches[index]
        n_rows = len(images)
        weights = weights[0] if weights else np.ones(n_rows, keras.config.floatx())
        rows = _even_rows(n_rows, self._n_devices)
        weights = weights[rows] * (len(rows) / n_rows)
        weights[n_rows:] = 0
        return images[rows], targets[rows], weights.astype(keras.config.floatx())


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class JointLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Loss scaling that skips a step if the gradients of any device overflow."""

    def check_finite(self, grads):
        """Tell whether gradients are finite on all devices."""
        import tensorflow as tf

        finite = super().check_finite(grads)
        device = tf.distribute.get_replica_context()
        n_finite = device.all_reduce("SUM", tf.cast(finite, "int32"))
        return tf.equal(n_finite, device.num_replicas_in_sync)


def compute_policy(mixed_precision="auto"):
    """Return the dtype policy that layers compute in."""
    if mixed_precision == "auto":
        is_plain = keras.config.dtype_policy().name == "float32"
        capabilities = list_gpus() if is_plain else []
        mixed_precision = bool(capabilities) and min(capabilities) >= TENSOR_CORES
    return "mixed_float16" if mixed_precision else None


def device_scope(distribute=None):
    """Return the context in which to build, to compile or to load a network."""
    _grow_gpu_memory()
    if distribute is None:
        return nullcontext()
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"distribute={distribute!r} needs Keras on TensorFlow: got the backend "
            f"{backend!r}. Set KERAS_BACKEND=tensorflow, or leave distribute=None."
        )
    return _make_mirrored_strategy().scope()


def devices_of(model):
    """Return how many devices share the batches of a network."""
    # Only Keras's trainer for TensorFlow knows of it.
    strategy = getattr(model, "distribute_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1)


def predict_on_devices(model, images):
    """Return the outputs for one batch, each device working on its share."""
    n_devices = devices_of(model)
    if n_devices == 1:
        return model.predict_on_batch(images)
    import tensorflow as tf

    # Keras would give the whole batch to each device, and return all their outputs.
    shares = np.split(images[_even_rows(len(images), n_devices)], n_devices)
    batch = model.distribute_strategy.experimental_distribute_values_from_function(
        lambda device: tf.constant(shares[device.replica_id_in_sync_group])
    )
    return model.predict_on_batch(batch)[: len(images)]


def _even_rows(n_rows, n_devices):
    """Return the rows of a batch, the first ones repeated until it divides."""
    return np.arange(-(-n_rows // n_devices) * n_devices) % n_rows


@cache
def _grow_gpu_memory():
    """Let TensorFlow take a GPU's memory as it needs it, not all of it at once."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    # It must be the same for all of them, and cannot be where the user divides one.
    if any(map(tf.config.get_logical_device_configuration, gpus)):
        return
    # Nothing can be changed any more once TensorFlow has begun.
    with suppress(RuntimeError):
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)


@cache
def _make_mirrored_strategy():
    """Return one strategy for all networks: the devices of a process never change."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy()
