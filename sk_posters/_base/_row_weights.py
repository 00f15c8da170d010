"""Weights of rows in `fit`: what they may be, and which steps take them."""

import itertools
from inspect import Parameter, signature

from sklearn.utils.validation import has_fit_parameter

from sk_posters._base._validation import check_sample_weight

__all__ = ["check_fit_weights", "pass_on_weights"]

NAME = "sample_weight"


def check_fit_weights(sample_weight, n_samples):
    """Return weights of rows as an array, one of them above 0."""
    weights = check_sample_weight(sample_weight, n_samples)
    if not weights.any():
        raise ValueError(
            "sample_weight must not be zero for all rows: got 0 for each of the "
            f"{n_samples}. Leave it out to count all rows alike."
        )
    return weights


def pass_on_weights(sample_weight, estimator):
    """Return the parameters of `fit` by which weights reach all steps that take them.

    A pipeline takes none by their plain name, unless metadata routing is enabled.
    """
    if sample_weight is None:
        return {}
    names = _find_weight_names(estimator)
    if not names:
        raise ValueError(
            f"sample_weight is not taken by the fit of {_name_last(estimator)}. Leave "
            "sample_weight out, or take a classifier whose fit has it."
        )
    return dict.fromkeys(names, sample_weight)


def _find_weight_names(estimator, is_last=True):
    """Return the names of weights in `fit`; none if the last step takes none."""
    if hasattr(estimator, "steps"):
        *before, (name, last) = estimator.steps
        of_last = _prefix(name, _find_weight_names(last, is_last))
        if is_last and not of_last:
            return []
        of_others = [_prefix(name, _find_weight_names(s, False)) for name, s in before]
        return [*itertools.chain(*of_others), *of_last]
    if not hasattr(estimator, "fit"):  # "passthrough"
        return []
    if has_fit_parameter(estimator, NAME):
        return [NAME]
    # A union of features would pass weights to parts that take none.
    if not is_last or not _takes_any(estimator):
        return []
    # Searches and tuned thresholds pass on what they are given.
    inner = getattr(estimator, "estimator", None)
    return [NAME] if inner is None else _find_weight_names(inner)


def _prefix(step_name, names):
    return [f"{step_name}__{name}" for name in names]


def _takes_any(estimator):
    parameters = signature(estimator.fit).parameters.values()
    return any(each.kind is Parameter.VAR_KEYWORD for each in parameters)


def _name_last(estimator):
    """Return the class of the classifier that is asked for weights in the end."""
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif _takes_any(estimator) and hasattr(estimator, "estimator"):
            estimator = estimator.estimator
        else:
            return type(estimator).__name__
