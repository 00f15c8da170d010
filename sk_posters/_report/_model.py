"""What a report says of a fitted model: settings, thresholds, training history."""

import inspect
import reprlib
from numbers import Number

import numpy as np

from sk_posters._base._unwrap import find_thresholds, list_parts, unwrap

__all__ = ["describe_thresholds", "find_history", "list_settings"]

# They do not change predictions, and the name of a folder may be private.
LEFT_OUT = {"cache_dir", "cache_size", "n_jobs", "verbose"}

_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxtuple = _short.maxlist = _short.maxdict = 12
_short.maxstring = _short.maxother = 80


def list_settings(part):
    """Return as text the parameters that differ from their default, and commits."""
    if not hasattr(part, "get_params"):
        return {}
    defaults = inspect.signature(type(part).__init__).parameters
    # The tuned estimator is a part of its own, with its own settings.
    tuned = "estimator" if hasattr(part, "best_thresholds_") else None
    settings = {
        name: _shorten(value)
        for name, value in part.get_params(deep=False).items()
        if name not in LEFT_OUT
        and name != tuned
        and not (
            name in defaults and _shorten(defaults[name].default) == _shorten(value)
        )
    }
    # Whole, as a commit that is cut short names nothing.
    revisions = getattr(part, "revisions_", {}).values()
    return settings | ({"revisions_": ", ".join(revisions)} if revisions else {})


def _shorten(value):
    if isinstance(value, str | Number | tuple | list | dict | np.ndarray | None):
        return _short.repr(value)
    # scikit-learn's own text of an estimator names what was changed.
    return " ".join(repr(value).split())


def find_history(model):
    """Return the learning curves that a part has kept, or None."""
    kept = [getattr(part, "history_", None) for _, part in list_parts(model)]
    return next((each for each in kept if each and each.get("loss")), None)


def describe_thresholds(model):
    """Return the thresholds of a model, a text about them, and a caution or None."""
    tuner, thresholds = unwrap(model).tuner, find_thresholds(model)
    if tuner is None:
        return 0.5, "probability 0.5 for each label", None
    if thresholds is None:
        return (
            0.5,
            "probability 0.5 for each label",
            "The model's own thresholds apply to its decision function. This report "
            "predicts labels at probability 0.5 instead.",
        )
    low, high = thresholds.min(), thresholds.max()
    about = f"tuned, from {low:.2f} to {high:.2f}"
    if low == high:
        about = f"tuned, {low:.2f} for each label"
    caution = None
    if tuner.at_least_one:
        caution = (
            "Where no label reaches its threshold, the model predicts the closest one. "
            "This report counts such an image as one without predicted labels."
        )
    return thresholds, about, caution
