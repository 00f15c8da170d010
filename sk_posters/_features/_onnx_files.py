"""ONNX files and the weights that they name: read once, so that the key of cached
features is of the bytes that the session is made from.
"""

import hashlib
import mmap
import os
import re
from functools import lru_cache
from typing import NamedTuple

from sk_posters._base._regular import (
    open_regular,
    read_regular,
    stat_regular,
)

__all__ = ["OnnxFiles", "is_inside", "list_weights", "read_onnx", "stamp_onnx"]

# The entry of an ONNX file that names a file of weights: key, length, name.
WEIGHTS = re.compile(
    rb"\n\x08location\x12(?P<length>[\x01-\x7f]|[\x80-\xff][\x01-\x7f])"
    rb"(?=(?P<rest>.{0,16383}))",
    re.DOTALL,
)


class OnnxFiles(NamedTuple):
    """The bytes of a model, those of each file of weights by name, and their digest."""

    model: bytes
    weights: dict
    digest: str


def is_inside(file):
    """Return whether a relative path stays below its folder."""
    parts = file.replace("\\", "/").split("/")
    return not {"", ".", ".."}.intersection(parts)


def list_weights(content):
    """Return the names of the files that hold the weights of an ONNX file."""
    found = {
        match["rest"][: _read_length(match)] for match in WEIGHTS.finditer(content)
    }
    return sorted(os.fsdecode(name) for name in found)


def _read_length(match):
    low, *high = match["length"]
    return low & 127 | (high[0] << 7 if high else 0)


def read_onnx(path, weights=()):
    """Read a model and its weights, which are beside it unless paths are given."""
    digest = hashlib.blake2b(digest_size=16)
    model = read_regular(path)
    digest.update(model)
    contents = {}
    for name, file in weights or _find_weights(path, list_weights(model)):
        try:
            contents[name] = read_regular(file)
        except OSError as error:
            raise FileNotFoundError(
                f"backbone: {path!r} names the file of weights {name!r}, which cannot "
                f"be read ({error.strerror}): put it beside the model"
            ) from error
        digest.update(contents[name])
    return OnnxFiles(model, contents, digest.hexdigest())


def stamp_onnx(path, weights=()):
    """Return the state of a model and its weights: it changes where a file does."""
    try:
        status = _take_status(path)
    except OSError as error:
        raise FileNotFoundError(
            f"backbone: there is no ONNX file {path!r} ({error.strerror})"
        ) from error
    files = weights or _find_weights(path, _list_weights_once(path, status))
    return status, *(_take_status_if_there(file) for _, file in files)


def _take_status(path):
    status = stat_regular(path)
    # The time of a change of the inode is not for users to set, as st_mtime is.
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_size, *times, status.st_ino, status.st_dev


def _take_status_if_there(path):
    try:
        return _take_status(path)
    except OSError:
        return None


@lru_cache(64)
def _list_weights_once(path, status):
    with open(path, "rb", opener=open_regular) as file:
        if not os.fstat(file.fileno()).st_size:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return list_weights(content)


def _find_weights(path, names):
    """Return name and path of each file of weights; refuse those elsewhere."""
    # Where the model is a link, its weights may be beside the link or the file.
    folders = [os.path.realpath(os.path.dirname(path))]
    folders.append(os.path.dirname(os.path.realpath(path)))
    return [(name, _find_beside(path, name, folders)) for name in names]


def _find_beside(path, name, folders):
    for folder in folders:
        file = os.path.realpath(os.path.join(folder, name))
        if not is_inside(name) or not file.startswith(os.path.join(folder, "")):
            raise ValueError(
                f"backbone: {path!r} names the file of weights {name!r}, which is "
                "outside of its folder. It was not opened: choose another export"
            )
        if os.path.isfile(file):
            return file
    return os.path.join(folders[0], name)
