"""One image source in, one upright RGB image of the requested size out."""

import os
import re

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from sk_posters._base._threads import ForkSafeLock
from sk_posters._images._depth import scale_colours, scale_grey
from sk_posters._images._heic import is_heic, register_heic
from sk_posters._images._machine import (
    MISSING,
    NO_FILE,
    NO_PERMISSION,
    explain_machine,
)
from sk_posters._images._scans import check_scans
from sk_posters._images._sources import (
    CountedFile,
    MemoryImage,
    Refused,
    list_formats,
    open_source,
)
from sk_posters._images._suffixes import FORMATS
from sk_posters.exceptions import PosterFileError

__all__ = ["decode_image", "decode_whole", "decode_within"]

# Longer ones are no pictures, and resizing a strip of millions of pixels takes minutes.
MAX_SIDE = 65_535
# Of formats that Pillow decodes in Python: about four seconds.
MAX_SLOW_PIXELS = 1_000_000
POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")

BITS_PER_SAMPLE = 258  # Tag of a TIFF.
# 16 bits a channel; "BGR;16" has 16 bits a pixel.
DEEP_COLOURS = re.compile(";16[BLN]$")

# A PIL image that is still to be loaded cannot be loaded by two threads at once.
_loading = ForkSafeLock()

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
# Those that exchange width and height.
SIDEWAYS = (5, 6, 7, 8)
# As Pillow's `thumbnail` does by default, so that resizing smooths what is left.
DRAFT_FACTOR = 2


def decode_image(
    source, image_size, interpolation="nearest", crop_from=None, draft=False
):
    """Decode one source to an upright RGB image, uint8 of shape (*image_size, 3).

    The values are those of ``keras.utils.load_img`` for files without EXIF orientation
    and with at most 8 bits per channel. With `crop_from`, a height and width or the
    length of the shortest side, the image is resized to that, and `image_size` is cut
    out of its centre as transformers does it. With `draft`, a JPEG file is decoded at a
    half, a fourth or an eighth of its size where that leaves twice `image_size`.
    """
    height, width = image_size
    resample = Image.Resampling[interpolation.upper()]
    if crop_from is None:
        least = (DRAFT_FACTOR * width, DRAFT_FACTOR * height) if draft else None
        return _decode(source, lambda size: (width, height), resample, least)[0]

    def enlarge(size):
        if isinstance(crop_from, tuple):
            return crop_from[::-1]
        sides = [int(crop_from * side / min(size)) for side in size]
        _check_size(*sides)  # Of a strip.
        return tuple(sides)

    return _crop_centre(_decode(source, enlarge, resample)[0], height, width)


