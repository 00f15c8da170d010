"""Warnings of scikit-learn about labels, said again with their names."""

import re
import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sk_posters._base._validation import shorten

__all__ = ["name_labels"]

CONSTANT = re.compile(r"Label (not )?(\d+) is present in all training examples")


@contextmanager
def name_labels(names, list_estimators):
    """Say warnings of fits again, by name where they are about labels.

    `names` is None where labels have none, and `list_estimators` returns the estimators
    of the labels once they are fitted.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    if not caught:
        return
    estimators = list_estimators()
    unconverged = [warning for warning in caught if _is_about_convergence(warning)]
    slow = [
        label if names is None else names[label]
        for label, each in enumerate(estimators)
        if unconverged and _reached_limit(each)
    ]
    for warning in caught:
        if not (slow and _is_about_convergence(warning)):
            text = str(warning.message)
            _repeat(warning, text if names is None else _name_constant(text, names))
    if slow:
        heading = f"{len(slow)} of {len(estimators)} labels did not converge"
        text = f"{heading}: {shorten(slow)}. {unconverged[0].message}"
        _repeat(unconverged[0], text)


def _is_about_convergence(warning):
    return issubclass(warning.category, ConvergenceWarning)


def _reached_limit(estimator):
    n_iter, limit = (getattr(estimator, name, None) for name in ("n_iter_", "max_iter"))
    return n_iter is not None and limit is not None and np.max(n_iter) >= limit


def _name_constant(text, names):
    found = CONSTANT.match(text)
    if found is None:
        return text
    negation, name = found[1] or "", names[int(found[2])]
    rows, times = ("no row has it", "never") if negation else ("all have it", "always")
    return (
        f"Label {negation}{name!r} is present in all training examples: {rows}, so it "
        f"is {times} predicted."
    )


def _repeat(warning, text):
    warnings.warn_explicit(text, warning.category, warning.filename, warning.lineno)
