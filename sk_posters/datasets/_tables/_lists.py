"""Columns that name the labels of each row, as a list or as text, as 0 and 1."""

import json
import re
from collections import Counter

import numpy as np
import pandas as pd

from sk_posters._base._validation import show
from sk_posters.datasets._genres import read_genres
from sk_posters.datasets._tables._column import NUMBER, as_text, is_missing
from sk_posters.datasets._tables._indicators import match

__all__ = [
    "BLANK",
    "LISTS",
    "SURE",
    "WHOLE",
    "SeparatorUnclear",
    "find_separator",
    "read_label_texts",
]

# What takes the place of a separator.
LISTS, WHOLE = "lists", ""
BLANK = " "
SURE = ("|", ";")
DIGITS = {"0", "1", "0.0", "1.0"}
# As in "Action/Drama" and "Sci-Fi/Fantasy", which only the user can tell apart.
SLASH = "/"
# The list of an array as NumPy prints it, which Python reads as one long name.
NUMPY_LIST = re.compile(r"(?<=['\"])\s+(?=['\"])")


class SeparatorUnclear(Exception):
    """A text that may be one label or several."""

    def __init__(self, text, separator):
        self.text = text
        self.separator = separator


def find_separator(column):
    """Return what is between the labels of one text: `LISTS`, a text, or `WHOLE`."""
    if column.holds_lists:
        return LISTS
    texts = column.texts
    if texts and all(text[:1] in "[({" and text[-1:] in "])}" for text in texts):
        return LISTS
    for separator in SURE:
        if any(separator in text for text in texts):
            return separator
    if any("," in text for text in texts) and not all(map(NUMBER.fullmatch, texts)):
        return _choose(texts, ",")
    _refuse_slashes(texts)
    if any(BLANK in text for text in texts):
        return _choose(texts, BLANK)
    return WHOLE


def _refuse_slashes(texts):
    """Raise if a part of a text with a slash is a label elsewhere."""
    known = set(texts)
    for text in texts:
        parts = split_text(text, SLASH)
        # An id such as "/m/01" begins with a slash.
        if len(parts) > 1 and text[0] != SLASH and not known.isdisjoint(parts):
            raise SeparatorUnclear(text, SLASH)


def _choose(texts, separator):
    """Return the separator if the parts of texts occur again in others."""
    several = [text for text in texts if len(split_text(text, separator)) > 1]
    parts = {part for text in several for part in split_text(text, separator)}
    if all(part.isdecimal() for part in parts):
        return separator
    counts = Counter(
        part for text in texts for part in set(split_text(text, separator))
    )
    again = sum(counts[part] > 1 for part in parts)
    if again >= 0.9 * len(parts):
        return separator
    if again == 0 and separator == BLANK:
        return WHOLE
    if again >= 0.5 * len(parts) and separator == ",":
        return separator
    raise SeparatorUnclear(several[0], separator)


def split_text(text, separator):
    """Return the labels that a text names."""
    if separator == WHOLE:
        return [text] if text else []
    parts = text.split() if separator == BLANK else text.split(separator)
    return [part for part in map(str.strip, parts) if part]


def read_label_texts(column, separator, no_label=(), unknown=()):
    """Return 0, 1 and, for unknown, -1 for each row, and the names of the labels."""
    if column.holds_lists:
        codes, lists = _factorize_lists(column)
    else:
        codes, texts = column.codes, column.texts
        lists = [
            None if match(text, unknown) else _read_text(text, separator, column)
            for text in texts
        ]
    lists = [
        names and [name for name in names if not match(name, no_label)]
        for names in lists
    ]
    _refuse_vectors(lists, column)
    names = sorted({name for row in lists for name in row or ()})
    position = {name: number for number, name in enumerate(names)}
    # One more row for a missing value, whose code is -1.
    table = np.zeros((len(lists) + 1, len(names)), dtype=np.int8)
    for row, labels in enumerate(lists):
        if labels is None:
            table[row] = -1
        else:
            table[row, [position[name] for name in labels]] = 1
    if match("", unknown):
        table[-1] = -1
    return table[codes], names


def _refuse_vectors(lists, column):
    """Refuse a 0 or 1 for each label, which would be taken for two labels' names."""
    lists = [row for row in lists if row]
    length = len(lists[0]) if lists else 0
    shown = {name for row in lists for name in row}
    if length > 1 and shown <= DIGITS and all(len(row) == length for row in lists):
        raise ValueError(
            f"each row must hold a list of names, but all hold {length} values of 0 "
            f"and 1, such as {', '.join(lists[0])[:60]}. Give a column per label: "
            "pandas.DataFrame(numpy.stack(values), columns=names)."
        )


def _read_text(text, separator, column):
    if separator == LISTS:
        return _parse_list(text, column)
    return split_text(text, separator)


def _parse_list(text, column):
    names = None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        if re.fullmatch(r"[\[({]\s*[\])}]", text):
            return []
        if text[:1] == "[" and "'" not in text and '"' not in text:
            return split_text(text[1:-1], ",")
    if not isinstance(names, list):
        names = read_genres(NUMPY_LIST.sub(", ", text), column.find_row(text))
    return [label for label in map(as_text, names) if label]


def _factorize_lists(column):
    """Return the different lists and which of them is in which row."""
    keys = [
        _name_members(value, row) if _is_list(value) else as_text(value)
        for row, value in enumerate(column.values)
    ]
    for row, key in enumerate(keys):
        if isinstance(key, str) and key:
            raise ValueError(
                f"row {row} (counted from 0) must hold a list of names, as the rows "
                f"before it: got {show(key)}."
            )
    numbers = pd.Series(range(len(keys)))
    table = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    table.pop("", None)
    lists = [list(key) for key in table]
    table = {key: number for number, key in enumerate(table)}
    codes = numbers.map(lambda row: table.get(keys[row], -1))
    return codes.to_numpy(dtype=int), lists


def _name_members(values, row):
    """Return the members of a list as texts, without empty ones."""
    wrong = [value for value in values if _is_list(value) or is_missing(value)]
    if wrong or np.ma.is_masked(values):
        raise ValueError(
            f"row {row} (counted from 0) must hold a list of names: got "
            f"{wrong[0] if wrong else np.ma.masked!r:.80} in it. Leave out what is "
            "missing, and join lists within lists."
        )
    return tuple(filter(None, map(as_text, values)))


def _is_list(value):
    return isinstance(value, (list, tuple, set, frozenset, np.ndarray))
