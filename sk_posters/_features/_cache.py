"""Features of images on disk, one row per image, network and setting."""

import hashlib

from sk_posters._base._disk_cache import ArrayStore

__all__ = ["FeatureStore", "hash_pixels"]

# To be raised whenever features change, so that no older row is taken for a new one.
FORMAT = 1


class FeatureStore(ArrayStore):
    """Rows of features, as safe against other processes and damage as images are."""

    subfolder = "features"
    suffix = "f32"
    contents = "Features"
    consequence = "computed"

    @staticmethod
    def key(image, network, part, flip):
        """Name a row."""
        described = repr((FORMAT, image, network, part, bool(flip)))
        return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def hash_pixels(image):
    """Name an image by its pixels."""
    digest = hashlib.blake2b(repr((image.shape, image.dtype.str)).encode())
    digest.update(image)
    return digest.hexdigest()[:32]
