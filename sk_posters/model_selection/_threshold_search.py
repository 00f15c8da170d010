"""Thresholds of scores that maximise a metric, for all labels or for each."""

from functools import cached_property

import numpy as np
from sklearn.base import BaseEstimator

from sk_posters._base._validation import find_known, has_unknown

__all__ = ["EXPECTED", "find_best", "make_objective", "make_threshold_search"]

# Sums over labels, or ratios of such sums: their best thresholds can be found label by
# label. All other metrics must be computed for every trial.
F1_AVERAGES = {"f1_macro", "f1_micro", "f1_weighted"}
EXPECTED = {f"expected_{name}" for name in F1_AVERAGES}
N_TRIALS = 100
MAX_ROUNDS = 20
# Predicted rows per positive row.
RATES = np.geomspace(0.2, 10, 60)


class ThresholdSearch:
    """The best threshold for all labels, and the best ones for each."""

    def __init__(self, labels, scores, thresholds=None, weights=None):
        self.true = labels
        self.weights = weights
        self.known = find_known(labels)
        self.has_unknown = has_unknown(labels)
        if self.has_unknown:
            # Unknown pairs, neither positive nor predicted, go below all known ones.
            scores = _lower_unknown(scores, self.known)
            labels = np.nan_to_num(labels).astype(int)
        self.labels = labels
        self.scores = scores
        self.thresholds = thresholds
        self.n_positive = self._count(labels)
        self.order = np.argsort(scores, axis=0)
        self.sorted = np.take_along_axis(scores, self.order, axis=0)

    def _count(self, is_counted):
        """Return how many rows count for each label; a weight of 2 is two rows."""
        if self.weights is None:
            return is_counted.sum(axis=0)
        return self.weights @ is_counted

    def _candidates(self, scores):
        if isinstance(self.thresholds, np.ndarray):
            return self.thresholds
        return _between(scores, self.thresholds)

    def for_all(self):
        """Return all candidates, and the score of each as threshold of all labels."""
        candidates = self._candidates(self.scores)
        shape = len(candidates), self.labels.shape[1]
        return candidates, self.of_trials(
            np.broadcast_to(candidates[:, np.newaxis], shape)
        )

    @cached_property
    def rate(self):
        """The best number of predicted rows per positive row, common to all labels."""
        thresholds = self._at_counts(np.outer(RATES, self.n_positive))
        values = self.of_trials(thresholds)
        return float(find_best(RATES, values, self.n_positive.sum()))

    def at_rate(self):
        """Return thresholds that predict all labels at the best common rate."""
        return self._at_counts(self.rate * self.n_positive[np.newaxis])[0]

    def shrink(self, own, shrinkage):
        """Shrink thresholds towards the common rate where a label has few positives.

        Empirical Bayes on the logarithm of the number of predicted rows: a label with
        as many positives as `shrinkage` is half its own.
        """
        weight = self.n_positive / np.maximum(self.n_positive + shrinkage, 1e-9)
        n_own = self._count((self.scores >= own) & self.known)
        own, common = _log(n_own), _log(self.rate * self.n_positive)
        counts = np.exp(common + weight * (own - common))
        return self._at_counts(counts[np.newaxis])[0]

    def _at_counts(self, counts):
        """Return thresholds at which about these counts of rows are predicted."""
        labels = range(counts.shape[1])
        columns = [self._at_counts_of(label, counts[:, label]) for label in labels]
        return np.column_stack(columns)

    def _at_counts_of(self, label, counts):
        # Tied rows are predicted together, so that few counts may be possible.
        rises = np.flatnonzero(np.diff(self.sorted[:, label])) + 1
        places = np.concatenate([[0], rises, [len(self.sorted)]])
        possible = self._count_known_from(label)[places][::-1]
        counts = np.clip(np.round(counts), 0, possible[-1])
        above = np.searchsorted(possible, counts)
        below = np.maximum(above - 1, 0)
        over = _log(possible[above]) - _log(counts)
        under = _log(counts) - _log(possible[below])
        nearest = np.where(over < under, above, below)
        return _between(self.sorted[:, label])[::-1][nearest]

    def _count_known_from(self, label):
        """Return how many known rows a label has from each place of its order on."""
        if not self.has_unknown and self.weights is None:
            return np.arange(len(self.order), -1, -1)
        falling = self.order[::-1, label]
        known = self.known[falling, label]
        if self.weights is not None:
            known = known * self.weights[falling]
        return np.append(np.cumsum(known)[::-1], 0)


