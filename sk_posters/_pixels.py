"""Pixels in the form that a network takes, and feature maps as rows of numbers."""

import numpy as np

__all__ = ["PARTS", "as_bytes", "check_size", "pooled", "scaled", "scaling_of"]

# What each kind of pooling puts side by side.
PARTS = {"avg": ("avg",), "max": ("max",), "avgmax": ("avg", "max")}


def as_bytes(batch):
    """Return images as a network takes them that scales its pixels itself.

    Parameters
    ----------
    batch : ndarray of shape (n, height, width, 3)
        uint8, or float with values from 0 to 1, rounded to the nearest of 256.

    Returns
    -------
    ndarray of shape (n, height, width, 3), dtype uint8
        Values from 0 to 255.
    """
    if batch.dtype == np.uint8:
        return np.ascontiguousarray(batch)
    return np.rint(batch * np.float32(255)).astype(np.uint8)


def scaled(batch, mean=0.0, std=1.0):
    """Return images as float32, scaled as a network expects them.

    Parameters
    ----------
    batch : ndarray of shape (n, height, width, 3)
        uint8, or float with values from 0 to 1.
    mean, std : float or ndarray of shape (3,), default=0.0 and 1.0
        What to subtract and to divide by, where pixels run from 0 to 255.

    Returns
    -------
    ndarray of shape (n, height, width, 3), dtype float32
        The scaled images.
    """
    pixels = batch.astype(np.float32)
    if batch.dtype != np.uint8:
        pixels *= 255
    pixels -= mean
    pixels /= std
    return pixels


def scaling_of(mean, std, what):
    """Return mean and std as arrays, or say that they are needed or wrong.

    Parameters
    ----------
    mean, std : float, array-like of shape (3,) or None
        What a user gave.
    what : str
        The network that they are for.

    Returns
    -------
    mean, std : ndarray of shape () or (3,), dtype float32
        For `scaled`.

    Raises
    ------
    ValueError
        If one is missing, or no such number.
    """
    if mean is None or std is None:
        raise ValueError(
            f"{what} takes float pixels, and nothing in it says how they are scaled: "
            "give mean and std for pixels from 0 to 255, such as mean=0, std=255 for "
            "values from 0 to 1, or mean=0, std=1 for the pixels as they are; got "
            f"mean={mean!r}, std={std!r}"
        )
    arrays = np.asarray(mean, dtype=np.float32), np.asarray(std, dtype=np.float32)
    usable = all(x.shape in ((), (3,)) and np.isfinite(x).all() for x in arrays)
    if not usable or (arrays[1] <= 0).any():
        raise ValueError(
            "mean and std must each be one finite number or three, for red, green and "
            f"blue, and std above 0; got mean={mean!r}, std={std!r}"
        )
    return arrays


def check_size(size, expected, what):
    """Raise if a network takes images of another size.

    Parameters
    ----------
    size : tuple of two int
        Height and width of the images.
    expected : tuple of two
        What the network takes; anything but an int stands for any size.
    what : str
        The network.

    Raises
    ------
    ValueError
        If they differ.
    """
    if all(
        not isinstance(side, int) or side == given
        for side, given in zip(expected, size, strict=True)
    ):
        return
    wanted = tuple(
        side if isinstance(side, int) else given
        for side, given in zip(expected, size, strict=True)
    )
    raise ValueError(
        f"{what} takes images of {wanted[0]} x {wanted[1]} pixels (height x width), "
        f"not of {size[0]} x {size[1]}: set image_size={wanted!r} and give paths, or "
        "give images of that size"
    )


def pooled(output, pooling, axes):
    """Return feature maps as rows of numbers; rows of numbers stay what they are.

    Parameters
    ----------
    output : ndarray of rank 2 or 4
        What a network made of a batch.
    pooling : {"avg", "max", "avgmax"}
        How maps are pooled over the image.
    axes : tuple of two int
        The axes of height and width.

    Returns
    -------
    ndarray of shape (n, n_features), dtype float32
        The features; of `"avgmax"` first the averages, then the maxima.

    Raises
    ------
    ValueError
        If the rank is neither 2 nor 4.
    """
    output = np.asarray(output)
    if output.ndim not in (2, 4):
        raise ValueError(
            "A network must give one row of numbers per image (rank 2) or maps of "
            f"features (rank 4); got an output of shape {output.shape}: choose "
            "another one with the parameter output"
        )
    if output.ndim == 2:
        return output.astype(np.float32, copy=False)
    pool = {"avg": np.mean, "max": np.max}
    output = output.astype(np.float32, copy=False)
    parts = [pool[part](output, axis=axes) for part in PARTS[pooling]]
    return np.concatenate(parts, axis=1)
