"""What there is to say of a fitted model: its parts, settings, thresholds, history."""

import inspect
import reprlib
from numbers import Number

import numpy as np

from sk_posters._base._unwrap import find_thresholds, list_parts, unwrap

__all__ = ["changed_settings", "history_of", "thresholds_of"]

# They say where and how fast, not what, and a folder's name may be private.
LEFT_OUT = {"cache_dir", "cache_size", "n_jobs", "verbose"}

_short = reprlib.Repr()
_short.maxlevel = 3
_short.maxtuple = _short.maxlist = _short.maxdict = 12
_short.maxstring = _short.maxother = 80


def changed_settings(part):
    """Return the parameters of an estimator that are not at their default.

    Parameters
    ----------
    part : estimator
        The estimator.

    Returns
    -------
    dict of str to str
        Name and value, as text.
    """
    if not hasattr(part, "get_params"):
        return {}
    defaults = inspect.signature(type(part).__init__).parameters
    held = "estimator" if hasattr(part, "best_thresholds_") else None
    return {
        name: _text(value)
        for name, value in part.get_params(deep=False).items()
        if name not in LEFT_OUT
        and name != held  # It stands before it, with settings of its own.
        and not (name in defaults and _text(defaults[name].default) == _text(value))
    }


def _text(value):
    if isinstance(value, str | Number | tuple | list | dict | np.ndarray | None):
        return _short.repr(value)
    # scikit-learn's own text of an estimator names what was changed.
    return " ".join(repr(value).split())


def history_of(model):
    """Return the learning curves that a part has kept, or None."""
    kept = [getattr(part, "history_", None) for _, part in list_parts(model)]
    return next((each for each in kept if each and each.get("loss")), None)


def thresholds_of(model):
    """Return from which probability on a model gives each label, and what else to say.

    Parameters
    ----------
    model : estimator
        The fitted model.

    Returns
    -------
    thresholds : float or ndarray of shape (n_labels,)
        0.5 where none were tuned.
    about : str
        Where they come from.
    caution : str or None
        What they leave out of the model's answers.
    """
    tuner, thresholds = unwrap(model).tuner, find_thresholds(model)
    if tuner is None:
        return 0.5, "probability 0.5 for each label", None
    if thresholds is None:
        return (
            0.5,
            "probability 0.5 for each label",
            "The model's own thresholds are for its decision function. Here, labels "
            "are predicted from probability 0.5 on.",
        )
    low, high = thresholds.min(), thresholds.max()
    about = f"tuned, from {low:.2f} to {high:.2f}"
    if low == high:
        about = f"tuned, {low:.2f} for each label"
    caution = None
    if tuner.at_least_one:
        caution = (
            "The model gives an image without any label the one that comes nearest. "
            "Here, such an image counts as given none."
        )
    return thresholds, about, caution
