"""Arguments and options of several commands, and the functions that apply them."""

import os
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

__all__ = [
    "TABLE_NAME",
    "Cache",
    "Model",
    "Resamples",
    "Seed",
    "Table",
    "Traceback",
    "Trust",
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
        help="Table of images and labels (CSV, JSON lines, Parquet, Excel, …), a "
        f"folder with {TABLE_NAME}, or a folder with one folder of images per label.",
    ),
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
Trust = Annotated[
    list[str] | None,
    Option(
        "--trust",
        metavar="CLASS",
        show_default=False,
        help="Class that the model file may hold, by its dotted name. Can be given "
        "several times. For files of your own: such a class can end the process, or "
        "run code.",
    ),
]
Traceback = Annotated[
    bool, Option("--traceback", help="Show the traceback of an error.")
]


def use_cache(folder):
    """Cache features and decoded posters in a folder, or as the environment says."""
    if folder is not None:
        os.environ["SK_POSTERS_CACHE"] = str(folder)
