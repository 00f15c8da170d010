"""Images in arrays: uint8, or floats from 0 to 1."""

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["check_pixels"]

ROWS_AT_A_TIME = 256


def check_pixels(images, name="X"):
    """Raise unless an array of images is uint8, or float with values from 0 to 1."""
    if 0 in images.shape:
        raise ValueError(f"{name} holds no image: got an array of shape {images.shape}")
    if images.dtype == np.uint8:
        return
    allowed = f"{name} must hold images as uint8, or as floats from 0 to 1"
    if images.dtype.kind != "f":
        raise ValueError(
            f"{allowed}; got {images.dtype}: convert whole numbers from 0 to 255 with "
            f"{name}.astype('uint8')"
        )
    for rows in gen_batches(len(images), ROWS_AT_A_TIME):
        low, high = images[rows].min(), images[rows].max()
        if not (low >= 0 and high <= 1):  # So that NaN is refused, too.
            raise ValueError(
                f"{allowed}; got values from {low:g} to {high:g}: divide images from 0 "
                "to 255 by 255"
            )
