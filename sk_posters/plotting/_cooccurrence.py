"""Which labels come together."""

import numpy as np

from sk_posters._base._predictions import match_learned_names
from sk_posters._base._validation import (
    check_names,
    find_known,
    label_matrix,
    match_names,
)
from sk_posters.plotting._style import add_title, axes_for, format_names
from sk_posters.plotting._text import PLAIN

__all__ = ["LabelCooccurrenceDisplay"]

NO_ROW = "#d0d7de"


class LabelCooccurrenceDisplay:
    """Heat maps: which labels occur together, true and predicted.

    Each row of a map is for the samples with one label, and shows what share of them
    has each other label. The row "all rows" below shows the share of all samples that
    have a label: what every row would show if labels were independent. Use
    `from_estimator` or `from_predictions` to draw it.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples, n_labels)
        The true labels, 0/1.
    y_pred : ndarray of shape (n_samples, n_labels)
        The predicted labels, 0/1.
    label_names : list of str, default=None
        Names of the labels; None counts them from 0.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, of shape (2,)
        True labels, and predicted ones.
    figure_ : matplotlib Figure
        The figure that holds them.
    true_, predicted_ : ndarray of shape (n_labels + 1, n_labels)
        What is drawn, the row of all rows at the end: of the rows with one label, the
        share that has another; nan where no row has the first, and on the diagonal.
    order_ : ndarray of shape (n_labels,), dtype int
        The columns of labels in the order drawn: those of most rows first.

    See Also
    --------
    LabelScoresDisplay : How well each label is found.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.plotting import LabelCooccurrenceDisplay
    >>> y_true = np.array([[1, 1], [1, 0], [1, 1], [0, 0]])
    >>> y_pred = np.array([[1, 0], [1, 0], [0, 1], [0, 0]])
    >>> display = LabelCooccurrenceDisplay.from_predictions(
    ...     y_true, y_pred, label_names=["Drama", "Romance"]
    ... )
    >>> display.true_.round(2)
    array([[ nan, 0.67],
           [1.  ,  nan],
           [0.75, 0.5 ]])
    """

    def __init__(self, y_true, y_pred, *, label_names=None):
        self.y_true = y_true
        self.y_pred = y_pred
        self.label_names = label_names

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Draw which labels a fitted classifier gives together.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier whose `predict` returns 0/1 for each label.
        X : array-like of length n_samples
            What the estimator takes.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        ax : sequence of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LabelCooccurrenceDisplay
            The display, drawn.
        """
        names = match_learned_names(
            estimator, label_matrix(y, "y", allow_unknown=True)[1]
        )
        y_pred = estimator.predict(X)
        return cls.from_predictions(y, y_pred, label_names=names, ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, label_names=None, ax=None):
        """Draw which labels come together.

        Parameters
        ----------
        y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        y_pred : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The predicted labels, 0/1.
        label_names : sequence of shape (n_labels,), default=None
            Names of the labels; None takes the columns of a DataFrame, or numbers.
        ax : sequence of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LabelCooccurrenceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes or names differ, or a value is neither 0 nor 1.
        """
        true, names = label_matrix(y_true, "y_true", allow_unknown=True)
        predicted, other_names = label_matrix(y_pred, "y_pred")
        if true.shape != predicted.shape:
            raise ValueError(
                "y_true and y_pred must have the same shape, a row per sample and a "
                f"column per label: got {true.shape} and {predicted.shape}."
            )
        names = match_names(names, "y_true", other_names, "y_pred")
        names = list(check_names(label_names, names, "y_true and y_pred"))
        return cls(true, predicted, label_names=names).plot(ax)

    def plot(self, ax=None):
        """Draw both heat maps.

        Parameters
        ----------
        ax : sequence of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LabelCooccurrenceDisplay
            This display.

        Raises
        ------
        ValueError
            If `ax` does not hold two.
        """
        self.order_ = np.argsort(-np.nansum(self.y_true, axis=0), kind="stable")
        self.true_ = _shares(self.y_true[:, self.order_])
        self.predicted_ = _shares(self.y_pred[:, self.order_])
        if ax is None:
            side = 0.8 + 0.24 * len(self.order_)
            size = (2 * side + 4, side + 2.8)
            ax = axes_for(None, self, size, ncols=2)
        self.axes_ = np.asarray(ax, dtype=object)
        if self.axes_.shape != (2,):
            raise ValueError(
                "ax must hold two Axes, for true labels and for those given: got shape "
                f"{self.axes_.shape}."
            )
        self.figure_ = self.axes_[0].figure
        both = np.concatenate([self.true_, self.predicted_])
        style = {
            "cmap": "Blues",
            "vmin": 0,
            "vmax": np.nanmax(both, initial=0.01),
            "rasterized": True,
        }
        self._draw(self.axes_[0], self.true_, style)
        mesh = self._draw(self.axes_[1], self.predicted_, style)
        self._write()
        bar = self.figure_.colorbar(mesh, ax=list(self.axes_), fraction=0.04, pad=0.01)
        bar.set_label("share that has the label below, too")
        return self

    def _draw(self, ax, shares, style):
        n_labels, shares = shares.shape[1], np.ma.masked_invalid(shares)
        edges = np.arange(n_labels + 1) - 0.5
        ax.fill_between(
            [-0.5, n_labels - 0.5], -0.5, n_labels - 0.5, color=NO_ROW, lw=0
        )
        ax.pcolormesh(edges, edges, shares[:-1], **style)
        last = np.array([n_labels, n_labels + 1])  # A gap sets the last row apart.
        return ax.pcolormesh(edges, last, shares[-1:], **style)

    def _write(self):
        n_rows, n_labels = self.y_true.shape
        names = range(n_labels) if self.label_names is None else self.label_names
        names = np.array(format_names(names), dtype=object)[self.order_]
        places = np.append(np.arange(n_labels), n_labels + 0.5)
        for ax, labels in zip(self.axes_, [self.y_true, self.y_pred], strict=True):
            counts = np.nansum(labels, axis=0).astype(int)
            rows = [str(n) for n in [*counts[self.order_], n_rows]]
            if ax is self.axes_[0]:
                pairs = zip([*names, "all rows"], rows, strict=True)
                rows = [f"{name}  {n}" for name, n in pairs]
            ax.set_yticks(places, rows, **PLAIN)
            ax.set_xticks(np.arange(n_labels), names, rotation=90, **PLAIN)
            ax.set(xlim=(-0.5, n_labels - 0.5), ylim=(n_labels + 1, -0.5))
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
        add_title(
            self.axes_[0],
            f"True labels, {np.nansum(self.true_[-1]):.2f} a row",
            "of the rows with the label at left (with its count),",
            "the share that has the label below, too",
        )
        add_title(
            self.axes_[1],
            f"Labels given, {self.y_pred.sum(axis=1).mean():.2f} a row",
            "same order and colours; grey: no such row",
            '"all rows": what labels without a link would show',
        )


def _shares(labels):
    """Return, of the rows with one label, the share that has another; then of all.

    Each share is of the rows that know the other label.
    """
    known = find_known(labels)
    labels = np.where(known, labels, 0).astype(int)
    together = (labels.T @ labels).astype(float)
    counts = labels.T @ known.astype(int)
    shares = np.full(together.shape, np.nan)
    np.divide(together, counts, out=shares, where=counts > 0)
    np.fill_diagonal(shares, np.nan)
    of_all = np.full(labels.shape[1], np.nan)
    n_known = known.sum(axis=0)
    np.divide(labels.sum(axis=0), n_known, out=of_all, where=n_known > 0)
    return np.vstack([shares, of_all])
