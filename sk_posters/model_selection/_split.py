"""Splits of multi-label data that keep each label's share, and groups together.

Any classifier can use them: they are cross-validators as scikit-learn's own.
"""

import warnings

import numpy as np
from sklearn.utils import check_random_state, indexable

from sk_posters._base._compat import (
    GroupsConsumerMixin,
    _BaseKFold,
    _num_samples,
    _safe_indexing,
    _validate_shuffle_split,
)
from sk_posters._base._groups import encode_groups
from sk_posters._base._public_path import set_module
from sk_posters._base._validation import has_unknown, indicator_matrix, shorten
from sk_posters.model_selection._stratify import assign_parts

__all__ = [
    "MultilabelStratifiedGroupKFold",
    "MultilabelStratifiedKFold",
    "multilabel_train_test_split",
]

USE_INSTEAD = (
    "For one class per row, use StratifiedKFold, StratifiedGroupKFold or "
    "train_test_split(stratify=…) of scikit-learn."
)


@set_module("sk_posters.model_selection")
class MultilabelStratifiedKFold(_BaseKFold):
    """Folds in which each label of a multi-label target has its overall share.

    Iterative stratification [1]_: of the labels that are left, the rarest is dealt
    out first. Then rows are exchanged between folds while that improves the balance.
    Every row is in exactly one test fold, and the sizes of folds differ by one at
    most. Where labels are not known, nan in the target, the known positives are
    balanced, and so are the known negatives if they are rarer.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, two or more.
    shuffle : bool, default=False
        Whether the order of rows and ties between folds are drawn by chance. Without
        it, the folds follow from the order of the rows alone.
    random_state : int, RandomState instance or None, default=None
        Seed of the drawing. An int makes it repeatable; leave it None unless
        ``shuffle=True``.

    See Also
    --------
    MultilabelStratifiedGroupKFold : The same for rows that belong together.
    multilabel_train_test_split : One split into two parts.

    References
    ----------
    .. [1] K. Sechidis, G. Tsoumakas, I. Vlahavas: On the Stratification of
       Multi-Label Data. ECML PKDD 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.model_selection import MultilabelStratifiedKFold
    >>> y = np.array([[1, 0], [1, 1], [1, 0], [1, 1], [0, 0], [0, 0]])
    >>> for train, test in MultilabelStratifiedKFold(n_splits=2).split(y, y):
    ...     print(test, y[test].sum(axis=0))
    [0 1 4] [2 1]
    [2 3 5] [2 1]
    """

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None):
        super().__init__(n_splits=n_splits, shuffle=shuffle, random_state=random_state)

    def split(self, X, y, groups=None):
        """Yield the rows of each split.

        Parameters
        ----------
        X : array-like of length n_samples
            Only its length counts.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            0/1 for each row and label, nan where it is not known.
        groups : object, default=None
            Ignored, with a warning that names the class which does not.

        Yields
        ------
        train : ndarray of int
            Rows to train on.
        test : ndarray of int
            Rows to test on.

        Raises
        ------
        ValueError
            If `y` is not such a matrix, or has fewer rows than there are folds.

        Warns
        -----
        UserWarning
            If a label has fewer positives, or fewer negatives, than there are folds.
        """
        if groups is not None:
            warnings.warn(
                "MultilabelStratifiedKFold ignores groups: rows of one group may "
                "be on both sides. Use MultilabelStratifiedGroupKFold.",
                stacklevel=2,
            )
        yield from super().split(X, y)

    def _iter_test_masks(self, X, y, groups):
        labels, names = indicator_matrix(y, "y", USE_INSTEAD)
        rows = np.arange(len(labels))
        yield from _test_masks(self, labels, names, rows)


