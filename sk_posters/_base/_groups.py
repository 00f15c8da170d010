"""Groups of rows, as a user gives them, as numbers."""

import numpy as np
import pandas as pd

__all__ = ["encode_groups"]


def encode_groups(groups, n_samples):
    """Return the number of each row's group, from 0 in the order of appearance."""
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(
            f"groups must be a 1-D array-like with a group for each of the {n_samples} "
            f"rows: got shape {groups.shape}."
        )
    numbers, _ = pd.factorize(groups)
    missing = numbers < 0
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"groups must not hold missing values: got {groups[row]!r} in row {row} "
            f"({missing.sum()} in all). Give each of these rows a group of its own."
        )
    return numbers
