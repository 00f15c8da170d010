"""Posters that are on both sides of a split."""

import warnings

import numpy as np

from sk_posters.datasets._checks._rows import Finding

__all__ = ["check_splits", "leaks"]

USE_GROUPS = "Split with MultilabelStratifiedGroupKFold and the groups of this check."


def check_splits(splits, paths, y, groups):
    """Return the training and test rows of each split."""
    if hasattr(splits, "split"):
        splits = _rows_of_splits(splits, paths, y, groups)
    allowed = (
        "splits must be a cross-validator, or pairs (train, test) of row numbers or "
        "masks"
    )
    try:
        pairs = [tuple(pair) for pair in splits]
    except TypeError as error:
        raise ValueError(
            f"{allowed}: got {splits!r}. Write [(train, test)] for a single split."
        ) from error
    if not pairs:
        raise ValueError(f"{allowed}, one at least: got none.")
    for number, pair in enumerate(pairs):
        if len(pair) != 2:
            raise ValueError(
                f"{allowed}: split {number} has {len(pair)} parts. Write "
                "[(train, test)] for a single split."
            )
    return [
        tuple(_row_numbers(side, len(paths), number, allowed) for side in pair)
        for number, pair in enumerate(pairs)
    ]


def _rows_of_splits(splits, paths, y, groups):
    with warnings.catch_warnings():
        # What a splitter does without groups is what is checked here.
        ignored = ".*(groups parameter is ignored|ignores groups)"
        warnings.filterwarnings("ignore", message=ignored, category=UserWarning)
        return list(splits.split(paths, y, groups))


def _row_numbers(side, n, number, allowed):
    rows = np.asarray(side)
    if rows.dtype == bool and rows.shape == (n,):
        return np.flatnonzero(rows)
    is_number = rows.ndim == 1 and (rows.dtype.kind in "iu" or not rows.size)
    if not is_number or (rows.size and (rows.min() < 0 or rows.max() >= n)):
        raise ValueError(
            f"{allowed}, from 0 to {n - 1}: split {number} has {side!r}. Give the "
            "positions of rows, not their index labels."
        )
    return rows.astype(np.intp)


def leaks(posters, splits):
    """Yield the rows that belong together and are parted by a split."""
    parted = {}
    for number, (train, test) in enumerate(splits):
        sides = posters.groups[train], posters.groups[test]
        for group in np.intersect1d(*sides).tolist():
            parted.setdefault(group, []).append(number)
    rows_of = _rows_of_each(posters.groups)
    masks = [[_mask(side, len(posters.groups)) for side in split] for split in splits]
    for group, numbers in sorted(parted.items()):
        rows = rows_of[group]
        train, test = (rows[mask[rows]].tolist() for mask in masks[numbers[0]])
        detail = (
            f"{_reason(posters, rows)} on both sides of {len(numbers)} of "
            f"{len(splits)} splits: in split {numbers[0]}, rows {train} train and "
            f"rows {test} test"
        )
        yield Finding("leak", "error", rows, [], detail, USE_GROUPS)


def _rows_of_each(groups):
    """Return the rows of each group, in one pass over all rows."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups))[:-1])


def _mask(rows, n_rows):
    mask = np.zeros(n_rows, dtype=bool)
    mask[rows] = True
    return mask


def _reason(posters, rows):
    if len(rows) == 1:
        return "one row"
    if posters.share_id(rows):
        return "one id"
    if len(set(posters.images[rows])) == 1:
        return "one image"
    if len(set(posters.looks[rows])) == 1:
        return "near duplicates"
    return "ids and images that belong together"
