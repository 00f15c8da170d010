"""Keras's callbacks, metrics, losses and optimizers as text that runs no code."""

import inspect
import json
from numbers import Real

from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module
from sk_posters._networks._losses import NAMED
from sk_posters._networks._serialize import (
    MAX_THRESHOLDS,
    check_metrics,
    find_function,
    items_of,
)
from sk_posters.exceptions import ModelFileError

__all__ = ["KerasPart", "check_parameter", "check_part", "is_part", "write_part"]

# Where Keras's own parts are, and what they are.
HOMES = {
    "keras.callbacks": keras.callbacks.Callback,
    "keras.losses": keras.losses.Loss,
    "keras.metrics": keras.metrics.Metric,
    "keras.optimizers": keras.optimizers.Optimizer,
    "keras.optimizers.schedules": keras.optimizers.schedules.LearningRateSchedule,
}
# Those that hold no function, write no file and ask no server. They have no get_config:
# what they are built from is in attributes of the same names.
CALLBACKS = {"EarlyStopping", "ReduceLROnPlateau", "SwapEMAWeights", "TerminateOnNaN"}

# Names that Keras does not look up, for parameters that take names.
NAMES = {
    "loss": {*NAMED},
    "metrics": {"acc", "accuracy", "ce", "crossentropy"},
    "optimizer": {"auto"},
}


@set_module("sk_posters")
class KerasPart:
    """What a model file holds in place of a part of Keras: calling it builds the part.

    Model files name it with the text that `write_part` returns.
    """

    def __new__(cls, text):
        """Build the part that a text describes, after it was checked."""
        return _build(check_part(text))

    @classmethod
    def hold(cls, text):
        """Return what skops writes as a call with this text."""
        part = super().__new__(cls)
        part.text = text
        return part

    def __reduce__(self):
        return KerasPart, (self.text,)


def is_part(value):
    """Return whether a value is a callback, metric, loss or optimizer of any origin."""
    kinds = tuple(HOMES.values())
    return isinstance(value, kinds) or (
        isinstance(value, type) and issubclass(value, kinds)
    )


def write_part(value):
    """Return a part of Keras, a class or a function of it as text; None for others."""
    try:
        text = json.dumps(_describe(value), allow_nan=False)
        _build(check_part(text))
    except (ModelFileError, NotImplementedError, TypeError, ValueError):
        return None
    return text


def _describe(value):
    if isinstance(value, type):
        name = value.__name__
        homes = [module for module in HOMES if _find(module, name) is value]
        return {"class": f"{homes[0]}.{name}" if homes else None}
    if isinstance(value, keras.callbacks.Callback):
        kind = type(value)
        is_own = _find("keras.callbacks", kind.__name__) is kind
        names = inspect.signature(kind).parameters
        config = {name: vars(value)[name] for name in names if name in vars(value)}
        if "min_delta" in config:  # Keras turns its sign once it knows the direction.
            config["min_delta"] = abs(config["min_delta"])
        return {"callback": kind.__name__ if is_own else None, "config": config}
    if inspect.isfunction(value) and find_function(value.__name__) is not value:
        return {"object": None}  # Keras would write the name alone.
    return {"object": keras.saving.serialize_keras_object(value)}


def check_part(text):
    """Return what a text describes; refuse all but Keras's own harmless parts."""
    try:
        part = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"a part of Keras in it is not JSON ({error})") from error
    form = set(part) if isinstance(part, dict) else None
    if form == {"class"}:
        module, _, name = str(part["class"]).rpartition(".")
        fits = _find(module, name) is not None
    elif form == {"callback", "config"}:
        fits = _find("keras.callbacks", part["callback"]) is not None
        fits = fits and _is_plain_config(part["config"])
    elif form == {"object"}:
        fits = isinstance(part["object"], dict) and "class_name" in part["object"]
        fits = fits and _is_own(part["object"])
    else:
        fits = False
    if not fits:
        raise ModelFileError(
            f"it holds {text[:200]!r}, and of Keras only its own losses, metrics, "
            "optimizers, schedules, and callbacks that run no function and write no "
            "file are allowed"
        )
    return part


def check_parameter(name, value):
    """Refuse a plain value of a classifier's parameter that Keras should not get."""
    fits = not isinstance(value, dict)
    if isinstance(value, str):
        fits = name != "callbacks" and (name not in NAMES or _is_known(name, value))
    elif isinstance(value, int) and name.startswith(("compile__", "metrics__")):
        fits = abs(value) <= MAX_THRESHOLDS
    if not fits:
        raise ModelFileError(
            f"its parameter {name} of PosterClassifier holds {str(value)[:200]!r}, and "
            "only names of Keras's own losses, metrics and optimizers, and numbers up "
            f"to {MAX_THRESHOLDS}, are allowed"
        )


def _is_known(parameter, name):
    """Return whether Keras finds a loss, metric or optimizer of this name."""
    home = {"loss": "losses", "metrics": "metrics", "optimizer": "optimizers"}
    if name in NAMES[parameter]:
        return True
    try:
        return getattr(keras, home[parameter]).get(name) is not None
    except TypeError:  # It is there, and needs arguments.
        return True
    except ValueError:
        return False


def _build(part):
    """Build what `check_part` has accepted."""
    if "class" in part:
        return _find(*part["class"].rsplit(".", 1))
    if "callback" in part:
        return _find("keras.callbacks", part["callback"])(**part["config"])

    check_metrics(part["object"])
    return keras.saving.deserialize_keras_object(part["object"], safe_mode=True)


def _find(module, name):
    """Return the class of Keras of this name, if files may name it; else None."""
    if module not in HOMES or not isinstance(name, str) or not name.isidentifier():
        return None
    if module == "keras.callbacks" and name not in CALLBACKS:
        return None
    found = _public(module, name)
    is_kind = isinstance(found, type) and issubclass(found, HOMES[module])
    return found if is_kind else None


def _public(module, name):
    home = keras
    for part in module.split(".")[1:]:
        home = getattr(home, part)
    return getattr(home, name, None) if name in dir(home) else None


def _is_plain_config(config):
    plain = (str, Real, type(None))
    return isinstance(config, dict) and all(
        isinstance(value, plain) for value in config.values()
    )


def _is_own(config):
    """Return whether all that Keras would build from a config is its own."""
    return all(
        _is_own_item(item)
        # Sizes of metrics are checked, of those alone that are no part of another.
        and (item is config or item.get("module") != "keras.metrics")
        for item in items_of(config)
    )


def _is_own_item(item):
    name, module = item["class_name"], item.get("module")
    registered = item.get("registered_name")
    if (module, name) == ("keras", "DTypePolicy"):
        return registered is None
    if module == "builtins":
        is_function = (name, registered) == ("function", "function")
        return is_function and find_function(item.get("config")) is not None
    return registered is None and _find(module, name) is not None
