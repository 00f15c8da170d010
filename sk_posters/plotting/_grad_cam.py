"""Posters with the saliency maps of their genres."""

from numbers import Integral

import numpy as np

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._optional import import_optional
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_label_names
from sk_posters._base._validation import label_positions, match_names, score_matrix
from sk_posters.exceptions import PosterFileError
from sk_posters.inspection import grad_cam
from sk_posters.plotting._posters import as_list, first_rows, read_poster
from sk_posters.plotting._text import PLAIN, QUIET, Ruler

__all__ = ["GradCAMDisplay"]

AT_LEAST_ONE = [Interval(Integral, 1, None, closed="left")]

# Perceptually uniform with any colour vision; its light end contrasts with grey.
COLOUR_MAP = "inferno"
STRONGEST = 0.85  # Opacity at the maximum.
BLACK, WHITE = 0.15, 0.95  # What the greys of the poster beneath are drawn to.

# Sizes of the grid, in inches: the same text fits at any resolution.
CELL_WIDTH, IMAGE_WIDTH, IMAGE_HEIGHT = 2.0, 1.85, 2.7
LINE_HEIGHT, MARGIN, SCALE_HEIGHT = 0.19, 0.2, 0.1

TITLE = (
    "Each row: a poster, then labels with their scores. Bright: the parts that "
    "contribute most to the label (Grad-CAM). Each map has its own scale."
)
NOTHING = "nothing contributes"


