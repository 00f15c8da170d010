"""Posters in a grid, each with its predicted genres."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._optional import import_optional
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_label_names
from sk_posters._base._validation import (
    check_finite,
    check_predictions,
    match_names,
    score_matrix,
)
from sk_posters.exceptions import PosterFileError
from sk_posters.plotting._posters import as_list, first_rows, read_poster
from sk_posters.plotting._text import FOUND, MARK, PLAIN, QUIET, Ruler

__all__ = ["PosterGridDisplay"]

AT_LEAST_ONE = [Interval(Integral, 1, None, closed="left")]

# Sizes of the grid, in inches: the same text fits at any resolution.
CELL_WIDTH, TEXT_WIDTH, MARK_WIDTH = 2.3, 2.08, 0.18
IMAGE_HEIGHT, LINE_HEIGHT, MARGIN = 2.6, 0.19, 0.2


class PosterGridDisplay:
    """Posters, each with its most probable genres and, where known, the true ones.

    Use `from_estimator` or `from_predictions` to read the posters and draw them.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, 3), dtype uint8
        The posters; None stands for one that cannot be read.
    y_score : ndarray of shape (n_posters, n_labels)
        Score of each label.
    y_true : ndarray of shape (n_posters, n_labels), default=None
        0/1 for each label, nan where it is not known.
    label_names : list of str, default=None
        Names of the labels; None counts them from 0.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (n_posters,)
        One per poster.
    figure_ : matplotlib Figure
        The figure that holds them.
    texts_ : list of lists of matplotlib Text
        What is written under each poster.

    See Also
    --------
    TrainingHistoryDisplay : Learning curves of the classifier.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sk_posters.plotting import PosterGridDisplay
    >>> images = np.random.default_rng(0).random((2, 30, 20, 3))
    >>> y = pd.DataFrame({"Drama": [1, 1], "Comedy": [0, 0]})
    >>> y_score = [[0.9, 0.2], [0.6, 0.7]]
    >>> display = PosterGridDisplay.from_predictions(images, y_score, y_true=y, k=1)
    >>> [[text.get_text() for text in texts] for texts in display.texts_]
    [['✓', 'Drama', '0.90', 'True: Drama'], ['Comedy', '0.70', 'True: Drama']]
    """

    def __init__(self, images, y_score, *, y_true=None, label_names=None):
        self.images = images
        self.y_score = y_score
        self.y_true = y_true
        self.label_names = label_names

    @classmethod
    @validate_params({"max_posters": AT_LEAST_ONE}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, k=3, max_posters=12, n_columns=4):
        """Predict the genres of posters and draw them.

        A file that cannot be read, but which the estimator let pass, leaves a gap.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier with `predict_proba`, or a Pipeline that ends in one.
        X : array-like of path, or ndarray of shape (n_samples, height, width, 3)
            What the estimator takes: paths of image files, bytes of them, PIL images,
            or an array (uint8, or floats from 0 to 1).
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels), \
default=None
            The true labels: 0/1, nan where a label is not known.
        k : int, default=3
            How many genres to show for each poster.
        max_posters : int, default=12
            Maximum number of rows, from the first, to predict and draw.
        n_columns : int, default=4
            Number of columns of the grid.

        Returns
        -------
        PosterGridDisplay
            The display, drawn.
        """
        check_consistent_length(X, y)
        rows = first_rows(X, max_posters)
        y_score, names, _ = predict_scores(estimator, rows)
        images = []
        for poster in as_list(rows):
            try:
                images.append(read_poster(poster))
            except PosterFileError:
                images.append(None)
        return cls.from_predictions(
            images,
            y_score,
            y_true=None if y is None else first_rows(y, max_posters),
            label_names=find_label_names(estimator, names),
            k=k,
            max_posters=max_posters,
            n_columns=n_columns,
        )

    @classmethod
    @validate_params({"max_posters": AT_LEAST_ONE}, prefer_skip_nested_validation=False)
    def from_predictions(
        cls,
        posters,
        y_score,
        *,
        y_true=None,
        label_names=None,
        k=3,
        max_posters=12,
        n_columns=4,
    ):
        """Draw posters with the genres that were predicted for them.

        Parameters
        ----------
        posters : array-like of path, or ndarray of shape (n_samples, height, width, 3)
            Paths of image files, bytes of them, PIL images, or arrays (uint8, or
            floats from 0 to 1).
        y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of \
