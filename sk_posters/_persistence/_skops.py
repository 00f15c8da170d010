"""Estimators as bytes that run no code when they are read: skops, and more checks."""

import inspect
import json
import math
import warnings
from functools import lru_cache
from importlib import import_module
from io import BytesIO

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from sk_posters._base._optional import import_optional
from sk_posters._base._zip import pack, unpack
from sk_posters._persistence._fields import check_fields
from sk_posters._persistence._kept import (
    KEPT,
    RESET,
    ROUTED,
    find_kept,
    is_reset,
)
from sk_posters.exceptions import ModelFileError

__all__ = ["estimator_from_bytes", "estimator_to_bytes"]

# What holds data: each kind of node, and the types that it may build. Other kinds call
# a function, or build an object of any class, and need the user's trust in the type.
# Never built: methods of objects, functions of the module `operator`, and references to
# other nodes, by which few bytes can expand to very many.
DATA = {
    "BytesNode": {"builtins.bytes"},
    "DTypeNode": {"numpy.dtype"},
    "DefaultDictNode": {"collections.defaultdict"},
    "DictNode": {"builtins.dict", "collections.OrderedDict"},
    "ListNode": {"builtins.list"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
    "NdArrayNode": {"numpy.ndarray"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "TupleNode": {"builtins.tuple"},
    "TypeNode": {f"builtins.{name}" for name in ("bool", "float", "int", "str")},
}
CODE = {
    *("ConstructorFromReduceNode", "FunctionNode", "LossNode", "ObjectNode"),
    *("PartialNode", "RandomGeneratorNode", "TreeNode"),
}
KERAS_PART = "sk_posters.KerasPart"
TRUSTED = {*KEPT, KERAS_PART}
UNKNOWN = object()


def estimator_to_bytes(estimator, *, trusted=()):
    """Return an estimator as a zip of skops, and the names of what is left out."""
    skops = _skops("save_model")
    try:
        content = skops.dumps(estimator)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"skops cannot write the estimator ({type(error).__name__}: {error})"
        ) from error
    content, left_out = _check_content(content, trusted)
    _refuse_unknown(set(skops.get_untrusted_types(data=content)), trusted)
    check_fields(estimator)
    return content, left_out


def estimator_from_bytes(content, *, trusted=()):
    """Load what `estimator_to_bytes` wrote, and name what is left out of it.

    Everything is checked: names before any object is made, values before any is used.
    """
    skops = _skops("load_model")
    content, left_out = _check_content(content, trusted)
    try:
        with warnings.catch_warnings():
            # load_model speaks of versions itself.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            estimator = skops.loads(content, trusted=sorted({*TRUSTED, *trusted}))
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"its estimators cannot be read ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(estimator, BaseEstimator):
        raise ModelFileError(
            f"it holds an object of {type(estimator)!r}, not an estimator"
        )
    check_fields(estimator)
    return estimator, left_out


def _skops(purpose):
    return import_optional("skops.io", extra="models", purpose=purpose)


def _check_content(content, trusted):
    """Return the zip without what is left out; refuse what is not allowed."""
    parts = unpack(
        content,
        what="the list of its estimators",
        names=r"schema\.json|\d+\.npy|[\da-f-]+\.bin",
        required=("schema.json",),
    )
    for name, part in parts.items():
        if name.endswith(".npy"):
            _check_array(part)
    try:
        checker = _Checker(trusted)
        schema = json.loads(parts["schema.json"])
        checker.check(schema)
        parts["schema.json"] = json.dumps(schema).encode()
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"the list of its estimators is not what skops writes "
            f"({type(error).__name__}: {error})"
        ) from error
    _refuse_unknown(checker.unknown, trusted)
    return pack(parts), sorted(checker.left_out)


def _refuse_unknown(found, trusted):
    unknown = sorted(found - TRUSTED - set(trusted))
    if unknown:
        raise ModelFileError(
            f"it holds types that are not trusted: {', '.join(unknown)}. A file can "
            "end the process with most of them, and do anything with functions. If "
            f"you know where it comes from, pass trusted={unknown!r}, or to a command "
            f"{' '.join(f'--trust {name}' for name in unknown)}"
        )


