"""Image sources: what a row may hold in place of pixels, a path or an image in memory.

A source is a path (str), or a `MemoryImage`. Its text names it in errors and results.
"""

import errno
import io
import os
import re
import reprlib
import stat
from collections.abc import Mapping
from contextlib import contextmanager

import numpy as np
from PIL import Image

from sk_posters._base._regular import NOT_A_FILE
from sk_posters._images._arrays import hint_at_channels, hint_at_stream
from sk_posters._images._suffixes import FORMATS

__all__ = [
    "BYTES",
    "CountedFile",
    "MemoryImage",
    "Refused",
    "as_source",
    "check_sources",
    "holds_sources",
    "is_source",
    "list_formats",
    "open_source",
    "take_column",
    "take_snapshot",
]

BYTES = (bytes, bytearray, memoryview)
ALLOWED = (
    "paths (str or pathlib.Path), bytes of image files, PIL images, or dicts with "
    "'bytes' and 'path'"
)
# Two letters at least, so that the drive of "C://posters" is none.
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# Large images are read in some thousand pieces. As many as this take half a second.
MAX_READS = 300_000


class Refused(Exception):
    """A source that may be opened but is refused; the text says why."""


class CountedFile:
    """A file that may be read so many times only.

    Pillow reads some headers, of any length, byte by byte.
    """

    def __init__(self, file):
        self._file, self._n_reads = file, 0

    def __getattr__(self, name):
        return getattr(self._file, name)

    def read(self, *size):
        """Read as the file does."""
        self._n_reads += 1
        if self._n_reads > MAX_READS:
            raise Refused(
                f"it is cut into more than {MAX_READS:,} pieces, as in a decompression "
                "bomb: save it again"
            )
        return self._file.read(*size)


