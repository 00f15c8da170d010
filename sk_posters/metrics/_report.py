"""The report: all scores with intervals, next to those of baselines."""

from numbers import Integral, Real

import numpy as np
import pandas as pd

from sk_posters._base._compat import Interval, StrOptions, validate_params
from sk_posters._base._validation import (
    check_names,
    check_predictions,
    check_probabilities,
    check_thresholds,
    count_unknown,
    label_matrix,
    match_names,
)
from sk_posters.metrics import _report_text, _row_scores
from sk_posters.metrics._baselines import find_only_class, predict_baselines
from sk_posters.metrics._bootstrap import Bootstrap
from sk_posters.metrics._evaluation import SCORES, Evaluation, in_full
from sk_posters.metrics._notes import notes
from sk_posters.metrics._ranked import mean_of_defined, ratio

__all__ = ["BOOTSTRAP_CONSTRAINTS", "MultilabelReport", "multilabel_report"]

BASELINES = ["no label", "label frequencies", "most frequent"]
BOOTSTRAP_CONSTRAINTS = {
    "n_bootstrap": [Interval(Integral, 0, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "method": [StrOptions({"percentile", "bca"})],
    "top_k": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


class MultilabelReport:
    """Scores of multi-label predictions, as `multilabel_report` computes them.

    ``print(report)`` shows it in less than 60 lines, and a notebook shows it as tables.

    Parameters
    ----------
    scores : DataFrame
        A row per score. The columns are those that `multilabel_report` names.
    labels : DataFrame
        A row per label. The columns are those that `multilabel_report` names.
    about : list of str
        What the figures were computed from and how, a line each.

    See Also
    --------
    multilabel_report : Computes the scores.

    Examples
    --------
    >>> from sk_posters.metrics import multilabel_report
    >>> y_true, y_score = [[1, 0], [0, 1], [1, 1]], [[0.9, 0.4], [0.2, 0.8], [0.6, 0.3]]
    >>> report = multilabel_report(y_true, y_score, random_state=0)
    >>> float(round(report.scores.loc["hamming loss", "value"], 3))
    0.167
    >>> report.to_html().startswith("<div>")
    True
    """

    def __init__(self, scores, labels, about):
        self.scores = scores
        self.labels = labels
        self.about = about

    def __str__(self):
        return _report_text.report_text(self)

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        return self.to_html()

    def to_frame(self):
        """Return the scores as a new frame.

        Returns
        -------
        DataFrame
            A copy of `scores`.
        """
        return self.scores.copy()

    def to_html(self):
        """Return the report as HTML, all names escaped.

        Returns
        -------
        str
            A ``<div>`` with two tables.
        """
        return _report_text.html(self.about, [self.scores, self.labels])


@validate_params(BOOTSTRAP_CONSTRAINTS, prefer_skip_nested_validation=True)
def multilabel_report(
    y_true,
    y_score,
    *,
    label_names=None,
    thresholds=0.5,
    n_bootstrap=1000,
    groups=None,
    y_train=None,
    confidence_level=0.95,
    method="percentile",
    top_k=3,
    random_state=None,
):
    """Scores of multi-label predictions with intervals, next to those of baselines.

    With many rare labels, predictions made without any image can score well. The report
    shows the scores of such baselines on the same rows, and how far each score would
    move on other rows like these: the model has learned something where the whole
    interval is better than the best baseline, which the report marks.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, of a test set; nan where it is not known.
    y_score : array-like or DataFrame of shape (n_samples, n_labels), or list of arrays
        The model's probabilities for these rows; also the list with an array of shape
        (n_samples, 2) per label that ``predict_proba`` of scikit-learn's multi-output
        classifiers returns.
    label_names : sequence of shape (n_labels,), default=None
        Names of the labels; None takes the columns of a DataFrame, or numbers.
    thresholds : float, array-like of shape (n_labels,), dict or Series, default=0.5
        A label is predicted where its probability is at least its threshold: one for
        all, one per label, or by name.
    n_bootstrap : int, default=1000
        Number of resamples for the intervals; 0 omits the intervals.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group (one movie, one poster) are drawn together, so that they do
        not count as independent. None draws rows.
    y_train : array-like, DataFrame or sparse matrix, default=None
        0/1 of the rows that the model was fitted on, of shape (n_train, n_labels), nan
        where it is not known, of which the baselines are made. None makes them of
        `y_true` itself, and the report says so: they then know the frequencies of the
        test set, which no model does.
    confidence_level : float, default=0.95
        Level of the intervals, between 0 and 1.
    method : {"percentile", "bca"}, default="percentile"
        Percentiles of the resamples' scores, or those corrected for their bias and for
        the change of their spread, which takes a jackknife over all rows or groups.
    top_k : int, default=3
        How many of a row's best labels count for precision, recall and hits at k; at
        most as many as there are labels.
    random_state : int, RandomState instance or None, default=None
        Draws the resamples; an int makes them repeatable.

    Returns
    -------
    MultilabelReport
        With ``scores``, ``labels``, ``about``, ``to_frame()`` and ``to_html()``.

        ``scores`` has these columns: ``"better"`` ("higher" or "lower"), ``"value"``,
        ``"low"`` and ``"high"`` (the interval), ``"no label"``, ``"label
        frequencies"`` and ``"most frequent"`` (the baselines, as in
        `scores_beside_trivial`), ``"beats trivial"`` (whether the whole interval is
        better than all three; None without an interval) and ``"note"`` (why a value is
        undefined, or what it leaves out; empty text otherwise).

        ``labels`` has ``"support"``, ``"unknown"`` (how many rows are left out; only
        if any pair is unknown), ``"prevalence"``, ``"average precision"``, its
        interval ``"low"`` and ``"high"``, ``"chance"`` (the average precision of
        uninformative scores: the prevalence), ``"ROC-AUC"``, ``"F1"``,
        ``"precision"``, ``"recall"``, ``"threshold"``, ``"calibration error"`` and
        ``"log loss"``.

    Raises
    ------
    ValueError
        If shapes or names differ, if a target holds anything but 0, 1 and nan, if
        `y_score` holds anything but probabilities, or if `groups` or `thresholds` do
        not fit.

    See Also
    --------
    scores_beside_trivial : Four of the scores, without intervals.
    compare_models : Whether one model scores better than another.
    get_multilabel_scorer : The same scores for cross-validation and searches.

    Notes
    -----
    A value that is undefined is nan, never 0, and ``"note"`` says why. Macro means are
    taken over the labels with a positive (ROC-AUC: and a negative), weighted F1 over
    the same, samples F1 over the rows with a label that is true or predicted, recall
    and hits at k over the rows with a label. F1, recall and average precision of a
    label without a positive are undefined. Otherwise the values are those of
    scikit-learn.

    Log loss is the cross-entropy of a (sample, label) pair, averaged over all pairs.
    Calibration error sorts all pairs by probability into 15 bins of equal width, takes
    the distance of mean probability and share of positives in each, and averages by
    number of pairs.
    It has no interval: chance gaps of the bins add up, and more so in resamples, so
    an interval made of them would lie above the truth. In precision, recall and
    hits at k, equal probabilities count as the mean over all orders of them.

    Pairs that are nan in `y_true` are left out, and ``about`` counts them. Scores of
    labels use the rows in which the label is known; hamming loss, element accuracy, log
    loss and the micro averages use all known pairs, each counting the same. LRAP,
    ranking loss, coverage error and the scores at k order the known labels of each row,
    and leave out rows with fewer than two. Subset accuracy is the share of rows whose
    known labels are all right, samples F1 compares the known labels; both leave out
    rows in which nothing is known.

    A resample may lack a rare label: it is then left out there. With few groups or few
    positives, intervals are too narrow. They cover the uncertainty of the rows,
    not that of another fit of the model. The mark next to a score is not a test: it
    treats the scores of the baselines as fixed.

    References
    ----------
    B. Efron (1987). Better bootstrap confidence intervals. Journal of the American
    Statistical Association 82, 171-185.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.metrics import multilabel_report
    >>> random = np.random.default_rng(0)
    >>> y_true = random.random((200, 3)) < [0.5, 0.3, 0.1]
    >>> y_score = (y_true + 2 * random.random((200, 3))) / 3
    >>> names = ["Drama", "Comedy", "News"]
    >>> report = multilabel_report(y_true, y_score, label_names=names, random_state=0)
    >>> print(report.scores.loc[["micro F1", "log loss"]].iloc[:, 1:5].round(2))
              value   low  high  no label
    micro F1   0.61  0.55  0.67      0.00
    log loss   0.44  0.42  0.47      9.43
    """
    train = None
    if y_train is not None:
        train = label_matrix(y_train, "y_train", allow_unknown=True)
    only_class = np.nan if train is None else find_only_class(train[0])
    labels, scores, names = check_predictions(y_true, y_score, only_class)
    if train is None:
        train = labels, names
    names = check_names(label_names, names, "y_true and y_score")
    if train[0].shape[1] != labels.shape[1]:
        raise ValueError(
            "y_train and y_true must have the same labels: got "
            f"{train[0].shape[1]} and {labels.shape[1]} columns."
        )
    match_names(train[1], "y_train", names, "y_true and y_score")
    check_probabilities(scores, names)
    thresholds = check_thresholds(thresholds, names)
    top_k = min(top_k, labels.shape[1])
    model = Evaluation(labels, scores, scores >= thresholds, top_k)
    bootstrap = Bootstrap(
        len(labels),
        groups=groups,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        method=method,
        random_state=random_state,
    )
    found = bootstrap.intervals(_all_values(model), labels.shape[1])
    found.without([i for i, s in enumerate(SCORES.values()) if not s.resampled])
    others = {
        name: Evaluation(labels, scores, _decide(name, scores, thresholds), top_k)
        for name, scores in predict_baselines(train[0], len(labels)).items()
    }
    about = [*_about(bootstrap, labels, y_train), *count_unknown(model.known)]
    return MultilabelReport(
        _scores_frame(model, others, found, names),
        _labels_frame(model, found, thresholds, names),
        about,
    )


def _decide(name, scores, thresholds):
    # The other two baselines are decisions, whatever the thresholds.
    return scores >= (thresholds if name == "label frequencies" else 0.5)


def _all_values(model):
    """Return a function of weights: all scores, and average precision by label."""

    def values(weights):
        weighted = model.under(weights)
        each = [score.of(weighted) for score in SCORES.values()]
        return np.vstack([*each, weighted.label_average_precision])

    return values


def _scores_frame(model, others, found, names):
    n_scores = len(SCORES)
    columns = {
        "better": [score.better for score in SCORES.values()],
        "value": found.value[:n_scores],
        "low": found.low[:n_scores],
        "high": found.high[:n_scores],
    }
    for name, other in others.items():
        weighted = other.once
        columns[name] = [score.of(weighted)[0] for score in SCORES.values()]
    frame = pd.DataFrame(columns, index=[in_full(name, model.top_k) for name in SCORES])
    frame["beats trivial"] = pd.Series(
        [_beats(row) for _, row in frame.iterrows()], frame.index, dtype=object
    )
    left_out = notes(model, names)
    of_values = [left_out[score.over] for score in SCORES.values()]
    both = zip(of_values, found.notes()[:n_scores], strict=True)
    frame["note"] = ["; ".join(filter(None, pair)) for pair in both]
    # With k = 1, two rows are the same.
    return frame[~frame.index.duplicated()]


def _beats(row):
    baselines = row[BASELINES].dropna()
    if np.isnan(row["low"]) or baselines.empty:
        return None
    if row["better"] == "higher":
        return bool(row["low"] > baselines.max())
    return bool(row["high"] < baselines.min())


def _labels_frame(model, found, thresholds, names):
    once, n_scores = model.once, len(SCORES)
    support, n_known = model.labels.sum(axis=0), model.known.sum(axis=0)
    unknown = {} if model.is_complete else {"unknown": len(model.known) - n_known}
    prevalence = ratio(support, n_known)
    columns = zip(model.true.T, model.scores.T, strict=True)
    gaps = [_row_scores.calibration_gaps(y[:, None], s[:, None]) for y, s in columns]
    gaps = np.abs(ratio(np.sum(gaps, axis=1), n_known[:, np.newaxis])).sum(axis=1)
    return pd.DataFrame(
        {
            "support": support.astype(int),
            **unknown,
            "prevalence": prevalence,
            "average precision": found.value[n_scores:],
            "low": found.low[n_scores:],
            "high": found.high[n_scores:],
            "chance": np.where(support > 0, prevalence, np.nan),
            "ROC-AUC": once.label_roc_auc[:, 0],
            "F1": once.label_f1[:, 0],
            "precision": once.label_precision[:, 0],
            "recall": once.label_recall[:, 0],
            "threshold": thresholds,
            "calibration error": gaps,
            "log loss": mean_of_defined(model.log_loss),
        },
        index=pd.Index(names, name="label"),
    )


def _about(bootstrap, labels, y_train):
    n_rows, n_labels = labels.shape
    source = "y_train" if y_train is not None else "y_true itself"
    return [
        f"{n_rows} rows, {n_labels} labels; {bootstrap.in_words()}",
        f"baselines use the label frequencies of {source}",
    ]