@set_module("sk_posters.model_selection")
class MultilabelStratifiedGroupKFold(GroupsConsumerMixin, _BaseKFold):
    """Folds that never part a group, and in which each label has its overall share.

    As `MultilabelStratifiedKFold`, with groups in place of rows: large groups are
    placed first, then those of the rarest labels. Folds come out as even in size and
    shares as the groups allow.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, two or more.
    shuffle : bool, default=False
        Whether the order of groups and ties between folds are drawn by chance.
        Without it, the folds follow from the order of the rows alone.
    random_state : int, RandomState instance or None, default=None
        Seed of the drawing. An int makes it repeatable; leave it None unless
        ``shuffle=True``.

    See Also
    --------
    MultilabelStratifiedKFold : The same for rows without groups.

    Examples
    --------
    The rows 0 and 5 show the same poster:

    >>> import numpy as np
    >>> from sk_posters.model_selection import MultilabelStratifiedGroupKFold
    >>> y = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [1, 0]])
    >>> groups = ["a", "b", "c", "d", "e", "a"]
    >>> folds = MultilabelStratifiedGroupKFold(n_splits=2)
    >>> for train, test in folds.split(y, y, groups):
    ...     print(test, y[test].sum(axis=0))
    [0 1 5] [2 1]
    [2 3 4] [2 1]
    """

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None):
        super().__init__(n_splits=n_splits, shuffle=shuffle, random_state=random_state)

    def split(self, X, y, groups):
        """Yield the rows of each split.

        Parameters
        ----------
        X : array-like of length n_samples
            Only its length counts.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            0/1 for each row and label, nan where it is not known.
        groups : array-like of shape (n_samples,)
            What a row belongs to, such as the Id of its poster.

        Yields
        ------
        train : ndarray of int
            Rows to train on.
        test : ndarray of int
            Rows to test on.

        Raises
        ------
        ValueError
            If `y` is not such a matrix, if `groups` is missing or holds missing
            values, or if there are fewer groups than folds.

        Warns
        -----
        UserWarning
            If a group is larger than a fold should be, or if a label has positives,
            or negatives, in fewer groups than there are folds.
        """
        yield from super().split(X, y, groups)

    def _iter_test_masks(self, X, y, groups):
        labels, names = indicator_matrix(y, "y", USE_INSTEAD)
        yield from _test_masks(self, labels, names, _encode_groups(groups, len(labels)))


def multilabel_train_test_split(
    *arrays,
    stratify,
    groups=None,
    test_size=None,
    train_size=None,
    random_state=None,
):
    """Split rows in two, so that each label has its overall share in both parts.

    What `sklearn.model_selection.train_test_split` is for classes, for the labels of a
    multi-label target. Rows come out shuffled, in the type that they came in.

    Parameters
    ----------
    *arrays : lists, arrays, frames, sparse matrices or `PosterImages`
        What to split, of equal length n_samples.
    stratify : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, nan where it is not known; usually the target, which
        is among `arrays`, too.
    groups : array-like of shape (n_samples,), default=None
        What a row belongs to. Rows of one group stay together, and the sizes come as
        close to what was asked for as the groups allow.
    test_size : float or int, default=None
        Share or number of rows in the second part. None: what `train_size` leaves, or
        a quarter.
    train_size : float or int, default=None
        Share or number of rows in the first part. None: what `test_size` leaves.
    random_state : int, RandomState instance or None, default=None
        Seed of the drawing. An int makes it repeatable.

    Returns
    -------
    list, length=2 * len(arrays)
        First and second part of each array in turn.

    Raises
    ------
    ValueError
        If lengths differ, if `stratify` is not such a matrix, if sizes are impossible,
        or if there are too few groups for two parts.

    Warns
    -----
    UserWarning
        If a label has positives, or negatives, in fewer rows (or groups) than there
        are parts, or if a group is larger than a part should be.

    See Also
    --------
    MultilabelStratifiedGroupKFold : Several splits that test each row once.
    sklearn.model_selection.train_test_split : The same for one class per row.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters.model_selection import multilabel_train_test_split
    >>> y = np.array([[1, 0], [1, 1], [1, 0], [1, 1], [0, 0], [0, 0]])
    >>> paths = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]
    >>> paths_train, paths_test, y_train, y_test = multilabel_train_test_split(
    ...     paths, y, stratify=y, test_size=0.5, random_state=0
    ... )
    >>> len(paths_test), y_train.mean(axis=0), y_test.mean(axis=0)
    (3, array([0.66666667, 0.33333333]), array([0.66666667, 0.33333333]))
    """
    if not arrays:
        raise ValueError("Give at least one array to split before `stratify`.")
    labels, names = indicator_matrix(stratify, "stratify", USE_INSTEAD)
    *arrays, _, groups = indexable(*arrays, labels, groups)
    n_train, n_test = _validate_shuffle_split(
        _num_samples(labels), test_size, train_size, default_test_size=0.25
    )
    sizes = [n_train, n_test, len(labels) - n_train - n_test]
    units = np.arange(len(labels))
    if groups is not None:
        units = _encode_groups(groups, len(labels))
    rng = check_random_state(random_state)
    # The third part, rows that nobody asked for, is mostly empty.
    parts = _parts(labels, names, units, sizes[: 3 if sizes[2] else 2], rng, "part")
    train, test = (rng.permutation(np.flatnonzero(parts == part)) for part in (0, 1))
    if not len(train) or not len(test):
        raise ValueError(
            f"The groups leave one part without a row: asked for {n_train} and "
            f"{n_test} rows, got {len(train)} and {len(test)} of "
            f"{len(np.unique(units))} groups. Ask for other sizes."
        )
    return [_safe_indexing(array, rows) for array in arrays for rows in (train, test)]


