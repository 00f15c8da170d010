"""Posters and saliency maps inside a web page, and the policy that protects it."""

import base64
import hashlib
from io import BytesIO

import numpy as np
from PIL import Image

from sk_posters._images._decoding import decode_within
from sk_posters._images._sources import as_source, is_source
from sk_posters.exceptions import PosterFileError

__all__ = ["hash_inline", "make_data_url", "make_overlay", "make_thumbnail"]

# Colours from the least to the most salient: darker to brighter in every vision.
SALIENCY = np.array([[140, 20, 60], [220, 60, 30], [250, 150, 20], [255, 240, 120]])
OPACITY = 0.75  # Where it is most salient: the poster still shows through.


def make_thumbnail(poster, largest_side):
    """Return a source or uint8 array as a small PIL image; None if unreadable."""
    if is_source(poster):
        try:
            return Image.fromarray(decode_within(as_source(poster), largest_side))
        except PosterFileError:
            return None
    image = Image.fromarray(np.ascontiguousarray(poster))
    image.thumbnail((largest_side, largest_side), Image.Resampling.LANCZOS)
    return image


def make_overlay(saliency, size):
    """Return a saliency map from 0 to 1 as an RGBA picture to lay over a poster."""
    saliency = Image.fromarray(np.asarray(saliency, dtype=np.float32))
    saliency = np.asarray(saliency.resize(size, Image.Resampling.BILINEAR)).clip(0, 1)
    stops = np.linspace(0, 1, len(SALIENCY))
    channels = [np.interp(saliency, stops, channel) for channel in SALIENCY.T]
    channels.append(255 * OPACITY * saliency)
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def make_data_url(save, kind, **options):
    """Return what `save` (of an image or a figure) writes as a ``data:`` URL."""
    buffer = BytesIO()
    save(buffer, format=kind, **options)
    text = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind};base64,{text}"


def hash_inline(code):
    """Return the source by which a Content-Security-Policy allows inline code."""
    digest = hashlib.sha256(code.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
