"""Learning curves."""

import numpy as np
from scipy.special import entr
from sklearn.exceptions import NotFittedError

from sk_posters._base._optional import import_optional
from sk_posters._base._unwrap import unwrap
from sk_posters._base._validation import find_known, label_matrix
from sk_posters.plotting._text import QUIET

__all__ = ["TrainingHistoryDisplay"]


class TrainingHistoryDisplay:
    """Learning curves: a loss or metric by epoch, in training and validation.

    Use `from_estimator` to draw those of a fitted estimator.

    Parameters
    ----------
    history : dict of lists
        A value per epoch for ``"loss"``, any other metric, and for each of them
        under a name starting with ``"val_"`` if there was a validation set.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure that holds them.
    lines_ : list of matplotlib Line2D
        Training, then validation and baseline where they are drawn.

    See Also
    --------
    PosterGridDisplay : Posters with their predicted and true genres.

    Examples
    --------
    >>> from sk_posters.plotting import TrainingHistoryDisplay
    >>> history = {"loss": [0.5, 0.3, 0.2], "val_loss": [0.6, 0.4, 0.4]}
    >>> display = TrainingHistoryDisplay(history).plot(baseline=0.45)
    >>> display.figure_.savefig("history.png")
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(
        cls, estimator, *, y=None, metric="loss", baseline=None, ax=None
    ):
        """Draw the learning curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with a `history_`, such as `PosterClassifier`, or a
            Pipeline or search whose last step it is.
        y : array-like, DataFrame or sparse matrix, default=None
            The 0/1 labels of the training set. The cross-entropy of predicting each
            label's frequency becomes the baseline of the loss.
        metric : str, default="loss"
            What to draw: a key of `history_`.
        baseline : float, default=None
            Where to draw the baseline, in place of the value that `y` gives.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        TrainingHistoryDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If it has no `history_`.
        """
        last = unwrap(estimator).head
        history = getattr(last, "history_", None)
        if history is None:
            raise NotFittedError(
                f"This {type(last).__name__} has no history_: call fit first, of an "
                "estimator that keeps learning curves, such as PosterClassifier."
            )
        if y is not None and baseline is None and metric == "loss":
            baseline = _frequency_cross_entropy(y)
        return cls(history).plot(ax, metric=metric, baseline=baseline)

    def plot(self, ax=None, *, metric="loss", baseline=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        metric : str, default="loss"
            What to draw: a key of `history`.
        baseline : float, default=None
            Draw a horizontal line here: what is reached without looking at the
            images, such as the cross-entropy of the label frequencies.

        Returns
        -------
        TrainingHistoryDisplay
            This display.
        """
        name = type(self).__name__
        plt = import_optional("matplotlib.pyplot", extra="plot", purpose=name)
        if not self.history.get(metric):
            known = [name for name in self.history if not name.startswith("val_")]
            raise ValueError(f"metric must be one of {known!r}: got {metric!r}.")
        self.ax_ = plt.subplots(layout="constrained")[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        self.lines_ = []
        curves = [(metric, "training", "o-"), (f"val_{metric}", "validation", "s--")]
        for key, label, style in curves:
            values = self.history.get(key)
            if values:
                epochs = range(1, len(values) + 1)
                self.lines_ += self.ax_.plot(epochs, values, style, label=label)
        if baseline is not None:
            style = {"color": QUIET, "linestyle": ":"}
            line = self.ax_.axhline(baseline, label="label frequencies alone", **style)
            self.lines_.append(line)
        self.ax_.set(
            xlabel="epoch",
            ylabel="loss (lower is better)" if metric == "loss" else metric,
            xlim=(0.5, len(self.history[metric]) + 0.5),
        )
        self.ax_.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        self.ax_.legend()
        return self


def _frequency_cross_entropy(y):
    labels = label_matrix(y, "y", allow_unknown=True)[0]
    known = find_known(labels)
    if known.all():
        frequencies = labels.mean(axis=0)
        return float((entr(frequencies) + entr(1 - frequencies)).mean())
    n_known = known.sum(axis=0)
    frequencies = (labels == 1).sum(axis=0) / np.maximum(n_known, 1)
    of_labels = entr(frequencies) + entr(1 - frequencies)
    return float(np.average(of_labels, weights=n_known))