def _encode_groups(groups, n_samples):
    if groups is None:
        raise ValueError(
            "groups must be given, one for each row: got None. Without groups, use "
            "MultilabelStratifiedKFold."
        )
    return encode_groups(groups, n_samples)


def _test_masks(folds, labels, names, units):
    """Yield whether a row is in the test fold, for each fold of a cross-validator."""
    n_units, n_splits = len(np.unique(units)), folds.n_splits
    if n_units < n_splits:
        raise ValueError(
            f"Cannot make n_splits={n_splits} folds of {n_units} groups: each fold "
            "needs one at least. Ask for fewer folds."
        )
    n_rows = len(labels)
    sizes = np.full(n_splits, n_rows // n_splits)
    sizes[: n_rows % n_splits] += 1
    rng = check_random_state(folds.random_state) if folds.shuffle else None
    parts = _parts(labels, names, units, sizes, rng, "fold")
    for part in range(n_splits):
        yield parts == part


def _parts(labels, names, units, sizes, rng, part):
    """Return the part of each row, after a warning about what cannot be balanced."""
    sizes = np.asarray(sizes)
    unit_sizes = np.bincount(units)
    counts = _count_in_units(labels == 1, units, len(unit_sizes))
    negatives = unit_sizes[:, np.newaxis] - counts
    balanced = counts
    if has_unknown(labels):
        negatives = _count_in_units(labels == 0, units, len(unit_sizes))
        # Shares of positives balance negatives, too, only where all rows are known.
        rarer = negatives.sum(axis=0) < counts.sum(axis=0)
        balanced = np.column_stack([counts, negatives[:, rarer]])
    _warn_of_rare_labels(counts, negatives, unit_sizes, names, len(sizes), part)
    _warn_of_large_groups(unit_sizes, sizes, part)
    return assign_parts(balanced, unit_sizes, sizes, rng)[units]


def _count_in_units(which, units, n_units):
    counts = np.zeros((n_units, which.shape[1]))
    np.add.at(counts, units, which)
    return counts


def _warn_of_rare_labels(counts, negatives, unit_sizes, names, n_parts, part):
    unit = "row" if unit_sizes.max() == 1 else "group"
    positive = (counts > 0).sum(axis=0)
    negative = (negatives > 0).sum(axis=0)
    for value, n_units in (("1", positive), ("0", negative)):
        rare = n_units < n_parts
        if rare.any():
            shown = [f"{names[j]} ({n_units[j]})" for j in np.flatnonzero(rare)]
            warnings.warn(
                f"{rare.sum()} of {len(names)} labels are {value} in fewer than "
                f"{n_parts} {unit}s, so that some {part}s lack such a row, and scores "
                f"of these labels may be undefined there: {shorten(shown)}. Leave "
                f"these labels out, or ask for fewer {part}s.",
                stacklevel=4,
            )


def _warn_of_large_groups(unit_sizes, sizes, part):
    large = np.sort(unit_sizes[unit_sizes > max(sizes)])[::-1]
    if len(large):
        warnings.warn(
            f"{len(large)} of {len(unit_sizes)} groups are larger than a {part} should "
            f"be ({max(sizes)} rows): they have {shorten(large.tolist())} rows. The "
            f"{part}s will differ in size; ask for fewer {part}s.",
            stacklevel=4,
        )
