"""Small maps of any sign as saliency maps of the size of an image."""

import numpy as np
from PIL import Image

__all__ = ["add_enlarged", "rectify"]


def add_enlarged(larger, maps):
    """Add small maps to larger ones, in place, interpolated linearly."""
    height, width = larger.shape[1:]
    for target, small in zip(larger, maps, strict=True):
        picture = Image.fromarray(np.ascontiguousarray(small, dtype=np.float32))
        target += np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def rectify(maps):
    """Set negative values to 0 and divide each map by its maximum, in place."""
    np.maximum(maps, 0, out=maps)
    greatest = maps.max(axis=(-2, -1), keepdims=True)
    np.divide(maps, greatest, out=maps, where=greatest > 0)
    return maps
