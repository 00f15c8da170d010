"""Arguments and options that more than one command has."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

__all__ = [
    "Cache",
    "Format",
    "Groups",
    "IdColumn",
    "Images",
    "Model",
    "OnError",
    "Recipe",
    "Resamples",
    "Seed",
    "Table",
    "WithTraceback",
    "use_cache",
]


class Recipe(StrEnum):
    """What `make_poster_pipeline` makes."""

    frozen = "frozen"
    best = "best"
    finetuned = "finetuned"
    cnn = "cnn"


class Groups(StrEnum):
    """Which rows stay together in a split."""

    id = "id"
    alike = "alike"
    none = "none"


class Format(StrEnum):
    """How predictions are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


class OnError(StrEnum):
    """What to do about files that cannot be used."""

    row = "row"
    stop = "raise"


Model = Annotated[
    Path, Argument(metavar="MODEL", show_default=False, help="File of a model.")
]
Table = Annotated[
    Path,
    Argument(
        metavar="TABLE",
        show_default=False,
        help="CSV with an Id column and a column of 0 and 1 for each label, or the "
        "folder of its train.csv.",
    ),
]
Images = Annotated[
    Path | None,
    Option(
        "--images",
        metavar="FOLDER",
        help="Folder of {Id}.jpg, .jpeg or .png. Default: Images, beside the table.",
    ),
]
IdColumn = Annotated[str, Option(metavar="NAME", help="Column that names the images.")]
Seed = Annotated[int, Option("--random-state", metavar="N", help="Seed of chance.")]
Resamples = Annotated[
    int, Option("--n-bootstrap", min=0, metavar="N", help="Resamples for intervals.")
]
Cache = Annotated[
    Path | None,
    Option(
        "--cache",
        metavar="FOLDER",
        help="Keep what was computed of each poster there, for later runs.",
    ),
]
WithTraceback = Annotated[
    bool, Option("--traceback", help="Show where an error comes from.")
]


def use_cache(folder):
    """Let whatever encodes or decodes posters keep its work in a folder.

    Parameters
    ----------
    folder : Path or None
        What was asked for.
    """
    if folder is not None:
        os.environ["SK_POSTERS_CACHE"] = str(folder)
