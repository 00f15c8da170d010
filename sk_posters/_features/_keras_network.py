"""Networks that run on Keras: those of keras.applications, and a user's own."""

import hashlib
import os
import re
from functools import lru_cache

import numpy as np

from sk_posters._base._gpus import list_gpus
from sk_posters._base._keras import keras
from sk_posters._base._regular import stat_regular
from sk_posters._base._threads import ForkSafeLock
from sk_posters._features._pooling import (
    check_parts,
    check_scaling,
    check_size,
    count_pooled,
    pool,
    scale_pixels,
)

__all__ = ["KerasNetwork", "check_device", "load_application", "load_network"]

FETCH_FAILED = re.compile(r"URL fetch failure on (\S+): (.*)", flags=re.DOTALL)

# Keras is parallel inside a call; two calls at once would only slow each other down.
_running = ForkSafeLock()


class KerasNetwork:
    """A Keras network, with the interface of `_backbones`."""

    def __init__(
        self,
        model,
        prefix,
        parts,
        image_size,
        *,
        mean=None,
        std=None,
        output=None,
        preprocess=None,
    ):
        self.prefix = prefix
        self.device = find_device()
        self._model = _select_output(model, output, prefix)
        self._preprocess = preprocess
        self._scaling = (
            check_scaling(mean, std, f"The network {prefix!r}")
            if preprocess is None
            else (0.0, 1.0)
        )
        self._check_input(image_size)
        shape = self._model.output_shape
        self._axes = (1, 2)
        if keras.config.image_data_format() == "channels_first":
            self._axes = (2, 3)
        channels = ({1, 2, 3} - set(self._axes)).pop() if len(shape) == 4 else -1
        self.parts = check_parts(parts, len(shape), f"the network {prefix!r}")
        self.widths = [count_pooled(part, shape[channels]) for part in self.parts]
        scaling = [np.asarray(x).tolist() for x in self._scaling]
        scaled_by = scaling if preprocess is None else f"preprocess_input of {prefix}"
        self.fingerprint = (
            f"{_digest(self._model)} {scaled_by} "
            f"keras {keras.__version__} {keras.backend.backend()}"
            f"{'' if self.device == 'cpu' else f' {self.device}'}"
        )

    def features(self, batch):
        """Return the features of images, uint8 or floats from 0 to 1."""
        return pool(self._run(batch), self.parts, self._axes)

    def maps(self, batch):
        """Return, for each part, the feature maps that it is pooled from."""
        output = self._run(batch)
        if self._axes == (2, 3) and output.ndim == 4:
            output = output.transpose(0, 2, 3, 1)
        return [output.astype(np.float32, copy=False)] * len(self.parts)

    def _run(self, batch):
        pixels = scale_pixels(batch, *self._scaling)
        if self._preprocess is not None:
            pixels = self._preprocess(pixels)
        if self._axes == (2, 3):
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        try:
            with _running:
                output = self._model.predict_on_batch(pixels)
        except MemoryError:
            raise
        except Exception as error:  # Of classes that Keras does not document.
            raise ValueError(
                f"The network {self.prefix!r} cannot be run on pixels of shape "
                f"{pixels.shape}: {error}. Save it again, or change image_size"
            ) from error
        expected = self._model.output_shape
        if len(output.shape) != len(expected) or any(
            side not in (None, found)
            for side, found in zip(expected, output.shape, strict=True)
        ):
            raise ValueError(
                f"The network {self.prefix!r} says that it gives an output of shape "
                f"{expected}, and gives {output.shape}: is the activation of a layer "
                "one that changes shapes, such as glu? Make the network again"
            )
        return output

    def _check_input(self, image_size):
        shape = self._model.input_shape
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise ValueError(
                f"The network {self.prefix!r} must take one batch of images, of rank "
                f"4; it takes {shape!r}"
            )
        first = keras.config.image_data_format() == "channels_first"
        sides = shape[2:] if first else shape[1:3]
        check_size(image_size, sides, f"The network {self.prefix!r}")


def find_device():
    """Return the device that Keras puts networks on by itself, "cpu" or "cuda"."""
    return "cuda" if list_gpus() else "cpu"


def check_device(device, spec):
    """Raise if a network of Keras would not run on the device that was asked for."""
    if device not in ("auto", find_device()):
        hide = 'CUDA_VISIBLE_DEVICES=""' if device == "cpu" else "another KERAS_BACKEND"
        raise ValueError(
            f"device={device!r} does not reach the network {spec!r}: Keras on "
            f"{keras.backend.backend()} puts it on {find_device()!r}. Leave "
            f'device="auto", or set {hide} before Python starts'
        )


@lru_cache(2)
def load_application(name):
    """Return a network of ``keras.applications`` and its scaling of pixels."""
    try:
        model = getattr(keras.applications, name)(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises no class of its own here.
        failed = FETCH_FAILED.search(str(error))
        if failed is None:
            raise
        url, reason = failed.groups()
        home = os.environ.get("KERAS_HOME", os.path.join("~", ".keras"))
        place = os.path.join(os.path.expanduser(home), "models", url.split("/")[-1])
        raise OSError(
            f"The weights of {name!r} are not on this machine and could not be "
            f"downloaded ({reason}). Download {url} on a machine with a network, and "
            f"put the file at {place}"
        ) from error
    return model, _module_of(name).preprocess_input


def load_network(path):
    """Load a network from a ``.keras`` file, once while the file stays the same."""
    try:
        status = stat_regular(path)
    except OSError as error:
        raise FileNotFoundError(
            f"backbone: there is no Keras file {path!r} ({error.strerror})"
        ) from error
    times = status.st_mtime_ns, status.st_ctime_ns
    return _load(path, (status.st_size, *times, status.st_ino))


@lru_cache(2)
def _load(path, stamp):
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Of classes that Keras does not document.
        raise ValueError(
            f"{path!r} cannot be opened as a network of Keras, it may be damaged or "
            f"need another version than {keras.__version__}: {error}"
        ) from error


def _module_of(name):
    modules = (getattr(keras.applications, each) for each in dir(keras.applications))
    return next(
        module
        for module in modules
        if hasattr(module, name) and hasattr(module, "preprocess_input")
    )


def _select_output(model, output, prefix):
    if output is None and len(model.outputs) == 1:
        return model
    if isinstance(output, int) and 0 <= output < len(model.outputs):
        return keras.Model(model.inputs, model.outputs[output])
    names = [layer.name for layer in model.layers]
    if isinstance(output, str) and output in names:
        return keras.Model(model.inputs, model.get_layer(output).output)
    raise ValueError(
        f"output must be the number of one of the {len(model.outputs)} outputs of the "
        f"network {prefix!r}, from 0, or the name of one of its layers {names!r}; got "
        f"{output!r}"
    )


def _digest(model):
    """Return a checksum of the layers and weights of a network."""
    digest = hashlib.blake2b(model.to_json().encode(), digest_size=16)
    for weights in model.get_weights():
        digest.update(np.ascontiguousarray(weights))
    return digest.hexdigest()
