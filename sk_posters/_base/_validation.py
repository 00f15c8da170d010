"""What scores and displays are given: labels and scores in any form, and their names.

Everything becomes 2-D arrays or is refused, with the row and column of the first wrong
value.
"""

import re
from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target

from sk_posters._base._label_lists import refuse_label_lists
from sk_posters._base._suggest import suggest

__all__ = [
    "check_all_known_somewhere",
    "check_finite",
    "check_names",
    "check_predictions",
    "check_probabilities",
    "check_sample_weight",
    "check_text",
    "check_thresholds",
    "check_values",
    "check_zeros_and_ones",
    "count_unknown",
    "find_known",
    "has_unknown",
    "indicator_matrix",
    "label_matrix",
    "label_positions",
    "match_names",
    "name_columns",
    "score_matrix",
    "shorten",
    "show",
    "to_array",
    "to_pandas",
    "unbox_target",
]


MAX_SHOWN = 200
# Halves of characters, which neither UTF-8 nor a screen can hold.
SURROGATE = re.compile("[\ud800-\udfff]")


def check_predictions(y_true, y_score, only_class=np.nan):
    """Return labels (nan: unknown), scores and names, sure to fit each other."""
    labels, names = label_matrix(y_true, "y_true", allow_unknown=True)
    scores, score_names = score_matrix(y_score, only_class)
    if labels.shape != scores.shape:
        raise ValueError(
            "y_true and y_score must have the same shape, a row per sample and a "
            f"column per label: got {labels.shape} and {scores.shape}."
        )
    names = match_names(names, "y_true", score_names, "y_score")
    check_finite(scores, names)
    return labels, scores, names


def label_matrix(y, name, *, allow_unknown=False):
    """Return a target as 0/1 columns, and their names; floats if some are unknown."""
    refuse_masks(y, name)
    y = to_pandas(y)
    # Missing values are found below, where row and column can be said.
    values = check_array(
        y.toarray() if issparse(y) else y,
        dtype=None,
        ensure_2d=False,
        ensure_all_finite=False,
        input_name=name,
    )
    values = values.reshape(len(values), -1)
    names = _names(y, values)
    known = find_known(values)
    if known.all() or not allow_unknown:
        check_zeros_and_ones(values, names, name)
        return values.astype(int), names
    check_zeros_and_ones(values, names, name, known)
    labels = np.full(values.shape, np.nan)
    labels[known] = values[known].astype(float)
    return labels, names


def refuse_masks(array, name):
    """Refuse an array with masked values, which scikit-learn would take as they are."""
    if np.ma.is_masked(array):
        raise ValueError(
            f"{name} has {np.ma.count_masked(array)} masked values, and masks are not "
            f"read: fill them by {name}.filled(...), labels that are not known by nan"
        )


def indicator_matrix(y, name, otherwise):
    """Return a target of two dimensions as `label_matrix` does, nan for unknown."""
    if y is None:
        raise ValueError(
            f"{name} must be a 0/1 matrix with a column per label. This requires y to "
            "be passed, but the target y is None."
        )
    refuse_label_lists(y, name)
    y = to_pandas(y)
    if not hasattr(y, "shape") or not hasattr(y, "ndim"):
        y = to_array(y, name)
    if y.ndim != 2:
        raise ValueError(
            f"{name} must be a 0/1 matrix with a column per label: got an array of "
            f"{y.ndim} dimensions. Unknown label type: {type_of_target(y)}. {otherwise}"
        )
    return label_matrix(y, name, allow_unknown=True)


def to_array(y, name="y"):
    """Return a target as an array; refuse rows of different lengths."""
    try:
        return np.asarray(y)
    except ValueError as error:  # NumPy's word for it
        raise ValueError(
            f"{name} must be a 0/1 matrix with a column per label, or 1-D classes: got "
            "rows of different lengths."
        ) from error


def to_pandas(table):
    """Return a frame of another library, such as polars, as one of pandas."""
    names = getattr(table, "columns", None)
    if isinstance(table, pd.DataFrame) or not hasattr(table, "to_numpy"):
        return table
    if names is None or getattr(table, "shape", ())[1:] != (len(names),):
        return table
    return pd.DataFrame(np.asarray(table.to_numpy()), columns=list(names))


