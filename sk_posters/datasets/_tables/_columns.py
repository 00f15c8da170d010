"""Which column names the images, and which columns are the labels."""

import re
from typing import NamedTuple

from sk_posters._base._suggest import suggest
from sk_posters._base._validation import shorten
from sk_posters._images._suffixes import has_image_suffix
from sk_posters.datasets._tables._column import Column
from sk_posters.datasets._tables._indicators import find_form
from sk_posters.datasets._tables._lists import (
    LISTS,
    SURE,
    WHOLE,
    SeparatorUnclear,
    find_separator,
)

__all__ = [
    "COMPARED",
    "GENRE_COLUMN",
    "Labels",
    "check_given",
    "find_id_column",
    "find_label_columns",
]

# Of the movie poster data set: there are other tables in its layout.
ID_COLUMN, GENRE_COLUMN = "Id", "Genre"
USUAL_IDS = {"id", "image", "image_id", "image_name", "img", "file", "filename"}
USUAL_IDS |= {"file_name", "fname", "path", "filepath", "file_path", "name"}
ADDRESSES = ("http://", "https://")
# Reasons to leave a column out.
LISTS_AS_TEXT, COMMAS = "lists as text", "texts with ','"
COMPARED = "compared with the labels"
# How unlike the training images each is, in a table that `sk-posters predict` wrote.
NOVELTY, BESIDE_IT = "novelty", {"labels", "error"}
LABEL_NAME = re.compile("label|class|categor|tag|genre", re.IGNORECASE)
ID_NAME = re.compile(r"(^|[ _-])([Ii][Dd]|idx|index)$|ID$|Id$")
NEARLY = 0.5
LETTERS = ("T/F", "Y/N")
N_SAMPLE = 50


class Labels(NamedTuple):
    """The columns of labels, the reasons to leave out others, and what is uncertain."""

    columns: list
    is_text: bool
    left_out: dict


def check_given(names, columns, source, parameter):
    """Refuse a column that the table does not have."""
    for name in names:
        if name not in columns:
            raise ValueError(
                f"{source}: there is no column {name!r}{suggest(name, columns)}, only "
                f"{shorten(columns)}. Give its name as {parameter}."
            )


def find_id_column(columns, labels, finder, source):
    """Return the name of the one column that names image files or holds images."""
    images = [column.name for column in columns if column.holds_images]
    others = [column for column in columns if _may_name_images(column, labels)]
    if not images:
        counts = {column.name: _count_files(column, finder) for column in others}
        best = max(counts.values(), default=(False,))
        images = [name for name, count in counts.items() if count == best and best[0]]
    if (
        len(images) > 1
        and ID_COLUMN not in images
        and not _are_alike(images, columns, finder)
    ):
        options = " or ".join(f"id_column={name!r}" for name in images)
        raise ValueError(
            f"{source}: several columns name images. Give one of them: {options}."
        )
    if images:
        return ID_COLUMN if ID_COLUMN in images else images[0]
    return _find_usual_id(others, columns, source)


def _are_alike(names, columns, finder):
    """Tell whether columns name the same files, row by row."""
    samples = [column.sample for column in columns if column.name in names]
    if any(column.holds_images for column in columns):
        return False
    found = [finder.locate(sample[:N_SAMPLE]) for sample in samples]
    return all(paths == found[0] for paths in found)


def _may_name_images(column, labels):
    if column.name in labels or not column.is_plain or not column.sample:
        return False
    if column.sample[0].startswith(ADDRESSES):
        return False
    is_usual = column.name.lower().replace(" ", "_") in USUAL_IDS
    return is_usual or column.has_many_values or find_form(column) != ("0/1", [])


