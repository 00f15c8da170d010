"""The pictures of a report: posters, saliency maps and figures."""

from PIL import Image, ImageEnhance

from sk_posters._base._optional import import_optional
from sk_posters._images._display import make_data_url, make_overlay, make_thumbnail
from sk_posters._images._sources import is_source
from sk_posters.plotting import MultilabelCalibrationDisplay, TrainingHistoryDisplay
from sk_posters.plotting._posters import read_poster

__all__ = ["draw_calibration", "draw_learning_curves", "picture_poster"]

LARGEST_SIDE = 340  # Pixels: twice what a phone shows in two columns.
QUALITY = 80
DPI = 130
BRIGHTNESS = 0.55  # Of the grey poster below a saliency map.


def picture_poster(poster, saliency=None):
    """Return pictures of a poster and of its saliency; none for unreadable files."""
    if not is_source(poster):
        poster = read_poster(poster)
    image = make_thumbnail(poster, LARGEST_SIDE)
    if image is None:
        return []
    images = [image] if saliency is None else [image, _lay_over(image, saliency)]
    return [
        {
            "src": make_data_url(each.save, "jpeg", quality=QUALITY, optimize=True),
            "width": each.width,
            "height": each.height,
        }
        for each in images
    ]


def _lay_over(image, saliency):
    grey = ImageEnhance.Brightness(image.convert("L")).enhance(BRIGHTNESS)
    overlay = make_overlay(saliency, image.size)
    return Image.alpha_composite(grey.convert("RGBA"), overlay).convert("RGB")


def draw_calibration(labels, scores):
    """Return the calibration curve as a ``data:`` URL."""
    return _draw(
        lambda ax: MultilabelCalibrationDisplay.from_predictions(labels, scores, ax=ax),
        (5.6, 5.6),
    )


def draw_learning_curves(history):
    """Return the loss by epoch as a ``data:`` URL."""
    return _draw(TrainingHistoryDisplay(history).plot, (6.4, 3.6))


def _draw(draw, size):
    # A figure outside pyplot: no window opens, and none is left to close.
    figures = import_optional(
        "matplotlib.figure", extra="plot", purpose="A figure in the report"
    )
    figure = figures.Figure(figsize=size, layout="constrained")
    draw(figure.subplots())
    return make_data_url(figure.savefig, "png", dpi=DPI, bbox_inches="tight")