def unbox_target(y, labels):
    """Return a target as pandas or NumPy has it, numbers in place of objects."""
    y = to_pandas(y)
    if isinstance(y, pd.DataFrame):
        boxed = any(dtype.kind == "O" for dtype in y.dtypes)
        return pd.DataFrame(labels, y.index, y.columns) if boxed else y
    return labels if np.asarray(y).dtype.kind == "O" else y


def find_known(values):
    """Return which values of an array are not nan, None or pd.NA."""
    if values.dtype.kind in "biuSU":
        return np.ones(values.shape, dtype=bool)
    return ~pd.isna(values)


def count_unknown(known):
    """Return a line on the pairs that are not known, none where all are."""
    n_unknown = known.size - np.count_nonzero(known)
    if not n_unknown:
        return []
    return [
        f"{n_unknown} of {known.size} (sample, label) pairs are not known, and left out"
    ]


def has_unknown(labels):
    """Return whether what `label_matrix` returned has unknown pairs."""
    return labels.dtype.kind == "f" and bool(np.isnan(labels).any())


def check_all_known_somewhere(labels, names):
    """Refuse a target with a label that is known in no row."""
    unknown = np.isnan(labels).all(axis=0)
    if unknown.any():
        raise ValueError(
            "Each label must be known in one row or more: y is nan in all "
            f"{len(labels)} rows for {shorten(np.asarray(names, object)[unknown])}. "
            "Fill in some rows, or leave these columns out of y."
        )


def score_matrix(y_score, only_class=np.nan):
    """Return scores as one array of floats, and the names of its columns."""
    refuse_masks(y_score, "y_score")
    values = y_score = to_pandas(y_score)
    if isinstance(y_score, list) and y_score and np.ndim(y_score[0]) == 2:
        each = zip(y_score, np.resize(only_class, len(y_score)), strict=True)
        values = [_one_label(array, only, j) for j, (array, only) in enumerate(each)]
        values = np.column_stack(values)
    values = check_array(
        values, ensure_2d=False, ensure_all_finite=False, input_name="y_score"
    )
    values = values.reshape(len(values), -1).astype(float)
    return values, _names(y_score, values)


def _one_label(probabilities, only_class, label):
    """Return the probability of 1 from the probabilities of one label's classes."""
    probabilities = np.asarray(probabilities)
    if probabilities.shape[1] == 2:
        return probabilities[:, 1]
    if probabilities.shape[1] > 2 or np.isnan(only_class):
        raise ValueError(
            "In a list, y_score must hold an array of shape (n_samples, 2) per label, "
            f"the probabilities of 0 and 1: got shape {probabilities.shape} for label "
            f"{label}. (One column says that fit met one class only, but not which.)"
        )
    return np.full(len(probabilities), only_class)


def _names(table, values):
    names = name_columns(table)
    return pd.RangeIndex(values.shape[1]) if names is None else names


def name_columns(table):
    """Return the names of a frame's columns, None for what is no frame."""
    table = to_pandas(table)
    if not isinstance(table, pd.DataFrame):
        return None
    check_text(table.columns, "Names of labels")
    return table.columns


def check_text(names, what):
    """Refuse names with halves of characters, which would end a later writing."""
    for name in names:
        if isinstance(name, str) and SURROGATE.search(name):
            raise ValueError(
                f"{what} must be readable text: {show(name)} holds half of a character "
                "(a lone surrogate). Rename it."
            )


def match_names(first, first_name, second, second_name):
    """Return the names of two tables' columns, unless they contradict each other."""
    positions = list(range(len(first)))  # What arrays, and frames made of them, have.
    if list(first) == positions:
        return second
    if list(second) in (positions, list(first)):
        return first
    unknown = [name for name in second if name not in set(first)]
    raise ValueError(
        f"The columns of {first_name} and {second_name} must be the same labels in the "
        f"same order: got {shorten(first)} and {shorten(second)}. "
        + (
            f"{first_name} lacks {shorten(unknown)}."
            if unknown
            else "Select the columns of one by those of the other."
        )
    )


