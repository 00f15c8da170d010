"""Decoded images on disk, one entry per content and way of decoding."""

import hashlib
import sys

import PIL
from PIL import Image, ImageFile, features

from sk_posters._base._disk_cache import ArrayStore
from sk_posters._images._decoding import decode_within
from sk_posters._images._sources import MemoryImage, open_source

__all__ = ["ImageStore", "hash_decoded", "hash_source"]

# To be raised whenever decoding changes, so that no older entry is taken for a new one.
FORMAT = 2


LIBJPEG = features.version("libjpeg_turbo")


def hash_source(source):
    """Return the SHA-256 of the content of a source, a hash object."""
    digest = hashlib.sha256()
    _update_digest(digest, source)
    return digest


def _update_digest(digest, source):
    """Feed the content of a source to a digest: a file's bytes, or PIL's pixels."""
    if isinstance(source, MemoryImage) and source.is_decoded:
        pixels = decode_within(source, sys.maxsize)
        digest.update(f"pixels {pixels.shape}".encode())
        digest.update(pixels)
        return
    with open_source(source) as file:
        hashlib.file_digest(file, lambda: digest)


def hash_decoded(source, image_size, interpolation, crop_from=None, draft=False):
    """Name an image by the content of its source and the way it is decoded."""
    # All that decides what Pillow makes of the same bytes, or whether it refuses.
    decoding = (
        *(FORMAT, PIL.__version__, LIBJPEG),
        *(Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        *(*map(int, image_size), interpolation),
        # Not where neither is asked for, so that older entries stay good.
        *(() if crop_from is None else (crop_from,)),
        *(("draft",) if draft else ()),
    )
    digest = hashlib.blake2b(repr(decoding).encode(), digest_size=16)
    try:
        _update_digest(digest, source)
    except (OSError, ValueError):  # ValueError: a path that no file can have.
        return None
    return digest.hexdigest()


class ImageStore(ArrayStore):
    """Pixels of decoded image files, one entry per content and way of decoding."""

    subfolder = "images"
    suffix = "rgb"
    contents = "Decoded images"
    consequence = "decoded"

    key = staticmethod(hash_decoded)
