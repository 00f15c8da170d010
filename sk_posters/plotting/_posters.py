"""Posters, from sources or arrays, as images to show."""

import numpy as np
from scipy.sparse import issparse

from sk_posters._images._decoding import decode_within
from sk_posters._images._sources import as_source, is_source

__all__ = ["as_list", "first_rows", "read_poster"]

LARGEST_SIDE = 600  # Pixels of a poster kept in memory: more than a grid shows.


def first_rows(rows, n):
    """Return the first rows of a table, matrix or list."""
    if hasattr(rows, "iloc"):
        return rows.iloc[:n]
    return rows.tocsr()[:n] if issparse(rows) else rows[:n]


def as_list(posters):
    """Return one source or array per poster."""
    posters = posters.to_numpy().ravel() if hasattr(posters, "iloc") else posters
    return [
        as_source(poster, row, "posters") if is_source(poster) else poster
        for row, poster in enumerate(posters)
    ]


def read_poster(poster):
    """Return a source or array as uint8 of shape (height, width, 3)."""
    if poster is None:
        return None
    if is_source(poster):
        return decode_within(as_source(poster, name="posters"), LARGEST_SIDE)
    pixels = np.asarray(poster)
    right = pixels.ndim == 3 and pixels.shape[2] in (1, 3) and pixels.size > 0
    if right and pixels.dtype.kind == "f" and 0 <= pixels.min() <= pixels.max() <= 1:
        pixels = np.rint(255 * pixels).astype(np.uint8)
    if not right or pixels.dtype != np.uint8:
        raise ValueError(
            "A poster must be a path, bytes of an image file, a PIL image, or an array "
            "of shape (height, width, 3) or (height, width, 1), uint8 or floats from 0 "
            "to 1: got an array of shape "
            f"{pixels.shape}, dtype {pixels.dtype}, holding {pixels.ravel()[:3]!s} …"
        )
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
