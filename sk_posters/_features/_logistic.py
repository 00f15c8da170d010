"""Logistic regressions of all labels at once, which share each product with X.

Newton's method, whose steps come from conjugate gradients [1]_, as scikit-learn's
solver "newton-cg" takes them label by label. Vectors of all labels stand below each
other, so that X, which is far larger than a processor's cache, is read once for all.
Where features outnumber rows, coefficients are sums of rows, and the same steps are
taken with the products of all pairs of rows (the Gram matrix) in place of X.

References
----------
.. [1] C.-J. Lin, R. C. Weng and S. S. Keerthi, "Trust Region Newton Method for Logistic
   Regression", JMLR 9, 2008.
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

__all__ = ["find_gram", "fit_logistic"]

MAX_INNER, INNER_TOLERANCE = 50, 0.1
MAX_HALVINGS, MAX_IN_VAIN = 20, 3
# Most rows whose products with each other pay, where features are more: the products
# that they replace take longer for more labels.
ROWS, ROWS_PER_LABEL = 2000, 200
FEATURES_AT_ONCE = 2048
EPSILON = 1e-12


def find_gram(X, n_labels, fit_intercept):
    """Return the `Gram` of rows if that makes a fit of so many labels faster."""
    n_samples, n_features = X.shape
    if n_samples > min(n_features, ROWS + ROWS_PER_LABEL * n_labels):
        return None
    # An intercept takes up what the means of features add to all rows alike, which
    # would cost digits here.
    means = X.mean(axis=0) if fit_intercept else np.zeros(n_features, X.dtype)
    products = np.zeros((n_samples, n_samples), X.dtype)
    for part in gen_batches(n_features, FEATURES_AT_ONCE):
        centred = X[:, part] - means[part]
        products += centred @ centred.T
    return Gram(products, means)


class Gram(NamedTuple):
    """Products of all pairs of rows, and what was subtracted from features before."""

    products: np.ndarray
    means: np.ndarray


def fit_logistic(X, labels, weights, *, fit_intercept, tol, max_iter, gram=None):
    """Return coefficients (n_labels, n_features), intercepts and numbers of steps.

    Minimises, for each label, the weighted sum of the log losses plus half the squared
    length of its coefficients. Stops when no gradient is longer than `tol` of the first
    and, as a mean over rows, than `tol` itself, as in scikit-learn; or when steps gain
    no more than rounding would.
    `weights` are of shape (n_samples, n_labels), as `labels` are: C times the weight of
    a row, 0 where the row does not know the label. Each label has rows of both classes.
    With the `gram` of X, steps cost its size in place of that of X.
    """
    turned = (np.ascontiguousarray(each.T, X.dtype) for each in (labels, weights))
    problem = _Problem(X, *turned, fit_intercept, gram)
    totals = problem.weights.sum(axis=1)
    at = problem.find_start(totals)
    margins = np.tile(at.intercepts[:, np.newaxis], len(X))
    n_iter = np.zeros(len(totals), dtype=np.int32)
    lengths, in_vain = np.zeros_like(totals), np.zeros(len(totals))
    first, live = None, np.arange(len(totals))
    part, here = problem, at
    for _ in range(max_iter):
        gradient, curvature = part.differentiate(here, margins)
        lengths[live] = gradient.length()
        if first is None:
            first = np.minimum(lengths, totals)
        # Not arrived if it is not a number.
        arrived = lengths[live] <= tol * np.maximum(first[live], EPSILON)
        active = ~arrived & (in_vain[live] < MAX_IN_VAIN)
        if not active.any():
            break
        live, part, here = live[active], part.take(active), here.take(active)
        margins = margins[active]
        n_iter[live] += 1
        step, change = part.find_step(gradient.take(active), curvature[active])
        rate, gain = part.find_rate(here, margins, step, change)
        in_vain[live] += ~(gain > np.finfo(X.dtype).eps)
        here.add(rate, step)
        margins = part.refresh(here)
        at.put(live, here)
    else:
        warnings.warn(
            f"Logistic regressions stopped after max_iter={max_iter} steps: increase "
            "max_iter, or tol",
            ConvergenceWarning,
            stacklevel=2,
        )
    if not np.isfinite(lengths).all():
        warnings.warn(
            "Logistic regressions stopped where numbers became too large: standardise "
            "the features",
            ConvergenceWarning,
            stacklevel=2,
        )
    return *problem.find_coefficients(at), n_iter


class _Vectors:
    """Coefficients of labels, below each other, and intercepts (n_labels,).

    `parts` is of shape (1, n_labels, n_features). Coefficients that are combinations of
    the rows of X are held as the factors of the rows and as the margins that they give:
    then it is of shape (2, n_labels, n_samples).
    """

    def __init__(self, parts, intercepts):
        self.parts, self.intercepts = parts, intercepts

    def take(self, chosen):
        """Return those of some labels."""
        return _Vectors(self.parts[:, chosen], self.intercepts[chosen])

    def put(self, chosen, others):
        """Replace those of some labels, in place."""
        self.parts[:, chosen] = others.parts
        self.intercepts[chosen] = others.intercepts

    def dot(self, other):
        """Return the inner product for each label."""
        products = _dot(self.parts[0], other.parts[-1])
        return products + self.intercepts * other.intercepts

    def length(self):
        """Return the length for each label."""
        return np.sqrt(self.square() + self.intercepts**2)

    def square(self):
        """Return the squared length of coefficients, which rounding may make < 0."""
        return np.maximum(_dot(self.parts[0], self.parts[-1]), 0)

    def add(self, factors, other, chosen=slice(None)):
        """Add multiples of other vectors to those of some labels, in place."""
        self.parts[:, chosen] += self._as_column(factors) * other.parts
        self.intercepts[chosen] += factors * other.intercepts

    def scaled(self, factors, intercepts=1):
        """Return multiples, with other ones of the intercepts."""
        scaled = self.intercepts * factors * intercepts
        return _Vectors(self.parts * self._as_column(factors), scaled)

    def _as_column(self, factors):
        return np.asarray(factors, self.parts.dtype)[..., np.newaxis]


class _Problem(NamedTuple):
    """The losses of some labels, and their derivatives."""

    X: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    fit_intercept: bool
    gram: Gram | None

    def take(self, chosen):
        """Return those of some labels."""
        return self._replace(labels=self.labels[chosen], weights=self.weights[chosen])

    def find_start(self, totals):
        """Return coefficients that are all 0, and the best intercepts of such."""
        n_samples, n_features = self.X.shape
        shape = (1, n_features) if self.gram is None else (2, n_samples)
        intercepts = np.zeros_like(totals)
        if self.fit_intercept:
            shares = _dot(self.weights, self.labels) / totals
            intercepts[:] = np.log(shares / (1 - shares))
        parts = np.zeros((shape[0], len(totals), shape[1]), self.X.dtype)
        return _Vectors(parts, intercepts)

    def find_coefficients(self, at):
        """Return coefficients of shape (n_labels, n_features), and intercepts."""
        if self.gram is None:
            return at.parts[0], at.intercepts
        factors, means = at.parts[0], self.gram.means
        coefficients = factors @ self.X - np.outer(factors.sum(axis=1), means)
        return coefficients, at.intercepts - coefficients @ means

    def loss(self, at, margins):
        """Return the loss for each label."""
        # Losses of many rows are summed in double precision.
        losses = np.logaddexp(0, np.where(self.labels > 0, -margins, margins))
        total = np.einsum("ln,ln->l", self.weights, losses, dtype=np.float64)
        return total + 0.5 * at.square()

    def differentiate(self, at, margins):
        """Return the gradient, and each row's part of the curvature."""
        chances = expit(margins)
        gradient = self._transpose(self.weights * (chances - self.labels))
        gradient.parts += at.parts
        return gradient, self.weights * chances * (1 - chances)

    def apply(self, vectors):
        """Return the margins that vectors give."""
        if self.gram is None:
            products = vectors.parts[0] @ self.X.T
        else:
            products = vectors.parts[1]
        return products + vectors.intercepts[:, np.newaxis]

    def refresh(self, at):
        """Return the margins, computed afresh, so that no rounding adds up."""
        if self.gram is not None:
            at.parts[1] = at.parts[0] @ self.gram.products
        return self.apply(at)

    def _transpose(self, rows):
        """Return the sum of the rows of X, each by its factor, and of the factors."""
        intercepts = rows.sum(axis=1) * self.fit_intercept
        if self.gram is None:
            return _Vectors((rows @ self.X)[np.newaxis], intercepts)
        return _Vectors(np.stack([rows, rows @ self.gram.products]), intercepts)

    def find_step(self, gradient, curvature):
        """Return Newton's step, nearly, and what it changes of the margins.

        Labels whose steps are found are left out of the products that others need.
        """
        # Intercepts are not regularised: their curvature may be far from the others'.
        conditions = 1 / np.maximum(curvature.sum(axis=1), EPSILON)
        step, change = gradient.scaled(0), np.zeros_like(curvature)
        rest = gradient.scaled(-1)
        direction = rest.scaled(1, conditions)
        product = first = rest.dot(direction)
        live = np.arange(len(conditions))
        for _ in range(MAX_INNER):
            active = product > INNER_TOLERANCE**2 * first[live]
            if not active.any():
                break
            if not active.all():
                live, product = live[active], product[active]
                rest, direction = rest.take(active), direction.take(active)
                curvature = curvature[active]
            ahead = self.apply(direction)
            bent = self._transpose(curvature * ahead)
            bent.parts += direction.parts
            bend = np.einsum("ln,ln,ln->l", curvature, ahead, ahead)
            factors = _divide(product, bend + direction.square())
            step.add(factors, direction, live)
            change[live] += factors[:, np.newaxis] * ahead
            rest.add(-factors, bent)
            preconditioned = rest.scaled(1, conditions[live])
            before, product = product, rest.dot(preconditioned)
            direction = direction.scaled(_divide(product, before))
            direction.add(1, preconditioned)
        return step, change

    def find_rate(self, at, margins, step, change):
        """Return how much of a step to take for each label, and what share it gains.

        All of it, a half, a fourth...
        """
        before = self.loss(at, margins)
        rate = np.ones(len(before), self.X.dtype)
        for _ in range(MAX_HALVINGS):
            column = rate[:, np.newaxis]
            moved = _Vectors(at.parts + column * step.parts, None)
            found = self.loss(moved, margins + column * change)
            worse = ~(found <= before * (1 + 1e-6))  # Also where it is not a number.
            if not worse.any():
                break
            rate[worse] /= 2
        return rate, (before - found) / np.maximum(before, EPSILON)


def _dot(first, second):
    """Return the inner product of each pair of rows."""
    return np.einsum("ln,ln->l", first, second)


def _divide(numerators, denominators):
    """Return quotients, and 0 where a denominator is 0."""
    zeros = np.zeros_like(numerators)
    return np.divide(numerators, denominators, out=zeros, where=denominators != 0)
