"""Any table of posters: the images that it names, and the labels that it gives them."""

import warnings
from os import PathLike

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sk_posters._base._compat import HasMethods, StrOptions, validate_params
from sk_posters._base._validation import shorten
from sk_posters._images._cache import hash_source
from sk_posters._images._sources import as_source
from sk_posters.datasets._genres import contradictions
from sk_posters.datasets._tables._column import Column, as_text
from sk_posters.datasets._tables._columns import (
    COMPARED,
    GENRE_COLUMN,
    check_given,
    find_id_column,
    find_label_columns,
)
from sk_posters.datasets._tables._files import IMAGES_FOLDER, ImageFinder, check_ids
from sk_posters.datasets._tables._labels import choose_form, read_labels
from sk_posters.datasets._tables._source import read_source

__all__ = ["GENRE_COLUMN", "IMAGES_FOLDER", "TABLE_NAME", "load_poster_table"]

# The layout of the movie poster data set.
TABLE_NAME = "train.csv"

N_SHOWN = 5

DESCR = """\
Posters of the table {table}

Rows (data, target, groups):   {n_rows}
Different ids (groups):        {n_ids}
Labels (target_names):         {n_labels}
Labels per row, mean:          {mean:.2f}

An id that occurs in more than one row is one group. Pass `groups` to the split, so
that no poster is on both sides of it.

{reading}
"""


