"""Logistic regressions of all labels at once, which share each product with X.

Newton's method, whose steps come from conjugate gradients [1]_, as scikit-learn's
solver "newton-cg" takes them label by label. Vectors of all labels stand side by side,
so that X, which is far larger than a processor's cache, is read once for all of them.
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
    `weights` are of shape (n_samples, n_labels): C times the weight of a row, 0 where
    the row does not know the label. Each label has rows of both classes. With the
    `gram` of X, steps cost its size in place of that of X.
    """
    problem = _Problem(X, labels, weights, fit_intercept, gram)
    n_labels = labels.shape[1]
    at = problem.find_start()
    margins = np.tile(at.intercepts, (len(X), 1))
    n_iter = np.zeros(n_labels, dtype=np.int32)
    first, in_vain = None, np.zeros(n_labels)
    for _ in range(max_iter):
        gradient, curvature = problem.differentiate(at, margins)
        lengths = gradient.length()
        if first is None:
            first = np.minimum(lengths, weights.sum(axis=0))
        arrived = lengths <= tol * np.maximum(first, EPSILON)
        active = ~arrived & (in_vain < MAX_IN_VAIN)  # Not arrived if it is not a number
        if not active.any():
            break
        n_iter += active
        step, change = problem.find_step(gradient, curvature, active)
        rate, gain = problem.find_rate(at, margins, step, change)
        in_vain += ~(gain > np.finfo(X.dtype).eps)
        at.add(rate, step)
        margins = problem.refresh(at)
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
    """Coefficients of all labels, side by side, and intercepts (n_labels,).

    `parts` is of shape (1, n_features, n_labels). Coefficients that are combinations of
    the rows of X are held as the factors of the rows and as the margins that they give:
    then it is of shape (2, n_samples, n_labels).
    """

    def __init__(self, parts, intercepts):
        self.parts, self.intercepts = parts, intercepts

    def dot(self, other):
        """Return the inner product for each label."""
        products = np.einsum("fl,fl->l", self.parts[0], other.parts[-1])
        return products + self.intercepts * other.intercepts

    def length(self):
        """Return the length for each label."""
        return np.sqrt(self.square() + self.intercepts**2)

    def square(self):
        """Return the squared length of coefficients, which rounding may make < 0."""
        return np.maximum(np.einsum("fl,fl->l", self.parts[0], self.parts[-1]), 0)

    def add(self, factors, other):
        """Add multiples of other vectors, in place."""
        self.parts += factors * other.parts
        self.intercepts += factors * other.intercepts

    def scaled(self, factors, intercepts=1):
        """Return multiples, with other ones of the intercepts."""
        scaled = self.intercepts * factors * intercepts
        return _Vectors(self.parts * factors, scaled)


class _Problem:
    """The losses of all labels, and their derivatives."""

    def __init__(self, X, labels, weights, fit_intercept, gram):
        self.X, self.labels = X, labels.astype(X.dtype)
        self.weights = weights.astype(X.dtype)
        self.fit_intercept = fit_intercept
        self.gram = gram

    def find_start(self):
        """Return coefficients that are all 0, and the best intercepts of such."""
        shape = (1, self.X.shape[1]) if self.gram is None else (2, len(self.X))
        n_labels = self.labels.shape[1]
        intercepts = np.zeros(n_labels, self.X.dtype)
        if self.fit_intercept:
            total = self.weights.sum(axis=0)
            shares = (self.weights * self.labels).sum(axis=0) / total
            intercepts[:] = np.log(shares / (1 - shares))
        return _Vectors(np.zeros((*shape, n_labels), self.X.dtype), intercepts)

    def find_coefficients(self, at):
        """Return coefficients of shape (n_labels, n_features), and intercepts."""
        if self.gram is None:
            return at.parts[0].T.copy(), at.intercepts
        factors, means = at.parts[0].T, self.gram.means
        coefficients = factors @ self.X - np.outer(factors.sum(axis=1), means)
        return coefficients, at.intercepts - coefficients @ means

    def loss(self, at, margins):
        """Return the loss for each label."""
        # Losses of many rows are summed in double precision.
        losses = np.logaddexp(0, np.where(self.labels > 0, -margins, margins))
        total = np.einsum("nl,nl->l", self.weights, losses, dtype=np.float64)
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
            return self.X @ vectors.parts[0] + vectors.intercepts
        return vectors.parts[1] + vectors.intercepts

    def refresh(self, at):
        """Return the margins, computed afresh, so that no rounding adds up."""
        if self.gram is not None:
            at.parts[1] = self.gram.products @ at.parts[0]
        return self.apply(at)

    def _transpose(self, rows):
        """Return the sum of the rows of X, each by its factor, and of the factors."""
        intercepts = rows.sum(axis=0) * self.fit_intercept
        if self.gram is None:
            return _Vectors((self.X.T @ rows)[np.newaxis], intercepts)
        return _Vectors(np.stack([rows, self.gram.products @ rows]), intercepts)

    def find_step(self, gradient, curvature, active):
        """Return Newton's step, nearly, and what it changes of the margins.

        Labels that are not active stay where they are: what is left of their gradients
        is rounding.
        """
        # Intercepts are not regularised: their curvature may be far from the others'.
        steepness = np.maximum(curvature.sum(axis=0), EPSILON)
        conditions = 1 / steepness
        step = gradient.scaled(0)
        change = np.zeros_like(curvature)
        rest = gradient.scaled(-1)
        direction = rest.scaled(1, conditions)
        product = first = rest.dot(direction)
        for _ in range(MAX_INNER):
            active = active & (product > INNER_TOLERANCE**2 * first)
            if not active.any():
                break
            ahead = self.apply(direction)
            bent = self._transpose(curvature * ahead)
            bent.parts += direction.parts
            bend = np.einsum("nl,nl,nl->l", curvature, ahead, ahead)
            factors = _divide(product, bend + direction.square(), active)
            step.add(factors, direction)
            change += factors * ahead
            rest.add(-factors, bent)
            preconditioned = rest.scaled(1, conditions)
            before, product = product, rest.dot(preconditioned)
            direction = direction.scaled(_divide(product, before, active))
            direction.add(1, preconditioned)
        return step, change

    def find_rate(self, at, margins, step, change):
        """Return how much of a step to take for each label, and what share it gains.

        All of it, a half, a fourth...
        """
        before = self.loss(at, margins)
        rate = np.ones(len(before), self.X.dtype)
        for _ in range(MAX_HALVINGS):
            moved = _Vectors(at.parts + rate * step.parts, None)
            found = self.loss(moved, margins + rate * change)
            worse = ~(found <= before * (1 + 1e-6))  # Also where it is not a number.
            if not worse.any():
                break
            rate[worse] /= 2
        return rate, (before - found) / np.maximum(before, EPSILON)


def _divide(numerators, denominators, wanted):
    """Return quotients where they are wanted, else 0."""
    zeros = np.zeros_like(numerators)
    return np.divide(numerators, denominators, out=zeros, where=wanted)
