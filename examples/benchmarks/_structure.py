"""Changes to what a model file holds, of a form that skops and NumPy accept.

Zip, checksums, JSON and array headers stay valid: only checks of the values notice.
Each change takes a `random.Random` and the `Contents` of a file, and returns what it
changed, in words, or None where there is nothing of the kind. What starts with a word
of `MUST_NOT_COUNT` may be refused, but must not change what the model predicts.
"""

import io
import json

import numpy as np

__all__ = ["MUST_NOT_COUNT", "Contents", "change", "change_weights"]

MUST_NOT_COUNT = ("shape", "not finite", "kind", "out of range", "deleted", "text")
NUMBERS = (0, -1, 1, 2, 3, 0.5, 7, 1e9, -1e300, 2**31, 2**53, 2**70)
TEXTS = ("", "auto", "x", "../x", "predict_proba", "decision_function", "binary")
TEXTS += ("\x1b[31m", "\ud800", "covariance", "multilabel-indicator")


class Contents:
    """The nodes and arrays of the estimators in a model file."""

    def __init__(self, parts):
        self.parts = dict(parts)
        self.schema = json.loads(parts["schema.json"])
        self.objects = []  # (node, name of its class)
        self.fields = []  # (attributes, name, "Class.name")
        self.values = []  # (where it is, key, "Class.name"), also inside of lists
        self._collect(self.schema, "")

    def _collect(self, node, place):
        if isinstance(node, list):
            for number, item in enumerate(node):
                self._collect_value(node, number, item, place)
            return
        content = node.get("content")
        if node["__loader__"] == "ObjectNode" and content:
            name = node["__class__"]
            self.objects.append((node, name))
            for key, item in content["content"].items():
                self.fields.append((content["content"], key, f"{name}.{key}"))
                self._collect_value(content["content"], key, item, f"{name}.{key}")
        elif isinstance(content, dict) and node["__loader__"] != "ObjectNode":
            for key, item in content.items():
                if isinstance(item, dict) and "__loader__" in item:
                    self._collect_value(content, key, item, place)
        elif isinstance(content, list):
            self._collect(content, place)

    def _collect_value(self, holder, key, item, place):
        self.values.append((holder, key, place))
        self._collect(item, place)

    def arrays(self):
        """Return each array in a file of its own, with its place."""
        return [
            (holder[key], place)
            for holder, key, place in self.values
            if holder[key].get("type") == "numpy"
        ]

    def read(self, node):
        """Return the array of a node."""
        return np.load(io.BytesIO(self.parts[node["file"]]))

    def write(self, node, array):
        """Give a node an array of its own."""
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        node["file"] = f"{len(self.parts) + 10**6}.npy"
        self.parts[node["file"]] = content.getvalue()

    def pack(self):
        """Return the parts of the file."""
        return {**self.parts, "schema.json": json.dumps(self.schema).encode()}


def change(random, contents):
    """Make one change, and return what it was."""
    while True:
        # A change before may have taken all arrays out.
        has_arrays = bool(contents.arrays())
        words = random.choice(CHANGES if has_arrays else OTHERS)(random, contents)
        if words is not None:
            return words


def _array(random, contents):
    node, place = random.choice(contents.arrays())
    return node, place, contents.read(node)


def change_values(random, contents):
    """Give an array other values of its kind, all of them finite."""
    node, place, array = _array(random, contents)
    if array.dtype.kind not in "fiu" or not array.size:
        return None
    flat = array.copy().reshape(-1)
    how = random.randint(0, 3)
    if how == 0:
        flat[random.randrange(flat.size)] *= 2
    elif how == 1:
        flat = flat[::-1].copy()
    elif how == 2:
        flat = -flat
    else:
        flat[:] = flat[random.randrange(flat.size)]
    contents.write(node, flat.reshape(array.shape))
    return f"values of {place}"


def put_out_of_range(random, contents):
    """Give an array values that no training gives."""
    node, place, array = _array(random, contents)
    if array.dtype.kind not in "fiu" or not array.size:
        return None
    flat = array.copy().reshape(-1)
    if array.dtype.kind == "f":
        flat[random.randrange(flat.size)] = random.choice((np.nan, np.inf, -np.inf))
        contents.write(node, flat.reshape(array.shape))
        return f"not finite: {place}"
    edges = np.iinfo(array.dtype)
    flat[random.randrange(flat.size)] = random.choice((edges.min, edges.max))
    contents.write(node, flat.reshape(array.shape))
    return f"out of range: {place}"


