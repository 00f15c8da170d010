"""Logistic regressions of all labels at once, which share each product with X.

Newton's method, whose steps come from conjugate gradients [1]_, as scikit-learn's
solver "newton-cg" takes them label by label. Vectors of all labels stand side by side,
so that X, which is far larger than a processor's cache, is read once for all of them.

References
----------
.. [1] C.-J. Lin, R. C. Weng and S. S. Keerthi, "Trust Region Newton Method for Logistic
   Regression", JMLR 9, 2008.
"""

import warnings

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

__all__ = ["fit_logistic"]

MAX_INNER, INNER_TOLERANCE = 50, 0.1
MAX_HALVINGS = 20
EPSILON = 1e-12


def fit_logistic(X, labels, weights, *, fit_intercept, tol, max_iter):
    """Return coefficients (n_labels, n_features), intercepts and numbers of steps.

    Minimises, for each label, the weighted sum of the log losses plus half the squared
    length of its coefficients, until no gradient is longer than `tol` of the first.
    `weights` are of shape (n_samples, n_labels): C times the weight of a row, 0 where
    the row does not know the label. Each label has rows of both classes.
    """
    problem = _Problem(X, labels, weights, fit_intercept)
    n_labels = labels.shape[1]
    at = _Vectors.zeros(X.shape[1], n_labels, X.dtype)
    at.intercepts[:] = problem.find_intercepts()
    margins = np.tile(at.intercepts, (len(X), 1))
    n_iter = np.zeros(n_labels, dtype=np.int32)
    start = None
    for _ in range(max_iter):
        gradient, curvature = problem.differentiate(at, margins)
        lengths = gradient.length()
        start = lengths if start is None else start
        active = lengths > tol * np.maximum(start, EPSILON)
        if not active.any():
            break
        n_iter += active
        step, change = problem.find_step(gradient, curvature)
        rate = problem.find_rate(at, margins, step, change)
        at.add(rate, step)
        margins += rate * change
    else:
        warnings.warn(
            f"Logistic regressions stopped after max_iter={max_iter} steps: increase "
            "max_iter, or tol",
            ConvergenceWarning,
            stacklevel=2,
        )
    return at.coefficients.T.copy(), at.intercepts, n_iter


class _Vectors:
    """Coefficients (n_features, n_labels) and intercepts (n_labels,)."""

    def __init__(self, coefficients, intercepts):
        self.coefficients, self.intercepts = coefficients, intercepts

    @classmethod
    def zeros(cls, n_features, n_labels, dtype):
        """Return the origin."""
        return cls(np.zeros((n_features, n_labels), dtype), np.zeros(n_labels, dtype))

    def dot(self, other):
        """Return the inner product for each label."""
        products = np.einsum("fl,fl->l", self.coefficients, other.coefficients)
        return products + self.intercepts * other.intercepts

    def length(self):
        """Return the length for each label."""
        return np.sqrt(self.dot(self))

    def add(self, factors, other):
        """Add multiples of other vectors, in place."""
        self.coefficients += factors * other.coefficients
        self.intercepts += factors * other.intercepts

    def scaled(self, factors, intercepts=1):
        """Return multiples, with other ones of the intercepts."""
        scaled = self.intercepts * factors * intercepts
        return _Vectors(self.coefficients * factors, scaled)


class _Problem:
    """The losses of all labels, and their derivatives."""

    def __init__(self, X, labels, weights, fit_intercept):
        self.X, self.labels = X, labels.astype(X.dtype)
        self.weights = weights.astype(X.dtype)
        self.fit_intercept = fit_intercept

    def find_intercepts(self):
        """Return the best intercepts of coefficients that are all 0."""
        if not self.fit_intercept:
            return 0
        shares = (self.weights * self.labels).sum(axis=0) / self.weights.sum(axis=0)
        return np.log(shares / (1 - shares))

    def loss(self, at, margins):
        """Return the loss for each label."""
        # Losses of many rows are summed in double precision.
        losses = np.logaddexp(0, np.where(self.labels > 0, -margins, margins))
        total = np.einsum("nl,nl->l", self.weights, losses, dtype=np.float64)
        return total + 0.5 * np.einsum("fl,fl->l", *[at.coefficients] * 2)

    def differentiate(self, at, margins):
        """Return the gradient, and each row's part of the curvature."""
        chances = expit(margins)
        gradient = self._transpose(self.weights * (chances - self.labels))
        gradient.coefficients += at.coefficients
        return gradient, self.weights * chances * (1 - chances)

    def apply(self, vectors):
        """Return the margins that vectors give."""
        return self.X @ vectors.coefficients + vectors.intercepts

    def _transpose(self, rows):
        intercepts = rows.sum(axis=0) * self.fit_intercept
        return _Vectors(self.X.T @ rows, intercepts)

    def find_step(self, gradient, curvature):
        """Return Newton's step, nearly, and what it changes of the margins."""
        # Intercepts are not regularised: their curvature may be far from the others'.
        steepness = np.maximum(curvature.sum(axis=0), EPSILON)
        conditions = 1 / steepness
        step = _Vectors.zeros(*gradient.coefficients.shape, self.X.dtype)
        change = np.zeros_like(curvature)
        rest = gradient.scaled(-1)
        direction = rest.scaled(1, conditions)
        product = first = rest.dot(direction)
        for _ in range(MAX_INNER):
            ahead = self.apply(direction)
            bent = self._transpose(curvature * ahead)
            bent.coefficients += direction.coefficients
            factors = _divide(product, direction.dot(bent))
            step.add(factors, direction)
            change += factors * ahead
            rest.add(-factors, bent)
            preconditioned = rest.scaled(1, conditions)
            before, product = product, rest.dot(preconditioned)
            if (product <= INNER_TOLERANCE**2 * first).all():
                break
            direction = direction.scaled(_divide(product, before))
            direction.add(1, preconditioned)
        return step, change

    def find_rate(self, at, margins, step, change):
        """Return how much of a step to take for each label: all, a half, a fourth..."""
        before = self.loss(at, margins)
        rate = np.ones(len(before), self.X.dtype)
        for _ in range(MAX_HALVINGS):
            moved = _Vectors(at.coefficients + rate * step.coefficients, None)
            found = self.loss(moved, margins + rate * change)
            worse = ~(found <= before * (1 + 1e-6))  # Also where it is not a number.
            if not worse.any():
                break
            rate[worse] /= 2
        return rate


def _divide(numerators, denominators):
    """Return quotients, 0 where a label has arrived."""
    floor = np.finfo(numerators.dtype).tiny
    wanted = np.abs(denominators) > floor
    zeros = np.zeros_like(numerators)
    return np.divide(numerators, denominators, out=zeros, where=wanted)