def list_formats():
    """Return what is read of what Pillow knows here, now that all of it is loaded."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


class MemoryImage:
    """The bytes of an image file, or a PIL image, and the row that holds it."""

    __slots__ = ("path", "row", "value")

    def __init__(self, value, row=None, path=None):
        self.value = value
        self.row = row
        self.path = path

    @property
    def is_decoded(self):
        """Whether it is a PIL image."""
        return isinstance(self.value, Image.Image)

    def __str__(self):
        if self.is_decoded:
            width, height = self.value.size
            text = f"PIL image ({self.value.mode}, {width} x {height})"
        else:
            text = f"bytes ({len(self.value):,} B)"
        if self.path is not None:
            text += f" of {self.path}"
        return text if self.row is None else f"row {self.row}: {text}"

    def __repr__(self):
        return f"<{self}>"

    # Rows of the same bytes are decoded once. Comparing PIL images would decode them.
    def __eq__(self, other):
        if not isinstance(other, MemoryImage):
            return NotImplemented
        if self.is_decoded or other.is_decoded:
            return self.value is other.value
        return self.value == other.value

    def __hash__(self):
        return id(self.value) if self.is_decoded else hash(self.value)

    def __reduce__(self):
        return type(self), (self.value, self.row, self.path)


class Snapshot(MemoryImage):
    """The bytes that a file had when it was read, under the name of the file."""

    __slots__ = ()

    def __str__(self):
        return self.path


def take_snapshot(source):
    """Return a source whose content does not change; a file that cannot be read as is.

    What is kept of an image must be found again by the very bytes that it came from.
    """
    if isinstance(source, MemoryImage):
        return source
    try:
        with open_source(source) as file:
            return Snapshot(file.read(), path=source)
    except (OSError, ValueError):  # Decoding says why.
        return source


def is_source(item):
    """Return whether an item is of a type that `as_source` takes."""
    types = (str, os.PathLike, *BYTES, Mapping, Image.Image, MemoryImage)
    return isinstance(item, types)


def holds_sources(X):
    """Return whether an array-like holds sources, by its first row."""
    return is_source(next(iter(take_column(X)), None))


def take_column(X):
    """Return the only column of a frame, or of an array that holds no numbers."""
    if hasattr(X, "columns"):
        return X[X.columns[0]] if len(X.columns) == 1 else X
    # What scikit-learn makes of a column where it wants rows and columns.
    is_column = isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] == 1
    return X[:, 0] if is_column and X.dtype.kind in "OTU" else X


def as_source(item, row=None, name="X"):
    """Return what a row holds as a source; raise if it is none."""
    if isinstance(item, str):  # First, as there may be millions.
        return _check_path(item, row, name)
    if isinstance(item, MemoryImage):
        return item
    if isinstance(item, Mapping):
        item, path = _unpack(item, row, name)
    else:
        path = getattr(item, "filename", None)  # Of a PIL image.
        path = os.fsdecode(path) if path else None
    if isinstance(item, BYTES):
        return MemoryImage(bytes(item), row, path)
    if isinstance(item, Image.Image):
        return MemoryImage(item, row, path)
    path = os.fspath(item) if isinstance(item, os.PathLike) else item
    if not isinstance(path, str):
        raise ValueError(
            f"{name} must hold {ALLOWED}; got {reprlib.repr(item)} in "
            f"{_describe_row(row)}: drop the row or fill in its image"
        )
    return _check_path(path, row, name)


def _check_path(path, row, name):
    if URL.match(path):
        raise ValueError(
            f"{name} must hold paths of files on this machine; got the URL {path!r} "
            f"in {_describe_row(row)}: download the files first. "
            "sk_posters.datasets.fetch_movie_posters does so for its data set"
        )
    return str(path)


def _unpack(item, row, name):
    """Return bytes (or a path, where there are none) and path of a dict."""
    content, path = item.get("bytes"), item.get("path")
    if content is None and path is None:
        raise ValueError(
            f"{name} must hold, in each dict, the bytes of an image file as 'bytes' or "
            f"its path as 'path'; got neither in {_describe_row(row)}, which has the "
            f"keys {reprlib.repr(list(item))}: drop the row or fill in its image"
        )
    if content is None:
        return path, None
    if not isinstance(content, BYTES):
        raise ValueError(
            f"{name} must hold, in each dict, the bytes of an image file as 'bytes'; "
            f"got {reprlib.repr(content)} in {_describe_row(row)}: read the file with "
            "pathlib.Path(path).read_bytes()"
        )
    return content, None if path is None else os.fspath(path)


def _describe_row(row):
    return "it" if row is None else f"row {row}, counted from 0"


def check_sources(X, name="X"):
    """Return the sources of a 1-D array-like as an array; raise for anything else."""
    allowed = f"{name} must be a 1-D array-like of {ALLOWED}"
    if isinstance(X, str | os.PathLike):
        raise ValueError(f"{allowed}; got the single path {X!r}: pass [{X!r}]")
    if is_source(X):
        raise ValueError(f"{allowed}; got a single {type(X).__name__}: pass [X]")
    X = take_column(X)
    if hasattr(X, "columns"):
        raise ValueError(
            f"{allowed}; got a frame with the columns {list(X.columns)!r}: pass the "
            "one that holds the images"
        )
    shape = getattr(X, "shape", None)
    if shape is None and not isinstance(X, list | tuple):
        raise ValueError(
            f"{allowed}; got {type(X).__name__}: pass a list of paths."
            f"{hint_at_stream(X)}"
        )
    if shape is not None and len(shape) != 1:
        raise ValueError(
            f"{allowed}; got an array of shape {shape}: pass the column of paths, or "
            "leave the loader out if these are images already."
            f"{hint_at_channels(shape)}"
        )
    if isinstance(X, np.ndarray) and X.dtype.kind == "S":
        raise ValueError(
            f"{allowed}; got an array of dtype {X.dtype}, which cuts zero bytes off "
            "the end of files: pass a list of bytes, or an array of dtype object"
        )
    sources = [as_source(item, row, name) for row, item in enumerate(X)]
    if not sources:
        raise ValueError(f"{allowed}, at least one; got none: is the selection empty?")
    return np.array(sources, dtype=object)


@contextmanager
def open_source(source):
    """Open a file, or the bytes of one, for reading."""
    if isinstance(source, MemoryImage):
        yield io.BytesIO(source.value)
    else:
        with open(source, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, NOT_A_FILE, source)
            yield file


def _open_without_waiting(path, flags):
    # Or else a pipe would wait for its writer here.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
