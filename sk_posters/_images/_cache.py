"""Decoded images on disk, one entry per content and way of decoding."""

import hashlib

import PIL
from PIL import Image, ImageFile, features

from sk_posters._base._disk_cache import ArrayStore

__all__ = ["ImageStore", "hash_decoded"]

# To be raised whenever decoding changes, so that no older entry is taken for a new one.
FORMAT = 1


LIBJPEG = features.version("libjpeg_turbo")


def hash_decoded(path, image_size, interpolation):
    """Name the image that a file holds by its content and the way it is decoded."""
    # All that decides what Pillow makes of the same bytes, or whether it refuses.
    decoding = (
        *(FORMAT, PIL.__version__, LIBJPEG),
        *(Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        *(*map(int, image_size), interpolation),
    )
    digest = hashlib.blake2b(repr(decoding).encode(), digest_size=16)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: digest).hexdigest()
    except (OSError, ValueError):  # ValueError: a path that no file can have.
        return None


class ImageStore(ArrayStore):
    """Pixels of decoded image files, one entry per content and way of decoding."""

    suffix = "rgb"
    contents = "Decoded images"
    consequence = "decoded"

    key = staticmethod(hash_decoded)
