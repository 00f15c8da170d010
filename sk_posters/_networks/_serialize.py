"""Keras networks as bytes that run nothing when they are read."""

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from sk_posters._base._zip import unpack
from sk_posters._networks._compat import keras_global, set_keras_global
from sk_posters._networks._devices import device_scope
from sk_posters.exceptions import ModelFileError

__all__ = [
    "check_network",
    "network_from_bytes",
    "network_to_bytes",
    "read_network",
    "save_network",
]

# Where Keras keeps what networks are made of. All of it computes on numbers only, but
# for the layers named below.
MODULES = {
    "builtins",  # Keras's own functions, such as the loss "binary_crossentropy".
    "keras",
    "keras.activations",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.regularizers",
    "keras.src.models.functional",
}
REFUSED = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"}
WITHOUT_MODULE = {"__keras_tensor__", "__tuple__"}


def network_to_bytes(model):
    """Write a network down, if `network_from_bytes` would load it."""
    content = save_network(model)
    check_network(content)
    return content


def network_from_bytes(content):
    """Load a network, if it is made of Keras's own parts and this package's."""
    config, n_bytes = check_network(content)
    try:
        n_values = _count_values(config)
        if 2 * n_values > n_bytes:  # A half float takes two bytes.
            raise ModelFileError(
                f"the network in it needs {n_values} values, and brings {n_bytes} bytes"
            )
        return read_network(content)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"Keras cannot build the network in it ({type(error).__name__}: "
            f"{str(error)[:200]})"
        ) from error


def check_network(content):
    """Refuse a ``.keras`` file that names anything but layers known to be harmless."""
    parts = unpack(
        content,
        what="the network in it",
        names=r"metadata\.json|config\.json|model\.weights\.h5",
        required=("config.json", "model.weights.h5"),
    )
    try:
        config = json.loads(parts["config.json"])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"the network in it has no readable config.json ({error})"
        ) from error
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                _check_class(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return config, len(parts["model.weights.h5"])


def _count_values(config):
    """Return how many numbers a network holds, without room for them."""
    # Keras gives variables of such a scope their values later, on any occasion, unless
    # it forgets them.
    name = "uninitialized_variables"
    others = list(keras_global(name, []))
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(
                {**config, "compile_config": None}, safe_mode=True
            )
        return sum(math.prod(variable.shape) for variable in model.weights)
    finally:
        set_keras_global(name, others)


def _check_class(item):
    name, module = item["class_name"], item.get("module")
    registered = item.get("registered_name")
    is_plain = isinstance(name, str) and name.isidentifier() and name not in REFUSED
    if is_plain and module is None and registered is None:
        fits = name in WITHOUT_MODULE
    elif is_plain and module == "sk_posters":
        fits = registered == f"sk_posters>{name}"
    else:
        # scikeras registers what it pickles under a name that starts so.
        known = (None, name, f">{name}")
        fits = is_plain and module in MODULES and registered in known
        fits = fits and (module != "builtins" or name == "function")
    if not fits:
        raise ModelFileError(
            f"the network in it holds {registered or name!r} of {module!r}, and only "
            "layers of Keras that run no code of their own, and those of sk_posters, "
            "are allowed"
        )


def save_network(model):
    """Turn a network into the bytes of a `.keras` file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        model.save(path)
        return path.read_bytes()


def read_network(content, distribute=None):
    """Turn the bytes of a `.keras` file into a network, in Keras's safe mode."""
    with TemporaryDirectory() as folder, device_scope(distribute):
        path = Path(folder) / "network.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path, safe_mode=True)
