"""What report and comparison are given, checked and brought into arrays."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sk_posters._base._validation import check_values, match_names, shorten

__all__ = ["check_names", "check_probabilities", "check_thresholds"]


def check_names(label_names, names, source):
    """Return the names of labels: those that are given, unless they contradict."""
    if label_names is None:
        return pd.Index(names)
    given = pd.Index(list(label_names))
    if len(given) != len(names):
        raise ValueError(
            f"label_names must hold a name for each of the {len(names)} labels: got "
            f"{len(given)}, {shorten(given)}."
        )
    if not given.is_unique:
        twice = given[given.duplicated()].unique()
        raise ValueError(
            f"label_names must differ from each other: got {shorten(twice)} more "
            "than once."
        )
    return match_names(given, "label_names", names, source)


def check_probabilities(scores, names, reason=""):
    """Refuse scores that are no probabilities."""
    possible = (scores >= 0) & (scores <= 1)
    rule = f"y_score must hold probabilities, 0 to 1{reason}"
    check_values(possible, scores, names, rule)


def check_thresholds(thresholds, names):
    """Return a threshold for each label."""
    if isinstance(thresholds, pd.Series):
        thresholds = thresholds.to_dict()
    if isinstance(thresholds, Mapping):
        missing = [name for name in names if name not in thresholds]
        if missing:
            raise ValueError(
                f"thresholds must hold every label: it lacks {shorten(missing)}."
            )
        thresholds = [thresholds[name] for name in names]
    values = np.asarray(thresholds, dtype=float)
    if values.shape not in ((), (len(names),)):
        raise ValueError(
            "thresholds must be one number, or one for each of the "
            f"{len(names)} labels: got shape {values.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"thresholds must be finite: got {thresholds!r}.")
    return np.broadcast_to(values, (len(names),)).copy()
