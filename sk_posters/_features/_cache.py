"""Features of images on disk, one row per image, network and setting."""

import hashlib

from sk_posters._base._disk_cache import ArrayStore

__all__ = ["FeatureStore", "pixels_key"]

# To be raised whenever features change, so that no older row is taken for a new one.
FORMAT = 1


class FeatureStore(ArrayStore):
    """Rows of features, as safe against other processes and damage as images are.

    Parameters
    ----------
    folder : str
        As in `ArrayStore`.
    max_bytes : int
        As in `ArrayStore`.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters._features._cache import FeatureStore
    >>> store = FeatureStore("cache", max_bytes=1_000_000)
    >>> key = store.key("an image", "a network", "avg", flip=False)
    >>> store.write(key, np.array([0.5, 2.0], dtype=np.float32))
    >>> row = np.empty(2, dtype=np.float32)
    >>> store.read_into(key, row), row.tolist()
    (True, [0.5, 2.0])
    """

    suffix = "f32"
    contents = "Features"
    consequence = "computed"

    @staticmethod
    def key(image, network, part, flip):
        """Name a row.

        Parameters
        ----------
        image : str
            Key of the decoded image.
        network : str
            Fingerprint of the network.
        part : str
            Which of its features they are.
        flip : bool
            Whether they are the mean with those of the mirrored image.

        Returns
        -------
        str
            32 hexadecimal digits.
        """
        described = repr((FORMAT, image, network, part, bool(flip)))
        return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def pixels_key(image):
    """Name an image by its pixels.

    Parameters
    ----------
    image : ndarray of shape (height, width, 3)
        The pixels, contiguous in memory.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(repr((image.shape, image.dtype.str)).encode())
    digest.update(image)
    return digest.hexdigest()[:32]
