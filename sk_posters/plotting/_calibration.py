"""Whether probabilities mean what they say."""

from numbers import Integral

import numpy as np

from sk_posters._base._compat import Interval, StrOptions, validate_params
from sk_posters._base._validation import (
    check_names,
    check_predictions,
    check_probabilities,
    find_known,
    shorten,
)
from sk_posters.metrics import multilabel_report
from sk_posters.plotting._estimators import predict_for_display
from sk_posters.plotting._style import (
    COLOURS,
    MARKERS,
    add_legend,
    add_title,
    axes_for,
    check_distinguishable,
    format_names,
)
from sk_posters.plotting._text import QUIET

__all__ = ["MultilabelCalibrationDisplay"]

POOLED = "all labels"
FEW = 30
OPTIONS = {
    "n_bins": [Interval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"uniform", "quantile"})],
}


class MultilabelCalibrationDisplay:
    """Reliability curves: whether probabilities mean what they say.

    (Sample, label) pairs are binned by their probability. Above each bin's mean
    probability is the share of its pairs that are positive: on the diagonal where
    probabilities are right. Bins of few pairs are drawn hollow. A histogram below shows
    their counts. Use `from_estimator` or `from_predictions` to draw it.

    Parameters
    ----------
    curves : dict of dicts of ndarray
        For each name the arrays ``"probability"``, ``"positive"`` and ``"count"`` of
        shape (n_bins,): mean probability, share of positives and count of the
        bins that are not empty.
    scores : dict of ndarray
        For each name the probabilities themselves, for the histogram.
    errors : dict of float, default=None
        For each name the calibration error.
    base_rates : dict of float, default=None
        For each name the share of positive pairs.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the curves.
    histogram_ax_ : matplotlib Axes or None
        The axes of the histogram; None where `ax` was given.
    figure_ : matplotlib Figure
        The figure that holds them.
    lines_ : dict of matplotlib Line2D
        The curve of each name.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same for a binary classifier.
    sk_posters.metrics.multilabel_report : Computes the calibration error.
    sk_posters.MultilabelTunedThresholdClassifierCV : Calibrates, if asked to.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.plotting import MultilabelCalibrationDisplay
    >>> random = np.random.default_rng(0)
    >>> y_score = random.random((500, 3))
    >>> y_true = random.random((500, 3)) < y_score
    >>> display = MultilabelCalibrationDisplay.from_predictions(y_true, y_score)
    >>> print(f"{display.errors['all labels']:.2f}")
    0.03
    """

    def __init__(self, curves, scores, *, errors=None, base_rates=None):
        self.curves = curves
        self.scores = scores
        self.errors = errors
        self.base_rates = base_rates

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        labels=(POOLED,),
        n_bins=15,
        strategy="uniform",
        ax=None,
    ):
        """Draw whether the probabilities of a fitted classifier are right.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier with `predict_proba`, or a Pipeline that ends in one.
        X : array-like of length n_samples
            What the estimator takes, of rows that it has not seen.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        labels : sequence of str, default=("all labels",)
            What to draw: names of labels, at most seven, and ``"all labels"`` for the
            pairs of all labels together.
        n_bins : int, default=15
            Number of bins.
        strategy : {"uniform", "quantile"}, default="uniform"
            Whether bins have the same width, or hold the same number of pairs.
        ax : matplotlib Axes, default=None
            Where to draw the curves, without a histogram; None makes a new figure with
            both.

        Returns
        -------
        MultilabelCalibrationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator gives no probabilities, or rows or names do not fit.
        """
        y_score, names = predict_for_display(estimator, X, y, cls.__name__)
        return cls.from_predictions(
            y,
            y_score,
            label_names=names,
            labels=labels,
            n_bins=n_bins,
            strategy=strategy,
            ax=ax,
        )

    @classmethod
    @validate_params(OPTIONS, prefer_skip_nested_validation=False)
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        label_names=None,
        labels=(POOLED,),
        n_bins=15,
        strategy="uniform",
        ax=None,
    ):
        """Draw whether probabilities are right.

        Parameters
        ----------
        y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of \
arrays
            Probabilities as `predict_proba` returns them.
        label_names : sequence of shape (n_labels,), default=None
            Names of the labels; None takes the columns of a DataFrame, or numbers.
        labels : sequence of str, default=("all labels",)
            What to draw: names of labels, at most seven, and ``"all labels"`` for the
            pairs of all labels together.
        n_bins : int, default=15
            Number of bins.
        strategy : {"uniform", "quantile"}, default="uniform"
            Whether bins have the same width, or hold the same number of pairs.
        ax : matplotlib Axes, default=None
            Where to draw the curves, without a histogram; None makes a new figure with
            both.

        Returns
        -------
        MultilabelCalibrationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes or names differ, or `y_score` holds anything but probabilities.

        Notes
        -----
        The calibration error in the legend is that of `multilabel_report`, from 15 bins
        of equal width whatever the bins drawn are.
        """
        true, scores, names = check_predictions(y_true, y_score)
        names = list(check_names(label_names, names, "y_true and y_score"))
        check_probabilities(scores, names)
        labels = [labels] if isinstance(labels, str) else list(labels)
        check_distinguishable(labels)
        unknown = [name for name in labels if name not in [*names, POOLED]]
        if unknown:
            raise ValueError(
                f"labels must be names of labels or {POOLED!r}: got "
                f"{shorten(unknown)}. The labels are {shorten(names)}."
            )
        report = multilabel_report(true, scores, label_names=names, n_bootstrap=0)
        errors = report.labels["calibration error"].to_dict()
        errors.setdefault(POOLED, report.scores.loc["calibration error", "value"])
        pairs = {name: _select_pairs(name, names, true, scores) for name in labels}
        display = cls(
            {name: _curve(*pair, n_bins, strategy) for name, pair in pairs.items()},
            {name: score for name, (_, score) in pairs.items()},
            errors={name: float(errors[name]) for name in labels},
            base_rates={name: float(y.mean()) for name, (y, _) in pairs.items()},
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw curves and histogram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw the curves, without a histogram; None makes a new figure with
            both.

        Returns
        -------
        MultilabelCalibrationDisplay
            This display.

        Raises
        ------
        ValueError
            If there are more curves than can be told apart.
        """
        check_distinguishable(self.curves)
        self.ax_, self.histogram_ax_ = ax, None
        if ax is None:
            size = (6.8, 6.6 + 0.2 * len(self.curves))
            options = {"nrows": 2, "height_ratios": (3, 1), "sharex": True}
            self.ax_, self.histogram_ax_ = axes_for(None, self, size, **options)
        self.figure_ = self.ax_.figure
        style = {"color": QUIET, "linewidth": 1}
        handles = self.ax_.plot([0, 1], [0, 1], linestyle="--", **style)
        texts = ["probabilities that are right"]
        self.lines_ = {}
        for number, (name, curve) in enumerate(self.curves.items()):
            self._draw_curve(name, curve, COLOURS[number], MARKERS[number])
            handles.append(self.lines_[name])
        shown = format_names(list(self.curves))
        for name, text in zip(self.curves, shown, strict=True):
            if self.errors is not None:
                text += f": calibration error {self.errors[name]:.3f}"
            if self.base_rates is not None:
                text += f", share of positives {self.base_rates[name]:.3f}"
            texts.append(text)
        self._finish()
        owner = self.ax_ if self.histogram_ax_ is None else self.figure_
        add_legend(owner, handles, texts)
        return self

    def _draw_curve(self, name, curve, colour, marker):
        few = curve["count"] < FEW
        x, y = curve["probability"], curve["positive"]
        style = {"color": colour, "marker": marker, "ms": 7, "clip_on": False}
        (line,) = self.ax_.plot(x, y, markevery=~few, zorder=3, **style)
        if few.any():  # A line of no points would count as one in the corner.
            style |= {"mfc": "white", "linestyle": ""}
            self.ax_.plot(x[few], y[few], zorder=4, **style)
        if self.base_rates is not None:
            self.ax_.axhline(
                self.base_rates[name], color=colour, linestyle=":", linewidth=1.2
            )
        self.lines_[name] = line
        if self.histogram_ax_ is not None:
            style = {"histtype": "step", "color": colour, "linewidth": 1.5}
            bins = np.linspace(0, 1, 31)
            self.histogram_ax_.hist(self.scores[name], bins=bins, **style)

    @property
    def _lowest(self):
        return self.ax_ if self.histogram_ax_ is None else self.histogram_ax_

    def _finish(self):
        self.ax_.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is positive")
        if self.histogram_ax_ is not None:
            self.histogram_ax_.set(yscale="log", ylabel="pairs")
        self._lowest.set_xlabel("predicted probability")
        for ax in {self.ax_, self._lowest}:
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(True, color="#d8dee4", linewidth=0.8)
            ax.set_axisbelow(True)
        lines = [
            "Do probabilities mean what they say?",
            "above the diagonal they are too low, below it too high",
            f"hollow: fewer than {FEW} pairs, too few to judge",
        ]
        if self.base_rates is not None:
            lines.append("dotted, flat: where they would lie without information")
        add_title(self.ax_, *lines)


def _select_pairs(name, names, labels, scores):
    """Return the outcomes and probabilities of a curve."""
    if name in names:
        column = names.index(name)
        labels, scores = labels[:, column], scores[:, column]
    known = find_known(labels)
    if not known.any():
        raise ValueError(f"{name!r} is known in no row, so that it has no curve.")
    return labels[known], scores[known]


def _curve(labels, scores, n_bins, strategy):
    """Return mean probability, share of positives and count of nonempty bins."""
    if strategy == "uniform":
        bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    else:
        edges = np.quantile(scores, np.linspace(0, 1, n_bins + 1)[1:-1])
        bins = np.searchsorted(edges, scores, side="right")
    counts = np.bincount(bins, minlength=n_bins)
    some = counts > 0
    sums = [np.bincount(bins, each, n_bins)[some] for each in (scores, labels)]
    probability, positive = (each / counts[some] for each in sums)
    return {"probability": probability, "positive": positive, "count": counts[some]}
