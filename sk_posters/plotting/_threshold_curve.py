"""What each threshold would give."""

import numpy as np

from sk_posters._base._compat import StrOptions, validate_params
from sk_posters._base._unwrap import unwrap
from sk_posters._base._validation import (
    check_names,
    check_predictions,
    check_thresholds,
)
from sk_posters.plotting._estimators import predict_for_display
from sk_posters.plotting._outcomes import AVERAGES, METRICS, Outcomes
from sk_posters.plotting._style import (
    COLOURS,
    DARK,
    MARKERS,
    add_legend,
    add_title,
    axes_for,
    format_names,
)
from sk_posters.plotting._text import PLAIN, QUIET

__all__ = ["ThresholdCurveDisplay"]

N_STEPS = 400
PROBABILITIES = ("predict_proba",)
STYLES = {"F1": "-", "precision": "--", "recall": "-."}
OPTIONS = {
    "response_method": [StrOptions({"auto", "predict_proba", "decision_function"})]
}


class ThresholdCurveDisplay:
    """F1, precision and recall of labels against the threshold of their scores.

    A label is predicted where its score is at least the threshold. Few labels are drawn
    as curves; more than seven as rows of a heat map. Use `from_estimator` or
    `from_predictions` to draw it.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        Thresholds in ascending order.
    curves : dict of dicts of ndarray
        For each name the arrays ``"F1"``, ``"precision"`` and ``"recall"`` of shape
        (n_thresholds,), nan where undefined.
    chosen : dict, default=None
        For a name the chosen threshold and the F1 at it. The threshold of an average is
        nan if its labels have different ones.
    always : dict, default=None
        For a name the F1 of always predicting the label: the baseline.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure that holds them.
    lines_ : dict of matplotlib Line2D
        The curve of each name and metric; empty where a heat map is drawn.
    marks_ : dict of matplotlib Line2D
        The mark of the chosen threshold for each name that has one.

    See Also
    --------
    sk_posters.MultilabelTunedThresholdClassifierCV : Chooses thresholds.
    LabelScoresDisplay : Scores of labels that need no threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.plotting import ThresholdCurveDisplay
    >>> random = np.random.default_rng(0)
    >>> y_true = random.random((200, 3)) < [0.5, 0.1, 0.3]
    >>> y_score = (y_true + 2 * random.random((200, 3))) / 3
    >>> names = ["Drama", "News", "Comedy"]
    >>> display = ThresholdCurveDisplay.from_predictions(
    ...     y_true,
    ...     y_score,
    ...     label_names=names,
    ...     thresholds=0.5,
    ...     labels=["Drama", "micro"],
    ... )
    >>> [name for name, metric in display.lines_]
    ['Drama', 'micro']
    >>> print(f"{display.always['Drama']:.2f} {display.chosen['Drama'][1]:.2f}")
    0.62 0.74
    """

    def __init__(self, thresholds, curves, *, chosen=None, always=None):
        self.thresholds = thresholds
        self.curves = curves
        self.chosen = chosen
        self.always = always

    @classmethod
    @validate_params(OPTIONS, prefer_skip_nested_validation=False)
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        labels=AVERAGES,
        thresholds=None,
        metrics=("F1",),
        response_method="auto",
        ax=None,
    ):
        """Draw what thresholds would give for a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier, or a Pipeline or search that ends in one. The
            `best_thresholds_` of `MultilabelTunedThresholdClassifierCV` are marked.
        X : array-like of length n_samples
            What the estimator takes. On rows that it was tuned on, the marks flatter.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        labels : sequence of str or None, default=("micro", "macro")
            What to draw: names of labels, ``"micro"`` or ``"macro"`` for averages over
            all labels; None draws every label.
        thresholds : float, array-like of shape (n_labels,), dict or Series, \
default=None
            Thresholds to mark; None takes those of the estimator, if it has some.
        metrics : sequence of {"F1", "precision", "recall"}, default=("F1",)
            What to draw of each.
        response_method : {"auto", "predict_proba", "decision_function"}, \
default="auto"
            The scores that thresholds are for; ``"auto"`` takes those that thresholds
            were tuned for, or else `predict_proba` where there is one.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ThresholdCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator gives no such scores, or labels or thresholds do not fit.
        """
        tuner = unwrap(estimator).tuner
        methods = (response_method,)
        if response_method == "auto":
            methods = _methods_for(tuner)
        y_score, names = predict_for_display(estimator, X, y, cls.__name__, methods)
        if thresholds is None:
            thresholds = None if tuner is None else tuner.best_thresholds_
        return cls.from_predictions(
            y,
            y_score,
            label_names=names,
            thresholds=thresholds,
            labels=labels,
            metrics=metrics,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_score,
        *,
        label_names=None,
        thresholds=None,
        labels=AVERAGES,
        metrics=("F1",),
        ax=None,
    ):
        """Draw what thresholds would give for scores.

        Parameters
        ----------
        y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels: 0/1, nan where a label is not known.
        y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of \
arrays
            Scores, higher where a label is likelier.
        label_names : sequence of shape (n_labels,), default=None
            Names of the labels; None takes the columns of a DataFrame, or numbers.
        thresholds : float, array-like of shape (n_labels,), dict or Series, \
default=None
            Thresholds to mark; None marks none.
        labels : sequence of str or None, default=("micro", "macro")
            What to draw: names of labels, ``"micro"`` or ``"macro"`` for averages over
            all labels; None draws every label.
        metrics : sequence of {"F1", "precision", "recall"}, default=("F1",)
            What to draw of each.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ThresholdCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If shapes, names, labels or thresholds do not fit.

        Notes
        -----
        Micro averages pool the (sample, label) pairs of all labels. Macro averages are
        means over the labels with a positive for which the value is defined.
        Precision is undefined where a label is never predicted; F1 and recall are
        undefined for a label without a positive.
        """
        true, scores, names = check_predictions(y_true, y_score)
        names = list(check_names(label_names, names, "y_true and y_score"))
        if thresholds is not None:
            thresholds = check_thresholds(thresholds, names)
        outcomes = Outcomes(true, scores, names)
        labels = names if labels is None else list(labels)
        outcomes.check(labels)
        steps = np.linspace(scores.min(), scores.max(), N_STEPS)
        steps = np.union1d(steps, np.quantile(scores, np.linspace(0, 1, N_STEPS)))
        curves = {name: outcomes.values(name, steps) for name in labels}
        always = {name: float(curves[name]["F1"][0]) for name in labels}
        chosen = None
        if thresholds is not None:
            chosen = {name: outcomes.evaluate(name, thresholds) for name in labels}
        display = cls(steps, curves, chosen=chosen, always=always)
        return display.plot(ax, metrics=metrics)

    def plot(self, ax=None, *, metrics=("F1",)):
        """Draw curves, or a heat map of more than seven labels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        metrics : sequence of {"F1", "precision", "recall"}, default=("F1",)
            What to draw of each; a heat map shows one.

        Returns
        -------
        ThresholdCurveDisplay
            This display.

        Raises
        ------
        ValueError
            If `metrics` holds anything else, or several for a heat map.
        """
        metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        if not metrics or not set(metrics) <= set(METRICS):
            raise ValueError(f"metrics must be some of {METRICS!r}: got {metrics!r}.")
        self.lines_, self.marks_ = {}, {}
        names = dict(zip(self.curves, format_names(list(self.curves)), strict=True))
        if len(names) <= len(COLOURS):
            height = 4.2 + 0.2 * len(names) * len(metrics)
            self.ax_ = axes_for(ax, self, (7, height))
            self._draw_curves(names, metrics)
        elif len(metrics) > 1:
            raise ValueError(
                f"metrics must be one for a heat map of {len(names)} labels: got "
                f"{metrics!r}. Choose a metric, or at most {len(COLOURS)} labels."
            )
        else:
            self.ax_ = axes_for(ax, self, (7.5, 1.9 + 0.235 * len(names)))
            self._draw_rows(names, metrics[0])
        self.figure_ = self.ax_.figure
        return self

    def _draw_curves(self, names, metrics):
        handles, texts = [], []
        for number, (name, text) in enumerate(names.items()):
            for metric in metrics:
                (line,) = self.ax_.plot(
                    self.thresholds,
                    self.curves[name][metric],
                    color=COLOURS[number],
                    linestyle=STYLES[metric],
                    linewidth=1.8,
                )
                self.lines_[name, metric] = line
                handles.append(line)
                said = f"{text} {metric}" if name in AVERAGES else f"{metric} of {text}"
                if metric == "F1":
                    said += self._draw_levels(name, COLOURS[number], MARKERS[number])
                texts.append(said)
        self.ax_.set_xlim(self.thresholds[0], self.thresholds[-1])
        self.ax_.set(ylim=(0, 1), ylabel=f"{', '.join(metrics)} (1 is perfect)")
        self.ax_.spines[["top", "right"]].set_visible(False)
        self.ax_.grid(True, color="#d8dee4", linewidth=0.8)
        self._finish(metrics, "dotted: the label is predicted for every row")
        add_legend(self.ax_, handles, texts)

    def _draw_levels(self, name, colour, marker):
        """Draw the chosen and the baseline F1 of a curve; return both in words."""
        said = []
        if np.isnan(self.curves[name]["F1"]).all():
            return ": no row has it"
        if self.chosen is not None:
            threshold, value = self.chosen[name]
            if np.isnan(threshold):
                style = {"linewidth": 1.2, "linestyle": (0, (8, 3))}
                self.marks_[name] = self.ax_.axhline(value, color=colour, **style)
                said.append(f"{value:.2f} at each label's own threshold (dashes)")
            else:
                style = {"marker": marker, "ms": 9, "mec": "white", "linestyle": ""}
                (self.marks_[name],) = self.ax_.plot(
                    threshold, value, color=colour, clip_on=False, zorder=5, **style
                )
                said.append(f"{value:.2f} at the chosen {threshold:.2f}")
        if self.always is not None:
            level = self.always[name]
            self.ax_.axhline(level, color=colour, linewidth=1.2, linestyle=":")
            said.append(f"{level:.2f} predicted for every row")
        return f": {', '.join(said)}" if said else ""

    def _draw_rows(self, names, metric):
        values = np.array([self.curves[name][metric] for name in names])
        places = np.arange(len(names))
        mesh = self.ax_.pcolormesh(
            self.thresholds,
            places,
            np.ma.masked_invalid(values),
            cmap="cividis",
            vmin=0,
            vmax=np.nanmax(values, initial=0.01),
            shading="nearest",
            rasterized=True,
        )
        self.ax_.set_facecolor("#eaeef2")
        bar = self.ax_.figure.colorbar(mesh, ax=self.ax_, fraction=0.05, pad=0.02)
        bar.set_label(f"{metric} (1 is perfect)")
        for place, name in enumerate(names):
            if np.isnan(values[place]).all():
                x = (self.thresholds[0] + self.thresholds[-1]) / 2
                style = PLAIN | {"ha": "center", "va": "center", "color": QUIET}
                self.ax_.text(x, place, "no row has it", **style)
            elif self.chosen is not None:
                style = {"color": "white", "mec": DARK, "ms": 7, "clip_on": False}
                (self.marks_[name],) = self.ax_.plot(
                    self.chosen[name][0], place, "o", **style
                )
        with_levels = metric == "F1"
        texts = [
            f"{text}  {self._levels(name)}".rstrip() if with_levels else text
            for name, text in names.items()
        ]
        self.ax_.set_yticks(places, texts, **PLAIN)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.set_ylim(len(places) - 0.5, -0.5)
        room = 0.02 * (self.thresholds[-1] - self.thresholds[0])  # For a mark there.
        self.ax_.set_xlim(self.thresholds[0] - room, self.thresholds[-1] + room)
        known = ["at the mark"] * (self.chosen is not None)
        known += ["if predicted for every row"] * (self.always is not None)
        last = f"next to names: F1 {', and '.join(known)}" * with_levels
        self._finish([metric], last)

    def _levels(self, name):
        values = [self.chosen[name][1]] if self.chosen is not None else []
        values += [self.always[name]] if self.always is not None else []
        return ", ".join(f"{value:.2f}" for value in values if not np.isnan(value))

    def _finish(self, metrics, last):
        lines = [f"How does each threshold affect {' and '.join(metrics)}?"]
        if metrics[0] == "F1":
            lines = ["Which threshold gives the best F1?"]
        if any(not np.isnan(self.chosen[name][0]) for name in self.marks_):
            lines.append("marks: the chosen thresholds")
        if last and "F1" in metrics and self.always is not None:
            lines.append(last)
        add_title(self.ax_, *lines)
        self.ax_.set_xlabel("threshold: a label is predicted from this score")


def _methods_for(tuner):
    """Return the methods whose scores tuned thresholds are for."""
    if tuner is None or tuner.response_method == "auto":
        return ("predict_proba", "decision_function")
    if tuner.calibration is None:
        return (tuner.response_method,)
    return PROBABILITIES
