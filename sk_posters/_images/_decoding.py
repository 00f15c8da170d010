"""One image file in, one upright RGB image of the requested size out."""

import os

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from sk_posters.exceptions import PosterFileError

__all__ = ["decode_image", "decode_within"]

# Encoders write about ten scans, each of which refines all pixels.
START_OF_SCAN, MAX_SCANS = b"\xff\xda", 100

# Transpositions that turn an image upright, by EXIF orientation.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class _Refused(Exception):
    """A file that Pillow may open but that is refused; the text says why."""


def decode_image(path, image_size, interpolation="nearest"):
    """Decode one file to an upright RGB image, uint8 of shape (*image_size, 3).

    The values are those of ``keras.utils.load_img`` for files without EXIF orientation
    and with at most 8 bits per channel.
    """
    height, width = image_size
    resample = Image.Resampling[interpolation.upper()]
    return _decode(path, lambda size: (width, height), resample)


def decode_within(path, largest_side):
    """Decode one file to an upright RGB image in its own proportions."""

    def shrink(size):
        factor = min(1, largest_side / max(size))
        return tuple(max(1, round(side * factor)) for side in size)

    return _decode(path, shrink, Image.Resampling.LANCZOS)


def _decode(path, new_size, resample):
    """Decode a file and resize it to `new_size` of its own size."""
    try:
        with open(path, "rb") as file:
            image = _upright_rgb(_open(file))
        size = new_size(image.size)
        if image.size != size:
            image = image.resize(size, resample)
        return np.array(image)
    # Damaged files make Pillow's plugins raise nearly anything.
    except Exception as error:
        raise PosterFileError([(os.fspath(path), _reason(error))]) from error


def _open(file):
    """Read the header of an image and refuse what is too large to decode."""
    if os.fstat(file.fileno()).st_size == 0:
        raise _Refused("the file is empty (0 bytes)")
    image = Image.open(file)
    if image.format == "EPS":
        raise _Refused(
            "it is PostScript, a program that Pillow would have executed: "
            "save it as JPEG or PNG"
        )
    # Pillow only warns up to twice its limit, and a warning can be overlooked.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError
    if "progressive" in image.info:
        _check_scans(file)
    return image


def _check_scans(file):
    """Refuse an image with so many scans that decoding takes minutes."""
    start = file.tell()
    file.seek(0)
    n_scans = file.read().count(START_OF_SCAN)
    file.seek(start)
    if n_scans > MAX_SCANS:
        raise _Refused(
            f"it comes in {n_scans} scans, more than the {MAX_SCANS} allowed, as in a "
            "decompression bomb: save it again"
        )


def _upright_rgb(image):
    image.load()
    if image.mode == "F":
        raise _Refused(
            "its pixels are 32-bit floats (mode F), whose range is unknown: save it "
            "with 8 bits a channel"
        )
    orientation = _orientation(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _without_low_byte(image)
    # RGB drops it anyway, and that of a palette would make convert() warn.
    image.info.pop("transparency", None)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return image


def _orientation(image):
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return None  # Broken metadata do not affect the pixels.


def _without_low_byte(image):
    """Scale 16-bit grey to 8 bits, as Pillow itself does with 16-bit colours."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise _Refused(
            "its grey values do not fit 16 bits (mode I): save it with 8 or 16 bits "
            "a channel"
        )
    return Image.fromarray((values >> 8).astype(np.uint8))


def _reason(error):
    """Return in a few words what an exception means for the file."""
    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    # Windows calls a directory a file without permission.
    if isinstance(error, OSError) and os.path.isdir(error.filename or ""):
        return "is a directory, not a file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"more than the {Image.MAX_IMAGE_PIXELS} pixels allowed, as in a "
            "decompression bomb (if you trust the file, raise "
            "PIL.Image.MAX_IMAGE_PIXELS)"
        )
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or in a format that Pillow does not read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (
        "cannot be decoded, it may be damaged or cut off "
        f"({type(error).__name__}: {error})"
    )
