"""Keras networks as bytes that run nothing when they are read."""

import copy
import inspect
import json
import math
import reprlib
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sk_posters._base._keras import keras
from sk_posters._base._zip import pack, unpack
from sk_posters._networks._compat import keras_global, set_keras_global
from sk_posters._networks._devices import device_scope
from sk_posters.exceptions import ModelFileError

__all__ = [
    "check_metrics",
    "check_network",
    "compile_config_of",
    "find_function",
    "items_of",
    "network_from_bytes",
    "network_to_bytes",
    "read_network",
    "save_network",
]

# Where Keras keeps what networks are made of. All of it computes on numbers only.
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
# Of these modules, only what the networks of this package are made of.
KEPT = {
    "keras": {"DTypePolicy", "Functional", "Sequential"},
    "keras.layers": {
        *("Activation", "Add", "BatchNormalization", "Conv2D", "Dense"),
        *("DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling2D"),
        *("InputLayer", "MaxPooling2D", "RandomBrightness", "RandomContrast"),
        *("RandomFlip", "RandomTranslation", "RandomZoom", "ReLU", "Rescaling"),
    },
}
FUNCTIONS = ("activations", "initializers", "losses", "metrics", "regularizers")
# What a metric may count in: 40 MB of values, and lists of thresholds before them.
MAX_VALUES, MAX_THRESHOLDS = 10_000_000, 100_000
# What a layer may give for an image: 512 MB of floats.
MAX_OUTPUTS = 2**27
MAX_STEPS = 100_000  # In one call of a compiled function.
# Sides of windows, and steps between them, in pixels.
WINDOWS = {"pool_size", "kernel_size", "strides", "dilation_rate"}
MAX_WINDOW = 1024
# Of pixels: one number, or one for each channel.
SCALINGS, MAX_CHANNELS = {"scale", "offset"}, 4
# Functions of Keras that leave the shape of what they get: glu does not.
ACTIVATIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid"),
    *("hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid"),
    *("log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax"),
    *("soft_shrink", "softplus", "softsign", "sparse_plus", "sparsemax"),
    *("squareplus", "swish", "tanh", "tanh_shrink"),
)
FLOATS = ("float32", "float16", "bfloat16", "float64")
WITHOUT_MODULE = {"__keras_tensor__", "__tuple__"}


def network_to_bytes(model):
    """Write a network down, if `network_from_bytes` would load it.

    Losses, metrics and optimizers of the user's own are left out.
    """
    content = _leave_own_parts_out(save_network(model))
    check_network(content)
    return content


def _leave_own_parts_out(content):
    """Return a ``.keras`` file that is compiled with Keras's own parts only."""
    parts = unpack(content, what="the network", names=".*", required=())
    config = json.loads(parts["config.json"])
    compiled = config.get("compile_config")
    if compiled is None or is_harmless(compiled):
        return content
    optimizer = {"optimizer": compiled.get("optimizer")}
    config["compile_config"] = optimizer if is_harmless(optimizer) else None
    return pack({**parts, "config.json": json.dumps(config).encode()})


def is_harmless(config):
    """Return whether a config names parts of Keras and this package only."""
    try:
        for item in items_of(config):
            _check_class(item)
    except ModelFileError:
        return False
    return all(
        find_function(item.get("config")) is not None
        for item in items_of(config)
        if item["class_name"] == "function"
    )


def find_function(name):
    """Return Keras's own function of a name in configs, such as a loss; else None."""
    for module in FUNCTIONS:
        found = getattr(getattr(keras, module), str(name), None)
        if inspect.isfunction(found) and name not in ("deserialize", "get"):
            return found
    return None


def compile_config_of(model):
    """Return what Keras needs to compile a saved network: all, or its optimizer.

    Keras would save functions by their names, and could not read them again.
    """
    full = _readable(_full_config, model)
    return _readable(_optimizer_config, model) if full is None else full