class _Checker:
    """Checks all nodes of a list of estimators, and edits what files do not decide."""

    def __init__(self, trusted):
        self._trusted = set(trusted)
        self.unknown = set()
        self.left_out = set()

    def check(self, schema):
        """Check a node and all below it; `unknown` and `left_out` tell the result."""
        waiting = [schema]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                if "__loader__" in node:
                    self._check_node(node)
                waiting.extend(node.values())
            elif isinstance(node, list):
                waiting.extend(node)

    def _check_node(self, node):
        node.pop("__id__", None)  # A reference, too, to the first node of this number.
        loader, name = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        if loader == "JsonNode":
            _check_json(node)
        elif loader == "ObjectNode" and name in KEPT:
            self._check_object(node, name)
        elif loader == "ConstructorFromReduceNode" and name == KERAS_PART:
            _check_part(node)
        elif loader not in DATA.keys() | CODE or _is_own_call(loader, name):
            kind = "call" if loader in CODE else loader
            raise ModelFileError(
                f"it holds a {kind} of {name}, which no estimator needs"
            )
        elif name not in {*DATA.get(loader, ()), *self._trusted} and not _is_number(
            loader, name
        ):
            self.unknown.add(name)
        if loader == "DictNode" and len(node["content"]) != len(
            node["key_types"]["content"]
        ):
            raise ModelFileError("it holds a dict with another number of keys")

    def _check_object(self, node, name):
        """Edit the attributes of an object to those that are kept."""
        attributes = _attributes_of(node, name)
        short = name.rpartition(".")[2]
        for attribute in list(attributes):
            value = attributes[attribute]
            default = _find_default(name, attribute)
            if attribute in RESET and attribute in KEPT[name].names:
                plain = _read_plain(value)
                if plain != default and is_reset(attribute, plain):
                    attributes[attribute] = _write_plain(default)
                    # What the last call found is no setting.
                    if attribute != "failed_":
                        self.left_out.add(f"{short}.{attribute}")
            elif attribute != "_sklearn_version" and not find_kept(name, attribute):
                if default is UNKNOWN:
                    self.left_out.add(f"{short}.{attribute}")
                    _remove(node, attribute)
                elif _read_plain(value) != default:  # Predictions may depend on it.
                    raise ModelFileError(
                        f"{attribute} of its {short} is a parameter that this version "
                        "of sk_posters does not keep in model files: leave it at its "
                        "default, or install the version that wrote the file"
                    )
        if name == "sk_posters.PosterClassifier":
            _check_keras(attributes)


def _is_own_call(loader, name):
    """Return whether a node would call a class of this package, whoever trusts it."""
    # A list, say, is built by calling its type.
    of_other_kind = name in KEPT or name == KERAS_PART
    is_own = name.partition(".")[0] == "sk_posters"
    return of_other_kind or (is_own and loader == "ConstructorFromReduceNode")


def _attributes_of(node, name):
    """Return the nodes of an object's attributes by name."""
    content = node.get("content") or {}
    types = {
        (each["__loader__"], each["__module__"], each["__class__"])
        for each in content.get("key_types", {}).get("content", ())
    }
    kind = content.get("__loader__"), content.get("__module__")
    is_dict = (*kind, content.get("__class__")) == ("DictNode", "builtins", "dict")
    if not is_dict or types - {("TypeNode", "builtins", "str")}:
        raise ModelFileError(f"the attributes of its {name} are no dict of names")
    return content["content"]


def _remove(node, attribute):
    content = node["content"]
    del content["content"][attribute]
    content["key_types"]["content"].pop()


@lru_cache(1000)
def _find_default(name, attribute):
    """Return the default of a parameter, and of what is reset; UNKNOWN for others."""
    if attribute == "failed_":
        return []
    if attribute not in RESET and attribute in KEPT[name].names:
        return UNKNOWN
    module, _, kind = name.rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), kind)).parameters
    default = getattr(parameters.get(attribute), "default", inspect.Parameter.empty)
    is_plain = default is None or isinstance(default, bool | int | float | str)
    return default if is_plain else UNKNOWN


def _read_plain(node):
    return json.loads(node["content"]) if node["__loader__"] == "JsonNode" else UNKNOWN


def _write_plain(value):
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


def _check_json(node):
    """Refuse lists and dicts, which have nodes of their own; [] is a value of ours."""
    value = json.loads(node["content"])
    if isinstance(value, dict) or (isinstance(value, list) and value):
        raise ModelFileError("it holds a list or a dict as a text")


def _is_number(loader, name):
    """Return whether a node is a number of NumPy, or a type of such."""
    module, _, kind = name.rpartition(".")
    if module != "numpy" or loader not in ("NdArrayNode", "TypeNode"):
        return False
    found = getattr(np, kind, None)
    return isinstance(found, type) and issubclass(found, np.number | np.bool_ | np.str_)


def _check_part(node):
    """Refuse a call of `KerasPart` with anything but a harmless text."""
    from sk_posters._networks._parts import check_part

    [text] = node["content"]["content"]
    check_part(json.loads(text["content"]))


def _check_keras(attributes):
    """Refuse parameters of a classifier by which Keras would build what a file says."""
    from sk_posters._networks._parts import check_parameter

    for name, node in attributes.items():
        if name.partition("__")[0] in ROUTED:
            for value in _list_plain(node):
                check_parameter(name, value)


def _list_plain(node):
    """Yield plain values in lists and dicts, and the names in dicts."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node["__loader__"] == "JsonNode":
            yield json.loads(node["content"])
        elif node["__loader__"] == "DictNode":
            waiting += node["content"].values()
            # Keras builds what dicts with these names describe.
            if not {"class_name", "config"}.isdisjoint(node["content"]):
                yield node["content"]
        elif node["__loader__"] in ("ListNode", "TupleNode"):
            waiting += node["content"]


def _check_array(content):
    """Refuse an array that declares more than its bytes, or holds objects."""
    stream = BytesIO(content)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except Exception as error:
        raise ModelFileError(
            f"it holds an array that NumPy cannot read ({type(error).__name__})"
        ) from error
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not dtype.itemsize or size != len(content) - stream.tell():
        raise ModelFileError(
            f"it holds an array of shape {shape} and {dtype} in {len(content)} bytes, "
            "which do not fit"
        )
