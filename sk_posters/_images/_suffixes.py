"""Suffixes of the image files that Pillow reads here."""

import functools
import os

from PIL import Image

__all__ = [
    "FORMATS",
    "has_image_suffix",
    "image_suffixes",
    "split_suffix",
]

# What is read, in the order in which files are tried. Pillow knows more formats: it
# hands some to other programs, as PostScript, some hold files of any other format, as
# IPTC, and each is more code that parses bytes of strangers.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "MPO", "PPM", "AVIF"),
    *("JPEG2000", "HEIF", "PSD", "QOI", "DDS", "SGI", "SUN", "PCX", "ICO", "TGA"),
)
# Where several files differ in nothing but their suffix, the first is taken.
PREFERRED = (".jpg", ".jpeg", ".png")
# Of HEIC, which pillow-heif registers when the first such file is decoded.
HEIC = {".heic", ".heif", ".hif"}


@functools.cache
def image_suffixes():
    """Return all suffixes in lower case, those of posters first."""
    known = {
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in FORMATS and name in Image.OPEN
    }
    return (*PREFERRED, *sorted((known | HEIC).difference(PREFERRED)))


@functools.cache
def _as_set():
    return frozenset(image_suffixes())


def has_image_suffix(name):
    """Tell whether a file name ends like that of an image."""
    return split_suffix(name)[1] != ""


def split_suffix(name):
    """Return a name without the suffix of an image, and the suffix in lower case."""
    stem, suffix = os.path.splitext(name)
    suffix = suffix.lower()
    return (stem, suffix) if suffix in _as_set() else (name, "")
