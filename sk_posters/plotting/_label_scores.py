"""How well each label is found."""

import numpy as np

from sk_posters._base._compat import StrOptions, validate_params
from sk_posters.metrics import multilabel_report
from sk_posters.plotting._estimators import predict_for_display
from sk_posters.plotting._style import (
    COLOURS,
    DARK,
    FULL,
    PALE,
    add_legend,
    add_title,
    axes_for,
    format_names,
)
from sk_posters.plotting._text import PLAIN, QUIET

__all__ = ["LabelScoresDisplay"]

SORT_BY = {"sort_by": [StrOptions({"support", "average precision", "label"})]}
BOUNDS = ["low", "high"]
NEEDED = ["support", "average precision", "chance"]


class LabelScoresDisplay:
    """Bars: average precision of each label, next to that of chance.

    Labels whose interval reaches down to chance, or that have a single positive and so
    no interval, are pale: these rows do not show that the model has learned them. Use
    `from_report`, `from_estimator` or `from_predictions` to draw it.

    Parameters
    ----------
    labels : DataFrame
        A row per label, as in `MultilabelReport.labels`, with columns ``"support"``,
        ``"average precision"``, ``"chance"`` and, where there are intervals, ``"low"``
        and ``"high"``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure that holds them.
    bars_ : matplotlib BarContainer
        A bar per label, the first one on top.
    chances_ : matplotlib Line2D
        The marks of chance.
    labels_ : DataFrame
        The rows of `labels` in the order drawn.

    See Also
    --------
    sk_posters.metrics.multilabel_report : Computes the scores.
    ThresholdCurveDisplay : F1 of labels against their thresholds.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.plotting import LabelScoresDisplay
    >>> random = np.random.default_rng(0)
    >>> y_true = random.random((200, 3)) < [0.5, 0.1, 0.3]
    >>> y_score = (y_true + 2 * random.random((200, 3))) / 3
    >>> names = ["Drama", "News", "Comedy"]
    >>> display = LabelScoresDisplay.from_predictions(
    ...     y_true, y_score, label_names=names, n_bootstrap=100, random_state=0
    ... )
    >>> display.labels_.index.tolist()
    ['Drama', 'Comedy', 'News']
    """

    def __init__(self, labels):
        self.labels = labels

    @classmethod
    def from_report(cls, report, *, sort_by="support", ax=None):
        """Draw what a report says of each label.

        Parameters
        ----------
        report : MultilabelReport
            What `multilabel_report` returned.
        sort_by : {"support", "average precision", "label"}, default="support"
            What is drawn first: labels with most positives, those that are found best,
            or the first columns of the target.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, as high as the labels need.

        Returns
        -------
        LabelScoresDisplay
            The display, drawn.
        """
        return cls(report.labels).plot(ax, sort_by=sort_by)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        n_bootstrap=1000,
        groups=None,
        random_state=None,
        sort_by="support",
        ax=None,
    ):
        """Draw how well a fitted classifier finds each label.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier with `predict_proba`, or a Pipeline that ends in one.
        X : array-like of length n_samples
            What the estimator takes, of rows that it has not seen.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        n_bootstrap : int, default=1000
            How many resamples the intervals are made of; 0 leaves the intervals out.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group are drawn together in resamples. None draws rows.
        random_state : int, RandomState instance or None, default=None
            Draws the resamples; an int makes them repeatable.
        sort_by : {"support", "average precision", "label"}, default="support"
            What is drawn first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LabelScoresDisplay
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
            n_bootstrap=n_bootstrap,
            groups=groups,
            random_state=random_state,
            sort_by=sort_by,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        label_names=None,
        n_bootstrap=1000,
        groups=None,
        random_state=None,
        sort_by="support",
        ax=None,
    ):
        """Draw how well scores find each label.

        Parameters
        ----------
        y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of \
