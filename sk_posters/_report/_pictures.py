"""Posters, heat maps and figures as pictures inside a page."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from sk_posters._base._optional import import_optional
from sk_posters.exceptions import PosterFileError
from sk_posters.plotting import MultilabelCalibrationDisplay, TrainingHistoryDisplay
from sk_posters.plotting._posters import read_poster

__all__ = ["calibration", "heated", "learning_curves", "poster_thumbnail", "to_jpeg"]

LARGEST_SIDE = 340  # Pixels: twice what a phone shows in two columns.
QUALITY = 80
DPI = 130
HEAT = np.array([255, 96, 0])
SHARE_OF_HEAT = 0.7
SHARE_OF_GREY = 0.75


def poster_thumbnail(poster):
    """Return a poster, made small.

    Parameters
    ----------
    poster : str, path-like or ndarray of shape (height, width, 3)
        A path, or an image.

    Returns
    -------
    PIL.Image.Image or None
        None where the file cannot be read.
    """
    try:
        image = Image.fromarray(np.ascontiguousarray(read_poster(poster)))
    except PosterFileError:
        return None
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def heated(image, heat):
    """Return an image in grey, with heat laid over it.

    Parameters
    ----------
    image : PIL.Image.Image
        The image.
    heat : ndarray of shape (height, width)
        From 0 to 1. It is brought to the size of the image.

    Returns
    -------
    PIL.Image.Image
        The image, orange where the heat is.
    """
    sized = Image.fromarray(np.asarray(heat, dtype=np.float32)).resize(
        image.size, Image.Resampling.BILINEAR
    )
    share = SHARE_OF_HEAT * np.asarray(sized)[..., np.newaxis].clip(0, 1)
    grey = SHARE_OF_GREY * np.asarray(image.convert("L"), dtype=float)[..., np.newaxis]
    return Image.fromarray(np.uint8((1 - share) * grey + share * HEAT))


def to_jpeg(image):
    """Return an image as a ``data:`` address."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return _address("image/jpeg", buffer)


def calibration(labels, scores):
    """Return reliability curve and share of cells by probability, drawn.

    Parameters
    ----------
    labels, scores : ndarray of shape (n_samples, n_labels)
        The truth, and probabilities.

    Returns
    -------
    str
        A ``data:`` address.
    """
    return _draw(
        lambda ax: MultilabelCalibrationDisplay.from_predictions(labels, scores, ax=ax),
        (5.6, 5.6),
    )


def learning_curves(history):
    """Return the loss by epoch, drawn, as a ``data:`` address."""
    return _draw(TrainingHistoryDisplay(history).plot, (6.4, 3.6))


def _draw(draw, size):
    # A figure outside pyplot: no window opens, and none is left to close.
    figures = import_optional(
        "matplotlib.figure", extra="plot", purpose="A picture in the report"
    )
    figure = figures.Figure(figsize=size, layout="constrained")
    draw(figure.subplots())
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
    return _address("image/png", buffer)


def _address(kind, buffer):
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