@validate_params(
    {
        "table": [
            str,
            PathLike,
            pd.DataFrame,
            HasMethods(["to_pandas"]),
            HasMethods(["__dataframe__"]),
            HasMethods(["collect"]),
        ],
        "images": [str, PathLike, None],
        "id_column": [str, None],
        "label_columns": [str, "array-like", None],
        "label_separator": [str, None],
        "no_label": [object],
        "unknown": [object],
        "missing": [StrOptions({"raise", "drop"})],
        "encoding": [str, None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_poster_table(
    table,
    images=None,
    *,
    id_column=None,
    label_columns=None,
    label_separator=None,
    no_label=None,
    unknown=(),
    missing="raise",
    encoding=None,
    return_X_y=False,
):
    """Load a table of posters and their labels, in any of the usual forms.

    What is not given is found out where the table can be read in one way only, and
    `reading` says how it was read. Where there are several ways, the error lists them.
    Each image must exist; none is opened.

    Parameters
    ----------
    table : str, path-like or DataFrame
        The table, with one row per poster: a CSV file, also with tabs, semicolons or
        blanks between the columns; JSON, JSON lines, Parquet, Feather or Excel; any of
        them compressed (``.gz``, ``.bz2``, ``.xz``, ``.zip``), up to 500 MB when it
        is decompressed; or a frame of pandas or polars.
    images : str or path-like, default=None
        The folder of the images; its subfolders are searched as well. By default the
        folder ``Images`` next to the table, else the folder there that has the files,
        else paths are relative to the folder of the table. Of a frame, it is the
        current folder.
    id_column : str, default=None
        The column that names the image of each row: a file name with or without
        suffix, or a path, relative or absolute. Or the column that holds the images:
        bytes of an image file, PIL images, or dicts ``{"bytes": …, "path": …}``. By
        default the column whose values are names of files, such as ``Id``.
    label_columns : str or list of str, default=None
        One column that names the labels of each row, as text or as a list; or the
        columns that say for one label each whether it applies: 0/1, -1/1, TRUE/FALSE,
        yes/no, x/blank. By default all columns of the second kind, else the one column
        of the first kind. A column named like a part of the rows (``is_valid``,
        ``fold``, ``split``) is a label only if given here.
    label_separator : str, default=None
        What is between two labels in the text of one row: ``"|"``, ``";"``, ``","``,
        ``" "`` or any other text. ``""`` takes each text as one label. By default it
        is found out.
    no_label : str or list of str, default=None
        Values that say that no label applies, such as ``"No Finding"``. In columns of
        0/1, values that mean 0.
    unknown : value or sequence of values, default=()
        Values that say that a label is not known, such as ``("", -1)``. They are NaN
        in `target`.
    missing : {"raise", "drop"}, default="raise"
        What to do with rows without an id, an image or labels: raise an error, or drop
        them and count them in `reading`.
    encoding : str, default=None
        The encoding of a text file. By default UTF-8 or UTF-16 where the file is that,
        else Windows-1252.
    return_X_y : bool, default=False
        Whether to return only the paths and the labels.

    Returns
    -------
    posters : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of object, shape (n_samples,)
            Paths of the images, or the images of the column as they are. A repeated id
            gives a repeated path.
        target : DataFrame of shape (n_samples, n_labels)
            Integers 0 and 1, one column per label, in the order of the columns, or of
            the alphabet if one column names them. Floats if any value is unknown.
        target_names : list of str
            The names of the labels.
        groups : ndarray of str, shape (n_samples,)
            The ids, to keep the rows of one poster together in a split. Of images in
            the table, a hash of their content.
        frame : DataFrame
            The whole table, without the rows that were dropped.
        label_form : {"columns", "text"}
            Whether labels have a column each, or one column names those of each row.
        reading : str
            How the table was read, a line each: format, encoding, images, labels,
            columns that were left out and why, rows that were dropped and why.
        DESCR : str
            Description of the table.

    (data, target) : tuple if ``return_X_y`` is True
        The paths and the labels.

    Raises
    ------
    FileNotFoundError
        If the table, the folder of images or any of the images is missing.
    ValueError
        If the table cannot be read, or can be read in several ways; if it is damaged,
        or a decompression bomb; if names are no readable text; if an id is empty
        or leads out of the folder by ``..``; if a label is missing or is none of the
        values that say yes or no.
    ImportError
        If pandas needs a package for the format that is not installed.

    Warns
    -----
    UserWarning
        If a column ``Genre`` next to columns of zeros and ones does not say what they
        say.

    See Also
    --------
    load_poster_folder : Load a folder with one folder per label.
    fetch_movie_posters : Posters of 7254 movies.
    make_posters : Draw posters with known genres.

    Examples
    --------
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sk_posters.datasets import load_poster_table
    >>> Path("scans").mkdir()
    >>> for name in ["007.jpg", "008.jpg"]:
    ...     Image.new("RGB", (30, 44)).save(f"scans/{name}")
    >>> _ = Path("films.csv").write_text("film;tags\\n7;Comedy|Drama\\n8;Drama\\n")
    >>> posters = load_poster_table("films.csv")
    >>> posters.target
       Comedy  Drama
    0       1      1
    1       0      1
    >>> print(posters.reading)
    table: semicolon-separated, encoding utf-8
    images: 2 files in 'scans', named by the column 'film'
    ids: 2 were found with leading zeros, such as '7' -> '007.jpg'
    labels: 2 in the texts of the column 'tags', separated by '|': 'Comedy', 'Drama'
    """
    source = read_source(table, encoding)
    name, lines = source.name, source.lines
    no_label, unknown = _as_texts(no_label), _as_texts(unknown)
    columns = {key: Column(key, source.frame[key]) for key in source.frame}
    given = _check_columns(columns, id_column, label_columns, name)
    finder = ImageFinder(images, source.folder, name)
    if id_column is None:
        id_column = find_id_column(list(columns.values()), given or (), finder, name)
    labels = _find_labels(
        columns, id_column, given, (*no_label, *unknown), label_separator, name
    )
    values, label_names, label_lines, is_missing = read_labels(
        labels, label_separator, no_label, unknown, name
    )
    has_no_label = _explain_missing_labels(is_missing, labels, missing, name)

    data, groups, image_lines, has_no_image = _find_images(
        columns[id_column], finder, missing, name
    )
    lines += [*image_lines, *label_lines]
    lines += [
        f"left out: {key!r} ({reason})" for key, reason in labels.left_out.items()
    ]
    keep = ~(has_no_image | has_no_label)
    lines += _describe_dropped(has_no_image, has_no_label, groups, id_column)
    if not keep.any():
        raise ValueError(f"{name}: no row is left, all are dropped: {lines[-1]}.")

    values, groups, data = values[keep], groups[keep], data[keep]
    frame = source.frame if keep.all() else source.frame[keep].reset_index(drop=True)
    if labels.is_text and _names_one_label_a_row(values, groups):
        first = ~pd.Series(groups).duplicated().to_numpy()
        values = _join_rows(values, groups)
        lines.append(
            f"joined: {len(groups)} rows of one label each to the {len(values)} images "
            "that they name"
        )
        groups, data = groups[first], data[first]
        frame = frame[first].reset_index(drop=True)
    target = _make_target(values, label_names)
    if not labels.is_text:
        frame = frame.assign(**{key: target[key] for key in label_names})
        is_known = not target.isna().any(axis=None)
        if labels.left_out.get(GENRE_COLUMN) == COMPARED and is_known:
            _warn_of_contradictions(frame[GENRE_COLUMN], groups, target, name)
    if return_X_y:
        return data, target
    reading = "\n".join(lines)
    return Bunch(
        data=data,
        target=target,
        target_names=label_names,
        groups=groups,
        frame=frame,
        label_form="text" if labels.is_text else "columns",
        reading=reading,
        DESCR=DESCR.format(
            table=name,
            n_rows=len(target),
            n_ids=len(pd.unique(groups)),
            n_labels=len(label_names),
            mean=np.nansum(target.to_numpy(), axis=1).mean(),
            reading=reading,
        ),
    )


def _as_texts(values):
    """Return one value or several as texts; "" for what is missing."""
    if values is None:
        return ()
    if isinstance(values, (str, float, int)) or values is pd.NA:
        values = [values]
    return tuple(as_text(value) for value in values)


def _check_columns(columns, id_column, label_columns, source):
    """Return the label columns that were given as a list, or None."""
    if id_column is not None:
        check_given([id_column], columns, source, "id_column")
    if label_columns is None:
        return None
    given = [label_columns] if isinstance(label_columns, str) else list(label_columns)
    given = [str(name).strip() for name in given]
    check_given(given, columns, source, "label_columns")
    if not given or len(set(given)) < len(given) or id_column in given:
        raise ValueError(
            "label_columns must be different columns, one at least, and not that of "
            f"the ids: got {given}."
        )
    return given


def _find_labels(columns, id_column, given, known, separator, source):
    others = [column for name, column in columns.items() if name != id_column]
    if given is None:
        return find_label_columns(others, known, separator, source)
    chosen = [columns[name] for name in given]
    return choose_form(chosen, others, known, separator)


def _explain_missing_labels(is_missing, labels, missing, source):
    if missing == "raise" and is_missing.any():
        row = int(is_missing.argmax())
        name = labels.columns[0].name
        raise ValueError(
            f"{source}: row {row} (counted from 0) has no labels in column {name!r} "
            f"({is_missing.sum()} such rows in all). Fill them in, or drop the rows "
            "with missing='drop'; give no_label='' if an empty field means that no "
            "label applies, or unknown='' if labels are not known."
        )
    return is_missing


def _find_images(column, finder, missing, source):
    """Return data, groups, lines, and in which rows there is no image."""
    if column.holds_images:
        return _take_images(column, missing, source)
    ids = _read_ids(column)
    is_empty = (ids == "").to_numpy()
    if missing == "raise" and is_empty.any():
        raise ValueError(
            f"{source}: row {int(is_empty.argmax())} (counted from 0) has no id in "
            f"column {column.name!r}. Fill it in, or drop such rows with "
            "missing='drop'."
        )
    check_ids(ids, source)
    paths, lines, root = finder.find(ids, column.name)
    is_missing = np.equal(paths, None)
    if missing == "raise" and is_missing.any():
        _raise_missing(ids, is_missing, root)
    groups = ids.to_numpy(dtype=object)
    if len(pd.unique(paths)) < len(pd.unique(groups)) and not is_missing.any():
        lines.append("groups: paths, because several ids name one file")
        groups = paths
    return paths, groups, lines, is_missing


def _read_ids(column):
    values = column.values
    if pd.api.types.is_string_dtype(values.dtype) and column.is_plain:
        values = values.fillna("")
        if all(isinstance(value, str) for value in values.iloc[:1]):
            return values.str.strip()
    texts = [as_text(value) for value in values]
    return pd.Series(texts, name=column.name, dtype=object)


def _raise_missing(ids, is_missing, root):
    names = ids[is_missing].unique().tolist()
    more = " …" if len(names) > N_SHOWN else ""
    raise FileNotFoundError(
        f"{len(names)} of {ids.nunique()} posters have no image in {str(root)!r}: "
        f"[{shorten(names[:N_SHOWN])}]{more} Each needs a file named by its id, with "
        "one of the suffixes of images. Add the files, give their folder as images, or "
        "drop the rows with missing='drop'."
    )


def _take_images(column, missing, source):
    data = np.empty(len(column.values), dtype=object)
    data[:] = list(column.values)
    is_missing = np.array([value is None or value is pd.NA for value in data])
    is_missing |= np.array([isinstance(v, float) and v != v for v in data])
    if missing == "raise" and is_missing.any():
        raise ValueError(
            f"{source}: row {int(is_missing.argmax())} (counted from 0) has no image "
            f"in column {column.name!r}. Add it, or drop such rows with "
            "missing='drop'."
        )
    names = [
        "" if is_missing[row] else _name_image(value, row, column.name)
        for row, value in enumerate(data)
    ]
    groups = np.array(names, dtype=object)
    lines = [f"images: {len(data)} in the column {column.name!r}, no files"]
    return data, groups, lines, is_missing


def _name_image(value, row, column):
    """Return the path of an image, or a name for what it holds in memory."""
    source = as_source(value, row, f"column {column!r}")
    return source if isinstance(source, str) else hash_source(source).hexdigest()


def _describe_dropped(has_no_image, has_no_label, groups, id_column):
    lines = []
    for rows, what in ((has_no_image, "an image"), (has_no_label, "labels")):
        if rows.any():
            shown = shorten(groups[rows].tolist())
            lines.append(
                f"dropped: {rows.sum()} rows without {what}, {id_column!r}: {shown}"
            )
    return lines


def _names_one_label_a_row(values, groups):
    """Tell whether an image has several rows, which name one of its labels each."""
    codes, unique = pd.factorize(groups)
    if len(unique) == len(groups) or (values < 0).any() or values.sum(axis=1).max() > 1:
        return False
    first = np.flatnonzero(~pd.Series(codes).duplicated().to_numpy())
    return bool((values != values[first[codes]]).any())


def _join_rows(values, groups):
    codes, unique = pd.factorize(groups)
    joined = np.zeros((len(unique), values.shape[1]), dtype=values.dtype)
    np.maximum.at(joined, codes, values)
    return joined


def _make_target(values, names):
    is_unknown = values < 0
    if is_unknown.any():
        values = np.where(is_unknown, np.nan, values.astype(float))
    return pd.DataFrame(
        values.astype(np.float64 if is_unknown.any() else np.int64), columns=names
    )


def _warn_of_contradictions(genres, ids, target, source):
    names = np.array(target.columns, dtype=object)
    wrong = contradictions(genres, target.to_numpy(), names)
    if wrong:
        row, _ = wrong[0]
        shown = names[target.iloc[row].to_numpy(dtype=bool)].tolist()
        warnings.warn(
            f"{source}: in {len(wrong)} of {len(ids)} rows the column {GENRE_COLUMN!r} "
            f"does not say what the columns of 0 and 1 say, first in row {row} "
            f"(counted from 0, id {ids[row]!r}): {genres[row]!r} against {shown}. "
            "The columns of 0 and 1 are used.",
            stacklevel=4,
        )
