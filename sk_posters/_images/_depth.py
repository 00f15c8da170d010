"""Images of more than 8 bits a channel, scaled to 8.

A file seldom says which of its bits are in use: 16 bits may hold the 12 of a camera, or
the 8 of a scan. So what a file declares counts first, then its largest value.
"""

import sys

import numpy as np
from PIL import Image

from sk_posters._images._sources import Refused, list_formats

__all__ = ["scale_colours", "scale_grey"]

DEPTHS = (8, 12, 16)
MAX_HIGH_BYTE = 15  # Of values of 12 bits.
SAVE = "save it with 8 or 16 bits a channel"
# Colours whose low bytes Pillow reads in the other byte order.
COLOURS = ("RGB;16", "RGBA;16", "RGBX;16")
OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def scale_grey(image, declared=None):
    """Return a grey image of mode I, I;16 or F with 8 bits, and what was done."""
    values = np.asarray(image)
    kind = f"mode {image.mode}"
    if not np.isfinite(values).all():
        raise Refused(f"its pixels hold NaN or infinity ({kind}): replace them")
    low, high = values.min(), values.max()
    if low < 0:
        raise Refused(
            f"its pixels hold negative values, down to {low:g} ({kind}): "
            "add an offset, or save it with 8 bits a channel"
        )
    if image.mode == "F":
        if high <= 1:
            scaled = np.rint(255 * values).astype(np.uint8)
            return Image.fromarray(scaled), "floats from 0 to 1, multiplied by 255"
        values = np.rint(values)
    return _scale(values, declared)


def scale_colours(image, raw_mode, file=None):
    """Return an image of 16-bit colours with 8 bits, and what was done.

    Pillow reads their high bytes alone, so the low ones are read where those are few.
    """
    high = _list_colours(image)
    if high.max() > MAX_HIGH_BYTE:
        return image, "read as 16 bits, as its largest value is above 4095"
    if file is None or raw_mode[:-1] not in COLOURS:
        raise Refused(
            "its 16 bits a channel hold 12 bits at most, and Pillow reads the high "
            "byte only: save it with 8 bits a channel"
        )
    low = _read_low_bytes(raw_mode, file)
    return _scale(256 * high.astype(np.uint16) + low, None)


def _read_low_bytes(raw_mode, file):
    """Return the colours of a file whose bytes are taken in the other order."""
    other = raw_mode[:-1] + OTHER_ORDER[raw_mode[-1]]
    file.seek(0)
    image = Image.open(file, formats=list_formats())
    image.tile = [_replace_raw_mode(tile, other) for tile in image.tile]
    image.load()
    return _list_colours(image)


def _list_colours(image):
    """Return the channels of an image without alpha, shape (height, width, n)."""
    colours = [band for band in image.getbands() if band not in "Aa"]
    return np.stack([np.asarray(image.getchannel(band)) for band in colours], axis=-1)


def _replace_raw_mode(tile, raw_mode):
    *place, args = tile
    args = (raw_mode, *args[1:]) if isinstance(args, tuple) else raw_mode
    # Older versions of Pillow have plain tuples.
    return getattr(type(tile), "_make", tuple)([*place, args])


def _scale(values, declared):
    high = int(values.max())
    bits = declared or next((bits for bits in DEPTHS if high < 2**bits), None)
    if bits is None:
        raise Refused(f"its values, up to {high}, do not fit 16 bits: {SAVE}")
    scaled = (values.astype(np.int32) >> (bits - 8)).astype(np.uint8)
    said = "as the file declares" if declared else f"as its largest value is {high}"
    return Image.fromarray(scaled), f"read as {bits} bits, {said}"
