"""What a model file keeps of objects of Keras, and what it leaves out."""

import sys

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["replace_parts"]

# Parameters that hold objects of Keras, and what takes the place of one that no file
# can hold. Others, such as optimizer__learning_rate, are then not set.
DEFAULTS = {
    "callbacks": None,
    "compile": None,
    "loss": "binary_crossentropy",
    "metrics": None,
    "optimizer": "auto",
}
# Parameters of searches, with lists of candidates.
GRIDS = {"param_grid", "param_distributions"}
LOST = object()


def replace_parts(estimator, trusted=()):
    """Return an estimator with Keras's objects as text, and what is left out of it.

    The estimator itself stays as it is. What is left out: texts for a warning.
    """
    if "keras" not in sys.modules:  # Then nobody can have made such an object.
        return estimator, []
    copier = _Copier(trusted)
    try:
        return copier.copy(estimator), list(copier.lost)
    except RecursionError:  # A list that holds itself, of which skops will speak.
        return estimator, []


class _Copier:
    """Copies what holds an object of Keras, and leaves the rest as it is."""

    def __init__(self, trusted):
        from sk_posters._networks import _parts

        self._parts = _parts
        self._trusted = set(trusted)
        self._seen = {}
        self.lost = {}  # A set in order.

    def copy(self, value, name=""):
        """Return a value of a parameter, or its default where no file can hold it."""
        found = self._replace(value, name)
        return DEFAULTS.get(_path(name)[-1]) if found is LOST else found

    def _replace(self, value, name):
        if self._is_part(value, name):
            return self._replace_part(value, name)
        if type(value) in (list, tuple):
            return self._copy_list(value, name)
        if type(value) is dict:
            return self._copy_dict(value, name)
        if isinstance(value, np.ndarray) and value.dtype == object:
            return self._copy_array(value, name)
        kind = type(value).__module__.partition(".")[0]
        if isinstance(value, BaseEstimator) or kind == "sklearn":
            return self._copy_object(value)
        return value

    def _is_part(self, value, name):
        if self._parts.is_part(value):
            return True
        is_code = callable(value) and not isinstance(value, BaseEstimator)
        return is_code and _is_of_keras(name)

    def _replace_part(self, value, name):
        text = self._parts.write_part(value)
        if text is not None:
            return self._parts.KerasPart.hold(text)
        if _dotted_name(value) in self._trusted or not _is_of_keras(name):
            return value
        self.lost[_explain(value, name)] = None
        return LOST

    def _copy_list(self, values, name):
        found = [self._replace(value, name) for value in values]
        kept = [value for value in found if value is not LOST]
        return values if _is_same(kept, values) else type(values)(kept)

    def _copy_dict(self, values, name):
        found = {
            key: self.copy(value, key)
            if _is_of_keras(key)
            else self._replace(value, name)
            for key, value in values.items()
        }
        kept = {key: value for key, value in found.items() if value is not LOST}
        return values if _is_same(kept.values(), values.values()) else kept

    def _copy_array(self, values, name):
        found = [self.copy(value, name) for value in values.flat]
        if _is_same(found, values.flat):
            return values
        copied = values.copy()
        for index, value in zip(np.ndindex(values.shape), found, strict=True):
            if value is not np.ma.masked:
                copied[index] = value
        return copied

    def _copy_object(self, value):
        if not hasattr(value, "__dict__") or isinstance(value, type):
            return value
        if id(value) not in self._seen:
            self._seen[id(value)] = value  # In a circle, to leave it to skops.
            # Other estimators may call something else their optimizer or loss.
            is_network = hasattr(type(value), "_network_key")
            found = {
                name: self._copy_grid(item)
                if name in GRIDS
                else self._replace(item, name if is_network else "")
                for name, item in vars(value).items()
            }
            kept = _without_lost(found)
            if not _is_same(kept.values(), vars(value).values()):
                copied = object.__new__(type(value))
                vars(copied).update(kept)
                self._seen[id(value)] = copied
        return self._seen[id(value)]

    def _copy_grid(self, grid):
        """Return the candidates of a search, as many as before."""
        if isinstance(grid, (list, tuple)):
            return type(grid)(map(self._copy_grid, grid))
        if not isinstance(grid, dict):
            return grid
        return {
            name: type(values)(self.copy(value, name) for value in values)
            if type(values) in (list, tuple)
            else values
            for name, values in grid.items()
        }


def _without_lost(attributes):
    """Return attributes with defaults for what is lost, and without its routed ones."""
    lost = {name for name, item in attributes.items() if item is LOST}
    return {
        name: DEFAULTS.get(name) if name in lost else item
        for name, item in attributes.items()
        if "__" not in name or (name not in lost and name.split("__")[0] not in lost)
    }


def _path(name):
    """Return "classifier__loss", or that as a column of results, as its parts."""
    return str(name).removeprefix("param_").split("__")


def _is_of_keras(name):
    return not DEFAULTS.keys().isdisjoint(_path(name))


def _is_same(found, given):
    """Return whether nothing was replaced or left out."""
    found, given = list(found), list(given)
    return len(found) == len(given) and all(
        one is other for one, other in zip(found, given, strict=True)
    )


def _dotted_name(value):
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _explain(value, name):
    """Return which object is left out, why, and what takes its place."""
    full = _dotted_name(value)
    parameter = "__".join(_path(name))
    why = (
        "functions, arrays, files and addresses do not go into model files"
        if full.startswith("keras.")
        else "code of your own does not go into model files, unless with "
        f"trusted=[{full!r}]"
    )
    default = DEFAULTS.get(_path(name)[-1])
    instead = "without it" if default is None else f"with {parameter}={default!r}"
    return (
        f"{full.rpartition('.')[2]} in {parameter} is left out: {why}. The loaded "
        f"model predicts the same, and trains {instead}"
    )
