"""Scores → probabilities that mean what they say, learned from scores and labels.

Scores come in as margins: log-odds, or whatever a decision function gives.
"""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit

from sk_posters._base._public_path import set_module
from sk_posters._base._validation import find_known

__all__ = ["SigmoidCalibration", "TemperatureCalibration", "log_odds"]

# Nearer to 0 or 1, probabilities of different models say nothing.
SURE = 1e-9


def log_odds(probabilities):
    """Return log-odds, finite even for probabilities of 0 and 1."""
    return logit(np.clip(probabilities, SURE, 1 - SURE))


@set_module("sk_posters")
class TemperatureCalibration:
    """Probabilities from margins divided by one temperature for all labels."""

    def fit(self, margins, labels, weights=None):
        """Find the temperature with the smallest log loss of known pairs."""
        known = find_known(labels)
        if weights is not None:
            weights = np.broadcast_to(weights[:, np.newaxis], known.shape)[known]
        if weights is not None or not known.all():
            margins, labels = margins[known], labels[known]
        # The scale of a decision function is unknown; that of log-odds is near 1.
        scale = np.sqrt(np.average(margins**2, weights=weights)) or 1.0

        def loss(log_temperature):
            scaled = margins / (scale * np.exp(log_temperature))
            losses = np.logaddexp(0, scaled) - labels * scaled
            return np.average(losses, weights=weights)

        found = minimize_scalar(loss, bounds=(-10, 10), method="bounded")
        self.temperature = float(scale * np.exp(found.x))
        return self

    def transform(self, margins):
        """Return the probabilities."""
        return expit(margins / self.temperature)


@set_module("sk_posters")
class SigmoidCalibration:
    """Platt's probabilities: a sigmoid of slope and intercept for each label."""

    def fit(self, margins, labels, weights=None):
        """Find slopes and intercepts with the smallest log loss."""
        pairs = [
            _sigmoid_of(*columns, weights)
            for columns in zip(margins.T, labels.T, strict=True)
        ]
        self.slope, self.intercept = np.transpose(pairs)
        return self

    def transform(self, margins):
        """Return the probabilities."""
        return expit(self.slope * margins + self.intercept)


def _sigmoid_of(margins, labels, weights):
    """Return slope and intercept of one label, of the rows that know it."""
    known = find_known(labels)
    if not known.any():
        return 1.0, 0.0
    if not known.all():
        margins, labels = margins[known], labels[known]
        weights = None if weights is None else weights[known]
    n_rows = len(labels) if weights is None else weights.sum()
    n_positive = (labels if weights is None else labels * weights).sum()
    n_negative = n_rows - n_positive
    target = np.where(
        labels == 1, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2)
    )
    center = np.average(margins, weights=weights)
    scale = np.sqrt(np.average((margins - center) ** 2, weights=weights)) or 1.0
    standard = (margins - center) / scale

    def loss(parameters):
        scaled = parameters[0] * standard + parameters[1]
        error = expit(scaled) - target
        pairs = [error * standard, error]
        gradient = [np.average(each, weights=weights) for each in pairs]
        losses = np.logaddexp(0, scaled) - target * scaled
        return np.average(losses, weights=weights), np.array(gradient)

    found = minimize(
        loss,
        [1.0, logit(np.average(target, weights=weights))],
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None), (None, None)],
        options={"ftol": 1e-12, "gtol": 1e-8},
    )
    slope = found.x[0] / scale
    return slope, found.x[1] - slope * center
