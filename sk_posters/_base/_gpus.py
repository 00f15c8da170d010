"""The GPUs that Keras computes on, by its backend."""

import os

__all__ = ["list_gpus"]


def list_gpus():
    """Return the compute capability of each GPU, such as (9, 0)."""
    from sk_posters._base._keras import keras

    return FINDERS.get(keras.backend.backend(), list)()


def _list_of_tensorflow():
    import tensorflow as tf

    find = tf.config.experimental.get_device_details
    details = map(find, tf.config.list_physical_devices("GPU"))
    return [each.get("compute_capability", (0, 0)) for each in details]


def _list_of_jax():
    import jax

    gpus = [device for device in jax.devices() if device.platform == "gpu"]
    # AMD's have names in place of numbers.
    texts = [getattr(gpu, "compute_capability", "") for gpu in gpus]
    return [_as_numbers(text) for text in texts]


def _as_numbers(text):
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _list_of_torch():
    import torch

    # Keras takes the first GPU unless this names another device.
    if not os.environ.get("KERAS_TORCH_DEVICE", "cuda").startswith("cuda"):
        return []
    n_gpus = torch.cuda.device_count()
    return [torch.cuda.get_device_capability(number) for number in range(n_gpus)]


FINDERS = {
    "tensorflow": _list_of_tensorflow,
    "jax": _list_of_jax,
    "torch": _list_of_torch,
}
