"""Uploads: limited in size, checked to be images, deleted after use."""

import os
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj

from PIL import Image, UnidentifiedImageError

from sk_posters._images._decoding import MAX_SIDE
from sk_posters._images._machine import explain_machine
from sk_posters._images._scans import check_scans
from sk_posters._images._sources import CountedFile
from sk_posters._images._sources import Refused as RefusedImage
from sk_posters.exceptions import PosterFileError

__all__ = ["MAX_BYTES", "MAX_PIXELS", "Refused", "keep_upload", "limit_bytes"]

MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
MAX_SCANNED = 10 * MAX_PIXELS  # Pixels of all scans of a JPEG.
# Boundaries and headers of the form around the file.
FORM_BYTES = 10_000

# Pillow reads more formats, and passes some of them to other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


class Refused(Exception):
    """A request that gets an error: its HTTP status, what is wrong, what to do."""

    def __init__(self, status, message):
        self.status = status
        self.message = message
        super().__init__(status, message)


def limit_bytes(receive, headers, max_bytes=MAX_BYTES):
    """Return an ASGI `receive` that refuses more bytes than an upload may have."""
    announced = headers.get("content-length", "")
    n_received = int(announced) if announced.isdecimal() else 0
    _check_length(n_received - FORM_BYTES, max_bytes)
    n_received = 0

    async def receive_limited():
        nonlocal n_received
        message = await receive()
        n_received += len(message.get("body", b""))
        _check_length(n_received - FORM_BYTES, max_bytes)
        return message

    return receive_limited


def _check_length(n_bytes, max_bytes):
    if n_bytes > max_bytes:
        raise Refused(
            413,
            f"The file is larger than the {max_bytes / 1e6:g} MB allowed. Save a "
            "smaller copy.",
        )


@contextmanager
def keep_upload(file, name, max_bytes=MAX_BYTES):
    """Keep an upload as a file while it is used, if it is a valid poster."""
    with _make_file() as path:
        with open(path, "wb") as copy:
            copyfileobj(file, copy)
        _check_length(os.stat(path).st_size, max_bytes)
        name = repr(name if len(name) <= 80 else f"{name[:60]}…{name[-19:]}")
        _check_header(path, name)
        try:
            yield path
        except PosterFileError as error:
            reason = error.failed[0][1]
            raise Refused(422, f"{name}: {reason}.") from error


@contextmanager
def _make_file():
    """Yield the path of a file; in memory where there are such, so that none stays."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("sk_posters")
        try:
            # Not of "self", as processes that the model starts may read it.
            path = Path(f"/proc/{os.getpid()}/fd/{number}")
            if os.access(path, os.R_OK | os.W_OK):
                yield path
                return
        finally:
            os.close(number)
    with tempfile.TemporaryDirectory(prefix="sk_posters-") as folder:
        yield Path(folder) / "poster"


def _check_header(path, name):
    if path.stat().st_size == 0:
        raise Refused(415, f"{name} is empty (0 bytes).")
    try:
        with warnings.catch_warnings():
            # What it warns about is refused below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with (
                open(path, "rb") as file,
                Image.open(CountedFile(file), formats=FORMATS) as image,
            ):
                width, height = image.size
                if image.format in ("JPEG", "MPO"):
                    check_scans(image.fp, width * height, MAX_SCANNED)
    except RefusedImage as error:
        raise Refused(422, f"{name}: {error}.") from error
    except Image.DecompressionBombError as error:
        raise _refuse_size(name, "more pixels than Pillow opens") from error
    except UnidentifiedImageError as error:
        raise Refused(
            415,
            f"{name} is not an image in an allowed format. Choose a JPEG, PNG, WebP, "
            "GIF or BMP file.",
        ) from error
    except Exception as error:  # Damaged headers make Pillow raise nearly anything.
        fault = explain_machine(error, path)
        if fault is not None:
            raise fault from error
        raise Refused(
            422, f"{name} cannot be read, it may be damaged ({type(error).__name__})."
        ) from error
    if max(width, height) > MAX_SIDE:
        raise Refused(
            413,
            f"{name} has {width} × {height} pixels; no side may be longer than "
            f"{MAX_SIDE}. Save a smaller copy.",
        )
    n_pixels = width * height
    if n_pixels > MAX_PIXELS:
        raise _refuse_size(
            name, f"{width} × {height} pixels ({n_pixels / 1e6:.0f} million)"
        )


def _refuse_size(name, pixels):
    return Refused(
        413,
        f"{name} has {pixels}; at most {MAX_PIXELS // 10**6} million are allowed. Save "
        "a smaller copy.",
    )
