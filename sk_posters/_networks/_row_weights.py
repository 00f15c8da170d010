"""Which rows to train on, which to hold out, and with what weight."""

import numpy as np

from sk_posters._base._row_weights import check_fit_weights

__all__ = ["split_rows", "usable_weights"]


def usable_weights(sample_weight, X, dtype):
    """Return weights with a mean of one, and the rows that have any."""
    rows = np.arange(len(X))
    if sample_weight is None:
        return None, rows
    weights = check_fit_weights(sample_weight, len(X)).astype(dtype)
    rows = rows[weights > 0]
    return weights / weights[rows].mean(), rows


def split_rows(rows, fraction, seed):
    """Draw the rows to hold out."""
    if not 0 <= fraction < 1:
        raise ValueError(f"validation_split must be in [0, 1): got {fraction!r}.")
    if fraction == 0:
        return rows, rows[:0]
    n_held_out = max(1, round(fraction * len(rows)))
    if n_held_out == len(rows):
        raise ValueError(
            f"Holding out {fraction!r} of {len(rows)} rows leaves none to train on."
        )
    order = np.random.default_rng(seed).permutation(rows)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
