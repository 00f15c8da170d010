"""Any table of posters: ids, genres as zeros and ones, and a folder of images."""

import os
import warnings
from collections import Counter
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sk_posters._base._compat import validate_params
from sk_posters.datasets._genres import check_indicators, contradictions

__all__ = ["GENRE_COLUMN", "IMAGES_FOLDER", "TABLE_NAME", "load_poster_table"]

# The layout of the movie poster data set.
TABLE_NAME = "train.csv"
IMAGES_FOLDER = "Images"
GENRE_COLUMN = "Genre"

SUFFIXES = (".jpg", ".jpeg", ".png")
INDICATOR_TEXTS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
N_SHOWN = 5

DESCR = """\
Posters of the table {csv}

Rows (data, target, groups):   {n_rows}
Different ids (groups):        {n_ids}
Labels (target_names):         {n_labels}
Labels per row, mean:          {mean:.2f}

An id that occurs in more than one row is one group. Pass `groups` to the split, so
that no poster is on both sides of it.
"""


@validate_params(
    {
        "csv": [str, PathLike],
        "images": [str, PathLike, None],
        "id_column": [str],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_poster_table(csv, images=None, *, id_column="Id", return_X_y=False):
    """Load a table of posters with genres in columns of zeros and ones.

    Every column is a label, except the ids and the optional text column ``Genre``.
    Each image must exist; none is opened.

    Parameters
    ----------
    csv : str or path-like
        The table, comma-separated in UTF-8, with one row per poster.
    images : str or path-like, default=None
        The folder that holds ``{Id}.jpg`` (or ``.jpeg``, ``.png``) for each row. By
        default the folder ``Images`` next to the table.
    id_column : str, default="Id"
        The column that names the image of each row, without suffix.
    return_X_y : bool, default=False
        Whether to return only the paths and the labels.

    Returns
    -------
    posters : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of str, shape (n_samples,)
            Paths of the images. A repeated id gives a repeated path.
        target : DataFrame of shape (n_samples, n_labels)
            Integers 0 and 1, one column per genre.
        target_names : list of str
            The names of the genres.
        groups : ndarray of str, shape (n_samples,)
            The ids, to keep the rows of one poster together in a split.
        frame : DataFrame
            The whole table.
        DESCR : str
            Description of the table.

    (data, target) : tuple if ``return_X_y`` is True
        The paths and the labels.

    Raises
    ------
    FileNotFoundError
        If the table, the folder of images or any of the images is missing.
    ValueError
        If columns are missing or doubled, an id is empty or no plain file name, or a
        label is neither 0 nor 1.

    Warns
    -----
    UserWarning
        If the column ``Genre`` does not say what the columns of zeros and ones say.

    See Also
    --------
    fetch_movie_posters : Posters of 7254 movies.
    make_posters : Draw posters with known genres.

    Examples
    --------
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sk_posters.datasets import load_poster_table
    >>> Path("Images").mkdir()
    >>> Image.new("RGB", (30, 44)).save("Images/tt01.jpg")
    >>> _ = Path("train.csv").write_text("Id,Comedy,Drama\\ntt01,1,0\\n")
    >>> posters = load_poster_table("train.csv")
    >>> posters.target
       Comedy  Drama
    0       1      0
    """
    csv = Path(csv)
    table = _read_texts(csv)
    names = _check_columns(table.columns.tolist(), csv, id_column)
    ids = table[id_column]
    _check_ids(ids, csv)
    target = _read_target(table[names], csv)
    if GENRE_COLUMN in table and id_column != GENRE_COLUMN:
        _warn_of_contradictions(table[GENRE_COLUMN], ids, target, csv)

    images = csv.parent / IMAGES_FOLDER if images is None else Path(images)
    data = _find_images(ids, images)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        groups=ids.to_numpy(dtype=object),
        frame=table.assign(**{name: target[name] for name in names}),
        DESCR=DESCR.format(
            csv=csv,
            n_rows=len(ids),
            n_ids=ids.nunique(),
            n_labels=len(names),
            mean=target.to_numpy().sum(axis=1).mean(),
        ),
    )


def _read_texts(csv):
    """Return the table with every field as the text of the file."""
    if csv.is_dir():
        raise IsADirectoryError(
            f"csv must be a table, but {str(csv)!r} is a folder. "
            f"Give the file in it, such as {str(csv / TABLE_NAME)!r}."
        )
    if not csv.is_file():
        raise FileNotFoundError(
            f"There is no table {str(csv)!r}. Give the path of a CSV file as csv."
        )
    try:
        # Read without a header: as a header, pandas would rename a repeated column
        # ("Drama" to "Drama.1") and take the first column of longer rows for an index.
        # And as text: "N/A" is a genre, and an id such as "0012" is not a number.
        rows = pd.read_csv(
            csv, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{csv}: the table is empty, not even a header.") from error
    except pd.errors.ParserError as error:
        raise ValueError(
            f"{csv}: not a comma-separated table with rows of one length: {error}"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{csv}: the table must be text in UTF-8: {error}") from error
    if len(rows) == 1:
        raise ValueError(f"{csv}: the table has a header, but no rows.")
    # A row that is too short leaves holes even so.
    table = rows.iloc[1:].fillna("").reset_index(drop=True)
    return table.set_axis(rows.iloc[0].tolist(), axis=1)


def _check_columns(columns, csv, id_column):
    """Return the names of the label columns."""
    if "" in columns:
        raise ValueError(
            f"{csv}: column {columns.index('')} (counted from 0) has no name. "
            "If the table was written with its index, use to_csv(index=False)."
        )
    doubled = sorted(name for name, times in Counter(columns).items() if times > 1)
    if doubled:
        raise ValueError(
            f"{csv}: columns must differ, but these occur more than once: {doubled}. "
            "Rename or drop all but one of each."
        )
    if id_column not in columns:
        raise ValueError(
            f"{csv}: there is no column {id_column!r} to name the images, only "
            f"{columns[:N_SHOWN]} … Give its name as id_column."
        )
    names = [name for name in columns if name not in (id_column, GENRE_COLUMN)]
    if not names:
        raise ValueError(
            f"{csv}: there is no label column in addition to {columns}. "
            "Add one column of 0 and 1 per genre."
        )
    return names


def _check_ids(ids, csv):
    for row, name in enumerate(ids):
        if not name.strip():
            raise ValueError(
                f"{csv}: row {row} (counted from 0) has no id in column {ids.name!r}. "
                "Fill it in, or drop the row."
            )
        # Joined to the folder, such an id would lead to a file outside it.
        if any(character in name for character in "/\\:\0") or name in (".", ".."):
            raise ValueError(
                f"{csv}: an id must be a plain file name without suffix, but row {row} "
                f"(counted from 0) has {name!r} in column {ids.name!r}. "
                "Give the folder as images, not as a part of the id."
            )


def _read_target(texts, csv):
    values = texts.to_numpy(dtype=object)
    values = [
        [INDICATOR_TEXTS.get(text.strip(), text) for text in row] for row in values
    ]
    values = np.array(values, dtype=object)
    check_indicators(values, texts.columns, source=csv)
    return pd.DataFrame(values.astype(np.int64), columns=texts.columns)


def _warn_of_contradictions(genres, ids, target, csv):
    names = np.array(target.columns, dtype=object)
    wrong = contradictions(genres, target.to_numpy(), names)
    if wrong:
        row, _ = wrong[0]
        shown = names[target.iloc[row].to_numpy(dtype=bool)].tolist()
        warnings.warn(
            f"{csv}: in {len(wrong)} of {len(ids)} rows the column {GENRE_COLUMN!r} "
            f"does not say what the columns of 0 and 1 say, first in row {row} "
            f"(counted from 0, id {ids[row]!r}): {genres[row]!r} against {shown}. "
            "The columns of 0 and 1 are used.",
            stacklevel=4,
        )


def _find_images(ids, images):
    """Return the path of each id's image, or name all that are missing at once."""
    if not images.is_dir():
        raise FileNotFoundError(
            f"There is no folder of images {str(images)!r}. Give it as images."
        )
    # One listing is much faster than asking for thousands of files one by one.
    with os.scandir(images) as entries:
        files = {entry.name for entry in entries if entry.is_file()}
    found = {}
    missing = []
    for name in ids.unique():
        file = next((name + s for s in SUFFIXES if name + s in files), None)
        if file is None:
            missing.append(name)
        else:
            found[name] = str(images / file)
    if missing:
        more = " …" if len(missing) > N_SHOWN else ""
        raise FileNotFoundError(
            f"{len(missing)} of {ids.nunique()} posters have no image in "
            f"{str(images)!r}: {missing[:N_SHOWN]}{more} Each needs a file named "
            f"by its id with one of the suffixes {', '.join(SUFFIXES)}. Add the files, "
            "give their folder as images, or drop the rows."
        )
    return ids.map(found).to_numpy(dtype=object)
