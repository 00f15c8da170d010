"""Files that no model should be loaded from: how each is made, and what is said of it.

Each maker gets the path of a good file, which it spoils, and the path of a marker that
exists once anything in the file has run.
"""

import io
import json
import os
import pickle
import stat
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

from sk_posters import PosterClassifier, save_model
from sk_posters._base._zip import pack
from sk_posters._persistence import _models


def rewritten(path, *, card=None, estimator=None):
    """Write a file anew, with an edited card or other estimators, sums made to fit."""
    parts = opened(path.read_bytes())
    if estimator is not None:
        parts["estimator.skops"] = estimator
    manifest = json.loads(parts["manifest.json"])
    digest = _models._sha256(parts["estimator.skops"])
    manifest["parts"]["estimator.skops"]["sha256"] = digest
    if card:
        card(manifest)
    parts["manifest.json"] = json.dumps(manifest).encode()
    path.write_bytes(pack(parts))
    return path


def opened(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def damaged(edit):
    """Change the bytes of a file."""

    def build(path, marker):
        path.write_bytes(edit(path.read_bytes(), marker))

    return build


def with_member(name, content=b"x", **settings):
    """Add a member to a file of a model."""

    def build(path, marker):
        entry = zipfile.ZipInfo(name)
        for key, value in settings.items():
            setattr(entry, key, value)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, content)

    return build


def other_parts(**changes):
    """Replace members, or leave them out; the checksums stay."""

    def build(path, marker):
        parts = opened(path.read_bytes())
        for name, content in changes.items():
            full = {"card": "manifest.json", "estimator": "estimator.skops"}[name]
            parts.pop(full) if content is None else parts.update({full: content})
        path.write_bytes(pack(parts))

    return build


def folder(path, marker):
    path.unlink()
    path.mkdir()


def linked(path, marker):
    parts = opened(path.read_bytes())
    entry = zipfile.ZipInfo("estimator.skops")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", parts["manifest.json"])
        archive.writestr(entry, "/etc/passwd")


def compressed_bomb(path, marker):
    """A member of 50 MB in 50 kB, whose checksum is right."""
    content = bytes(50_000_000)
    parts = opened(path.read_bytes())
    card = json.loads(parts["manifest.json"])
    digest = _models._sha256(content)
    card["parts"]["estimator.skops"]["sha256"] = digest
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(card))
        archive.writestr("estimator.skops", content)


def declares(size):
    """Let the directory of the zip declare another size than there is."""

    def edit(content, _):
        start = content.rindex(b"PK\x01\x02")
        field = size.to_bytes(4, "little")
        return content[: start + 20] + field * 2 + content[start + 28 :]

    return damaged(edit)


def pickled_estimator(path, marker):
    rewritten(path, estimator=pickle.dumps(Bomb(marker)))


def edited_schema(edit):
    """Change the list of estimators, with checksums that fit."""

    def build(path, marker):
        parts = opened(opened(path.read_bytes())["estimator.skops"])
        schema = json.loads(parts["schema.json"])
        form = {name: schema[name] for name in ("protocol", "_skops_version")}
        schema, more = edit(schema, marker)
        if isinstance(schema, dict):
            schema |= form
        parts["schema.json"] = json.dumps(schema).encode()
        rewritten(path, estimator=pack({**parts, **more}))

    return build


def with_fields(fields):
    """Give the first object of each class other attributes, by "Class.name".

    A value is an array, or plain, or a node, or a function that changes the attributes.
    """

    def edit(schema, marker):
        arrays = {}
        for place, value in fields.items():
            owner, _, name = place.partition(".")
            attributes = next(_attributes_of(schema, owner))
            if callable(value):
                value(attributes, name)
                continue
            if name not in attributes["content"]:
                attributes["key_types"]["content"].append(
                    node("TypeNode", "builtins.str")
                )
            attributes["content"][name] = as_node(value, arrays)
        return schema, arrays

    return edited_schema(edit)


