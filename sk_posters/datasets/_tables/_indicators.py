"""Columns that say yes or no in one of the usual ways, as 0, 1 and unknown."""

import re

import numpy as np

__all__ = ["Refused", "find_form", "read_indicators"]

PAIRS = {
    "TRUE/FALSE": ("true", "false"),
    "T/F": ("t", "f"),
    "yes/no": ("yes", "no"),
    "Y/N": ("y", "n"),
    "WAHR/FALSCH": ("wahr", "falsch"),
    "ja/nein": ("ja", "nein"),
    "VRAI/FAUX": ("vrai", "faux"),
    "oui/non": ("oui", "non"),
}
ZERO_OR_ONE = re.compile(r"[+-]?[01]([.,]0*)?")
MARKS = {"x", "✓", "✔", "☑"}
NUMBERS, CROSSES = "0/1", "x/blank"


class Refused(Exception):
    """A value of a label column that is neither yes nor no."""

    def __init__(self, column, text):
        self.column = column
        self.text = text


def find_form(column, known=()):
    """Return the form of a column's values, or None, and the texts that do not fit.

    Values in `known` are set aside. An empty value fits crosses only.
    """
    texts = [text for text in column.texts if text and not match(text, known)]
    blank = [""] if column.has_missing and not match("", known) else []
    low = {text.lower() for text in texts}
    if low and low <= MARKS:
        return CROSSES, []
    forms = {NUMBERS: lambda text: as_number(text) is not None}
    for form, pair in PAIRS.items():
        forms[form] = pair.__contains__
    counts = {
        form: sum(map(fits, map(str.lower, texts))) for form, fits in forms.items()
    }
    form = max(counts, key=counts.get)
    if not counts[form]:
        return None, texts + blank
    wrong = [text for text in texts if not forms[form](text.lower())]
    return form, wrong + blank


def as_number(text):
    """Return 0, 1 or -1 where a text is that number, else None."""
    if not ZERO_OR_ONE.fullmatch(text):  # An id such as 001 is no number.
        return None
    return int(float(text.replace(",", ".")))


def match(text, values):
    """Tell whether a text is one of the values that a user gave, numbers as numbers."""
    return any(
        text.lower() == value.lower() or _are_one_number(text, value)
        for value in values
    )


def _are_one_number(text, value):
    try:
        return float(text) == float(value)
    except ValueError:
        return False


def read_indicators(columns, no_label=(), unknown=()):
    """Return the values of all columns, 0, 1 or nan, and the forms they are in."""
    known = (*no_label, *unknown)
    forms = {column.name: find_form(column, known) for column in columns}
    shown = {form for form, _ in forms.values() if form}
    for column in columns:
        _, wrong = forms[column.name]
        is_blank_cross = wrong == [""] and shown == {CROSSES}
        if wrong and not is_blank_cross:
            raise Refused(column, wrong[0])
    minus = _find_minus(columns, forms, known)
    values = np.empty((len(columns[0].values), len(columns)), dtype=np.int8)
    for number, column in enumerate(columns):
        _fill(values[:, number], column, no_label, unknown)
    return values, sorted("-1/1" if minus and f == NUMBERS else f for f in shown)


def _find_minus(columns, forms, known):
    """Tell whether -1 means no: where nothing is 0, or it is known what it means."""
    numbers = {
        as_number(text): (column, text)
        for column in reversed(columns)
        if forms[column.name][0] == NUMBERS
        for text in column.texts
        if text and not match(text, known)
    }
    if -1 in numbers and 0 in numbers:
        raise Refused(*numbers[-1])
    return -1 in numbers


def _fill(values, column, no_label, unknown):
    """Write 0, 1 and, for unknown, -1 of each row."""
    of_text = [_as_value(text, no_label, unknown) for text in column.texts]
    of_text.append(-1 if match("", unknown) else 0)
    values[:] = np.array(of_text, dtype=np.int8)[column.codes]


def _as_value(text, no_label, unknown):
    if match(text, unknown):
        return -1
    if match(text, no_label):
        return 0
    number = as_number(text)
    if number is not None:
        return int(number == 1)
    low = text.lower()
    return int(low in MARKS or any(low == pair[0] for pair in PAIRS.values()))