def _readable(describe, model):
    """Return a config of a model, None where Keras cannot write or read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of a lambda, which is left out.
            config = describe(model)
        _build_again(config)
    except Exception:
        return None
    return config


def _build_again(config):
    """Build what a config describes, which some classes change while they do."""
    return keras.saving.deserialize_keras_object(copy.deepcopy(config), safe_mode=True)


def _full_config(model):
    loss = getattr(model.loss, "loss", model.loss)
    if inspect.isfunction(loss) and find_function(loss.__name__) is not loss:
        raise ValueError("its loss has the name of another one")
    return keras.Model.get_compile_config(model)


def _optimizer_config(model):
    return {"optimizer": keras.saving.serialize_keras_object(model.optimizer)}


def network_from_bytes(content):
    """Load a network, if it is made of Keras's own parts and this package's."""
    config, n_bytes = check_network(content)
    try:
        bare = {**config, "compile_config": None}
        built = []
        n_values = _count_values(
            lambda: built.append(_build_again(bare)) or built[0].weights
        )
        if 2 * n_values > n_bytes:  # A half float takes two bytes.
            raise ModelFileError(
                f"the network in it needs {n_values} values, and brings {n_bytes} bytes"
            )
        _check_layers(built[0])
        check_metrics(config.get("compile_config"))
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
    for item in items_of(config):
        _check_class(item)
    _check_compiled(config.get("compile_config") or {})
    return config, len(parts["model.weights.h5"])


def _check_compiled(config):
    """Refuse settings of compiling that Keras takes unseen, and trips over later."""
    steps = config.get("steps_per_execution", 1)
    fits = type(steps) is int and 1 <= steps <= MAX_STEPS
    allowed = (True, False, None, "auto")
    names = ("auto_scale_loss", "jit_compile", "run_eagerly")
    if not fits or not all(config.get(name) in allowed for name in names):
        raise ModelFileError(
            "the network in it is compiled with steps_per_execution, jit_compile, "
            f"run_eagerly or auto_scale_loss out of range; got {ascii(config)[:200]}"
        )


def items_of(config):
    """Yield all that Keras would build from a config, as dicts with a class name."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _check_layers(model):
    """Refuse a network with a layer that would end, or never end, a prediction."""
    for layer in model.layers:
        shape = getattr(layer, "output", layer).shape
        problem = _find_problem(layer, shape)
        if problem is not None:
            raise ModelFileError(
                f"the layer {layer.name!r} of the network in it {problem}"
            )
        if getattr(layer, "layers", None):
            _check_layers(layer)


def _find_problem(layer, shape):
    """Return what is wrong with a layer that Keras has built, or None."""
    if math.prod(side or 1 for side in shape) > MAX_OUTPUTS:
        return (
            f"gives outputs of shape {shape} for an image, more than {MAX_OUTPUTS:,} "
            "values"
        )
    dtype = getattr(layer, "compute_dtype", "float32")
    is_input = isinstance(layer, keras.layers.InputLayer)
    if dtype not in FLOATS and not (is_input and dtype == "uint8"):
        return f"computes with {dtype}, which must be one of {', '.join(FLOATS)}"
    activation = getattr(layer, "activation", None)
    if inspect.isfunction(activation) and activation.__name__ not in ACTIVATIONS:
        return (
            f"has the activation {activation.__name__!r}, which is none of "
            f"{', '.join(ACTIVATIONS)}"
        )
    if isinstance(layer, keras.layers.Rescaling):
        sizes = {np.size(layer.scale), np.size(layer.offset)}
        if not sizes <= {1, shape[-1]}:
            return f"scales {shape[-1]} channels by {max(sizes)} or no numbers"
    return None


def _count_values(build):
    """Return how many numbers the variables hold that `build` returns, without room."""
    # Keras gives variables of such a scope their values later, on any occasion, unless
    # it forgets them.
    name = "uninitialized_variables"
    others = list(keras_global(name, []))
    try:
        with keras.StatelessScope(initialize_variables=False):
            return sum(math.prod(variable.shape) for variable in build())
    finally:
        set_keras_global(name, others)


def check_metrics(config):
    """Refuse metrics that take much more memory than the file."""
    for item in items_of(config):
        if item.get("module") != "keras.metrics":
            continue
        sizes = [n for n in item["config"].values() if isinstance(n, int)]
        if max(sizes, default=0) > MAX_THRESHOLDS or _count_in(item) > MAX_VALUES:
            raise ModelFileError(
                f"the metric {item['class_name']} in it has more than {MAX_THRESHOLDS} "
                f"thresholds or {MAX_VALUES} values"
            )


def _count_in(metric):
    return _count_values(lambda: _build_again(metric).variables)


def _check_class(item):
    name, module = item["class_name"], item.get("module")
    registered = item.get("registered_name")
    is_plain = isinstance(name, str) and name.isidentifier()
    is_plain = is_plain and isinstance(module, str | None)
    is_plain = is_plain and name in KEPT.get(module, {name})
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
            "layers of Keras that run no code of their own and that networks of "
            "sk_posters are made of, and those of sk_posters, are allowed"
        )
    config = item.get("config")
    for key, value in config.items() if isinstance(config, dict) else ():
        _check_setting(name, key, value)


def _check_setting(name, key, value):
    """Refuse windows and scalings that would take endless time or memory."""
    values = value if isinstance(value, list) else [value]
    if key in WINDOWS:
        fits = len(values) <= 3 and all(
            type(each) is int and 1 <= each <= MAX_WINDOW for each in values
        )
        allowed = f"whole numbers from 1 to {MAX_WINDOW}"
    elif key in SCALINGS and name == "Rescaling":
        fits = len(values) <= MAX_CHANNELS and all(
            type(each) in (int, float) and math.isfinite(each) for each in values
        )
        allowed = f"a finite number, or up to {MAX_CHANNELS}"
    elif key == "data_format":
        # TensorFlow has the other on GPUs only, and images here are never so.
        fits, allowed = value in (None, "channels_last"), '"channels_last"'
    elif key == "epsilon":
        fits = type(value) in (int, float) and 0 < value < math.inf
        allowed = "a finite number above 0"
    else:
        return
    if not fits:
        raise ModelFileError(
            f"a layer {name} of the network in it has {key}={reprlib.repr(value)}, "
            f"which must be {allowed}"
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
