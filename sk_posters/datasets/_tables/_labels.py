"""Label columns of either kind, as one array of 0, 1 and unknown, and what they are."""

import numpy as np

from sk_posters._base._validation import check_text, shorten, show
from sk_posters.datasets._tables._columns import Labels
from sk_posters.datasets._tables._indicators import (
    Refused,
    as_number,
    find_form,
    match,
    read_indicators,
)
from sk_posters.datasets._tables._lists import (
    BLANK,
    LISTS,
    WHOLE,
    SeparatorUnclear,
    find_separator,
    read_label_texts,
)

__all__ = ["choose_form", "read_labels"]

NEARLY = 0.5
NO_LABELS = {"no finding", "none", "no", "normal", "nothing", "background", "n/a", "-"}
NO_LABELS |= {"nan", "null", "<na>", "unknown", "?"}


def choose_form(chosen, others, known, separator):
    """Return the given label columns, and whether they name labels or are some."""
    left_out = {c.name: "not given" for c in others if c not in chosen}
    is_text = len(chosen) == 1 and _names_labels(chosen[0], known, separator)
    return Labels(chosen, is_text, left_out)


def _names_labels(column, known, separator):
    if column.holds_lists or separator is not None:
        return True
    form, wrong = find_form(column, known)
    return form is None or column.count(wrong) > NEARLY * len(column.values)


def read_labels(labels, separator, no_label, unknown, source):
    """Return values, names, lines, and in which rows labels are missing."""
    read = _read_text if labels.is_text else _read_columns
    values, names, line, is_missing = read(labels, separator, no_label, unknown, source)
    if not names:
        column = labels.columns[0].name
        raise ValueError(
            f"{source}: no row has a label in column {column!r}. Give the columns of "
            "labels as label_columns."
        )
    check_text(names, f"{source}: labels")
    lines = [f"labels: {len(names)} {line}: {shorten(names)}"]
    for parameter, wanted in (("no label", no_label), ("unknown", unknown)):
        for text in wanted:
            n = sum(_count(column, text, separator) for column in labels.columns)
            lines.append(f"{parameter}: {text!r}, in {n} fields")
    likely = [name for name in names if name.lower() in NO_LABELS]
    if labels.is_text and likely:
        lines.append(
            f"note: {likely[0]!r} is a label like the others; if it says that none "
            f"applies, give no_label={likely[0]!r}, or unknown={likely[0]!r} if it is "
            "not known which do"
        )
    return values, names, lines, is_missing


def _count(column, wanted, separator):
    if column.holds_lists:
        return sum(
            any(match(str(item), [wanted]) for item in value)
            for value in column.values
            if isinstance(value, (list, tuple, set, np.ndarray))
        )
    if wanted == "":
        return column.count([""])
    return column.count([text for text in column.texts if match(text, [wanted])])


def _read_columns(labels, separator, no_label, unknown, source):
    try:
        values, forms = read_indicators(labels.columns, no_label, unknown)
    except Refused as refused:
        raise ValueError(
            _explain(refused, labels, (*no_label, *unknown), source)
        ) from refused
    names = [column.name for column in labels.columns]
    line = f"columns of {' and '.join(forms)}"
    if "-1/1" in forms:
        line += " (-1 means no)"
    return values, names, line, np.zeros(len(values), dtype=bool)


def _explain(refused, labels, known, source):
    """Return what is wrong with a value, and the parameters that can say what it is."""
    column, text = refused.column, refused.text
    unclear = {}
    for each in labels.columns:
        wrong = find_form(each, known)[1]
        wrong = wrong + [t for t in each.texts if as_number(t) == -1]
        for value in wrong:
            value = -1 if as_number(value) == -1 else value
            unclear[value] = None
    unclear = [value for value in unclear if not match(str(value), known)]
    meant = tuple(unclear[:4])
    others = [each.name for each in labels.columns if each is not column]
    without = f"label_columns={[*others[:3], ...] if len(others) > 4 else others}"
    without = without.replace("Ellipsis", "...")
    return (
        f"{source}: labels must be 0 or 1, got {show(text)} in column {column.name!r}, "
        f"row {column.find_row(text)} ({column.count([text])} such values in all, rows "
        f"counted from 0). Correct the values; or give unknown={show(meant)} if they "
        f"mean that a label is not known, or no_label={show(meant)} if they mean no"
        + (f"; or leave the column out with {without}." if others else ".")
    )


def _read_text(labels, separator, no_label, unknown, source):
    [column] = labels.columns
    if separator is None:
        separator = _find_separator(column, source)
    try:
        values, names = read_label_texts(column, separator, no_label, unknown)
    except ValueError as error:
        raise ValueError(f"{source}: column {column.name!r}, {error}") from error
    how = {
        LISTS: "in the lists of",
        WHOLE: "in the texts, one label each, of",
    }.get(separator, "in the texts of")
    line = f"{how} the column {column.name!r}"
    if separator not in (LISTS, WHOLE):
        shown = "blanks" if separator == BLANK else repr(separator)
        line += f", separated by {shown}"
    is_missing = np.zeros(len(values), dtype=bool)
    if not match("", (*no_label, *unknown)):
        is_missing = _find_missing(column)
    return values, names, line, is_missing


def _find_missing(column):
    if column.holds_lists:
        return np.array(
            [value is None or isinstance(value, float) for value in column.values]
        )
    return column.codes < 0


def _find_separator(column, source):
    try:
        return find_separator(column)
    except SeparatorUnclear as unclear:
        raise ValueError(
            f"{source}: in column {column.name!r}, {show(unclear.text)} may be one "
            f"label or several. Give label_separator={unclear.separator!r} for "
            "several, or label_separator='' for one."
        ) from unclear