def _count_files(column, finder):
    """Return how well the values of a column name files, the best first."""
    names = list(dict.fromkeys(column.sample))
    share_of_different = len(names) / len(column.sample)
    names = names[:: max(1, len(names) // N_SAMPLE)]
    n_found, n_exact = finder.count(names)
    n_like_files = sum(has_image_suffix(name) or "/" in name for name in names)
    is_found = n_found / len(names) >= NEARLY
    return is_found, n_exact / len(names), n_like_files, share_of_different


def _find_usual_id(candidates, columns, source):
    """Return the column that is named or filled like one that names images."""
    names = [column.name for column in candidates]
    if ID_COLUMN in names:
        return ID_COLUMN
    for column in candidates:
        if all(map(has_image_suffix, column.sample)):
            return column.name
    usual = [name for name in names if name.lower().replace(" ", "_") in USUAL_IDS]
    if len(usual) == 1:
        return usual[0]
    raise ValueError(
        f"{source}: there is no column {ID_COLUMN!r} to name the images, and none of "
        f"{[column.name for column in columns][:5]} names files that exist. Give the "
        "name of the column as id_column, and the folder as images."
    )


def find_label_columns(columns, known, separator, source):
    """Return the label columns where only one choice is possible."""
    kinds = {column.name: _classify(column, known, separator) for column in columns}
    _accept_letters(columns, kinds, known)
    if kinds.keys() >= {NOVELTY, *BESIDE_IT}:
        kinds[NOVELTY] = None, "written by predict"
    left_out = {name: reason for name, (_, reason) in kinds.items()}
    of_kind = {
        kind: [column for column in columns if kinds[column.name][0] == kind]
        for kind in ("indicator", "split", "list", "text")
    }
    indicators, lists, texts = (of_kind[kind] for kind in ("indicator", "list", "text"))
    _refuse_label_or_split(of_kind["split"], indicators, source)
    # The genres as text next to the labels, in the layout of the movie poster data set.
    twins = [column for column in lists if column.name == GENRE_COLUMN]
    rivals = [column for column in lists if column not in twins]
    vary = any(len(column.texts) > 1 for column in indicators)
    is_twin = any(left_out[column.name] == LISTS_AS_TEXT for column in twins)
    if vary or (indicators and not rivals and (is_twin or not (twins or texts))):
        is_text = False
        rivals = [column for column in rivals if left_out[column.name] != COMMAS]
        if len(indicators) == 1:  # Such as a confidence in the label of each row.
            rivals += [each for each in texts if LABEL_NAME.search(each.name)]
        choices = [indicators, *([column] for column in rivals)]
        if GENRE_COLUMN in left_out:
            left_out[GENRE_COLUMN] = COMPARED
    else:
        is_text = True
        choices = lists or [column for column in texts if not column.has_many_values]
        choices = choices or (texts if len(columns) == 1 else [])
        choices = [[column] for column in choices]
    if len(choices) != 1:
        _raise_choice(source, choices, left_out, of_kind["split"])
    for column in choices[0]:
        del left_out[column.name]
    return Labels(choices[0], is_text, left_out)


def _classify(column, known, separator):
    """Return what a column may be, and what is said if it is no label."""
    if column.holds_images:
        return None, "images"
    if column.holds_lists:
        return "list", "lists"
    if not column.is_plain:
        return None, f"values of the type {type(column.first).__name__}"
    if not column.sample:
        return None, "empty"
    if column.name.startswith("Unnamed: "):
        return None, "no name"
    if ID_NAME.search(column.name):
        return None, "named like an id"
    if separator is not None:
        is_list = any(separator in text for text in column.sample)
        return "list" if is_list else None, f"texts without {separator!r}"
    if not column.has_many_values:
        form, wrong = find_form(column, known)
        if form and _is_indicator(column, form, wrong):
            if column.is_split:
                return "split", "named like a part of the rows"
            return "indicator", "one value only"
    if column.is_number:
        return None, "numbers other than 0 and 1"
    if column.sample[0].startswith(ADDRESSES):
        return None, "addresses"
    return _classify_text(column)


def _is_indicator(column, form, wrong):
    """Tell whether a column is one of labels, be it with a few wrong values."""
    if form in LETTERS:
        # One letter alone may be anything, such as F in a column of M and F.
        return not wrong and len(column.texts) > 1
    share = 1 - column.count(wrong) / len(column.values)
    return share >= NEARLY or (form == "0/1" and wrong == [""])


def _accept_letters(columns, kinds, known):
    """Take a column of Y alone for a label where others say Y and N."""
    letters = {
        find_form(column, known)[0]
        for column in columns
        if kinds[column.name][0] == "indicator"
    }.intersection(LETTERS)
    for column in columns if letters else ():
        form, wrong = find_form(column, known)
        if kinds[column.name][0] == "text" and form in letters and not wrong:
            kinds[column.name] = "indicator", "one value only"


def _classify_text(column):
    try:
        separator = find_separator(Column(column.name, column.values.iloc[:1000]))
    except SeparatorUnclear:
        separator = WHOLE
    if separator in (*SURE, LISTS, ","):
        is_list = separator == LISTS
        return "list", LISTS_AS_TEXT if is_list else f"texts with {separator!r}"
    return "text", "text with many values" if column.has_many_values else "text"


def _refuse_label_or_split(splits, indicators, source):
    """Refuse a column such as 'train', which is a vehicle as well as a split."""
    unclear = [c for c in splits if c.name.lower() == "train"]
    if not unclear or not indicators:
        return
    names = [column.name for column in indicators]
    raise ValueError(
        f"{source}: the column {unclear[0].name!r} may be a label or say which rows to "
        f"train on. Give the labels: {_as_argument([*names, unclear[0].name])} or "
        f"{_as_argument(names)}."
    )


def _raise_choice(source, choices, left_out=None, splits=()):
    if choices:
        options = " or ".join(
            _as_argument([column.name for column in choice]) for choice in choices
        )
        raise ValueError(
            f"{source}: several columns may be the labels. Give one choice: {options}."
        )
    seen = "; ".join(f"{name!r}: {reason}" for name, reason in left_out.items())
    hint = (
        f" If it is a label, give {_as_argument([splits[0].name])}." if splits else ""
    )
    raise ValueError(
        f"{source}: there is no label column: {seen or 'no other column'}.{hint} Add a "
        "column of 0 and 1 per label, or give the names of the columns as "
        "label_columns."
    )


def _as_argument(names):
    shown = [*names[:4], ...] if len(names) > 5 else names
    return "label_columns=" + repr(shown).replace("Ellipsis", "...")
