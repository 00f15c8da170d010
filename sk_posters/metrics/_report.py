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
    shorten,
)
from sk_posters.metrics import _report_text, _row_scores
from sk_posters.metrics._baselines import (
    BASELINES,
    find_only_class,
    score_baselines,
)
from sk_posters.metrics._bootstrap import SHIFTED, Bootstrap
from sk_posters.metrics._evaluation import (
    SCORES,
    WITHOUT_BCA,
    Evaluation,
    find_label_means,
    in_full,
)
from sk_posters.metrics._notes import notes
from sk_posters.metrics._ranked import mean_of_defined, ratio
from sk_posters.metrics._ties import expect_chance

__all__ = ["BOOTSTRAP_CONSTRAINTS", "MultilabelReport", "multilabel_report"]

MACRO_AP = "macro average precision"
FEWEST_CASES = 2  # Of fewer positives, no interval.
SUPPORTED = 30  # Positives of labels whose mean no single poster moves much.
NO_BCA = "BCa does not hold for labels and means over them, use 'percentile'"
BOOTSTRAP_CONSTRAINTS = {
    "n_bootstrap": [Interval(Integral, 0, None, closed="left")],
    "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    "method": [StrOptions({"percentile", "bca"})],
    "top_k": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
}


class MultilabelReport:
    """Scores of multi-label predictions, as `multilabel_report` computes them.

    ``print(report)`` shows it in less than 55 lines, and a notebook shows it as tables.

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
    shows the scores of such baselines on the same rows, and where each score would lie
    on average over other samples of as many rows: the model has learned something where
    the whole interval is better than the best baseline, which the report marks.

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
        Percentiles of the resamples' scores around their mean, or BCa: percentiles
        corrected for bias and for the change of spread, which takes a jackknife over
        all rows or groups. With BCa, labels and means over labels have no interval: a
        rare label decides them, and BCa moves their bounds too far down.
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
        frequencies"``, ``"most frequent"`` and ``"every label"`` (the baselines, as in
        `scores_beside_trivial`), ``"beats trivial"`` (whether the whole interval is
        better than all four; None without an interval) and ``"note"`` (why a value or
        its interval is undefined, what it leaves out, and the macro average precision
        of the labels with 30 positives or more, if others have fewer; empty text
        otherwise).

        ``labels`` has ``"support"``, ``"unknown"`` (how many rows are left out; only
        if any pair is unknown), ``"prevalence"``, ``"average precision"``, its
        interval ``"low"`` and ``"high"`` (nan for a label with one positive, or with
        positives in one group only), ``"chance"`` (the mean average precision of rows,
        or groups, in random order), ``"ROC-AUC"``, ``"F1"``,
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

    The interval is that of the mean score of samples of as many rows, or of as many
    groups, for this very model. It is not that of an endless sample, of which macro
    average precision is lower: few positives raise it. Nor does it cover the
    uncertainty of another fit. Resamples repeat positives, which raises average
    precision and F1 further, so that their percentiles are moved by the difference
    between their mean and the value. They are widened as Student's t is, and means over
    labels as the number of positives of each label asks for: m positives have m - 1
    degrees of freedom. Where a mean of rows is 0 or 1 in all of them, resamples do not
    vary, and the bound is that of Clopper and Pearson. A resample may lack a rare
    label: it is then left out there.

    Of fewer than 300 rows, or 100 groups, intervals may be too narrow, and ``about``
    says so. The mark next to a score is not a test: it treats the scores of the
    baselines as fixed, and of 18 scores one may be marked by chance. How often marks
    and intervals were right in simulations is in the guide to evaluation.

    Baselines score many rows alike. All orders of equal scores count the same for them,
    as in random predictions; the model's own ties count as in scikit-learn. So the
    average precision of n rows with m positives in random order is H_n / n + (1 - H_n /
    n) (m - 1) / (n - 1), with H_n = 1 + 1/2 + ... + 1/n: that is ``"chance"``. With
    `groups`, whole groups come in random order.

    References
    ----------
    B. Efron (1987). Better bootstrap confidence intervals. Journal of the American
    Statistical Association 82, 171-185.

    T. Hesterberg (2015). What teachers should know about the bootstrap. The American
    Statistician 69, 371-386.

    B. L. Welch (1947). The generalization of "Student's" problem when several different
    population variances are involved. Biometrika 34, 28-35.

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
    micro F1   0.61  0.56  0.67      0.00
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
    found, by_label = _find_intervals(bootstrap, model)
    baselines = score_baselines(
        train[0], labels, thresholds, top_k=top_k, group_of=bootstrap.group_of
    )
    by_label["chance"] = expect_chance(labels, bootstrap.group_of)
    about = [
        *_about(bootstrap, labels, y_train),
        *bootstrap.find_caution(),
        *_name_single(by_label, found, bootstrap, names),
        *count_unknown(model.known),
    ]
    return MultilabelReport(
        _scores_frame(model, baselines, found, names),
        _labels_frame(model, by_label, thresholds, names),
        about,
    )


def _find_intervals(bootstrap, model):
    """Return the intervals of all scores, and columns of average precision by label."""
    scores, n_scores = SCORES.values(), len(SCORES)
    means = find_label_means(scores, model, bootstrap)
    ranked = next(m for m in means if m.place == list(SCORES).index(MACRO_AP))

    def values(weights):
        weighted = model.under(weights)
        of_labels = [s.by_label(weighted) for s in scores if s.by_label]
        return np.vstack([*(s.of(weighted) for s in scores), *of_labels])

    found = bootstrap.intervals(values, model.labels.shape[1], means)
    of_rows = [i for i, score in enumerate(scores) if score.of_rows]
    found.open(of_rows, bootstrap.bound_rare())
    found.clip(np.r_[[s.most for s in scores], np.ones(len(found.value) - n_scores)])
    found.without([i for i, s in enumerate(scores) if not s.resampled], SHIFTED)
    # How much one case differs from others of its kind, it cannot tell.
    single = np.flatnonzero(ranked.n_cases < FEWEST_CASES)
    found.without(ranked.labels.start + single, "one positive")
    if bootstrap.method == "bca":
        means = [i for i, name in enumerate(SCORES) if name in WITHOUT_BCA]
        found.without([*means, *range(n_scores, len(found.value))], NO_BCA)
    columns = {"average precision": found.value, "low": found.low, "high": found.high}
    return found, {name: each[ranked.labels] for name, each in columns.items()}


def _name_single(by_label, found, bootstrap, names):
    """Return a line on labels that have a score but no interval, if any."""
    single = ~np.isnan(by_label["average precision"]) & np.isnan(by_label["low"])
    if not found.draws.size or bootstrap.method == "bca" or not single.any():
        return []
    kind = bootstrap.by.removesuffix("s")
    which = shorten(np.asarray(names, dtype=object)[single])
    return [f"labels with one positive {kind} have no interval, so no star: {which}"]


def _scores_frame(model, baselines, found, names):
    n_scores = len(SCORES)
    columns = {
        "better": [score.better for score in SCORES.values()],
        "value": found.value[:n_scores],
        "low": found.low[:n_scores],
        "high": found.high[:n_scores],
    }
    columns |= {name: list(scores.values()) for name, scores in baselines.items()}
    frame = pd.DataFrame(columns, index=list(SCORES))
    frame["beats trivial"] = _find_beaten(frame)
    left_out, more = notes(model, names), _note_few(model)
    frame["note"] = [
        "; ".join(filter(None, [left_out[score.over], note, more.get(name)]))
        for (name, score), note in zip(SCORES.items(), found.notes(), strict=False)
    ]
    frame.index = [in_full(name, model.top_k) for name in SCORES]
    # With k = 1, two rows are the same.
    return frame[~frame.index.duplicated()]


def _note_few(model):
    """Return a note with the mean over labels that are not rare, by score."""
    each = model.once.label_average_precision[:, 0]
    enough = model.labels.sum(axis=0) >= SUPPORTED
    if not enough.any() or enough[~np.isnan(each)].all():
        return {}
    labels = f"{enough.sum()} of {len(enough)} labels"
    value = f"{each[enough].mean():.3f}"
    return {MACRO_AP: f"{value} over {labels}, with {SUPPORTED} positives or more"}


def _find_beaten(frame):
    """Return whether the whole interval is better than all baselines, or None."""
    higher = frame["better"] == "higher"
    best = frame[BASELINES].max(axis=1).where(higher, frame[BASELINES].min(axis=1))
    beats = (frame["low"] > best).where(higher, frame["high"] < best)
    return beats.astype(object).where(frame["low"].notna() & best.notna(), None)


def _labels_frame(model, by_label, thresholds, names):
    once = model.once
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
            **by_label,
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
