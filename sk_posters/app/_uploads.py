"""One uploaded file → a file on disk that is surely a poster, for as long as needed."""

import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj

from PIL import Image, UnidentifiedImageError

from sk_posters.exceptions import PosterFileError

__all__ = ["MAX_BYTES", "MAX_PIXELS", "Refused", "limited", "poster_file"]

MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
# Boundaries and headers of the form around the file.
FORM_BYTES = 10_000

# Pillow knows more, some of which it hands to other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")


class Refused(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        The HTTP status.
    message : str
        What is wrong, and what to do.
    """

    def __init__(self, status, message):
        self.status = status
        self.message = message
        super().__init__(status, message)


def limited(receive, headers, max_bytes=MAX_BYTES):
    """Return an ASGI `receive` that refuses to read more than one upload may have.

    Parameters
    ----------
    receive : callable
        The ASGI `receive` of a request.
    headers : mapping
        Its headers. What they say of the length is believed if it is too much.
    max_bytes : int, default=MAX_BYTES
        Bytes that the file may have.

    Returns
    -------
    callable
        Raises :class:`Refused` once there are more.

    Raises
    ------
    Refused
        If the headers already say so.
    """
    announced = headers.get("content-length", "")
    n_received = int(announced) if announced.isdecimal() else 0
    _check_length(n_received - FORM_BYTES, max_bytes)
    n_received = 0

    async def counting():
        nonlocal n_received
        message = await receive()
        n_received += len(message.get("body", b""))
        _check_length(n_received - FORM_BYTES, max_bytes)
        return message

    return counting


def _check_length(n_bytes, max_bytes):
    if n_bytes > max_bytes:
        raise Refused(
            413,
            f"The file has more than the {max_bytes / 1e6:g} MB allowed: save the "
            "poster smaller.",
        )


@contextmanager
def poster_file(file, name, max_bytes=MAX_BYTES):
    """Keep an upload in a file of its own, and delete it afterwards.

    Parameters
    ----------
    file : binary file
        The upload, at its beginning.
    name : str
        Its name, for messages alone: on disk it has another.
    max_bytes : int, default=MAX_BYTES
        Bytes that it may have.

    Yields
    ------
    pathlib.Path
        The file. Its header says that it is an image of an allowed format and size.

    Raises
    ------
    Refused
        If it is too large, or no image; also for a :class:`PosterFileError` in the
        block, where an image turns out to be damaged.
    """
    with tempfile.TemporaryDirectory(prefix="sk_posters-") as folder:
        path = Path(folder) / "poster"
        with path.open("wb") as copy:
            copyfileobj(file, copy)
        _check_length(path.stat().st_size, max_bytes)
        _check_header(path, _shown(name))
        try:
            yield path
        except PosterFileError as error:
            reason = error.failed[0][1]
            raise Refused(422, f"{_shown(name)}: {reason}.") from error


def _shown(name):
    return repr(name if len(name) <= 80 else f"{name[:60]}…{name[-19:]}")


def _check_header(path, name):
    if path.stat().st_size == 0:
        raise Refused(415, f"{name} is empty (0 bytes).")
    try:
        with warnings.catch_warnings():
            # What it warns about is refused below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError as error:
        raise _too_large(name, "more pixels than Pillow opens") from error
    except UnidentifiedImageError as error:
        raise Refused(
            415,
            f"{name} is not an image, whatever its name says: choose a poster as JPEG, "
            "PNG, WebP, GIF or BMP.",
        ) from error
    except Exception as error:  # Damaged headers make Pillow raise nearly anything.
        raise Refused(
            422, f"{name} cannot be read, it may be damaged ({type(error).__name__})."
        ) from error
    if width * height > MAX_PIXELS:
        million = f"{width * height / 1e6:.0f} million"
        raise _too_large(name, f"{width} × {height} pixels, which are {million}")


def _too_large(name, pixels):
    return Refused(
        413,
        f"{name} has {pixels}; {MAX_PIXELS // 10**6} million are allowed: save the "
        "poster smaller.",
    )