class GradCAMDisplay:
    """Posters, each with the saliency maps of its genres.

    Use `from_estimator` or `from_predictions` to make and draw it.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, 3), dtype uint8
        The posters; None stands for one that cannot be read.
    maps : ndarray of shape (n_posters, n_shown, map_height, map_width)
        Saliency from 0 to 1, for each poster and each label shown with it.
    label_names : list of list of str, default=None
        Names of the labels shown with each poster; None counts them from 0.
    y_score : ndarray of shape (n_posters, n_shown), default=None
        Their scores.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (n_posters, 1 + n_shown)
        A row per poster: the poster, then its maps.
    figure_ : matplotlib Figure
        The figure that holds them.
    texts_ : list of lists of str
        What is written above each poster's maps.

    See Also
    --------
    sk_posters.inspection.grad_cam : Computes the maps, and says what they show.
    PosterGridDisplay : Posters with their predicted genres.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.plotting import GradCAMDisplay
    >>> images = np.random.default_rng(0).random((1, 30, 20, 3))
    >>> maps = np.zeros((1, 2, 30, 20))
    >>> maps[0, 0, 5:10, 5:10] = 1
    >>> names = ["Drama", "Comedy"]
    >>> display = GradCAMDisplay.from_predictions(images, maps, label_names=names)
    >>> display.texts_
    [['Drama', 'Comedy (nothing contributes)']]
    """

    def __init__(self, images, maps, *, label_names=None, y_score=None):
        self.images = images
        self.maps = maps
        self.label_names = label_names
        self.y_score = y_score

    @classmethod
    @validate_params(
        dict.fromkeys(["k", "max_posters"], AT_LEAST_ONE),
        prefer_skip_nested_validation=False,
    )
    def from_estimator(
        cls, estimator, X, *, labels=None, label_names=None, k=3, max_posters=4
    ):
        """Compute saliency maps and draw them.

        A file that cannot be read, but that the estimator accepts, leaves a gap.

        Parameters
        ----------
        estimator : estimator
            What :func:`~sk_posters.inspection.grad_cam` explains, fitted.
        X : array-like of path, or ndarray of shape (n_samples, height, width, 3)
            What the estimator takes: paths of image files, bytes of them, PIL images,
            or an array (uint8, or floats from 0 to 1).
        labels : array-like of str or int, str, int or None, default=None
            The labels to show, by name or position; None shows the `k` most probable
            ones of each poster.
        label_names : array-like of str, default=None
            Names of all labels; None takes those of the estimator.
        k : int, default=3
            How many labels to show where `labels` is None.
        max_posters : int, default=4
            Maximum number of rows, from the first, to explain and draw.

        Returns
        -------
        GradCAMDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator cannot be explained or has no `predict_proba`, or there
            is no such label.
        """
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                "GradCAMDisplay.from_estimator needs an estimator with predict_proba, "
                f"and {type(estimator).__name__} has none: give the maps of grad_cam "
                "to GradCAMDisplay.from_predictions."
            )
        rows = first_rows(X, max_posters)
        y_score, names, _ = predict_scores(estimator, rows)
        if label_names is None:
            names = find_label_names(estimator, names)
        else:
            names = _names_for(label_names, names)
        posters = as_list(rows)
        if labels is None:
            chosen = np.argsort(-y_score, axis=1, kind="stable")[:, :k]
        else:
            asked = label_positions(labels, names, len(names))
            chosen = np.tile(asked, (len(posters), 1))
        maps = [
            grad_cam(estimator, _one_row(rows, row), labels=positions)[0]
            for row, positions in enumerate(chosen)
        ]
        images = []
        for poster in posters:
            try:
                images.append(read_poster(poster))
            except PosterFileError:
                images.append(None)
        display = cls(
            images,
            np.stack(maps),
            label_names=[[names[j] for j in each] for each in chosen],
            y_score=np.take_along_axis(y_score, chosen, axis=1),
        )
        return display.plot()

    @classmethod
    @validate_params(
        {"k": [*AT_LEAST_ONE, None], "max_posters": AT_LEAST_ONE},
        prefer_skip_nested_validation=False,
    )
    def from_predictions(
        cls, images, maps, *, label_names=None, y_score=None, k=None, max_posters=4
    ):
        """Draw saliency maps.

        Parameters
        ----------
        images : array-like of path, or ndarray of shape (n_samples, height, width, 3)
            Paths of image files, bytes of them, PIL images, or arrays (uint8, or
            floats from 0 to 1).
        maps : array-like of shape (n_samples, n_labels, map_height, map_width)
            Saliency from 0 to 1, as :func:`~sk_posters.inspection.grad_cam` returns it.
            A map may have another size than its poster: it is stretched.
        label_names : array-like of str, default=None
            Names of these labels; None counts them from 0.
        y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of \
arrays, default=None
            Scores of these labels, as `predict_proba` returns them.
        k : int, default=None
            Number of labels to show for each poster, those with the highest scores.
            None shows all, in their order.
        max_posters : int, default=4
            Maximum number of posters, from the first, to draw.

        Returns
        -------
        GradCAMDisplay
            The display, drawn.

        Raises
        ------
        PosterFileError or ValueError
            If a file cannot be read; if posters, maps, names and scores do not fit
            each other; if `k` is given without `y_score`.
        """
        maps = _check_maps(maps)
        n_posters, n_labels = maps.shape[:2]
        if len(images) != n_posters:
            raise ValueError(
                f"There must be maps for each poster: got {len(images)} posters and "
                f"maps of shape {maps.shape}."
            )
        names = list(range(n_labels))
        if y_score is not None:
            y_score, names = score_matrix(y_score)
            if y_score.shape != maps.shape[:2]:
                raise ValueError(
                    "y_score must hold a score for each map, of shape "
                    f"{maps.shape[:2]}: got {y_score.shape}."
                )
        elif k is not None:
            raise ValueError(f"k={k!r} chooses labels by their scores: give y_score.")
        if label_names is not None:
            names = _names_for(label_names, names)
        chosen = np.tile(np.arange(n_labels), (n_posters, 1))
        if k is not None:
            chosen = np.argsort(-y_score, axis=1, kind="stable")[:, :k]
        chosen = chosen[:max_posters]
        if y_score is not None:
            y_score = np.take_along_axis(y_score[:max_posters], chosen, axis=1)
        posters = as_list(first_rows(images, max_posters))
        display = cls(
            [read_poster(poster) for poster in posters],
            np.stack([maps[row, each] for row, each in enumerate(chosen)]),
            label_names=[[names[j] for j in each] for each in chosen],
            y_score=y_score,
        )
        return display.plot()

    def plot(self):
        """Draw the posters and maps on a new figure.

        Returns
        -------
        GradCAMDisplay
            This display.
        """
        plt = import_optional(
            "matplotlib.pyplot", extra="plot", purpose=type(self).__name__
        )
        n_posters, n_shown = self.maps.shape[:2]
        width = (1 + n_shown) * CELL_WIDTH + 2 * MARGIN - (CELL_WIDTH - IMAGE_WIDTH)
        self.figure_ = plt.figure(figsize=(width, 1), layout="none")
        ruler = Ruler(self.figure_)
        title = ruler.wrap(TITLE, width - 2 * MARGIN)
        self.texts_ = [
            [self._text(row, shown) for shown in range(n_shown)]
            for row in range(n_posters)
        ]
        headings = [
            [ruler.wrap(text, IMAGE_WIDTH) for text in ["Poster", *texts]]
            for texts in self.texts_
        ]
        lines = [LINE_HEIGHT * max(map(len, row)) for row in headings]
        header = len(title) * LINE_HEIGHT + MARGIN
        footer = LINE_HEIGHT + SCALE_HEIGHT + 2 * MARGIN
        frame = IMAGE_HEIGHT + MARGIN
        height = header + sum(lines) + n_posters * frame + footer
        self.figure_.set_size_inches(width, height)

        def write(x, y, text, **style):
            return self.figure_.text(x / width, y / height, text, **PLAIN | style)

        def axes(left, bottom, wide, high):
            box = np.array([left, bottom, wide, high])
            return self.figure_.add_axes(box / [width, height, width, height])

        for number, line in enumerate(title, start=1):
            write(MARGIN, height - MARGIN / 2 - number * LINE_HEIGHT, line, color=QUIET)
        self.axes_ = np.empty((n_posters, 1 + n_shown), dtype=object)
        top = height - header
        for row in range(n_posters):
            top -= MARGIN / 2 + lines[row]
            for column, texts in enumerate(headings[row]):
                left = MARGIN + column * CELL_WIDTH
                for number, text in enumerate(reversed(texts)):
                    style = {"weight": "bold"} if column else {"color": QUIET}
                    write(left, top + 0.06 + number * LINE_HEIGHT, text, **style)
                ax = axes(left, top - IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_HEIGHT)
                saliency = self.maps[row, column - 1] if column else None
                _show(ax, self.images[row], saliency)
                self.axes_[row, column] = ax
            top -= IMAGE_HEIGHT + MARGIN / 2
        _show_scale(axes(MARGIN, MARGIN, IMAGE_WIDTH, SCALE_HEIGHT))
        above = MARGIN + SCALE_HEIGHT + 0.05
        write(MARGIN, above, "not at all", color=QUIET)
        write(MARGIN + IMAGE_WIDTH, above, "most", color=QUIET, ha="right")
        return self

    def _text(self, row, shown):
        name = f"label {shown}"
        if self.label_names is not None:
            name = self.label_names[row][shown]
            # A position in place of a name.
            name = f"label {name}" if isinstance(name, Integral) else str(name)
        score = "" if self.y_score is None else f" {self.y_score[row, shown]:.2f}"
        note = "" if self.maps[row, shown].any() else f" ({NOTHING})"
        return f"{name}{score}{note}"


