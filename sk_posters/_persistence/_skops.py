"""Estimators as bytes that run no code when they are read: skops, and more checks."""

import json
import math
import warnings
from io import BytesIO

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from sk_posters._base._optional import import_optional
from sk_posters._base._zip import pack, unpack
from sk_posters.exceptions import ModelFileError

__all__ = ["estimator_from_bytes", "estimator_to_bytes"]

# This package's own types, in addition to those that skops trusts itself. And types of
# scikit-learn that skops does not trust, though they only hold parameters:
# _ConstantPredictor is what OneVsRestClassifier keeps for a label with one class; the
# others are the splitters and the default scorer of searches.
TRUSTED = {
    "sk_posters.CompiledNetwork",
    "sk_posters.FeatureNovelty",
    "sk_posters.KerasPart",
    "sk_posters.MultilabelTunedThresholdClassifierCV",
    "sk_posters.OneVsRestHead",
    "sk_posters.PosterClassifier",
    "sk_posters.PosterEncoder",
    "sk_posters.PosterImageLoader",
    "sk_posters.SigmoidCalibration",
    "sk_posters.TargetEncoder",
    "sk_posters.TemperatureCalibration",
    "sk_posters.model_selection.MultilabelStratifiedGroupKFold",
    "sk_posters.model_selection.MultilabelStratifiedKFold",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.GroupKFold",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.ShuffleSplit",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.multiclass._ConstantPredictor",
}

# Kinds of nodes that estimators consist of. Left out: methods of objects and functions
# of the module `operator`, which no estimator needs, and references to other nodes,
# by which few bytes can expand to very many.
LOADERS = {
    *("BytesNode", "ConstructorFromReduceNode", "DTypeNode"),
    *("DefaultDictNode", "DictNode", "FunctionNode", "JsonNode", "ListNode"),
    *("LossNode", "MaskedArrayNode", "NdArrayNode", "ObjectNode", "PartialNode"),
    *("RandomGeneratorNode", "RandomStateNode", "SetNode", "SliceNode", "TreeNode"),
    *("TupleNode", "TypeNode"),
}

# Attributes that tell about the machine of the fit, as skops writes None and [].
OF_THE_MACHINE = {"cache_dir": "null", "failed_": "[]"}
WITH_PATHS = {"PosterEncoder", "PosterImageLoader"}


def estimator_to_bytes(estimator, *, trusted=()):
    """Return an estimator as a zip of skops, without its places on this machine."""
    skops = _skops("save_model")
    try:
        content = skops.dumps(estimator)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"skops cannot write the estimator ({type(error).__name__}: {error})"
        ) from error
    return _check_content(skops, content, trusted)


def estimator_from_bytes(content, *, trusted=()):
    """Load what `estimator_to_bytes` wrote, after everything in it was checked."""
    skops = _skops("load_model")
    content = _check_content(skops, content, trusted)
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
    return estimator


def _skops(purpose):
    return import_optional("skops.io", extra="models", purpose=purpose)


def _check_content(skops, content, trusted):
    """Return the zip without places on this machine; refuse what is not allowed."""
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
        schema = json.loads(parts["schema.json"])
        _check_nodes(schema)
        parts["schema.json"] = json.dumps(schema).encode()
        content = pack(parts)
        found = set(skops.get_untrusted_types(data=content))
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"the list of its estimators is not what skops writes "
            f"({type(error).__name__}: {error})"
        ) from error
    unknown = sorted(found - TRUSTED - set(trusted))
    if unknown:
        raise ModelFileError(
            f"it holds types that are not trusted: {', '.join(unknown)}. If you know "
            f"them, and where the file comes from, pass trusted={unknown!r}"
        )
    return content


def _check_nodes(schema):
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__loader__" in node:
                _check_node(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _check_node(node):
    node.pop("__id__", None)  # A reference, too, to the first node with this number.
    loader = node["__loader__"]
    if loader not in LOADERS:
        raise ModelFileError(
            f"it holds a {loader} of {node.get('__module__')}.{node.get('__class__')}, "
            "which no estimator needs"
        )
    is_own = node.get("__module__") == "sk_posters"
    if is_own and loader == "ConstructorFromReduceNode":
        _check_part(node)
    if is_own and loader == "ObjectNode" and node["__class__"] in WITH_PATHS:
        attributes = node["content"]["content"]
        for name in OF_THE_MACHINE.keys() & attributes.keys():
            attributes[name] = {
                "__class__": "str",
                "__module__": "builtins",
                "__loader__": "JsonNode",
                "content": OF_THE_MACHINE[name],
                "is_json": True,
            }


def _check_part(node):
    """Refuse calls of this package, but that of `KerasPart` with a harmless text."""
    name = node.get("__class__")
    if name != "KerasPart":
        raise ModelFileError(
            f"it holds a call of sk_posters.{name}, which no estimator needs"
        )
    from sk_posters._networks._parts import check_part

    [text] = node["content"]["content"]
    check_part(json.loads(text["content"]))


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