class F1Search(ThresholdSearch):
    """Thresholds for an average of F1, exact over all distinct thresholds."""

    def __init__(self, labels, scores, thresholds=None, average="macro"):
        super().__init__(labels, scores, thresholds)
        self.average = average

    def for_all(self):
        """Return all candidates, and the score of each as threshold of all labels."""
        if self.thresholds is not None:
            return super().for_all()
        # There are as many distinct thresholds as (sample, label) pairs. Trying each
        # for each label would take time quadratic in the number of labels.
        known, places = np.unique(self.scores, return_inverse=True)
        places = places.reshape(self.scores.shape)
        value_above = self._micro_above if self.average == "micro" else self._mean_above
        return self._candidates(known), value_above(places, len(known))

    def _micro_above(self, places, n_places):
        """Return micro F1 if a label is predicted from each rank on, and nowhere."""
        hits = np.bincount(places.ravel(), self.labels.ravel(), n_places + 1)
        given = np.bincount(places[self.known], minlength=n_places + 1)
        hits, given = (each[::-1].cumsum()[::-1] for each in (hits, given))
        return _f1(hits, given, self.n_positive.sum())

    def _mean_above(self, places, n_places):
        """Return mean F1 if labels are predicted from each rank on, and nowhere."""
        # A label's own F1 changes at its own scores alone, and is 0 above all of them.
        gains = np.zeros(n_places + 1)
        for label, order in enumerate(self.order.T):
            own, hits = places[order, label], self.labels[order[::-1], label]
            lasts = np.flatnonzero(np.append(np.diff(own), 1))
            hits_from = np.append(np.cumsum(hits)[::-1], 0)
            firsts = np.append(0, lasts + 1)
            given = self._count_known_from(label)[firsts]
            f1 = self._f1(label, hits_from[firsts], given)
            f1 = self._weight(label) * f1
            gains[own[lasts]] -= np.diff(f1)
        return np.cumsum(gains[::-1])[::-1]

    def of_trials(self, thresholds):
        """Return the score of several thresholds for each label."""
        return self._values(thresholds.T)

    def _values(self, thresholds):
        all_hits, all_given, values = 0, 0, 0
        for label, trials in enumerate(thresholds):
            hits, given = self._outcomes(label, trials)
            all_hits, all_given = all_hits + hits, all_given + given
            values = values + self._weight(label) * self._f1(label, hits, given)
        if self.average == "micro":
            return _f1(all_hits, all_given, self.n_positive.sum())
        return values

    def for_each(self):
        """Return the best thresholds of all labels."""
        curves = [self._curve(label) for label in range(self.labels.shape[1])]
        if self.average == "micro":
            return self._for_each_micro(curves)
        return np.array(
            [
                find_best(candidates, _f1(hits, given, n_positive), n_positive)
                for (candidates, hits, given), n_positive in zip(
                    curves, self.n_positive, strict=True
                )
            ]
        )

    def _f1(self, label, hits, given):
        return _f1(hits, given, self.n_positive[label])

    def _for_each_micro(self, curves):
        # Dinkelbach: the best ratio of two sums is the one at which the best
        # difference, numerator - ratio * denominator, is zero. It falls apart by label.
        ratio, best = 0.0, None
        for _ in range(MAX_ROUNDS):
            chosen = [
                curve[:, _best_place(2 * curve[1] - ratio * curve[2], n_positive)]
                for curve, n_positive in zip(curves, self.n_positive, strict=True)
            ]
            thresholds, hits, given = np.transpose(chosen)
            value = float(_f1(hits.sum(), given.sum(), self.n_positive.sum()))
            if best is not None and value <= ratio:
                break
            ratio, best = value, thresholds
        return best

    def _curve(self, label):
        candidates = self._candidates(self.scores[:, label])
        return np.stack([candidates, *self._outcomes(label, candidates)])

    def _outcomes(self, label, thresholds):
        """Return the numbers of true positives and of predicted rows of a label."""
        order = self.order[:, label]
        first = np.searchsorted(self.sorted[:, label], thresholds)
        hits_from = np.append(np.cumsum(self.labels[order[::-1], label])[::-1], 0)
        return hits_from[first], self._count_known_from(label)[first]

    def _weight(self, label):
        if self.average == "weighted":
            return self.n_positive[label] / max(self.n_positive.sum(), 1)
        return 1 / len(self.n_positive)


class ExpectedF1(F1Search):
    """Thresholds for the expected F1 of probabilities, in place of true labels.

    Lipton, Elkan and Naryanaswamy: F1 is greatest where the labels are predicted whose
    probability is at least half of the F1 that this gives.
    """

    def __init__(self, labels, scores, thresholds=None, average="macro"):
        super().__init__(scores, scores, thresholds, average)
        self.has_positive = (labels == 1).any(axis=0)

    def for_each(self):
        """Return half of the greatest expected F1, of each label or of all pairs."""
        if self.average == "micro":
            best = np.full(self.scores.shape[1], _expect_best_f1(self.scores) / 2)
        else:
            best = np.array([_expect_best_f1(column) / 2 for column in self.scores.T])
        # The expectation of a label that no row has is its smallest probabilities.
        above = np.nextafter(self.scores.max(axis=0), np.inf)
        return np.where(self.has_positive, best, above)

    def shrink(self, own, shrinkage):
        """Return the thresholds as they are: they do not depend on few labels."""
        return own