arrays
            Probabilities as `predict_proba` returns them.
        label_names : sequence of shape (n_labels,), default=None
            Names of the labels; None takes the columns of a DataFrame, or numbers.
        n_bootstrap : int, default=1000
            How many resamples the intervals are made of; 0 leaves the intervals out.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group are drawn together in resamples. None draws rows.
        random_state : int, RandomState instance or None, default=None
            Draws the resamples; an int makes them repeatable.
        sort_by : {"support", "average precision", "label"}, default="support"
            What is drawn first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LabelScoresDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            As `multilabel_report` does.
        """
        report = multilabel_report(
            y_true,
            y_score,
            label_names=label_names,
            n_bootstrap=n_bootstrap,
            groups=groups,
            random_state=random_state,
        )
        return cls.from_report(report, sort_by=sort_by, ax=ax)

    @validate_params(SORT_BY, prefer_skip_nested_validation=True)
    def plot(self, ax=None, *, sort_by="support"):
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, as high as the labels need.
        sort_by : {"support", "average precision", "label"}, default="support"
            What is drawn first: labels with most positives, those that are found best,
            or the first columns of the target.

        Returns
        -------
        LabelScoresDisplay
            This display.

        Raises
        ------
        ValueError
            If `labels` lacks a column.
        """
        missing = [name for name in NEEDED if name not in self.labels]
        if missing:
            raise ValueError(
                "labels must have the columns of MultilabelReport.labels: it lacks "
                f"{missing!r}."
            )
        self.ax_ = axes_for(ax, self, (7.5, 1.9 + 0.235 * len(self.labels)))
        self.figure_ = self.ax_.figure
        self.labels_ = self._sort(sort_by)
        values = self.labels_["average precision"].to_numpy(dtype=float)
        places, learned = np.arange(len(values)), self._beats_chance()
        self.bars_ = self.ax_.barh(
            places, values, height=0.72, color=np.where(learned, FULL, PALE)
        )
        handles, texts = [], []
        unsure = ~learned & ~np.isnan(values)
        for which, text in [
            (learned, "average precision"),
            (unsure, "average precision, not surely better than chance"),
        ]:
            if which.any():
                handles.append(self.bars_[int(np.argmax(which))])
                texts.append(text)
        if self._has_intervals:
            handles.append(self._draw_intervals(places))
            texts.append("interval: where it may be on as many other rows")
        (self.chances_,) = self.ax_.plot(
            self.labels_["chance"], places, "|", color=COLOURS[1], ms=11, mew=2.5
        )
        handles.append(self.chances_)
        texts.append("chance: rows in random order, on average")
        self._finish(places, values)
        add_legend(self.ax_, handles, texts)
        return self

    @property
    def _has_intervals(self):
        known = [name for name in BOUNDS if name in self.labels]
        return known == BOUNDS and bool(self.labels[BOUNDS].notna().any(axis=None))

    def _sort(self, sort_by):
        if sort_by == "label":
            return self.labels
        # Undefined scores, nan, come last.
        return self.labels.sort_values(sort_by, ascending=False, kind="stable")

    def _beats_chance(self):
        """Return whether the whole interval of a label lies above chance."""
        if not self._has_intervals:
            return self.labels_["average precision"].notna().to_numpy()
        return (self.labels_["low"] > self.labels_["chance"]).to_numpy()

    def _draw_intervals(self, places):
        low, high = self.labels_[BOUNDS].to_numpy(dtype=float).T
        return self.ax_.hlines(places, low, high, color=DARK, linewidth=1.3)

    def _finish(self, places, values):
        names = format_names(self.labels_.index)
        counts = self.labels_["support"].astype(int)
        texts = [f"{name}  {n}" for name, n in zip(names, counts, strict=True)]
        self.ax_.set_yticks(places, texts, **PLAIN)
        for place in places[np.isnan(values)]:
            self.ax_.text(
                0.01, place, "no row has it", va="center", **PLAIN | {"color": QUIET}
            )
        self.ax_.set(xlim=(0, 1), ylim=(len(places) - 0.4, -0.6))
        self.ax_.set_xlabel("average precision (1 is perfect)")
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.spines[["top", "right", "left"]].set_visible(False)
        self.ax_.xaxis.grid(True, color="#d8dee4", linewidth=0.8)
        self.ax_.set_axisbelow(True)
        mean, chance = self.labels_[["average precision", "chance"]].mean()
        add_title(
            self.ax_,
            "How well is each label predicted?",
            f"mean over labels {mean:.3f}, by chance {chance:.3f}",
            "next to each name: number of rows with the label",
        )