def as_node(value, arrays):
    """Write a value as skops does, its arrays into a dict of files."""
    if isinstance(value, dict) and "__loader__" in value:
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        value = value.astype(object)
    if isinstance(value, np.ndarray) and value.dtype == object:
        content = [as_node(each, arrays) for each in value]
        shape = as_node([len(value)], arrays) | {"__class__": "tuple"}
        shape |= {"__loader__": "TupleNode"}
        more = {"type": "json", "content": content, "shape": shape}
        return node("NdArrayNode", "numpy.ndarray", **more)
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value)
        name = f"{10**9 + len(arrays)}.npy"
        arrays[name] = buffer.getvalue()
        return node("NdArrayNode", "numpy.ndarray", type="numpy", file=name)
    if isinstance(value, list):
        content = [as_node(each, arrays) for each in value]
        return node("ListNode", "builtins.list", content=content)
    if isinstance(value, dict):
        types = [node("TypeNode", "builtins.str") for _ in value]
        key_types = node("ListNode", "builtins.list", content=types)
        content = {key: as_node(each, arrays) for key, each in value.items()}
        return node("DictNode", "builtins.dict", content=content, key_types=key_types)
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def _attributes_of(schema, owner):
    """Yield the attributes of each fitted object of a class, then of others."""
    found, waiting = [], [schema]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, dict):
            if item.get("__class__") == owner and item["__loader__"] == "ObjectNode":
                found.append(item["content"])
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    yield from sorted(found, key=lambda each: -len(each["content"]))


def skops_of(build_object):
    """Estimators of this kind, as skops writes them."""

    def build(path, marker):
        import skops.io

        rewritten(path, estimator=skops.io.dumps(build_object(marker)))

    return build


def node(kind, name, **more):
    module, _, name = name.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": kind, **more}


def partial_of_system(marker):
    return partial(os.system, f"touch '{marker}'")


def calls_system(schema, marker):
    import skops.io

    args = skops.io.dumps((f"touch '{marker}'",))
    args = json.loads(opened(args)["schema.json"])
    return node("ConstructorFromReduceNode", "posix.system", content=args), {}


def operator_node(schema, marker):
    return node("OperatorFuncNode", "operator.methodcaller", attrs=schema), {}


def method_node(schema, marker):
    content = {"func": "fit", "obj": schema}
    return node(
        "MethodNode", "sklearn.multiclass.OneVsRestClassifier", content=content
    ), {}


def not_an_estimator(schema, marker):
    return node("JsonNode", "builtins.str", content='"text"', is_json=True), {}


def text_for_attributes(schema, marker):
    schema["content"] = node("JsonNode", "builtins.str", content='"text"')
    return schema, {}


def deep_schema(schema, marker):
    for _ in range(400):
        schema = node("ListNode", "builtins.list", content=[schema])
    return schema, {}


def array_node(content):
    def edit(schema, marker):
        item = node("NdArrayNode", "numpy.ndarray", type="numpy", file="7.npy")
        made = content(marker) if callable(content) else content
        return item, {"7.npy": made}

    return edit


def pickled_array(marker):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def huge_array(shape):
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(8)


def missing_array(schema, marker):
    item = node("NdArrayNode", "numpy.ndarray", type="numpy", file="8.npy")
    return item, {}


def laughs(schema, marker):
    """Each node names the one before twice: a few lines for 2**60 nodes."""
    schema["__id__"] = 1
    for number in range(2, 60):
        reference = node("CachedNode", "builtins.list", __id__=number - 1)
        content = [schema, reference, reference]
        schema = node("ListNode", "builtins.list", content=content, __id__=number)
    return schema, {}


def lambda_network(marker):
    """A network that runs a command once Keras builds it, as the bytes of a file."""
    source = f"lambda x: __import__('os').system(\"touch '{marker}'\") or x"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(eval(source))])
    content = keras_bytes(model)
    marker.unlink(missing_ok=True)
    return content


