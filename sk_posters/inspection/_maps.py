"""Small maps of any sign as heat over an image."""

import numpy as np

__all__ = ["add_enlarged", "as_heat"]


def add_enlarged(heat, maps):
    """Add maps to larger ones, interpolated linearly.

    Parameters
    ----------
    heat : ndarray of shape (n_maps, height, width), dtype float32
        What is added to, in place.
    maps : ndarray of shape (n_maps, rows, columns)
        Maps of the same images. Their cells are spread evenly, and values change
        linearly from the middle of one cell to that of the next.
    """
    down = _weights(heat.shape[1], maps.shape[1])
    across = _weights(heat.shape[2], maps.shape[2])
    for larger, small in zip(heat, maps, strict=True):
        larger += down @ small.astype(np.float32, copy=False) @ across.T


def as_heat(maps):
    """Make maps run from 0 to 1, in place.

    Parameters
    ----------
    maps : ndarray of shape (..., height, width), dtype float32
        Maps of any sign. What is negative becomes 0, then each map is divided by its
        greatest value; one without any positive value is 0 everywhere.

    Returns
    -------
    ndarray
        The same array.
    """
    np.maximum(maps, 0, out=maps)
    greatest = maps.max(axis=(-2, -1), keepdims=True)
    np.divide(maps, greatest, out=maps, where=greatest > 0)
    return maps


def _weights(n_pixels, n_cells):
    """Return how much each pixel takes of each cell, shape (n_pixels, n_cells)."""
    place = (np.arange(n_pixels) + 0.5) * (n_cells / n_pixels) - 0.5
    place = place.clip(0, n_cells - 1)
    distance = np.abs(place[:, np.newaxis] - np.arange(n_cells))
    return np.maximum(1 - distance, 0).astype(np.float32)
