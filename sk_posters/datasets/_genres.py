"""Genres as text or lists, and genres as a table of zeros and ones."""

import ast
import warnings

import numpy as np
import pandas as pd

__all__ = [
    "contradictions",
    "genres_to_indicators",
    "read_genres",
]


# No row has more; Python needs some hundred bytes to read one character.
MAX_TEXT = 100_000
N_SHOWN = 500


def genres_to_indicators(genres, label_names=None):
    """Turn the genres of each row into a table of zeros and ones."""
    rows = [read_genres(value, row) for row, value in enumerate(genres)]
    if label_names is None:
        label_names = sorted({name for names in rows for name in names})
    column_of = {name: column for column, name in enumerate(label_names)}
    values = np.zeros((len(rows), len(column_of)), dtype=np.int64)
    for row, names in enumerate(rows):
        for name in names:
            if name not in column_of:
                raise ValueError(
                    f"genres: row {row} names {name!r}, which is not one of the "
                    f"{len(column_of)} label_names {list(column_of)}. Correct the row, "
                    "or add the name to label_names."
                )
            values[row, column_of[name]] = 1
    index = genres.index if isinstance(genres, pd.Series) else None
    return pd.DataFrame(values, columns=list(column_of), index=index)


def contradictions(genres, values, names):
    """Return the rows whose genres are not those of their known zeros and ones."""
    wrong = []
    for row, (value, given) in enumerate(zip(genres, values, strict=True)):
        try:
            said = set(read_genres(value, row))
        except ValueError:
            said = None
        known = {names[column] for column in np.flatnonzero(given == given)}
        unknown = set(names) - known
        ones = {names[column] for column in np.flatnonzero(given == 1)}
        if said is None or said - unknown != ones:
            wrong.append((row, said))
    return wrong


def read_genres(value, row):
    """Return the list of names that one row holds, read from text where needed."""
    names = value
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(_not_a_list(value, row))
        try:
            with warnings.catch_warnings():
                # Of escapes such as "\d", which Python leaves as they are.
                warnings.simplefilter("ignore")
                names = ast.literal_eval(value.strip())
        except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError) as err:
            raise ValueError(_not_a_list(value, row)) from err
    is_list = isinstance(names, (list, tuple, set, frozenset, np.ndarray))
    if not is_list or getattr(names, "ndim", 1) != 1:
        raise ValueError(_not_a_list(value, row))
    names = list(names)
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError(_not_a_list(value, row))
    return names


def _not_a_list(value, row):
    if isinstance(value, str) and len(value) > N_SHOWN:
        value = f"{value[:N_SHOWN]}…"
    return (
        f"genres: row {row} must be a list of names or such a list as text, as in "
        f"\"['Comedy', 'Drama']\", got {value!r}. Write [] for a row without genres."
    )