def keras_bytes(model):
    """What Keras itself saves, whatever the layers are."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "it.keras"
        model.save(path)
        return path.read_bytes()


def lambda_layer(path, marker):
    """A model of this package whose network was exchanged."""
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), [[0, 1], [1, 0]] * 2
    tiny = {"filters": (2,), "dense_units": (2,), "dropout": 0.1, "epochs": 1}
    save_model(PosterClassifier(**tiny).fit(images, labels), path)
    parts = opened(opened(path.read_bytes())["estimator.skops"])
    (name,) = [name for name in parts if name.endswith(".bin")]
    rewritten(path, estimator=pack({**parts, name: lambda_network(marker)}))


def later_format(path, marker):
    rewritten(path, card=lambda card: card.update(format_version=2))


HOSTILE = {
    "empty": (damaged(lambda *_: b""), "it is empty"),
    "no zip": (damaged(lambda *_: b"Id,Drama\n1,0\n"), "it is no zip archive"),
    "a pickle": (damaged(lambda _, m: pickle.dumps(Bomb(m))), "it is no zip archive"),
    "a pickle before the zip": (
        damaged(lambda content, m: pickle.dumps(Bomb(m)) + content),
        "it is no zip archive",
    ),
    "a folder": (folder, "a folder or a device"),
    "cut off": (damaged(lambda c, _: c[: len(c) // 2]), "damaged or cut off"),
    "a flipped bit": (
        damaged(lambda c, _: c.replace(b"OneVsRest", b"TwoVsRest", 1)),
        "damaged or cut off",
    ),
    "a path upwards": (with_member("../../evil.py"), "does not belong there"),
    "an absolute path": (with_member("/tmp/evil.py"), "does not belong there"),
    "a name with NUL": (with_member("evil\0.py"), "does not belong there"),
    "one more part": (with_member("setup.py"), "'setup.py', which does not belong"),
    "a part twice": (with_member("manifest.json"), "'manifest.json' twice"),
    "a link": (linked, "'estimator.skops' as a link"),
    "no card": (other_parts(card=None), r"lacks manifest\.json"),
    "no estimator": (other_parts(estimator=None), r"lacks estimator\.skops"),
    "a zip bomb": (compressed_bomb, "compressed or encrypted"),
    "a larger size declared": (declares(2_000_000_000), "declares more bytes"),
    "a smaller size declared": (declares(100), "damaged or cut off"),
    "another estimator": (other_parts(estimator=b"PK\x03\x04"), "match the checksum"),
    "a card that is not JSON": (other_parts(card=b"{"), "is not JSON"),
    "a card without end": (other_parts(card=b"[" * 200_000), "is not JSON"),
    "a card too large": (other_parts(card=b" " * 1_000_001), "has 1000001 bytes"),
    "a card of something else": (other_parts(card=b"[1]"), "not that of a model"),
    "no versions": (
        lambda path, marker: rewritten(path, card=lambda card: card.pop("versions")),
        "lacks 'versions'",
    ),
    "checksums of another form": (
        lambda path, marker: rewritten(path, card=lambda card: card.update(parts=[])),
        "'parts' in its manifest.json must be an object of parts",
    ),
    "pickle as estimators": (pickled_estimator, "estimators is no zip archive"),
    "functools.partial": (skops_of(partial_of_system), "not trusted: builtins|functoo"),
    "a call of os.system": (edited_schema(calls_system), r"not trusted: posix\.system"),
    "an operator": (edited_schema(operator_node), "which no estimator needs"),
    "a method": (edited_schema(method_node), "which no estimator needs"),
    "references": (edited_schema(laughs), "holds a CachedNode"),
    "a text for a model": (edited_schema(not_an_estimator), "not an estimator"),
    "a text for attributes": (
        edited_schema(text_for_attributes),
        "the attributes of its .* are no dict",
    ),
    # Python 3.13 reads it, and then it is a list.
    "a deep list": (edited_schema(deep_schema), "RecursionError|not an estimator"),
    "estimators that are no list": (
        edited_schema(lambda *_: ([1], {})),
        "cannot be read",
    ),
    "a pickle in an array": (
        edited_schema(array_node(pickled_array)),
        "array of shape",
    ),
    "an array of 8 TB": (
        edited_schema(array_node(huge_array((10**12,)))),
        r"array of shape \(1000000000000,\)",
    ),
    "an array that is none": (edited_schema(array_node(b"x")), "NumPy cannot read"),
    "an array that is not there": (edited_schema(missing_array), "cannot be read"),
    "a Lambda layer": (lambda_layer, "holds 'Lambda' of"),
    "a later format": (later_format, "format version 2, and this sk_posters"),
}
