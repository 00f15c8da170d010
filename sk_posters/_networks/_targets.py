"""Targets: label indicator matrices, or one class per row, to 0/1 columns and back."""

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sk_posters._base._label_lists import refuse_label_lists
from sk_posters._base._public_path import set_module
from sk_posters._base._validation import (
    check_zeros_and_ones,
    find_known,
    name_columns,
    shorten,
    to_array,
    to_pandas,
)

__all__ = ["TargetEncoder"]


@set_module("sk_posters")
class TargetEncoder:
    """Turns targets into 0/1 columns, and scores into predictions."""

    def fit(self, y, classes=None):
        """Learn names and form of a target."""
        refuse_label_lists(y)
        values = _as_array(y)
        if values.ndim == 1:  # It may have been a column.
            refuse_label_lists(values)
        self.multilabel = values.ndim == 2
        if self.multilabel:
            self.label_names = _column_names(y, values.shape[1])
            # A flat array of two labels would make scorers see a binary problem.
            self.classes = np.tile([0, 1], (len(self.label_names), 1))
        else:
            seen = values if classes is None else column_or_1d(classes)
            self.classes = np.unique(seen)
            self.label_names = self.classes.astype(object)
        return self

    def transform(self, y, *, name="y"):
        """Return a target as 0/1 columns, nan where unknown, as `label_names` are."""
        if self.multilabel:
            refuse_label_lists(y, name)
        values = _as_array(y, name)
        if self.multilabel != (values.ndim == 2):
            expected = "a label indicator matrix" if self.multilabel else "1-D classes"
            raise ValueError(
                f"{name} must be {expected}, as in fit: got shape {values.shape}."
            )
        if self.multilabel:
            self._check_columns(y, values, name)
            known = find_known(values)
            if known.all():
                check_zeros_and_ones(values, self.label_names, name)
                return values.astype(np.uint8)
            check_zeros_and_ones(values, self.label_names, name, known)
            targets = np.full(values.shape, np.nan, dtype=np.float32)
            targets[known] = values[known].astype(np.float32)
            return targets
        unknown = np.setdiff1d(values, self.classes)
        if len(unknown):
            raise ValueError(
                f"{name} holds classes that were not there in the first fit: "
                f"{unknown.tolist()[:5]!r}. Known are {self.classes.tolist()!r}; give "
                "all of them as `classes` in the first call of partial_fit."
            )
        return (values[:, np.newaxis] == self.classes).astype(np.uint8)

    def _check_columns(self, y, values, name):
        known = list(self.label_names)
        if values.shape[1] != len(known):
            raise ValueError(
                f"{name} must have a column for each of the {len(known)} labels seen "
                f"in fit: got {values.shape[1]} columns."
            )
        if name_columns(y) is None:
            return
        columns = list(_column_names(y, len(known)))
        if columns != known:
            unknown = [column for column in columns if column not in known]
            raise ValueError(
                f"The columns of {name} must be the labels seen in fit, in the same "
                f"order: {shorten(known)}. "
                + (
                    f"Unknown: {shorten(unknown)}."
                    if unknown
                    else "They are in another order: use y[list(label_names_)]."
                )
            )

    def probabilities(self, scores):
        """Return the scores of labels as they are, those of classes summing to one."""
        if self.multilabel:
            return scores
        total = scores.sum(axis=1, keepdims=True)
        uniform = np.full_like(scores, 1 / scores.shape[1])
        return np.divide(scores, total, out=uniform, where=total > 0)

    def decisions(self, probabilities, threshold=0.5):
        """Return the predictions for each row."""
        if self.multilabel:
            return (probabilities > threshold).astype(int)
        return self.classes[probabilities.argmax(axis=1)]


def _as_array(y, name="y"):
    """Return a target as 1-D classes or a 2-D matrix, in which some may be nan."""
    if y is None:
        raise ValueError(
            "This classifier requires y to be passed, but the target y is None."
        )
    y = to_pandas(y)
    if issparse(y):
        y = y.toarray()
    values = to_array(y, name)
    values = check_array(
        values,
        ensure_2d=False,
        dtype=None,
        input_name=name,
        ensure_min_samples=1,
        ensure_all_finite=values.ndim != 2,
    )
    named = name_columns(y) is not None
    is_column = values.ndim == 2 and values.shape[1] == 1
    if is_column and not named and set(values[find_known(values)]) - {0, 1}:
        warnings.warn(
            f"A column-vector {name} was passed when a 1d array was expected: read as "
            "one class per row. A single label would hold 0 and 1 only.",
            DataConversionWarning,
            stacklevel=2,
        )
        values = column_or_1d(check_array(values, dtype=None, input_name=name))
    if values.ndim == 1:
        check_classification_targets(values)
    return values


def _column_names(y, n_columns):
    names = name_columns(y)
    if names is None:
        return np.arange(n_columns).astype(object)
    repeated = names[names.duplicated()]
    if len(repeated):
        raise ValueError(
            f"Each label needs its own column name: {shorten(repeated)} occurs more "
            "than once. Rename or drop the repeated columns."
        )
    return np.array(names, dtype=object)
