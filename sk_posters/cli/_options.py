"""Arguments and options of several commands, and the functions that apply them."""

import os
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

__all__ = [
    "TABLE_NAME",
    "Cache",
    "IdColumn",
    "Images",
    "Model",
    "Resamples",
    "Seed",
    "Table",
    "Traceback",
    "load_table",
    "use_cache",
]

TABLE_NAME = "train.csv"

Model = Annotated[
    Path,
    Argument(metavar="MODEL", show_default=False, help="Model file, as train writes."),
]
Table = Annotated[
    Path,
    Argument(
        metavar="TABLE",
        show_default=False,
        help="CSV file with an Id column and a column of 0 and 1 per label, or a "
        f"folder with {TABLE_NAME}.",
    ),
]
Images = Annotated[
    Path | None,
    Option(
        "--images",
        metavar="FOLDER",
        help="Folder with {Id}.jpg, .jpeg or .png. Default: the folder Images next to "
        "the table.",
    ),
]
IdColumn = Annotated[
    str, Option(metavar="NAME", help="Column with the ids, which name the images.")
]
Seed = Annotated[int, Option("--random-state", metavar="N", help="Random seed.")]
Resamples = Annotated[
    int,
    Option(
        "--n-bootstrap",
        min=0,
        metavar="N",
        help="Bootstrap resamples for the intervals of the scores. 0: no intervals.",
    ),
]
Cache = Annotated[
    Path | None,
    Option(
        "--cache",
        metavar="FOLDER",
        help="Keep features of posters in this folder, for later runs.",
    ),
]
Traceback = Annotated[
    bool, Option("--traceback", help="Show the traceback of an error.")
]


def use_cache(folder):
    """Cache features and decoded posters in a folder, or as the environment says."""
    if folder is not None:
        os.environ["SK_POSTERS_CACHE"] = str(folder)


def load_table(table, images, id_column):
    """Load a table, or ``train.csv`` in a folder, as `load_poster_table` does."""
    from sk_posters.datasets import load_poster_table

    if (table / TABLE_NAME).is_file():
        table = table / TABLE_NAME
    if not table.is_file():
        raise FileNotFoundError(
            f"{str(table)!r} is neither a CSV file nor a folder with {TABLE_NAME}."
        )
    try:
        return load_poster_table(table, images, id_column=id_column)
    except (FileNotFoundError, ValueError) as error:
        text = str(error).replace("as images", "with --images")
        text = text.replace("as id_column", "with --id-column")
        raise type(error)(text) from error
