"""Whether one model scores better than another, on the same rows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sk_posters._base._compat import validate_params
from sk_posters._base._validation import (
    check_predictions,
    check_probabilities,
    check_thresholds,
    count_unknown,
    match_names,
)
from sk_posters.metrics import _report_text
from sk_posters.metrics._bootstrap import SHIFTED, Bootstrap
from sk_posters.metrics._evaluation import (
    SCORES,
    WITHOUT_BCA,
    Evaluation,
    find_label_means,
    find_score,
    in_full,
)
from sk_posters.metrics._notes import notes
from sk_posters.metrics._report import BOOTSTRAP_CONSTRAINTS

__all__ = ["ModelComparison", "compare_models"]


class ModelComparison:
    """Differences between the scores of models; `compare_models` makes it.

    ``print(comparison)`` shows a line for each model and score, and a notebook shows a
    table.

    Parameters
    ----------
    differences : DataFrame
        A row per model and score, or per score if there is one model. The columns are
        those that `compare_models` names.
    about : list of str
        How the differences were computed, a line each.

    See Also
    --------
    compare_models : Computes the differences.

    Examples
    --------
    >>> from sk_posters.metrics import compare_models
    >>> y_true = [[1, 0], [0, 1], [1, 1]]
    >>> a = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.7]]
    >>> b = [[0.9, 0.6], [0.2, 0.8], [0.6, 0.7]]
    >>> comparison = compare_models(
    ...     y_true, a, b, metric="hamming loss", random_state=0
    ... )
    >>> float(round(comparison.differences.loc["hamming loss", "difference"], 3))
    -0.167
    """

    def __init__(self, differences, about):
        self.differences = differences
        self.about = about

    def __str__(self):
        return _report_text.comparison_text(self)

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        return self.to_html()

    def to_frame(self):
        """Return the differences as a new frame.

        Returns
        -------
        DataFrame
            A copy of `differences`.
        """
        return self.differences.copy()

    def to_html(self):
        """Return the comparison as HTML, all names escaped.

        Returns
        -------
        str
            A ``<div>`` with a table.
        """
        return _report_text.html(self.about, [self.differences])


@validate_params(BOOTSTRAP_CONSTRAINTS, prefer_skip_nested_validation=True)
def compare_models(
    y_true,
    scores_a,
    scores_b,
    *,
    metric="macro average precision",
    thresholds=0.5,
    n_bootstrap=1000,
    groups=None,
    confidence_level=0.95,
    method="percentile",
    top_k=3,
    random_state=None,
):
    """Difference between the scores of two models on the same rows, with an interval.

    Both models are scored on the same resamples of rows, so that what makes a resample
    easy or hard for both cancels out: the interval of the difference is often much
    narrower than those of the two scores.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, of rows that neither model has seen; nan where it
        is not known. Such pairs are left out, as `multilabel_report` does.
    scores_a : array-like, DataFrame, list of arrays, or dict of str to these
        Probabilities or other scores of model a, in any of the forms that
        `multilabel_report` takes; in a dict, those of several models, by their names.
        An array of shape (n_repeats, n_samples, n_labels) holds out-of-fold scores of
        a repeated cross-validation: each repeat is scored, and the mean taken.
    scores_b : array-like, DataFrame or list of arrays
        The same of model b, which all others are compared with.
    metric : str, callable, or list of these, default="macro average precision"
        Names of scores as in the report of `multilabel_report`, or functions of
        ``(y_true, y_score)``, which are called for every resample and so are slow;
        they get nan where a pair is not known.
    thresholds : float, array-like of shape (n_labels,), dict or Series, default=0.5
        A label is given where its score is at least its threshold, in all models.
    n_bootstrap : int, default=1000
        How many resamples the intervals are made of; 0 leaves the intervals out.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group are drawn together. None draws rows.
    confidence_level : float, default=0.95
        Level of the intervals, between 0 and 1.
    method : {"percentile", "bca"}, default="percentile"
        How intervals are made of the resamples, as in `multilabel_report`. BCa is
        refused for means over labels (macro average precision, macro F1, weighted F1,
        macro ROC-AUC), where it finds differences between equal models too often.
    top_k : int, default=3
        How many of a row's best labels count for scores at k.
    random_state : int, RandomState instance or None, default=None
        Draws the resamples; an int makes them repeatable.

    Returns
    -------
    ModelComparison
        With ``differences``, ``about``, ``to_frame()`` and ``to_html()``. The columns
        of ``differences`` are ``"better"`` ("higher" or "lower"; empty for functions),
        ``"a"`` and ``"b"`` (the scores), ``"difference"`` (a - b), its interval
        ``"low"`` and ``"high"``, ``"share above zero"`` (of the resamples in which the
        difference is defined; those where it is 0 count half) and ``"note"`` (why a
        value is undefined, or what it leaves out).

    Raises
    ------
    ValueError
        If shapes or names differ, if scores are nan, if a score has no such name, if
        log loss or calibration error is asked of what are no probabilities, or if
        BCa is asked of a mean over labels.

    See Also
    --------
    multilabel_report : All scores of one model next to baselines.

    Notes
    -----
    The interval is that of the mean difference on other samples of as many rows. (For
    functions that average over labels, use percentiles as well.) It does not tell how
    far other fits of the same models would move it: repeat them with other seeds. Of
    many models, one beats the reference by chance now and then: nothing corrects for
    their number. A difference of calibration errors has no interval, for the reason
    that `multilabel_report` gives. Out-of-fold scores rank rows of several fits
    together, which is fair only where these fits' scores mean the same.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.metrics import compare_models
    >>> random = np.random.default_rng(0)
    >>> y_true = random.random((300, 3)) < [0.5, 0.3, 0.1]
    >>> weak = (y_true + 4 * random.random((300, 3))) / 5
    >>> strong = (y_true + 2 * random.random((300, 3))) / 3
    >>> comparison = compare_models(y_true, strong, weak, random_state=0)
    >>> comparison.differences[["difference", "low", "high"]].round(2)
                             difference   low  high
    score
    macro average precision        0.15  0.05  0.24
    """
    several = isinstance(scores_a, Mapping)
    models = dict(scores_a) if several else {"a": scores_a}
    if not models:
        raise ValueError("scores_a must hold one model or more: got an empty dict.")
    metrics = _metrics(metric, top_k)
    _refuse_bca(metrics, method)
    reference = _answers(y_true, scores_b, metrics, thresholds, top_k)
    labels = reference[0].labels
    bootstrap = Bootstrap(
        len(labels),
        groups=groups,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        method=method,
        # One seed, so that all models meet the same resamples.
        random_state=check_random_state(random_state).randint(2**31 - 1),
    )
    frames = {
        name: _differences(
            bootstrap,
            _answers(y_true, scores, metrics, thresholds, top_k),
            reference,
            metrics,
        )
        for name, scores in models.items()
    }
    frame = pd.concat(frames, names=["model", "score"]) if several else frames["a"]
    about = [f"{len(labels)} rows; {bootstrap.in_words()}"]
    about += count_unknown(reference[0].known)
    return ModelComparison(frame, about)


def _metrics(metric, top_k):
    """Return a Score or a function for each name."""
    found = {}
    for one in metric if isinstance(metric, (list, tuple)) else [metric]:
        if callable(one):
            found[getattr(one, "__name__", repr(one))] = one
        elif isinstance(one, str):
            key = find_score(one, top_k)
            found[in_full(key, top_k)] = SCORES[key]
        else:
            raise ValueError(
                "metric must be the name of a score, a function of (y_true, y_score), "
                f"or a list of these: got {one!r}."
            )
    if not found:
        raise ValueError("metric must name one score or more: got an empty list.")
    return found


def _refuse_bca(metrics, method):
    without = [name for name in metrics if name in WITHOUT_BCA]
    if method == "bca" and without:
        raise ValueError(
            "method must be 'percentile' for means over labels: got 'bca' for "
            f"{', '.join(map(repr, without))}. A rare label decides these means, and "
            "BCa then finds differences where there are none too often."
        )


def _answers(y_true, y_score, metrics, thresholds, top_k):
    """Return an Evaluation for each repeat of the scores."""
    repeated = isinstance(y_score, np.ndarray) and y_score.ndim == 3
    result = []
    for scores in y_score if repeated else [y_score]:
        labels, scores, names = check_predictions(y_true, scores)
        if any(
            getattr(score, "needs", "") == "probabilities" for score in metrics.values()
        ):
            check_probabilities(scores, names, " for log loss and calibration error")
        given = scores >= check_thresholds(thresholds, names)
        evaluation = Evaluation(labels, scores, given, min(top_k, labels.shape[1]))
        evaluation.names = names
        result.append(evaluation)
    return result


def _differences(bootstrap, model, reference, metrics):
    # y_true may have no names, and then only these tell columns that were swapped.
    match_names(model[0].names, "scores_a", reference[0].names, "scores_b")
    once, n_scores = np.ones((len(model[0].labels), 1)), len(metrics)
    values = [_values(each, metrics, once)[:n_scores, 0] for each in (model, reference)]

    def difference(weights):
        a, b = (_values(each, metrics, weights) for each in (model, reference))
        return a - b

    means = find_label_means(metrics.values(), model[0], bootstrap)
    found = bootstrap.intervals(difference, model[0].labels.shape[1], means)
    each = enumerate(metrics.values())
    without = [i for i, m in each if not getattr(m, "resampled", True)]
    found.without(without, SHIFTED)
    left_out = notes(model[0], model[0].names)
    of_values = [left_out[getattr(m, "over", "pairs")] for m in metrics.values()]
    both = zip(of_values, found.notes(), strict=False)
    return pd.DataFrame(
        {
            "better": [getattr(score, "better", "") for score in metrics.values()],
            "a": values[0],
            "b": values[1],
            "difference": found.value[:n_scores],
            "low": found.low[:n_scores],
            "high": found.high[:n_scores],
            "share above zero": [
                _share_above_zero(drawn) for drawn in found.draws[:n_scores]
            ],
            "note": ["; ".join(filter(None, pair)) for pair in both],
        },
        index=pd.Index(metrics, name="score"),
    )


def _values(repeats, metrics, weights):
    """Return each metric's mean over the repeats, then those of labels."""
    each = []
    for evaluation in repeats:
        weighted = evaluation.under(weights)
        each.append(
            [
                score.of(weighted)
                if hasattr(score, "of")
                else _by_function(score, evaluation, weights)
                for score in metrics.values()
            ]
        )
        for score in metrics.values():
            if getattr(score, "by_label", None):
                each[-1].extend(score.by_label(weighted))
    return np.mean(each, axis=0)


def _by_function(function, evaluation, weights):
    labels, rows = evaluation.true, np.arange(len(weights))
    if evaluation.is_complete:
        labels = labels.astype(int)
    drawn = (np.repeat(rows, times.astype(int)) for times in weights.T)
    return np.array([function(labels[r], evaluation.scores[r]) for r in drawn])


def _share_above_zero(drawn):
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return np.nan
    return float(np.mean(drawn > 0) + np.mean(drawn == 0) / 2)
