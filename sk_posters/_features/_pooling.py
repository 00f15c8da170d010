"""Pixels scaled for a network, and feature maps pooled to feature vectors."""

import numpy as np
from sklearn.utils import gen_batches

__all__ = [
    "LENGTH",
    "PARTS",
    "ROOTED",
    "check_output",
    "check_parts",
    "check_scaling",
    "check_size",
    "count_pooled",
    "normalize_parts",
    "pool",
    "refuse_cls",
    "scale_pixels",
]

# What each kind of pooling concatenates. Several kinds are given as a tuple.
PARTS = {
    "avg": ("avg",),
    "max": ("max",),
    "avgmax": ("avg", "max"),
    "covariance": ("covariance",),
    "covariances": ("covariance4", "covariance", "covariance6"),
    "cls": ("cls",),
}
# Parts whose roots are taken to normalise them. Covariances are roots always, and
# vectors and tokens are what their network was trained to give.
ROOTED = ("avg", "max")
# That of 1280 standardised features, so that a linear classifier is regularised alike.
LENGTH = np.float32(1280**0.5)
ROWS_AT_ONCE = 64
# More channels would give more covariances than a linear head can use.
MAX_CHANNELS = 512


def scale_pixels(batch, mean=0.0, std=1.0):
    """Return images as float32, scaled as a network expects them."""
    pixels = batch.astype(np.float32)
    if batch.dtype != np.uint8:
        pixels *= 255
    pixels -= mean
    pixels /= std
    return pixels


def check_scaling(mean, std, what):
    """Return mean and std as arrays; raise if they are missing or wrong."""
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
    """Raise if a network takes images of another size."""
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


def check_output(output):
    """Raise unless one image has given one vector, its tokens or its maps."""
    shape = np.shape(output)
    if len(shape) not in (2, 3, 4) or shape[0] != 1:
        raise ValueError(
            "A network must give, for each image, one feature vector (rank 2), tokens "
            "(rank 3) or feature maps (rank 4); got an output of shape "
            f"{shape} for one image: choose another one with the parameter output"
        )


def check_parts(parts, rank, what):
    """Return what an output of a rank is pooled to; raise if that is impossible."""
    if rank == 4 and "cls" in parts:
        raise refuse_cls(what)
    if rank in (3, 4) and set(PARTS["covariances"]) <= set(parts):
        raise ValueError(
            'pooling="covariances" takes three maps of an EfficientNet-Lite, and '
            f'{what} gives one output: set pooling to "covariance"'
        )
    return parts if rank in (3, 4) else ("",)


def refuse_cls(what):
    """Return the error about feature maps, which have no first token."""
    return ValueError(
        f'pooling="cls" takes the first token of a transformer, and {what} gives '
        'feature maps: set pooling to "avg", "max", "avgmax", "covariance" or '
        '"covariances"'
    )


def pool(output, parts, axes):
    """Return feature maps or tokens as feature vectors; vectors are unchanged."""
    output = np.asarray(output).astype(np.float32, copy=False)
    if output.ndim == 2:
        return output
    if output.ndim == 3:  # Tokens are a map of one column.
        output, axes = output[:, :, np.newaxis], (1, 2)
    pool = {"avg": np.mean, "max": np.max, "covariance": covariances, "cls": first}
    return np.concatenate([pool[part](output, axis=axes) for part in parts], axis=1)


def first(tokens, axis):
    """Return the first token, where transformers gather what they see."""
    return tokens[:, 0, 0]


def count_pooled(part, n_channels):
    """Return the number of features of a part."""
    if part == "covariance":
        return n_channels * (n_channels + 1) // 2
    return n_channels


def normalize_parts(features, parts, widths):
    """Scale the roots of each part of some rows to one length, in place."""
    # A few rows at a time, as what is computed on the way stays in the cache then.
    for batch in gen_batches(len(features), ROWS_AT_ONCE):
        start = 0
        for part, width in zip(parts, widths, strict=True):
            rows = features[batch, start : start + width]
            if part in ROOTED:
                rows[:] = np.sign(rows) * np.sqrt(np.abs(rows))
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            np.divide(rows, norms / LENGTH, out=rows, where=norms > 0)
            start += width


def covariances(maps, axis):
    """Return signed square roots of the covariances between channels."""
    rows = np.moveaxis(maps, axis, (2, 3))
    n, n_channels = rows.shape[:2]
    if n_channels > MAX_CHANNELS:
        raise ValueError(
            f'pooling="covariance" takes maps of at most {MAX_CHANNELS} channels; got '
            f"{n_channels}: choose an earlier map of the network with the parameter "
            'output, or pooling="avg"'
        )
    rows = rows.reshape(n, n_channels, -1)
    centred = rows - rows.mean(axis=2, keepdims=True)
    matrices = centred @ centred.transpose(0, 2, 1) / np.float32(rows.shape[2])
    upper = matrices[:, *np.triu_indices(n_channels)]
    return np.sign(upper) * np.sqrt(np.abs(upper))