arrays
            Scores as `predict_proba` returns them.
        y_true : array-like, DataFrame or sparse matrix of shape (n_samples, \
n_labels), default=None
            The true labels: 0/1, nan where a label is not known.
        label_names : array-like of str, default=None
            Names of the labels; None takes those of the columns of a DataFrame.
        k : int, default=3
            How many genres to show for each poster.
        max_posters : int, default=12
            Maximum number of posters, from the first, to draw.
        n_columns : int, default=4
            Number of columns of the grid.

        Returns
        -------
        PosterGridDisplay
            The display, drawn.

        Raises
        ------
        PosterFileError or ValueError
            If a file cannot be read; if rows or names do not fit each other.
        """
        if y_true is None:
            y_score, names = score_matrix(y_score)
            check_finite(y_score, names)
        else:
            y_true, y_score, names = check_predictions(y_true, y_score)
            y_true = y_true[:max_posters]
        if len(posters) != len(y_score):
            raise ValueError(
                "There must be a row of y_score for each poster: got "
                f"{len(posters)} posters and {len(y_score)} rows."
            )
        label_names = names if label_names is None else label_names
        if len(label_names) != len(names):
            raise ValueError(
                "label_names must hold a name for each column of y_score: got "
                f"{len(label_names)} names and {len(names)} columns."
            )
        names = match_names(label_names, "label_names", names, "the labels")
        images = [
            read_poster(poster) for poster in as_list(first_rows(posters, max_posters))
        ]
        display = cls(
            images, y_score[:max_posters], y_true=y_true, label_names=list(names)
        )
        return display.plot(k=k, n_columns=n_columns)

    @validate_params(
        dict.fromkeys(["k", "n_columns"], AT_LEAST_ONE),
        prefer_skip_nested_validation=True,
    )
    def plot(self, *, k=3, n_columns=4):
        """Draw the posters on a new figure.

        Parameters
        ----------
        k : int, default=3
            How many genres to show for each poster.
        n_columns : int, default=4
            Number of columns of the grid.

        Returns
        -------
        PosterGridDisplay
            This display.
        """
        name = type(self).__name__
        plt = import_optional("matplotlib.pyplot", extra="plot", purpose=name)
        n_posters = len(self.images)
        n_columns = min(n_columns, n_posters)
        width = n_columns * CELL_WIDTH + MARGIN
        self.figure_ = plt.figure(figsize=(width, 1), layout="none")
        ruler = Ruler(self.figure_)
        title = "Most probable genres of each poster, with scores."
        if self.y_true is not None:
            title += " Bold with a check mark: among the true genres."
        title = ruler.wrap(title, width - 2 * MARGIN)
        texts = [list(self._lines(row, k, ruler)) for row in range(n_posters)]
        header = len(title) * LINE_HEIGHT + 2 * MARGIN
        rows = [texts[i : i + n_columns] for i in range(0, n_posters, n_columns)]
        frame = IMAGE_HEIGHT + 2 * MARGIN
        heights = [frame + LINE_HEIGHT * max(map(len, row)) for row in rows]
        height = header + sum(heights)
        self.figure_.set_size_inches(width, height)

        def write(x, y, text, **style):
            return self.figure_.text(x / width, y / height, text, **PLAIN | style)

        for number, line in enumerate(title, start=1):
            write(MARGIN, height - MARGIN / 2 - number * LINE_HEIGHT, line, color=QUIET)
        self.axes_, self.texts_ = np.empty(n_posters, dtype=object), []
        for i, lines in enumerate(texts):
            left = MARGIN + i % n_columns * CELL_WIDTH
            bottom = height - header - sum(heights[: i // n_columns]) - IMAGE_HEIGHT
            box = np.array([left, bottom, TEXT_WIDTH, IMAGE_HEIGHT])
            self.axes_[i] = self.figure_.add_axes(box / [width, height, width, height])
            _show(self.axes_[i], self.images[i])
            self.texts_.append([])
            for number, line in enumerate(lines, start=1):
                for x, text, style in line:
                    y = bottom - number * LINE_HEIGHT
                    self.texts_[-1].append(write(left + x, y, text, **style))
        return self

    def _lines(self, row, k, ruler):
        """Yield the lines under a poster, each a list of (x, text, style)."""
        names, positions = self.label_names, range(self.y_score.shape[1])
        if names is None or list(names) == list(positions):
            names = [f"label {j}" for j in positions]
        known = self.y_true is not None
        indent = MARK_WIDTH if known else 0
        for j in np.argsort(-self.y_score[row], kind="stable")[:k]:
            right = known and self.y_true[row, j] == 1
            style = FOUND if right else {}
            score = f"{self.y_score[row, j]:.2f}"
            space = TEXT_WIDTH - indent - ruler.width(f"  {score}", bold=right)
            first, *rest = ruler.wrap(names[j], space, bold=right)
            mark = [(0, "\N{CHECK MARK}", style | MARK)] if right else []
            end = (TEXT_WIDTH, score, style | {"ha": "right"})
            yield [*mark, (indent, first, style), end]
            yield from ([(indent, text, style)] for text in rest)
        if known:
            true = [str(names[j]) for j in np.flatnonzero(self.y_true[row] == 1)]
            said = f"True: {', '.join(true) or 'none'}"
            n_unknown = np.count_nonzero(np.isnan(self.y_true[row]))
            if n_unknown:
                said += f"; {n_unknown} not known"
            lines = ruler.wrap(said, TEXT_WIDTH)
            yield from ([(0, text, {"color": QUIET})] for text in lines)


def _show(ax, image):
    ax.set(xticks=[], yticks=[])
    if image is None:
        ax.text(0.5, 0.5, "file cannot be read", ha="center", transform=ax.transAxes)
        return
    ax.imshow(image)
    ax.set_anchor("SW")  # On top of its text, whatever its proportions.
    ax.axis("off")
