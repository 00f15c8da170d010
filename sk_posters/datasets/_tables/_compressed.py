"""Files that may be compressed, opened by their suffix, and how large they get."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from sk_posters._images._machine import explain_machine

__all__ = [
    "MAX_UNPACKED",
    "TooLarge",
    "check_unpacked",
    "open_file",
    "strip_compression",
]

OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".lzma": lzma.open}
# Of a table that is compressed: a million rows of 500 letters.
MAX_UNPACKED = 500_000_000
DAMAGED = (lzma.LZMAError, zipfile.BadZipFile, zlib.error, EOFError)
# Of the version of the zip format, among others.
DAMAGED += (NotImplementedError,)


class TooLarge(ValueError):
    """A file that is much larger than it seems."""

    def __init__(self, path, most, way):
        super().__init__(
            f"{path}: decompressed, the table takes more than the {most:,} bytes "
            f"allowed, as in a decompression bomb. If you trust it, {way}."
        )


def strip_compression(path):
    """Return the path of what a compressed file holds, by its suffix alone."""
    path = Path(path)
    is_compressed = path.suffix.lower() in (*OPEN, ".zip")
    return path.with_suffix("") if is_compressed else path


@contextmanager
def open_file(path):
    """Open a file for reading bytes, decompressed where its suffix says so."""
    suffix = Path(path).suffix.lower()
    if suffix not in (*OPEN, ".zip"):
        with open(path, "rb") as file:
            yield file
        return
    try:
        with (
            _open_compressed(path, suffix) as content,
            io.BufferedReader(_Bounded(content, path)) as file,
        ):
            yield file
    except (*DAMAGED, OSError) as error:
        if explain_machine(error, path) is not None:
            raise
        raise ValueError(
            f"{path}: the file cannot be decompressed: {error}. Give a file that is "
            f"what its suffix {suffix!r} says."
        ) from error


@contextmanager
def _open_compressed(path, suffix):
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive, _open_only_member(archive, path) as file:
            yield file
    else:
        with OPEN[suffix](path, "rb") as file:
            yield file


def _open_only_member(archive, path):
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise ValueError(
            f"{path}: a zip file must hold one table: it holds {len(names)} files, "
            f"{names[:5]}. Unpack it, and give the table in it."
        )
    try:
        return archive.open(names[0])
    except RuntimeError as error:  # A password, or a way of compression.
        raise ValueError(
            f"{path}: the zip file cannot be unpacked here: {error}. Unpack it, and "
            "give the table in it."
        ) from error


class _Bounded(io.RawIOBase):
    """What another stream gives, up to a number of bytes."""

    def __init__(self, content, path):
        self._content, self._path, self._n_read = content, path, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        found = self._content.read(len(buffer))
        self._n_read += len(found)
        if self._n_read > MAX_UNPACKED:
            raise TooLarge(
                self._path, MAX_UNPACKED, "decompress it, and give the file in it"
            )
        buffer[: len(found)] = found
        return len(found)


def check_unpacked(path):
    """Refuse a spreadsheet, a zip of XML, that is much larger than it seems."""
    try:
        with zipfile.ZipFile(path) as archive:
            # zipfile reads no more of each member than it declares.
            size = sum(member.file_size for member in archive.infolist())
    except (
        zipfile.BadZipFile,
        NotImplementedError,
    ):  # An old format, or damaged: its reader says so.
        return
    if size > MAX_UNPACKED:
        raise TooLarge(path, MAX_UNPACKED, "save it as CSV")