def _check_maps(maps):
    maps = np.asarray(maps)
    numbers = maps.ndim == 4 and maps.size > 0 and maps.dtype.kind in "fiu"
    if not numbers or not (maps.min() >= 0 and maps.max() <= 1):  # False for NaN
        raise ValueError(
            "maps must have the shape (n_samples, n_labels, height, width) and values "
            f"from 0 to 1, as grad_cam returns them: got shape {maps.shape}, dtype "
            f"{maps.dtype}, holding {maps.ravel()[:3]!s} …"
        )
    return maps


def _names_for(label_names, names):
    """Return the user's names in place of those of the scores."""
    if len(label_names) != len(names):
        raise ValueError(
            f"label_names must hold a name for each of the {len(names)} labels: got "
            f"{len(label_names)}."
        )
    return match_names(label_names, "label_names", names, "the labels")


def _one_row(rows, row):
    part = slice(row, row + 1)
    return rows.iloc[part] if hasattr(rows, "iloc") else rows[part]


def _show(ax, image, saliency):
    ax.set(xticks=[], yticks=[])
    if image is None:
        ax.text(0.5, 0.5, "file cannot be read", ha="center", transform=ax.transAxes)
        return
    ax.axis("off")
    ax.set_anchor("NW")
    if saliency is None:
        ax.imshow(image)
        return
    grey = image @ np.array([0.299, 0.587, 0.114]) / 255
    ax.imshow(BLACK + (WHITE - BLACK) * grey, cmap="gray", vmin=0, vmax=1)
    high, wide = image.shape[:2]
    _overlay(ax, saliency, (-0.5, wide - 0.5, high - 0.5, -0.5))


def _show_scale(ax):
    ax.axis("off")
    steps = np.linspace(0, 1, 256)[np.newaxis]
    ax.imshow(np.full((1, 1), (BLACK + WHITE) / 2), cmap="gray", vmin=0, vmax=1)
    _overlay(ax, steps, (-0.5, 0.5, 0.5, -0.5))
    ax.set_aspect("auto")


def _overlay(ax, saliency, extent):
    ax.imshow(
        saliency,
        cmap=COLOUR_MAP,
        vmin=0,
        vmax=1,
        alpha=np.sqrt(saliency) * STRONGEST,
        extent=extent,
        interpolation="bilinear",
        zorder=2,
    )