def _crop_centre(image, height, width):
    """Cut the centre out of an image; what it lacks is black."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    box = (left, top, left + width, top + height)
    return np.array(Image.fromarray(image).crop(box))


def decode_within(source, largest_side):
    """Decode one source to an upright RGB image in its own proportions."""

    def shrink(size):
        factor = min(1, largest_side / max(size))
        return tuple(max(1, round(side * factor)) for side in size)

    return _decode(source, shrink, Image.Resampling.LANCZOS)[0]


def decode_whole(source):
    """Decode one source at its own size; return how more than 8 bits were scaled, too.

    None where there are no more than 8 bits a channel.
    """
    return _decode(source, lambda size: size, None)


def _decode(source, new_size, resample, least=None):
    """Decode a source and resize it to `new_size` of its own size."""
    try:
        image, depth = _read_upright_rgb(source, least)
        size = new_size(image.size)
        if image.size != size:
            image = image.resize(size, resample)
        return np.array(image), depth
    # Damaged files make Pillow's plugins raise nearly anything.
    except Exception as error:
        fault = explain_machine(error, source)
        if fault is not None:
            raise fault from error
        raise PosterFileError([(str(source), _reason(error))]) from error


def _read_upright_rgb(source, least=None):
    if isinstance(source, MemoryImage) and source.is_decoded:
        _check_header(source.value)
        with _loading:
            return _upright_rgb(source.value)
    with open_source(source) as opened:
        file = CountedFile(opened)
        image = _open(file)
        if least is not None:
            _draft(image, least)
        return _upright_rgb(image, file)


def _draft(image, least):
    """Let a JPEG file be decoded at a part of its size, if that is `least` or more."""
    turned = _orientation(image) in SIDEWAYS
    image.draft(None, least[::-1] if turned else least)


def _open(file):
    """Read the header of an image and refuse what is too large to decode."""
    head = file.read(4)
    if not head:
        raise Refused("the file is empty (0 bytes)")
    if head in POSTSCRIPT:
        raise Refused(
            "it is PostScript, a program that Pillow would have executed: "
            "save it as JPEG or PNG"
        )
    file.seek(0)
    try:
        image = Image.open(file, formats=list_formats())
    except UnidentifiedImageError:
        if not is_heic(file):
            raise
        register_heic()
        image = Image.open(file, formats=["HEIF"])
    _check_header(image)
    _check_slow(image)
    if image.format in ("JPEG", "MPO"):
        check_scans(file, image.width * image.height)
    return image


def _check_header(image):
    if image.format not in (None, *FORMATS):
        raise Refused(
            f"its format, {image.format}, is not read: save it as JPEG or PNG, or pass "
            'what Pillow decodes (image.convert("RGB"))'
        )
    _check_size(*image.size)


def _check_slow(image):
    """Refuse a large image that Pillow decodes in Python, value by value."""
    is_slow = image.format == "QOI" or any(
        tile[0] == "ppm_plain" for tile in getattr(image, "tile", ())
    )
    if is_slow and image.width * image.height > MAX_SLOW_PIXELS:
        raise Refused(
            f"it has {image.width} x {image.height} pixels, and QOI and PPM in text "
            f"may have {MAX_SLOW_PIXELS:,}, as decoding more takes long: save it as "
            "PNG"
        )


def _check_size(width, height):
    """Refuse an image that is too large to decode, or was."""
    # Pillow only warns up to twice its limit, and a warning can be overlooked.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is None:
        return
    if width * height > limit:
        raise Image.DecompressionBombError
    if max(width, height) > MAX_SIDE:
        raise Refused(
            f"it has {width} x {height} pixels, and no side may be longer than "
            f"{MAX_SIDE}: cut it into pieces"
        )


def _upright_rgb(image, file=None):
    """Return an image as upright RGB, and how more than 8 bits were scaled, or None."""
    declared, raw_mode = _find_declared_bits(image), _find_raw_mode(image)
    image.load()
    # Some formats hold a file of another one, whose size the header does not tell.
    _check_size(*image.size)
    orientation, depth = _orientation(image), None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image, depth = scale_grey(image, declared)
    elif DEEP_COLOURS.search(raw_mode):
        image, depth = scale_colours(image, raw_mode, file)
    # RGB drops it anyway, and that of a palette would make convert() warn.
    if "transparency" in image.info:
        image = image.copy()  # It may be the caller's.
        del image.info["transparency"]
    if image.mode != "RGB":
        image = image.convert("RGB")
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return image, depth


def _find_declared_bits(image):
    """Return the number of bits that a file itself declares; None if it says nothing.

    Of an image that has not been loaded.
    """
    if image.format == "JPEG2000":
        return 16  # Pillow scales to 16 bits, from the precision in the file.
    if image.format == "PPM" and image.tile:
        # So it does from a largest value, unless it takes them as they are.
        return None if image.tile[0][0] == "raw" else 16
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))
    return 12 if tuple(bits) == (12,) else None


def _find_raw_mode(image):
    """Return how the file of an image that has not been loaded holds its pixels."""
    args = image.tile[0][3] if getattr(image, "tile", None) else ""
    raw_mode = args[0] if isinstance(args, tuple) and args else args
    return raw_mode if isinstance(raw_mode, str) else ""


def _orientation(image):
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return None  # Broken metadata do not affect the pixels.


def _reason(error):
    """Return in a few words what an exception means for the file."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return MISSING
    # Windows calls a directory a file without permission.
    if isinstance(error, OSError) and os.path.isdir(error.filename or ""):
        return NO_FILE
    if isinstance(error, PermissionError):
        return NO_PERMISSION
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"more than the {Image.MAX_IMAGE_PIXELS} pixels allowed, as in a "
            "decompression bomb (if you trust the file, raise "
            "PIL.Image.MAX_IMAGE_PIXELS)"
        )
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or in a format that is not read"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (
        "cannot be decoded, it may be damaged or cut off "
        f"({type(error).__name__}: {error})"
    )
