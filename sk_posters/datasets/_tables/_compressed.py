"""Files that may be compressed, opened by their suffix."""

import bz2
import gzip
import io
import lzma
import zipfile
from contextlib import contextmanager
from pathlib import Path

__all__ = ["open_file", "strip_compression"]

OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".lzma": lzma.open}


def strip_compression(path):
    """Return the path of what a compressed file holds, by its suffix alone."""
    path = Path(path)
    is_compressed = path.suffix.lower() in (*OPEN, ".zip")
    return path.with_suffix("") if is_compressed else path


@contextmanager
def open_file(path):
    """Open a file for reading bytes, decompressed where its suffix says so."""
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".zip":
            yield io.BytesIO(_read_only_member(path))
        else:
            with OPEN.get(suffix, open)(path, "rb") as file:
                yield file
    except (gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(
            f"{path}: the file cannot be decompressed: {error}. Give a file that is "
            f"what its suffix {suffix!r} says."
        ) from error


def _read_only_member(path):
    with zipfile.ZipFile(path) as archive:
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
        return archive.read(names[0])