def check_zeros_and_ones(values, names, target, known=None):
    """Refuse a target with a known value that is neither 0 nor 1."""
    is_known = find_known(values)
    # Neither nan nor pd.NA can be compared.
    plain = values if is_known.all() else np.where(is_known, values, 0)
    right = (plain == 0) | (plain == 1)
    if known is None:
        right &= is_known
    if right.all():
        return
    way = ""
    if plain.dtype.kind in "iufO" and (plain == -1).any():
        way = (
            "Where -1 means that a row lacks the label, use (y > 0).astype(int); where "
            "it means that this is not known, y.where(y >= 0). load_poster_table reads "
            "such columns of a table."
        )
    elif plain.dtype.kind in "iuf" and set(np.unique(plain)) == {0, 1, 2}:
        way = (
            "Where these were nan, for unknown labels, cross_val_predict of "
            "scikit-learn has numbered them: use the out-of-fold scores of "
            "MultilabelTunedThresholdClassifierCV(store_cv_results=True)."
        )
    rule = f"{target} must hold 0 and 1 only"
    if known is not None:
        rule += ", and nan where it is not known"
    check_values(right, values, names, rule, way)


def check_finite(scores, names):
    """Refuse scores with a value that is nan or infinite."""
    rule = "y_score must not hold nan or infinity"
    check_values(np.isfinite(scores), scores, names, rule)


def check_sample_weight(sample_weight, n_samples):
    """Return weights of rows as an array, a number >= 0 for each row."""
    rule = f"sample_weight must hold a number >= 0 for each of the {n_samples} rows"
    if np.isscalar(sample_weight):
        raise ValueError(f"{rule}: got {sample_weight!r}.")
    refuse_masks(sample_weight, "sample_weight")
    sample_weight = check_array(
        sample_weight, ensure_2d=False, allow_nd=True, input_name="sample_weight"
    )
    if sample_weight.shape != (n_samples,):
        raise ValueError(f"{rule}: got shape {sample_weight.shape}.")
    if sample_weight.min() < 0:
        raise ValueError(f"{rule}: got {sample_weight.min():g}.")
    return sample_weight


def check_values(right, values, names, rule, way=""):
    """Refuse values that are not all right, by the first that is not."""
    wrong = np.argwhere(~right)
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{rule}: got {values.item(row, column)!r} in row {row}, column "
            f"{names[column]!r} ({len(wrong)} such values in all). {way}".rstrip()
        )


def shorten(names, most=5):
    """Return the first names as text, and how many more there are."""
    shown = ", ".join(map(show, list(names)[:most]))
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def show(value):
    """Return a value as Python writes it, cut off where nobody would read on."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def label_positions(labels, names, n_labels):
    """Return the positions of labels given by name or position."""
    if labels is None:
        return list(range(n_labels))
    if np.ndim(labels) == 0:
        labels = [labels]
    if not len(labels):
        raise ValueError("labels must hold one label at least, or be None for all.")
    return [_position(label, names, n_labels) for label in labels]


def _position(label, names, n_labels):
    if isinstance(label, Integral) and not isinstance(label, bool):
        if 0 <= label < n_labels:
            return int(label)
        raise ValueError(
            f"labels must be names, or positions from 0 to {n_labels - 1}: got "
            f"{label!r}."
        )
    if names is None:
        raise ValueError(
            f"This estimator knows no names of labels: got {label!r}. Give positions, "
            f"from 0 to {n_labels - 1}, or put a MultilabelTunedThresholdClassifierCV "
            "around it, which learns the names from y."
        )
    names = [str(name) for name in names]
    if str(label) in names:
        return names.index(str(label))
    raise ValueError(
        f"There is no label {label!r}{suggest(label, names, cutoff=0.4)}; the labels "
        f"are {shorten(names)}."
    )


def check_names(label_names, names, source):
    """Return the names of labels: those that are given, unless they contradict."""
    if label_names is None:
        return pd.Index(names)
    label_names = list(label_names)
    check_text(label_names, "label_names")
    given = pd.Index(label_names)
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


def check_probabilities(scores, names, reason="", parameter="y_score"):
    """Refuse scores that are no probabilities."""
    possible = (scores >= 0) & (scores <= 1)
    rule = f"{parameter} must hold probabilities, 0 to 1{reason}"
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