def change_shape(random, contents):
    """Give an array another shape, with the same numbers or fewer or more."""
    node, place, array = _array(random, contents)
    made = random.choice(
        (
            lambda: array[None],
            lambda: array.reshape(-1)[: array.size // 2],
            lambda: np.concatenate([array.reshape(-1)] * 2),
            lambda: array.T,
            lambda: array[:0] if array.ndim else array,
            lambda: array.reshape(-1),
            lambda: array[1:] if array.ndim else array,
        )
    )()
    if made.shape == array.shape:
        return None
    contents.write(node, made)
    return f"shape of {place}"


def change_kind(random, contents):
    """Give an array numbers of another kind."""
    node, place, array = _array(random, contents)
    if array.dtype.kind not in "fiu":
        return None
    kinds = ("c16", "S3", "U5", "?", "i8", "f8", "M8[s]")
    dtype = np.dtype(random.choice(kinds))
    if dtype.kind == array.dtype.kind:
        return None
    contents.write(node, array.astype("i8").astype(dtype))
    return f"kind of {place}"


def _plain(random, contents):
    found = [
        (holder[key], place)
        for holder, key, place in contents.values
        if holder[key].get("__loader__") == "JsonNode"
    ]
    return random.choice(found)


def change_number(random, contents):
    """Give a number, or True or False, another value."""
    node, place = _plain(random, contents)
    value = json.loads(node["content"])
    if not isinstance(value, int | float):
        return None
    if isinstance(value, bool):
        made = random.choice((not value, 2, "True"))
    else:
        made = random.choice((*NUMBERS, value * 2, -value, value + 1))
    node["content"] = json.dumps(made)
    return f"number in {place}"


def change_text(random, contents):
    """Give a text, or None, another value."""
    node, place = _plain(random, contents)
    value = json.loads(node["content"])
    if isinstance(value, int | float | list):
        return None
    node["content"] = json.dumps(random.choice((*TEXTS, None, 1, False)))
    return f"name in {place}"


def change_class(random, contents):
    """Exchange the class of an object for one of another."""
    node, name = random.choice(contents.objects)
    other, other_name = random.choice(contents.objects)
    if name == other_name:
        return None
    node |= {key: other[key] for key in ("__class__", "__module__")}
    return f"class of {name}: {other_name}"


def delete_field(random, contents):
    """Take an attribute away, or an item of a list."""
    if random.random() < 0.3:
        holder, key, place = random.choice(contents.values)
        if not isinstance(holder, list):
            return None
        del holder[key]
        return f"deleted from {place}"
    node, name = random.choice(contents.objects)
    attributes = node["content"]["content"]
    if not attributes:
        return None
    key = random.choice(sorted(attributes))
    del attributes[key]
    node["content"]["key_types"]["content"].pop()
    return f"deleted: {name}.{key}"


def copy_value(random, contents):
    """Put a copy of one value in the place of another, or beside it."""
    holder, key, place = random.choice(contents.values)
    other, other_key, other_place = random.choice(contents.values)
    made = json.loads(json.dumps(other[other_key]))
    if isinstance(holder, list) and random.random() < 0.5:
        holder.insert(key, made)
        return f"copied beside {place}: {other_place}"
    holder[key] = made
    return f"copied to {place}: {other_place}"


def duplicate_field(random, contents):
    """Give a value another name beside its own."""
    node, name = random.choice(contents.objects)
    attributes = node["content"]["content"]
    if not attributes:
        return None
    key = random.choice(sorted(attributes))
    made = random.choice((f"{key}_", f"_{key}", key.rstrip("_"), "predict", "fit"))
    if made in attributes:
        return None
    attributes[made] = json.loads(json.dumps(attributes[key]))
    types = node["content"]["key_types"]["content"]
    types.append(json.loads(json.dumps(types[0])))
    return f"duplicated: {name}.{key} as {made}"


def change_weights(random, network):
    """Change weights of a network, in the HDF5 file among its parts."""
    import h5py

    content = io.BytesIO(network["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        found = []
        file["layers"].visititems(
            lambda name, item: (
                found.append(f"layers/{name}")
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
        name = random.choice(sorted(found))
        values = file[name][()]
        how = random.randint(0, 3)
        if how == 0:
            words, made = "values of weights", values * 2
        elif how == 1:
            words, made = "not finite: weights", values * np.nan
        elif how == 2:
            words, made = "shape of weights", np.concatenate([values.reshape(-1)] * 2)
        else:
            words, made = "deleted: weights", None
        if how == 1 and values.dtype.kind != "f":
            words, made = "values of seeds", values
        del file[name]
        if made is not None:
            file[name] = made
    network["model.weights.h5"] = content.getvalue()
    return words


OF_ARRAYS = (change_values, put_out_of_range, change_shape, change_kind)
OTHERS = (
    change_number,
    change_text,
    change_class,
    delete_field,
    copy_value,
    duplicate_field,
)
CHANGES = (*OF_ARRAYS, *OTHERS)
