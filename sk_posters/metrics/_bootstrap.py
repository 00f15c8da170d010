"""Intervals by resampling rows, or whole groups of rows, with replacement."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit
from sklearn.utils import check_random_state

from sk_posters._base._groups import encode_groups
from sk_posters.metrics._ranked import mean_of_defined, ratio

__all__ = ["SHIFTED", "Bootstrap", "Intervals", "LabelMean"]

FEWEST_ROWS, FEWEST_GROUPS = 300, 100  # Of fewer, intervals were not seen to hold.
SHIFTED = "resamples shift it upwards"
CELLS_AT_A_TIME = 4_000_000  # What one block of weightings may take, in numbers.


@dataclass(frozen=True)
class LabelMean:
    """A value that is the mean over labels, and the values that it is the mean of.

    `n_cases` holds how many independent cases each label's value is made of: the rows
    or groups with a positive. `corrected` says whether resamples of it vary too little.
    """

    place: int
    labels: slice
    n_cases: np.ndarray
    corrected: bool = True


class Bootstrap:
    """Weightings of rows that represent resamples, and intervals made of them.

    Hand-made, because groups are resampled as a whole, and weighting rows is 138 times
    as fast as scoring each resample.
    """

    def __init__(
        self, n_rows, *, groups, n_bootstrap, confidence_level, method, random_state
    ):
        self.n_rows = n_rows
        self.by = "rows" if groups is None else "groups"
        self.group_of, self.n_groups = _number_groups(groups, n_rows)
        self.n_bootstrap = n_bootstrap
        self.confidence_level = confidence_level
        self.method = method
        self.random_state = random_state

    def in_words(self):
        """Return how the intervals are made, or why there are none."""
        if self.n_bootstrap == 0:
            return "no intervals: n_bootstrap is 0"
        if self.n_groups < 2:
            return f"no intervals: they need two {self.by} or more"
        drawn = self.by if self.by == "rows" else f"{self.n_groups} groups"
        level = f"{100 * self.confidence_level:g} %"
        kind = "BCa" if self.method == "bca" else self.method
        return f"{level} {kind} intervals, {self.n_bootstrap} resamples of {drawn}"

    def find_caution(self):
        """Return what to say of intervals made of few rows or groups, or nothing."""
        if self.n_bootstrap == 0 or self.n_groups < 2:
            return []
        few = [f"{self.n_rows} rows"] if self.n_rows < FEWEST_ROWS else []
        if self.by == "groups" and self.n_groups < FEWEST_GROUPS:
            few += [f"{self.n_groups} groups"]
        return [f"only {' in '.join(few)}: intervals may be too narrow"] if few else []

    def bound_rare(self):
        """Return what share of all rows may be otherwise though none here is."""
        # Clopper and Pearson (1934), for no case among as many as there are groups.
        return 1 - ((1 - self.confidence_level) / 2) ** (1 / self.n_groups)

    def count_cases(self, marks):
        """Return by column in how many rows or groups there is a mark."""
        if self.by == "rows":
            return marks.sum(axis=0)
        rows, columns = np.nonzero(marks)
        found = np.unique(self.group_of[rows] * marks.shape[1] + columns)
        return np.bincount(found % marks.shape[1], minlength=marks.shape[1])

    def intervals(self, statistic, n_labels, means=()):
        """Return values of a statistic, and the bounds of their intervals."""
        value = statistic(np.ones((self.n_rows, 1)))[:, 0]
        if self.n_groups < 2 or self.n_bootstrap == 0:
            low, high = np.full((2, len(value)), np.nan)
            return Intervals(value, low, high, np.empty((len(value), 0)))
        block = max(1, CELLS_AT_A_TIME // (self.n_rows * n_labels))
        draws = [statistic(w[self.group_of]) for w in self._draw(block)]
        draws = np.concatenate(draws, axis=1)
        left_out = None
        if self.method == "bca":
            left_out = [statistic(w[self.group_of]) for w in self._without_one(block)]
            left_out = np.concatenate(left_out, axis=1)
        freedom = np.full(len(value), self.n_groups - 1.0)
        for mean in means:
            _widen(draws, freedom, mean)
        low, high = self._bounds(value, draws, left_out, freedom)
        return Intervals(value, low, high, draws)

    def _draw(self, block):
        """Yield how often each group is drawn, a column for each sample."""
        random = check_random_state(self.random_state)
        for first in range(0, self.n_bootstrap, block):
            size = min(block, self.n_bootstrap - first)
            drawn = random.randint(self.n_groups, size=(size, self.n_groups))
            drawn += self.n_groups * np.arange(size)[:, np.newaxis]
            counts = np.bincount(drawn.ravel(), minlength=size * self.n_groups)
            yield counts.reshape(size, self.n_groups).T.astype(float)

    def _without_one(self, block):
        """Yield all samples that lack one group."""
        for first in range(0, self.n_groups, block):
            left_out = np.arange(first, min(first + block, self.n_groups))
            weights = np.ones((self.n_groups, len(left_out)))
            weights[left_out, np.arange(len(left_out))] = 0
            yield weights

    def _bounds(self, value, draws, left_out, freedom):
        tail = (1 - self.confidence_level) / 2
        widths = self._find_widths(tail, freedom)
        bounds = np.full((len(value), 2), np.nan)
        for number, drawn in enumerate(draws):
            defined = drawn[~np.isnan(drawn)]
            if not len(defined) or np.isnan(value[number]):
                continue
            if left_out is None:
                # Resamples repeat positives, which shifts scores: only their spread
                # around their own mean says how far a score moves.
                low, high = np.quantile(defined, [tail, 1 - tail]) - defined.mean()
                spread = np.array([min(low, 0), max(high, 0)])
                bounds[number] = value[number] + widths[number] * spread
                continue
            normal = widths[number] * ndtri([tail, 1 - tail])
            levels = _bca_levels(normal, value[number], defined, left_out[number])
            if not np.isnan(levels).any():
                bounds[number] = np.quantile(defined, levels)
        return bounds.T

    def _find_widths(self, tail, freedom):
        """Return by how much resamples spread too little, by degrees of freedom."""
        # Student's t in place of the normal, and n - 1 in place of n (Hesterberg 2015).
        small = np.sqrt(self.n_groups / (self.n_groups - 1))
        return small * stdtrit(freedom, 1 - tail) / ndtri(1 - tail)


def _widen(draws, freedom, mean):
    """Correct the spread of labels with few positives, and that of their mean.

    The variance of m resampled cases is (m - 1) / m of theirs, and is known with m - 1
    degrees of freedom; those of the mean are Welch's (1947). A single case does not
    vary in resamples: it is taken to vary as those of other labels do. Average
    precision varies more already: a positive drawn twice raises its own precision.
    """
    of_labels = draws[mean.labels]
    centre = mean_of_defined(of_labels, axis=1)[:, np.newaxis]
    n_free = np.maximum(mean.n_cases, 2) - 1.0
    if mean.corrected:
        wider = np.sqrt(1 + 1 / n_free)[:, np.newaxis]
        of_labels = centre + wider * (of_labels - centre)
    variance = mean_of_defined((of_labels - centre) ** 2, axis=1)
    variance, several = np.nan_to_num(variance), mean.n_cases > 1
    draws[mean.labels] = of_labels
    of_mean = mean_of_defined(of_labels)
    missing = 0.0
    if mean.corrected and several.any():
        of_case = np.mean((variance * mean.n_cases)[several])
        missing = np.sum(mean.n_cases == 1) * of_case
        middle, wider = _mean_of(of_mean), 1 + ratio(missing, variance.sum(), empty=0)
        of_mean = middle + np.sqrt(wider) * (of_mean - middle)
    draws[mean.place] = of_mean
    unsure = (variance**2 / (n_free + 2)).sum()
    unsure += missing**2 / (n_free[several].sum() + 2)
    of_all = ratio((variance.sum() + missing) ** 2, unsure, empty=3) - 2
    most = freedom[mean.place]
    freedom[mean.labels] = np.minimum(n_free, most)
    freedom[mean.place] = np.clip(of_all, 1, most)


def _mean_of(values):
    return mean_of_defined(values[np.newaxis], axis=1)[0]


def _bca_levels(normal, value, drawn, left_out):
    """Return which quantiles of the draws bound the interval; nan if none do."""
    # Not quite equal: sums of the same numbers in another order differ in last digits.
    same = np.isclose(drawn, value, rtol=1e-9, atol=1e-12)
    bias = ndtri(np.mean((drawn < value) & ~same) + np.mean(same) / 2)
    change = left_out[~np.isnan(left_out)]
    change = change.mean() - change
    spread = np.sum(change**2) ** 1.5
    acceleration = np.sum(change**3) / (6 * spread) if spread > 1e-30 else 0.0
    if not np.isfinite(bias):
        return np.full(2, np.nan)
    shifted = bias + normal
    return ndtr(bias + shifted / (1 - acceleration * shifted))


class Intervals:
    """Values with bounds, and the draws that they are made of."""

    def __init__(self, value, low, high, draws):
        self.value, self.low, self.high, self.draws = value, low, high, draws
        self._reasons = {}

    def without(self, left_out, reason):
        """Take the intervals of some values away, given by their places."""
        left_out = np.asarray(left_out, dtype=int)
        self.low[left_out] = self.high[left_out] = np.nan
        self.draws[left_out] = np.nan
        self._reasons |= dict.fromkeys(left_out.tolist(), reason)

    def notes(self):
        """Return what there is to say of each interval, or empty text."""
        return [self._note(number) for number in range(len(self.value))]

    def _note(self, number):
        value, low, high = self.value[number], self.low[number], self.high[number]
        undefined = np.isnan(self.draws[number]).sum()
        if np.isnan(value) or not self.draws.size:
            return ""
        if number in self._reasons:
            return f"no interval: {self._reasons[number]}"
        if np.isnan(low):
            return "no interval: all resamples lie on one side of the value"
        if undefined:
            return f"undefined in {undefined} of {self.draws.shape[1]} resamples"
        outside = not low - 1e-9 <= value <= high + 1e-9
        return "resamples are biased: the value lies outside" if outside else ""

    def open(self, places, bound):
        """Open the intervals of means of rows that are all 0 or all 1, by a bound."""
        for place in places:
            value = self.value[place]
            if (
                self.draws.size
                and value in (0, 1)
                and np.all(self.draws[place] == value)
            ):
                self.low[place] = value * (1 - bound)
                self.high[place] = value + (1 - value) * bound

    def clip(self, most):
        """Cut the bounds to 0 and the largest possible values."""
        self.low, self.high = np.maximum(self.low, 0), np.minimum(self.high, most)


def _number_groups(groups, n_rows):
    """Return the number of each row's group, and how many groups there are."""
    if groups is None:
        return np.arange(n_rows), n_rows
    numbers = encode_groups(groups, n_rows)
    return numbers, numbers.max(initial=-1) + 1
