"""All scores of predictions, under any number of weightings of rows at once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sk_posters.metrics import _row_scores
from sk_posters.metrics._bootstrap import LabelMean
from sk_posters.metrics._ranked import RankedPairs, mean_of_defined, ratio

__all__ = [
    "SCORES",
    "WITHOUT_BCA",
    "Evaluation",
    "Score",
    "find_label_means",
    "find_score",
    "in_full",
]


class Evaluation:
    """Predictions and true labels, nan where unknown; `under` weights the rows."""

    def __init__(self, labels, scores, given, top_k):
        self.true = labels.astype(float)
        self.scores = scores
        self.top_k = top_k
        self.known = ~np.isnan(self.true)
        self.is_complete = bool(self.known.all())
        # Unknown pairs count as neither positive nor predicted.
        self.labels = self.true if self.is_complete else np.nan_to_num(self.true)
        self.given = (given * self.known).astype(float)

    def under(self, weights):
        """Return the predictions under weights of shape (n_samples, n_weightings)."""
        return Weighted(self, weights)

    @property
    def once(self):
        """The predictions with every row counted once."""
        return self.under(np.ones((len(self.labels), 1)))

    @cached_property
    def n_known(self):
        """The number of labels known in each row."""
        return self.known.sum(axis=1)

    @cached_property
    def wrong(self):
        return (self.labels != self.given).astype(float)

    @cached_property
    def exact(self):
        exact = np.all(self.labels == self.given, axis=1).astype(float)
        return np.where(self.n_known > 0, exact, np.nan)

    @cached_property
    def f1(self):
        return _row_scores.f1(self.labels, self.given)

    @cached_property
    def order_scores(self):
        return _row_scores.order_scores(self.true, self.scores)

    @cached_property
    def at_k(self):
        return _row_scores.at_k(self.true, self.scores, self.top_k)

    @cached_property
    def at_1(self):
        return _row_scores.at_k(self.true, self.scores, 1)

    @cached_property
    def log_loss(self):
        return _row_scores.cross_entropy(self.true, self.scores)

    @cached_property
    def calibration_gaps(self):
        return _row_scores.calibration_gaps(self.true, self.scores)

    @cached_property
    def ranked_by_label(self):
        n_rows = len(self.labels)
        columns = zip(self.labels.T, self.scores.T, self.known.T, strict=True)
        # A label that is known nowhere is as undefined as one without a positive.
        columns = [(y, s, k if k.any() else ~k) for y, s, k in columns]
        return [
            RankedPairs(y[k], s[k], np.flatnonzero(k), n_rows) for y, s, k in columns
        ]

    @cached_property
    def ranked_pairs(self):
        known = self.known if self.known.any() else ~self.known
        rows = np.nonzero(known)[0]
        return RankedPairs(self.labels[known], self.scores[known], rows, len(known))


class Weighted:
    """Scores of an `Evaluation`, a value or a column for each weighting."""

    def __init__(self, evaluation, weights):
        self.evaluation, self.weights = evaluation, weights

    def row_mean(self, values):
        """Return the weighted means of the rows whose value is not nan."""
        defined = ~np.isnan(values)
        total = np.where(defined, values, 0) @ self.weights
        return ratio(total, defined.astype(float) @ self.weights)

    def pair_mean(self, values):
        """Return the weighted means of the values of known (sample, label) pairs."""
        if self.evaluation.is_complete:
            return self.row_mean(values.mean(axis=1))
        total = np.where(self.evaluation.known, values, 0).sum(axis=1) @ self.weights
        return ratio(total, self.n_pairs)

    @property
    def element_accuracy(self):
        wrong = self.evaluation.wrong
        if self.evaluation.is_complete:
            return self.row_mean(1 - wrong.mean(axis=1))
        return 1 - self.pair_mean(wrong)

    @cached_property
    def n_pairs(self):
        return self.evaluation.n_known @ self.weights

    @cached_property
    def n_true(self):
        return self.evaluation.labels.T @ self.weights

    @cached_property
    def n_given(self):
        return self.evaluation.given.T @ self.weights

    @cached_property
    def n_right(self):
        both = self.evaluation.labels * self.evaluation.given
        return both.T @ self.weights

    @cached_property
    def label_precision(self):
        return ratio(self.n_right, self.n_given)

    @cached_property
    def label_recall(self):
        return ratio(self.n_right, self.n_true)

    @cached_property
    def label_f1(self):
        f1 = ratio(2 * self.n_right, self.n_true + self.n_given)
        return np.where(self.n_true > 0, f1, np.nan)

    @cached_property
    def micro_f1(self):
        marked = (self.n_true + self.n_given).sum(axis=0)
        return ratio(2 * self.n_right.sum(axis=0), marked)

    @cached_property
    def weighted_f1(self):
        f1 = np.where(self.n_true > 0, self.label_f1, 0)
        return ratio((self.n_true * f1).sum(axis=0), self.n_true.sum(axis=0))

    @cached_property
    def _ranked_by_label(self):
        # Both scores at once: what they are made of is large and not kept.
        both = []
        for ranked in self.evaluation.ranked_by_label:
            weighted = ranked.under(self.weights)
            both.append((weighted.average_precision, weighted.roc_auc))
        return np.array(both)

    @property
    def label_average_precision(self):
        return self._ranked_by_label[:, 0]

    @property
    def label_roc_auc(self):
        return self._ranked_by_label[:, 1]

    @property
    def micro_average_precision(self):
        return self.evaluation.ranked_pairs.under(self.weights).average_precision

    @property
    def calibration_error(self):
        gaps = np.abs(self.evaluation.calibration_gaps.T @ self.weights).sum(axis=0)
        if not self.evaluation.is_complete:
            return ratio(gaps, self.n_pairs)
        return ratio(gaps, self.evaluation.labels.shape[1] * self.weights.sum(axis=0))


@dataclass(frozen=True)
class Score:
    """One score: its direction, how it is computed, and what it averages over."""

    better: str
    of: Callable
    over: str = "pairs"
    needs: str = "scores"
    resampled: bool = True
    by_label: Callable | None = None
    corrected: bool = True
    of_rows: bool = False
    most: float = 1.0


def _mean_over_rows(find):
    return lambda w: w.row_mean(find(w.evaluation))


def _row_score(better, find, over, needs="scores"):
    return Score(better, _mean_over_rows(find), over, needs, of_rows=True)


def _pair_score(better, find, needs, most=1.0):
    def mean(weighted):
        return weighted.pair_mean(find(weighted.evaluation))

    return Score(better, mean, "pairs", needs, most=most, of_rows=most == 1)


def _order_score(better, name, most=1.0):
    find = _mean_over_rows(lambda e: e.order_scores[name])
    return Score(better, find, "two labels", most=most, of_rows=most == 1)


def _label_mean(by_label, over, needs="scores", **more):
    def mean(weighted):
        return mean_of_defined(by_label(weighted))

    return Score("higher", mean, over, needs, by_label=by_label, **more)


SCORES = {
    "hamming loss": _pair_score("lower", lambda e: e.wrong, "given"),
    "subset accuracy": _row_score("higher", lambda e: e.exact, "known rows", "given"),
    "macro F1": _label_mean(lambda w: w.label_f1, "labels with a positive", "given"),
    "micro F1": Score("higher", lambda w: w.micro_f1, "marked pairs", "given"),
    "weighted F1": Score(
        "higher", lambda w: w.weighted_f1, "labels with a positive", "given"
    ),
    "samples F1": _row_score("higher", lambda e: e.f1, "marked rows", "given"),
    "macro average precision": _label_mean(
        lambda w: w.label_average_precision,
        "labels with a positive",
        corrected=False,
    ),
    "micro average precision": Score(
        "higher", lambda w: w.micro_average_precision, "positives"
    ),
    "macro ROC-AUC": _label_mean(lambda w: w.label_roc_auc, "labels with both"),
    "LRAP": _order_score("higher", "LRAP"),
    "ranking loss": _order_score("lower", "ranking loss"),
    "coverage error": _order_score("lower", "coverage error", most=np.inf),
    "precision at k": _row_score("higher", lambda e: e.at_k["precision"], "two labels"),
    "recall at k": _row_score("higher", lambda e: e.at_k["recall"], "labelled rows"),
    "top-k hit": _row_score("higher", lambda e: e.at_k["hit"], "labelled rows"),
    "top-1 hit": _row_score("higher", lambda e: e.at_1["hit"], "labelled rows"),
    "log loss": _pair_score("lower", lambda e: e.log_loss, "probabilities", np.inf),
    # Chance gaps of the bins add up whatever their sign, and resamples add to them: of
    # calibrated predictions, no 95 % interval out of 500 held the truth.
    "calibration error": Score(
        "lower",
        lambda w: w.calibration_error,
        needs="probabilities",
        resampled=False,
    ),
    # Last, because it flatters where labels are rare.
    "element accuracy": Score("higher", lambda w: w.element_accuracy, "pairs", "given"),
}


# A rare label decides them: bounds of BCa lie below the mean of other samples.
WITHOUT_BCA = [name for name, score in SCORES.items() if score.by_label]
WITHOUT_BCA += ["weighted F1"]


def find_label_means(scores, evaluation, bootstrap):
    """Return which scores are means over labels, whose values follow all scores."""
    positive = evaluation.labels == 1
    of_positives = bootstrap.count_cases(positive)
    of_negatives = bootstrap.count_cases(evaluation.known & ~positive)
    n_labels, first, means = positive.shape[1], len(scores), []
    for place, score in enumerate(scores):
        if getattr(score, "by_label", None):
            n_cases = of_positives
            if score.over == "labels with both":
                n_cases = np.minimum(of_positives, of_negatives)
            labels = slice(first, first + n_labels)
            means.append(LabelMean(place, labels, n_cases, score.corrected))
            first += n_labels
    return means


def in_full(name, top_k):
    """Return a score's name with its k."""
    return name.replace("at k", f"at {top_k}").replace("top-k", f"top-{top_k}")


def find_score(name, top_k):
    """Return the key in `SCORES` of a name that a user has given."""
    keys = {in_full(key, top_k): key for key in SCORES} | {key: key for key in SCORES}
    if name not in keys:
        allowed = ", ".join(repr(key) for key in SCORES)
        raise ValueError(f"There is no score named {name!r}: choose of {allowed}.")
    return keys[name]