def _expect_best_f1(probabilities):
    """Return the greatest expected F1 of predicting the most probable pairs."""
    falling = np.sort(probabilities, axis=None)[::-1]
    given = np.arange(1, len(falling) + 1)
    return (2 * np.cumsum(falling) / (given + falling.sum())).max()


class ScorerSearch(ThresholdSearch):
    """Thresholds for any metric of predicted labels, by trials."""

    def __init__(self, labels, scores, thresholds, objective, weights=None):
        thresholds = N_TRIALS if thresholds is None else thresholds
        super().__init__(labels, scores, thresholds, weights)
        self.objective = objective

    def of_trials(self, thresholds):
        """Return the score of several thresholds for each label."""
        predicted = ((self.scores >= trial).astype(int) for trial in thresholds)
        return np.array([self.objective(self.true, each) for each in predicted])

    def for_each(self):
        """Return the best threshold of each label in turn, with the others held."""
        thresholds = self.at_rate()
        predicted = (self.scores >= thresholds).astype(int)
        best = self.objective(self.true, predicted)
        for label in range(len(thresholds)):
            candidates = self._candidates(self.scores[:, label])
            values = []
            for candidate in candidates:
                predicted[:, label] = self.scores[:, label] >= candidate
                values.append(self.objective(self.true, predicted))
            if max(values) > best:
                best = max(values)
                thresholds[label] = find_best(
                    candidates, np.array(values), self.n_positive[label]
                )
            predicted[:, label] = self.scores[:, label] >= thresholds[label]
        return thresholds


def make_threshold_search(labels, scores, thresholds, scoring, objective, weights=None):
    """Return the `ThresholdSearch` for a metric; weights are for scorers alone."""
    average = _find_average(scoring)
    if average is not None:
        search = ExpectedF1 if scoring in EXPECTED else F1Search
        return search(labels, scores, thresholds, average)
    return ScorerSearch(labels, scores, thresholds, objective, weights)


def _find_average(scoring):
    """Return the average of an F1 score or an expected one, None for other metrics."""
    if isinstance(scoring, str) and scoring in F1_AVERAGES | EXPECTED:
        return scoring.rpartition("_")[2]
    return None


def make_objective(scorer, scoring, params=None):
    """Return the objective: a function of true and predicted labels.

    `params` are those of the scorer, such as weights of the rows.
    """

    average = _find_average(scoring)

    def objective(labels, predicted):
        if average is not None and (scorer is None or has_unknown(labels)):
            return _average_f1(labels, predicted, average)
        try:
            return scorer(_Predictions(), predicted, labels, **(params or {}))
        except AttributeError as error:
            raise ValueError(
                "scoring must be a metric of predicted labels, those of predict, as "
                f"'f1_macro' does: got {scoring!r}."
            ) from error
        except ValueError as error:
            if not has_unknown(labels):
                raise
            raise ValueError(
                f"scoring={scoring!r} takes no unknown labels, nan in y: give one of "
                f"{', '.join(map(repr, sorted(F1_AVERAGES)))}, or a scorer of "
                "sk_posters.metrics.get_multilabel_scorer."
            ) from error

    return objective


def _average_f1(labels, predicted, average):
    """Return an average of F1 over known pairs, as scikit-learn's of all pairs."""
    search = F1Search(labels, predicted, average=average)
    return float(search.of_trials(np.ones((1, labels.shape[1])))[0])


class _Predictions(BaseEstimator):
    """An estimator for a scorer, whose X are the predictions themselves."""

    def predict(self, X):
        return X


def find_best(candidates, values, n_positive):
    """Return the best candidate, the middle one of several; the last without positives.

    Without a positive, F1 is 0 wherever the threshold lies: the last predicts least.
    """
    return candidates[_best_place(values, n_positive)]


def _best_place(values, n_positive):
    if not n_positive:
        return -1
    best = np.flatnonzero(values >= values.max() - 1e-12)
    return best[len(best) // 2]


def _lower_unknown(scores, known):
    """Return scores in which unknown pairs have the lowest of their label's known."""
    lowest = np.where(known, scores, np.inf).min(axis=0)
    lowest = np.where(known.any(axis=0), lowest, scores.min(axis=0))
    return np.where(known, scores, lowest)


def _log(counts):
    # Less than half a row counts as no row.
    return np.log(np.maximum(counts, 0.4))


def _f1(hits, given, n_positive):
    return 2 * hits / np.maximum(given + n_positive, 1)


def _between(scores, most=None):
    """Return thresholds in the middle between scores, below and above all of them."""
    known = np.unique(scores)
    above = np.nextafter(known[-1], np.inf)
    middle = known[:-1] + np.diff(known) / 2
    candidates = np.concatenate([known[:1], middle, [above]])
    if most is not None and most < len(candidates):
        places = np.linspace(0, len(candidates) - 1, most).round().astype(int)
        candidates = candidates[places]
    return candidates
