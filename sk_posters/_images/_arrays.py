"""Images in arrays: uint8, or floats from 0 to 1."""

from collections.abc import Iterator

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["check_pixels", "hint_at_channels", "hint_at_stream"]

ROWS_AT_A_TIME = 256


def hint_at_channels(shape):
    """Return how to mend images whose channels come first, as in torch, or nothing."""
    if len(shape) != 4 or shape[1] not in (1, 3) or min(shape[2:]) <= 4:
        return ""
    return (
        " These are images with their channels first, as in torch: pass "
        "X.transpose(0, 2, 3, 1), or np.moveaxis(X, 1, -1)."
    )


def hint_at_stream(X):
    """Return what to give in place of a data set that is read once, or nothing."""
    is_dataset = hasattr(X, "element_spec")  # Of tf.data.
    if not is_dataset and not isinstance(X, Iterator):
        return ""
    kind = "tf.data.Dataset" if is_dataset else type(X).__name__
    return (
        f" From a {kind}, rows cannot be selected. Give the paths of the files as X "
        "and the labels as y: a PosterImageLoader decodes batch by batch, so that "
        "memory never holds all images. Or give an array of all images: "
        "np.stack(list(images))."
    )


def check_pixels(images, name="X"):
    """Raise unless an array of images is uint8, or float with values from 0 to 1."""
    if 0 in images.shape:
        raise ValueError(f"{name} holds no image: got an array of shape {images.shape}")
    if np.ma.is_masked(images):
        raise ValueError(
            f"{name} has masked pixels, and masks are not read: fill them by "
            f"{name}.filled(0), or leave such images out"
        )
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
